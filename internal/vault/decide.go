package vault

import "time"

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
	// InTheWay is the attempt that keeps the new one from beginning; zero for BeginNewer and BeginStarted.
	InTheWay Attempt
	// Lapsed are open attempts whose lease ran out, in the state in which they end. An engine writes them whatever
	// the outcome.
	Lapsed []Attempt
}

// Decide is the rule of BeginAttempt, the same for all engines. It is given the connection's row and all attempts
// kept for it, newest first, both read under the connection's lock, and the store's time.
func Decide(c Connection, attempts []Attempt, start AttemptStart, now time.Time) Decision {
	if start.Generation != AttemptAnyGeneration && start.Generation != c.Generation {
		return Decision{Outcome: BeginNewer}
	}
	attempts, lapsed := lapse(attempts, now)
	outcome, inTheWay := obstacle(c, attempts, start)
	return Decision{Outcome: outcome, InTheWay: inTheWay, Lapsed: lapsed}
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
func obstacle(c Connection, attempts []Attempt, start AttemptStart) (AttemptOutcome, Attempt) {
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
