package vault

import (
	"context"
	"time"
)

// BreakerCause is what kind of failure a breaker counts and opened for.
type BreakerCause string

// The causes. Each is counted over distinct connections of one integration.
const (
	// BreakerConfiguration: the provider rejects the OAuth app itself.
	BreakerConfiguration BreakerCause = "configuration"
	// BreakerOutage: the provider cannot be reached, fails, or loses its replies.
	BreakerOutage BreakerCause = "outage"
	// BreakerRefusals: the provider refuses the grants of many connections at once.
	BreakerRefusals BreakerCause = "refusals"
)

const (
	// BreakerWindow is how long a failure counts.
	BreakerWindow = 10 * time.Minute
	// breakerApp, breakerOutage and breakerRefusals are the distinct connections at which a breaker opens. A rejected
	// app is the clearest sign, since providers check it before anything that belongs to a connection.
	breakerApp      = 3
	breakerOutage   = 5
	breakerRefusals = 5
)

// Opens reports whether so many distinct connections that failed for this cause within [BreakerWindow], with no
// success of the integration in between, open its breaker.
func (c BreakerCause) Opens(connections int) bool {
	switch c {
	case BreakerConfiguration:
		return connections >= breakerApp
	case BreakerOutage:
		return connections >= breakerOutage
	case BreakerRefusals:
		return connections >= breakerRefusals
	default:
		return false
	}
}

// Breaker is the state of an integration's breaker. A row is there only while something failed: an integration without
// one is well.
type Breaker struct {
	IntegrationID string
	// Open says that no refresh of the integration may call the provider, but for a probe.
	Open bool
	// Cause and Reason (a reason code) are those of the failure that opened it, or of the newest one while it is closed.
	Cause  BreakerCause
	Reason string
	// OpenedAt is zero while it is closed; NextProbeAt is when the next probe may go.
	OpenedAt    time.Time
	NextProbeAt time.Time
	// Opens counts how often it has opened since its row is there.
	Opens int64
}

// BreakerFailure is one connection's failure that tells something about its integration.
type BreakerFailure struct {
	IntegrationID string
	ConnectionID  string
	Cause         BreakerCause
	Reason        string
	// At is the caller's time: windows are measured by it, so that a simulation can have its own clock.
	At time.Time
	// ProbeAfter is how long after opening the first probe may go.
	ProbeAfter time.Duration
}

// Breakers keeps the breaker of each integration, for all processes alike.
type Breakers interface {
	// Breaker reads one (ErrNotFound if nothing failed).
	Breaker(ctx context.Context, integrationID string) (Breaker, error)
	// OpenBreakers lists the open ones, by integration.
	OpenBreakers(ctx context.Context) ([]Breaker, error)
	// CountFailure counts a connection once (its newest failure replaces an older one), forgets those older than
	// BreakerWindow, and opens the breaker if BreakerCause.Opens says so of the connections that failed for the same
	// cause. opened is true for the one caller that opened it. An open breaker stays as it is and forgets nothing, so
	// that probes can go round its connections. A connection that is not there, or only its tombstone, is passed over:
	// b is then what it was, zero if nothing failed.
	CountFailure(ctx context.Context, f BreakerFailure) (b Breaker, opened bool, err error)
	// CountSuccess forgets what was counted and closes the breaker; no row is left. closed is true for the one caller
	// that closed an open one. No row is no error.
	CountSuccess(ctx context.Context, integrationID string) (closed bool, err error)
	// ClaimProbe lets one caller probe: true if the breaker is open and at is not before NextProbeAt, which it then
	// moves to at+interval. False, and no error, if there is no row.
	ClaimProbe(ctx context.Context, integrationID string, at time.Time, interval time.Duration) (bool, error)
	// FailingConnections lists the connections that are counted, the oldest failure first; limit is capped at 1,000,
	// and 0 means 100.
	FailingConnections(ctx context.Context, integrationID string, limit int) ([]string, error)
}
