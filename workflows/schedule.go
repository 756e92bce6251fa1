package workflows

import (
	"hash/fnv"
	"strconv"
	"time"
)

// Everything in this file is a pure function: when to act is decided by arithmetic on absolute times, so that it can be
// tested in a table, replayed, and computed again by whoever wants to show it.

const (
	// A token is renewed when 60 % to 75 % of its life is over, the point hashed from id and generation, so that a
	// fleet that was connected in the same minute spreads over 15 % of the lifetime.
	earliestPermille = 600
	spreadPermille   = 150
	// shortestWait keeps a provider that gives absurdly short lives from being hammered.
	shortestWait = 5 * time.Second

	firstRung = time.Minute
	lastRung  = time.Hour

	// settleLead is how long before the access token's expiry an attempt in doubt is settled, or a tenth of the
	// token's life if that is shorter.
	settleLead = 2 * time.Minute
	// graceDelay is the pause before a refresh token is presented again where that needs no more waiting: inside the
	// provider's grace, or because the access token is spent already.
	graceDelay = 5 * time.Second

	// configurationRung is the longest pause while the provider rejects the OAuth app: whoever mends the app wants to
	// see its connections well soon, and the integration's breaker keeps their number from mattering.
	configurationRung = 5 * time.Minute
	// confirmAfter is how long after a refusal that is not believed the provider is asked again.
	confirmAfter = time.Hour
	// suspendedRefusal is how long after such a look callers are refused at once.
	suspendedRefusal = 15 * time.Second
)

// ProbeInterval is the time between two probes of an integration whose breaker is open.
const ProbeInterval = time.Minute

// SuspendedWait is how long a connection waits before it looks at its integration's open breaker again: 2.5 to 5 times
// the interval between probes, spread by a hash of id and time, so that a provider that is back is not met by all at
// once.
func SuspendedWait(id string, now time.Time, interval time.Duration) time.Duration {
	return interval / 1000 * time.Duration(2500+spread(id, now.Unix()/60, 2500))
}

// NextRenewal says when to renew t: zero if there is nothing to renew with, or nothing to go by.
func NextRenewal(id string, t TokenSet) time.Time {
	if !t.Renewable || t.Generation == 0 {
		return time.Time{}
	}
	if t.ExpiresAt.IsZero() && t.RenewBy.IsZero() {
		return KeepAliveAt(id, t)
	}
	life := t.life()
	permille := earliestPermille + spread(id, t.Generation, spreadPermille)
	at := t.IssuedAt.Add(life / 1000 * time.Duration(permille))
	if !t.RenewTo.IsZero() && t.RenewTo.Before(at) {
		at = t.RenewTo
	}
	if keepAlive := KeepAliveAt(id, t); !keepAlive.IsZero() && keepAlive.Before(at) {
		at = keepAlive
	}
	if t.RenewFrom.After(at) {
		at = t.RenewFrom
	}
	if earliest := t.IssuedAt.Add(shortestWait); at.Before(earliest) {
		return earliest
	}
	return at
}

// Rung is the pause before the next attempt of a connection that failed failures times in a row: 1 min to 1 h,
// doubling, less up to a fifth by a hash of the id.
func Rung(id string, failures int64) time.Duration {
	rung := firstRung
	for n := int64(1); n < failures && rung < lastRung; n++ {
		rung *= 2
	}
	rung = min(rung, lastRung)
	return rung - rung/1000*time.Duration(spread(id, failures, 200))
}

// SettleAt says when a refresh token whose last use has an unknown outcome is presented again: within the provider's
// grace soon; else shortly before the access token expires, so that what is known to work is used as long as it
// works. If the doubt is found after that, as when a worker died over a short-lived token, there is nothing left to
// protect: soon. From then on by the ladder. doubts counts the uses whose outcome is unknown, since the last that was
// known.
func SettleAt(id string, t TokenSet, failedAt time.Time, doubts int64) time.Time {
	first := doubts <= 1
	if grace := time.Duration(t.GraceSeconds) * time.Second; first && grace > 2*graceDelay {
		return failedAt.Add(graceDelay)
	}
	if t.ExpiresAt.IsZero() {
		return failedAt.Add(Rung(id, doubts))
	}
	lead := min(settleLead, t.ExpiresAt.Sub(t.IssuedAt)/10)
	late := t.ExpiresAt.Add(-lead)
	switch {
	case late.After(failedAt):
		return late
	case first:
		return failedAt.Add(graceDelay)
	default:
		if next := failedAt.Add(Rung(id, doubts-1)); next.After(t.ExpiresAt) {
			return next
		}
		// The late retry was the one before the expiry.
		return t.ExpiresAt
	}
}

// settleAtBefore is SettleAt as it was in version 0 of the logic, which counted all failures: see logicVersion.
func settleAtBefore(id string, t TokenSet, failedAt time.Time, failures int64) time.Time {
	if grace := time.Duration(t.GraceSeconds) * time.Second; failures <= 1 && grace > 2*graceDelay {
		return failedAt.Add(graceDelay)
	}
	if late := t.ExpiresAt.Add(-min(settleLead, t.ExpiresAt.Sub(t.IssuedAt)/10)); !t.ExpiresAt.IsZero() && late.After(failedAt) {
		return late
	}
	return failedAt.Add(Rung(id, failures))
}

// spread hashes id and n to 0 … below-1.
func spread(id string, n, below int64) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	_, _ = h.Write([]byte{'#'})
	_, _ = h.Write(strconv.AppendInt(nil, n, 10))
	// FNV's low bits of short inputs are close together: fold the high half in.
	sum := h.Sum64()
	return int64((sum>>33 ^ sum&0x7fffffff) % uint64(below)) //nolint:gosec // below is a positive constant, and the result is smaller
}
