package vault

import (
	"slices"
	"time"
)

// The reasons that the vault itself gives when it ends an attempt whose lease ran out.
const (
	// ReasonLapsedUnsent: nothing had been sent.
	ReasonLapsedUnsent = "superseded"
	// ReasonLapsedSent: a request had been sent and no reply was stored.
	ReasonLapsedSent = "reply_lost"
)

// Decision is what BeginAttempt is to answer and to write.
type Decision struct {
	Outcome AttemptOutcome
	// InTheWay is the attempt that keeps the new one from beginning; zero where no attempt does.
	InTheWay Attempt
	// Lapsed are open attempts whose lease ran out, in the state in which they end. An engine writes them whatever
	// the outcome.
	Lapsed []Attempt
	// Unheard is that of Begun.
	Unheard bool
}

// Found is what an engine read for BeginAttempt, all of it under the connection's lock.
type Found struct {
	Connection Connection
	// Attempts are all that are kept of the connection, newest first.
	Attempts []Attempt
	// Breaker is that of the row's integration, zero if there is none.
	Breaker Breaker
	// LastRead is the connection's read mark; it matters only if AttemptStart.UnreadSince is set.
	LastRead time.Time
	// Policy is that of the connection's integration.
	Policy string
	// Now is the store's time.
	Now time.Time
}

// Decide is the rule of BeginAttempt, the same for all engines.
func Decide(found Found, start AttemptStart) Decision {
	if start.Generation != AttemptAnyGeneration && start.Generation != found.Connection.Generation {
		return Decision{Outcome: BeginNewer}
	}
	var lapsed []Attempt
	found.Attempts, lapsed = lapse(found.Attempts, found.Now)
	outcome, inTheWay := obstacle(found, start)
	return Decision{
		Outcome: outcome, InTheWay: inTheWay, Lapsed: lapsed,
		Unheard: slices.ContainsFunc(found.Attempts, func(a Attempt) bool { return a.unheard(found.Connection.Generation) }),
	}
}

// unheard reports whether the attempt spent the generation's token, and nobody was left to hear what the provider said.
func (a Attempt) unheard(generation int64) bool {
	return a.State == AttemptInDoubt && a.Generation == generation && a.Reply == nil && !a.EndedAt.Before(a.LeaseUntil)
}

// Begun is the answer of BeginAttempt to a decision; a new attempt is the engine's to fill in.
func (d Decision) Begun(found Found) Begun {
	begun := Begun{Outcome: d.Outcome, Connection: found.Connection, Attempt: d.InTheWay}
	if d.Outcome == BeginStarted || d.Outcome == BeginSuspended {
		begun.Breaker = found.Breaker
	}
	begun.Unheard = d.Outcome == BeginStarted && d.Unheard
	return begun
}

// alwaysFresh reports whether the connection's policy, or else its integration's, keeps it from sleeping.
func (f Found) alwaysFresh() bool {
	policy := f.Connection.Policy
	if policy == "" {
		policy = f.Policy
	}
	return policy == PolicyAlwaysFresh
}

// lapse ends the attempts whose lease ran out before a reply came, and returns all attempts and those it ended.
func lapse(attempts []Attempt, now time.Time) (all, lapsed []Attempt) {
	all = make([]Attempt, 0, len(attempts))
	for _, a := range attempts {
		if now.Before(a.LeaseUntil) || (a.State != AttemptBegun && a.State != AttemptSent) {
			all = append(all, a)
			continue
		}
		if a.State == AttemptSent {
			a.State, a.Reason = AttemptInDoubt, ReasonLapsedSent
		} else {
			a.State, a.Reason = AttemptSuperseded, ReasonLapsedUnsent
		}
		a.EndedAt = now
		all, lapsed = append(all, a), append(lapsed, a)
	}
	return all, lapsed
}

// obstacle checks the outcomes after BeginNewer in their order. Lapsed attempts have been ended before.
func obstacle(found Found, start AttemptStart) (AttemptOutcome, Attempt) {
	c, attempts := found.Connection, found.Attempts
	sameRequest := func(a Attempt) bool { return start.RequestID != "" && a.RequestID == start.RequestID }
	lateReply := func(a Attempt) bool {
		return a.State == AttemptInDoubt && a.Reply != nil && (a.Generation == c.Generation || sameRequest(a))
	}
	for _, a := range attempts {
		if a.State == AttemptReplied || lateReply(a) {
			return BeginReplied, a
		}
	}
	for _, a := range attempts {
		if a.State.Open() {
			return BeginInFlight, a
		}
	}
	for _, a := range attempts {
		if a.State == AttemptInDoubt && sameRequest(a) {
			return BeginInDoubt, a
		}
	}
	if !start.UnreadSince.IsZero() && found.LastRead.Before(start.UnreadSince) && !found.alwaysFresh() {
		return BeginUnread, Attempt{}
	}
	if found.Breaker.Open && !start.PassesBreaker() {
		return BeginSuspended, Attempt{}
	}
	if a, ok := lastThatCounts(attempts, c.Generation); ok && a.State == AttemptInDoubt && !start.Settle {
		return BeginInDoubt, a
	}
	for _, a := range attempts {
		if sameRequest(a) && a.State != AttemptSuperseded {
			return BeginSpent, a
		}
	}
	return BeginStarted, Attempt{}
}

// lastThatCounts finds the newest attempt on a generation that may have spent something.
func lastThatCounts(attempts []Attempt, generation int64) (Attempt, bool) {
	for _, a := range attempts {
		if a.Generation == generation && a.State != AttemptSuperseded {
			return a, true
		}
	}
	return Attempt{}, false
}

// Open reports whether an attempt in this state has not ended.
func (s AttemptState) Open() bool {
	return s == AttemptBegun || s == AttemptSent || s == AttemptReplied
}

// Admits reports whether the link may start the request: nil, [ErrExpired] or [ErrConsumed].
func (l Link) Admits(r AuthRequest) error {
	switch {
	case r.CreatedAt.IsZero(), !r.CreatedAt.Before(l.ExpiresAt):
		return ErrExpired
	case l.ConsumedAt.IsZero():
		return nil
	case len(r.BrowserHash) == 0 || string(r.BrowserHash) != string(l.BrowserHash):
		return ErrConsumed
	default:
		return nil
	}
}
