package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"

	"github.com/acme/connections/internal/tokens"
	"github.com/acme/connections/workflows"
)

// NeedsReauthorization: only a person's consent gives the connection a token again, or its first. Not retried.
type NeedsReauthorization struct {
	ConnectionID string
	Reason       workflows.Reason
	// ConnectURL is a link for that person, where Config.ConnectURL gave one. It is a secret: send it to nobody else. It is
	// in no text of the error, nor in what Temporal keeps of it, so use it before the activity returns.
	ConnectURL string
}

// Error implements error.
func (e *NeedsReauthorization) Error() string {
	return fmt.Sprintf("connection %s needs a person's consent (%s)", e.ConnectionID, e.Reason)
}

// Paused: the connection hands out nothing until somebody resumes it. Not retried.
type Paused struct{ ConnectionID string }

// Error implements error.
func (e *Paused) Error() string { return fmt.Sprintf("connection %s is paused", e.ConnectionID) }

// Disconnected: the connection is over. Not retried.
type Disconnected struct{ ConnectionID string }

// Error implements error.
func (e *Disconnected) Error() string {
	return fmt.Sprintf("connection %s is disconnected", e.ConnectionID)
}

// NotFound: there is no such connection, or it is another owner's (Config.Owner). Not retried.
type NotFound struct{ ConnectionID string }

// Error implements error.
func (e *NotFound) Error() string { return fmt.Sprintf("there is no connection %q", e.ConnectionID) }

// TemporarilyUnavailable: there is no live token just now, and it is worth trying again: the provider, the vault or
// Temporal is away, or the OAuth app must be mended. Retried, after RetryAfter if the provider named a time.
type TemporarilyUnavailable struct {
	ConnectionID string
	Reason       workflows.Reason
	RetryAfter   time.Duration
}

// Error implements error.
func (e *TemporarilyUnavailable) Error() string {
	return fmt.Sprintf("connection %s has no live token now (%s)", e.ConnectionID, e.Reason)
}

// InsufficientScope: the API wants scopes that the token does not have (RFC 6750 §3.1). Ask for them with a reconnect.
// Not retried.
type InsufficientScope struct {
	ConnectionID string
	// Scopes are those that the API named; it need not name any.
	Scopes []string
}

// Error implements error.
func (e *InsufficientScope) Error() string {
	if len(e.Scopes) == 0 {
		return fmt.Sprintf("the API wants scopes that connection %s was not granted", e.ConnectionID)
	}
	return fmt.Sprintf("the API wants scopes that connection %s was not granted: %s", e.ConnectionID, strings.Join(e.Scopes, " "))
}

// linkLimit bounds Config.ConnectURL.
const linkLimit = 5 * time.Second

// refused turns an error of the engine's into one for callers: an application error of Temporal's, so that an activity
// may return it as it is, around one of the types above.
func (t *Tokens) refused(ctx context.Context, err error) error {
	var refused *tokens.Error
	if !errors.As(err, &refused) {
		return err
	}
	switch refused.Kind {
	case tokens.NeedsReauthorization:
		needs := &NeedsReauthorization{ConnectionID: refused.ID, Reason: refused.Reason}
		if t.link != nil {
			limited, cancel := context.WithTimeout(ctx, linkLimit)
			defer cancel()
			needs.ConnectURL = t.link(limited, refused.ID)
		}
		return refusal(refused, false, needs)
	case tokens.Paused:
		return refusal(refused, false, &Paused{refused.ID})
	case tokens.Disconnected:
		return refusal(refused, false, &Disconnected{refused.ID})
	case tokens.NotFound:
		return refusal(refused, false, &NotFound{refused.ID})
	case tokens.Unavailable:
	}
	return refusal(refused, refused.Reason != workflows.ReasonClosed, &TemporarilyUnavailable{refused.ID, refused.Reason, refused.RetryAfter})
}

func refusal(refused *tokens.Error, retry bool, typed error) error {
	return applicationError(tokens.Sentence(refused.Reason), refused.Reason, retry, refused.RetryAfter, typed)
}

func applicationError(sentence string, code workflows.Reason, retry bool, retryAfter time.Duration, cause error) error {
	return temporal.NewApplicationErrorWithOptions(sentence, string(code), temporal.ApplicationErrorOptions{
		NonRetryable: !retry, NextRetryDelay: retryAfter, Cause: cause,
		Details:  []any{workflows.FailureDetails{RetryAfterSeconds: int64(retryAfter / time.Second)}},
		Category: temporal.ApplicationErrorCategoryBenign,
	})
}

// TemporalError finds the error of this package that err wraps, however deep, and returns it alone, as an activity
// should: Temporal looks at the outermost error only to tell whether to retry, and the text around it (an *url.Error
// quotes the URL) need not be in history. Other errors, and nil, stay as they are.
func TemporalError(err error) error {
	var app *temporal.ApplicationError
	for inner := err; errors.As(inner, &app); inner = app.Unwrap() {
		if isRefusal(app.Unwrap()) {
			return app
		}
	}
	return err
}

// isRefusal reports whether err is of one of the types of this file, unwrapped.
func isRefusal(err error) bool {
	switch err.(type) { //nolint:errorlint // what the application error holds, not what that wraps
	case *NeedsReauthorization, *Paused, *Disconnected, *NotFound, *TemporarilyUnavailable, *InsufficientScope:
		return true
	default:
		return false
	}
}

// TokenErrors is [TemporalError] for every activity of a worker: put it into worker.Options.Interceptors, and errors of
// this package are retried rightly even where they come out of an SDK or are wrapped.
func TokenErrors() interceptor.WorkerInterceptor { return &tokenErrors{} }

type tokenErrors struct {
	interceptor.WorkerInterceptorBase
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (*tokenErrors) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	i := &activityTokenErrors{}
	i.Next = next
	return i
}

type activityTokenErrors struct {
	interceptor.ActivityInboundInterceptorBase
}

// ExecuteActivity implements interceptor.ActivityInboundInterceptor.
func (i *activityTokenErrors) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	result, err := i.Next.ExecuteActivity(ctx, in)
	return result, TemporalError(err)
}
