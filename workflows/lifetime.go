package workflows

import "time"

// KeepAliveAt says when a refresh token that nobody uses is used all the same, because it would die of disuse: when 75 %
// to 85 % of its idle life is over. Zero if it does not die, or if renewing the access token keeps it alive anyway.
func KeepAliveAt(id string, t TokenSet) time.Time {
	if !t.Renewable || t.RefreshIdleAt.IsZero() {
		return time.Time{}
	}
	idle := t.RefreshIdleAt.Sub(t.IssuedAt)
	if idle <= t.life() {
		// The access token outlives it, or its end has come near and does not move: its own renewals are all there is.
		return time.Time{}
	}
	const earliest, width = 750, 100
	return t.IssuedAt.Add(idle / 1000 * time.Duration(earliest+spread(id, t.Generation, width)))
}

// life is how long the access token lives, or is taken to live; zero if nothing is known.
func (t TokenSet) life() time.Duration {
	end := t.ExpiresAt
	if end.IsZero() {
		end = t.RenewBy
	}
	if end.IsZero() {
		return 0
	}
	return end.Sub(t.IssuedAt)
}

// grantWarnings are how long before the end of a grant people are told, and as what.
func grantWarnings() []struct {
	before time.Duration
	reason Reason
} {
	const day = 24 * time.Hour
	return []struct {
		before time.Duration
		reason Reason
	}{
		{30 * day, ReasonGrantEndsInAMonth}, {7 * day, ReasonGrantEndsInAWeek}, {day, ReasonGrantEndsInADay},
	}
}

// GrantWarning is the reason that an active connection has at a time, and when that changes next (zero if never): none,
// then a warning 30, 7 and 1 days before the provider ends the grant, as far as the warning falls into the last two
// thirds of the grant's life.
func GrantWarning(t TokenSet, now time.Time) (reason Reason, next time.Time) {
	if t.GrantEndsAt.IsZero() {
		return ReasonNone, time.Time{}
	}
	for _, warning := range grantWarnings() {
		if life := t.GrantEndsAt.Sub(t.ConsentedAt); !t.ConsentedAt.IsZero() && warning.before > life/3*2 {
			continue
		}
		at := t.GrantEndsAt.Add(-warning.before)
		if now.Before(at) {
			return reason, at
		}
		reason = warning.reason
	}
	return reason, time.Time{}
}
