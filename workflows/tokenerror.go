package workflows

import (
	"errors"

	"go.temporal.io/sdk/temporal"
)

// Refusal is the kind of a [TokenError]: what a caller can do about it.
type Refusal string

// The kinds of refusal.
const (
	// NeedsReauthorization: a person must consent (again), and there is no live token until then. [AwaitToken] waits.
	NeedsReauthorization Refusal = "needs_reauthorization"
	// Paused: nothing is handed out until somebody resumes the connection. [AwaitToken] waits.
	Paused Refusal = "paused"
	// Disconnected: the connection has ended, or nobody consented in time. Final.
	Disconnected Refusal = "disconnected"
	// NotFound: there is no such connection. Final.
	NotFound Refusal = "not_found"
	// Malformed: the id cannot be one of a connection, or an option has no sense. Final.
	Malformed Refusal = "malformed"
	// TemporarilyUnavailable: the token could not be had in the time allowed, and waiting longer would help.
	TemporarilyUnavailable Refusal = "temporarily_unavailable"
)

// NeedsPerson reports whether a person can end this refusal, and [AwaitToken] waits for one.
func (r Refusal) NeedsPerson() bool { return r == NeedsReauthorization || r == Paused }

// RefusalOf says what it means for a caller that a connection in this status gives no token for this reason. An empty
// status stands for one that is not known.
func RefusalOf(status ConnectionStatus, reason Reason) Refusal {
	switch status {
	case StatusPending, StatusNeedsReauth:
		return NeedsReauthorization
	case StatusPaused:
		return Paused
	case StatusDisconnecting, StatusDisconnected, StatusExpired:
		return Disconnected
	default:
	}
	switch reason {
	case ReasonNotFound:
		return NotFound
	case ReasonInvalid:
		return Malformed
	case ReasonPaused, ReasonPausedByRequest:
		return Paused
	case ReasonDisconnected, ReasonDisconnectRequest, ReasonConsentExpired:
		return Disconnected
	case ReasonNotReady, ReasonAwaitingConsent:
		return NeedsReauthorization
	default:
	}
	if reason.Class() == ClassReauthorize {
		return NeedsReauthorization
	}
	return TemporarilyUnavailable
}

// TokenError says why [Token], [AwaitToken] or [StatusViaNexus] gave nothing. Find it with errors.As:
//
//	var refused *workflows.TokenError
//	if errors.As(err, &refused) && refused.Kind == workflows.NeedsReauthorization { … }
//
// An error that has left the workflow (a child's, in its parent) is read by [AsTokenError]. It wraps what Temporal
// returned.
type TokenError struct {
	// ID is the connection's; empty in an error that came from another workflow.
	ID   string
	Kind Refusal
	// Reason is a code of the closed table, and the type of the application error inside.
	Reason Reason

	cause error
}

// Error implements error: the reason's sentence, which says what to do.
func (e *TokenError) Error() string { return e.Reason.Sentence() }

// Unwrap gives Temporal's error.
func (e *TokenError) Unwrap() error { return e.cause }

// AsTokenError finds the [TokenError] in err, also where err is the failure of a workflow that ended with one.
func AsTokenError(err error) (*TokenError, bool) {
	var known *TokenError
	if errors.As(err, &known) {
		return known, true
	}
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		app, ok := cause.(*temporal.ApplicationError) //nolint:errorlint // each error of the chain is looked at
		if !ok || app.Type() == "" || !Reason(app.Type()).Known() {
			continue
		}
		var details FailureDetails
		if app.HasDetails() {
			_ = app.Details(&details)
		}
		reason := Reason(app.Type())
		return &TokenError{Kind: RefusalOf(details.Status, reason), Reason: reason, cause: err}, true
	}
	return nil, false
}

// refusedToken makes the error that a caller's workflow gets. A cancellation stays what it is.
func refusedToken(id string, err error) error {
	if err == nil || temporal.IsCanceledError(err) {
		return err
	}
	refused, ok := AsTokenError(err)
	if !ok {
		// No answer in time, or none that is ours.
		reason := ReasonInternal
		var late *temporal.TimeoutError
		if errors.As(err, &late) {
			reason = ReasonUnanswered
		}
		refused = &TokenError{
			Kind: TemporarilyUnavailable, Reason: reason,
			cause: temporal.NewApplicationErrorWithCause(reason.Sentence(), string(reason), err),
		}
	}
	refused.ID = id
	return refused
}
