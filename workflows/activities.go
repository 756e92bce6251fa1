package workflows

import (
	"context"
	"time"
)

// Activities is what the workflow calls, by name. Package activities implements it; it is declared here so that the
// two cannot drift apart, and never called through (the workflow knows names only).
//
// Every error is an application error whose type is a [Reason] and whose details are one [FailureDetails].
type Activities interface {
	Exchange(ctx context.Context, in ExchangeInput) (TokenSet, error)
	ClientCredentials(ctx context.Context, in RenewInput) (TokenSet, error)
	Refresh(ctx context.Context, in RenewInput) (TokenSet, error)
	Revoke(ctx context.Context, in RevokeInput) (RevokeResult, error)
	Record(ctx context.Context, in RecordInput) error
	Probe(ctx context.Context, in ProbeInput) (BreakerState, error)
}

// ExchangeInput is the argument of activity "Exchange".
type ExchangeInput struct {
	ID         string `json:"id"`
	RequestID  string `json:"request_id"`
	SealedCode []byte `json:"sealed_code"`
}

// RenewInput is the argument of activities "Refresh" and "ClientCredentials".
type RenewInput struct {
	ID string `json:"id"`
	// Generation is the one to renew. If the vault has a newer one, that is the result and no call is made.
	Generation int64 `json:"generation"`
	// Settle allows presenting a refresh token again whose last use has an unknown outcome.
	Settle bool `json:"settle,omitempty"`
	// Forced is set if a caller waits for the outcome: a refusal is then counted, so that it is not replayed to others.
	Forced bool `json:"forced,omitempty"`
	// UnreadSince, if set, lets an adaptive connection that nobody has read since go without: the answer is the token
	// set that is there, marked [TokenSet].Unread.
	UnreadSince time.Time `json:"unread_since,omitzero"`
	// Report makes the first failure the answer, rather than the server's to retry: the workflow knows of none yet, and
	// would go on saying that all is well. That another attempt is under way, or goes first, is no failure.
	Report bool `json:"report,omitempty"`
}

// RevokeInput is the argument of activity "Revoke".
type RevokeInput struct {
	ID string `json:"id"`
}

// RevokeResult is the result of activity "Revoke".
type RevokeResult struct {
	// Revoked is false if the provider offers no revocation, or there was nothing to revoke.
	Revoked bool `json:"revoked"`
}

// RecordInput is the argument of activity "Record".
type RecordInput struct {
	ID     string           `json:"id"`
	Status ConnectionStatus `json:"status"`
	Reason Reason           `json:"reason,omitempty"`
	// Seq orders the writes: a write older than the row is dropped.
	Seq int64     `json:"seq"`
	At  time.Time `json:"at"`
	// Erase removes every secret of the connection and leaves a tombstone.
	Erase bool `json:"erase,omitempty"`
	// RaiseFailures counts a refusal of the refreshes that wait, so that it is not replayed to later callers.
	RaiseFailures bool `json:"raise_failures,omitempty"`
}

// FailureDetails are the details of an activity's application error.
type FailureDetails struct {
	// RetryAfterSeconds is the provider's wish; zero if it had none.
	RetryAfterSeconds int64 `json:"retry_after_seconds,omitempty"`
	// Because is why the integration is suspended ([ReasonSuspended]), or why an event's last delivery failed
	// ([ReasonWebhookGivenUp]).
	Because Reason `json:"because,omitempty"`
	// Unconfirmed is set if the provider refuses the grants of many connections at once: a refusal then counts only if
	// it is repeated an hour later.
	Unconfirmed bool `json:"unconfirmed,omitempty"`
	// Status is that of the connection, in the errors of the activities for callers.
	Status ConnectionStatus `json:"status,omitempty"`
	// Attempts and StatusCode are those of an event's delivery so far: how often it was tried, and the HTTP status of the
	// last answer.
	Attempts   int `json:"attempts,omitempty"`
	StatusCode int `json:"status_code,omitempty"`
}
