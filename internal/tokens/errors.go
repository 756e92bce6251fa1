package tokens

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"

	"github.com/acme/connections/workflows"
)

// Kind sorts refusals by what a caller can do about them.
type Kind int

// The kinds of refusal.
const (
	// Unavailable passes by itself, or by somebody who mends the platform.
	Unavailable Kind = iota
	// NeedsReauthorization: only a person's consent helps.
	NeedsReauthorization
	// Paused until somebody resumes the connection.
	Paused
	// Disconnected for good.
	Disconnected
	// NotFound: there is no such connection, or it is another owner's.
	NotFound
)

// Error says why there is no token. It holds no secret and no text of anybody else's.
type Error struct {
	Kind       Kind
	ID         string
	Reason     workflows.Reason
	RetryAfter time.Duration
}

// Error implements error.
func (e *Error) Error() string { return Sentence(e.Reason) }

// Sentence says what a reason means and what to do, where a row names none too.
func Sentence(reason workflows.Reason) string {
	if reason == workflows.ReasonNone {
		reason = workflows.ReasonInternal
	}
	return reason.Sentence()
}

// refusal makes the error of a reason.
func refusal(id string, reason workflows.Reason, retryAfter time.Duration) *Error {
	return &Error{Kind: kindOf(reason), ID: id, Reason: reason, RetryAfter: retryAfter}
}

func kindOf(reason workflows.Reason) Kind {
	switch reason { //nolint:exhaustive // the others go by their class
	case workflows.ReasonNotFound, workflows.ReasonInvalid:
		return NotFound
	case workflows.ReasonPaused, workflows.ReasonPausedByRequest:
		return Paused
	case workflows.ReasonDisconnected, workflows.ReasonDisconnectRequest, workflows.ReasonRevocationFailed:
		return Disconnected
	case workflows.ReasonNotReady, workflows.ReasonAwaitingConsent, workflows.ReasonConsentExpired,
		workflows.ReasonConsentDenied, workflows.ReasonConsentFailed, workflows.ReasonCodeRejected,
		workflows.ReasonExchangeLost, workflows.ReasonIssuerMismatch, workflows.ReasonAccountMismatch,
		workflows.ReasonAccountUnconfirmed:
		return NeedsReauthorization
	}
	if reason.Class() == workflows.ClassReauthorize {
		return NeedsReauthorization
	}
	return Unavailable
}

// refusalOf says why a connection in this status hands out nothing.
func refusalOf(id string, status workflows.ConnectionStatus, reason workflows.Reason) *Error {
	kind := Unavailable
	switch status {
	case workflows.StatusPaused:
		kind, reason = Paused, workflows.ReasonPaused
	case workflows.StatusDisconnecting, workflows.StatusDisconnected:
		kind, reason = Disconnected, workflows.ReasonDisconnected
	case workflows.StatusExpired:
		kind, reason = NeedsReauthorization, workflows.ReasonConsentExpired
	case workflows.StatusPending:
		kind = NeedsReauthorization
		if reason == workflows.ReasonNone || reason == workflows.ReasonAwaitingConsent {
			reason = workflows.ReasonNotReady
		}
		if class := reason.Class(); class == workflows.ClassTransient || class == workflows.ClassConfiguration {
			kind = Unavailable
		}
	case workflows.StatusNeedsReauth:
		kind = NeedsReauthorization
	case workflows.StatusActive, workflows.StatusDegraded:
	}
	return &Error{Kind: kind, ID: id, Reason: reason}
}

// errNoWorkflow: the connection has no open workflow.
var errNoWorkflow = errors.New("no open workflow")

// temporalRefusal turns the error of a call to Temporal into a refusal, or into errNoWorkflow.
func temporalRefusal(id string, err error) error {
	var (
		app      *temporal.ApplicationError
		missing  *serviceerror.NotFound
		notReady *serviceerror.WorkflowNotReady
		deadline *serviceerror.DeadlineExceeded
	)
	switch {
	case errors.As(err, &app) && workflows.Reason(app.Type()).Known():
		return refusal(id, workflows.Reason(app.Type()), retryAfter(app))
	case errors.As(err, &missing), errors.As(err, &notReady):
		return errNoWorkflow
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &deadline):
		return refusal(id, workflows.ReasonTimeout, 0)
	default:
		return refusal(id, workflows.ReasonTemporalUnavailable, 0)
	}
}

func retryAfter(app *temporal.ApplicationError) time.Duration {
	var details workflows.FailureDetails
	if app.HasDetails() && app.Details(&details) == nil {
		return time.Duration(details.RetryAfterSeconds) * time.Second
	}
	return 0
}
