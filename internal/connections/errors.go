package connections

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// Error is an error of this package: a code for machines and a sentence for people. It holds no secret.
type Error struct {
	// Code is a reason of the contract, or one of the codes below.
	Code    string
	Message string
}

// Codes of this package: two are reasons of the contract, too.
const (
	CodeTemporalUnavailable = string(workflows.ReasonTemporalUnavailable)
	CodeUnknownConnector    = "unknown_connector"
	CodeTimeout             = string(workflows.ReasonTimeout)
)

// Error implements error.
func (e *Error) Error() string { return e.Message }

// CodeOf reads the code of an error; "internal" for foreign ones.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return string(workflows.ReasonInternal)
}

func reasonError(reason workflows.Reason) error {
	return &Error{Code: string(reason), Message: reason.Sentence()}
}

func invalid(format string, args ...any) error {
	return &Error{Code: string(workflows.ReasonInvalid), Message: fmt.Sprintf(format, args...)}
}

func notFound(id string) error {
	return &Error{Code: string(workflows.ReasonNotFound), Message: fmt.Sprintf("There is no connection %q. \"starter list\" shows them all.", id)}
}

// vaultError turns an error of the vault's into one of ours; nil stays nil.
func vaultError(err error, id string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, vault.ErrNotFound):
		return notFound(id)
	case errors.Is(err, vault.ErrExists):
		return invalid("A connection %q exists already.", id)
	default:
		return &Error{Code: string(workflows.ReasonVaultUnavailable), Message: "The vault cannot be reached: check the database and DATABASE_URL."}
	}
}

// errNoWorkflow: the connection has no open workflow.
var errNoWorkflow = errors.New("no open workflow")

// temporalError turns an error of a Temporal call into one of ours; nil stays nil.
func temporalError(err error) error {
	var (
		app      *temporal.ApplicationError
		missing  *serviceerror.NotFound
		notReady *serviceerror.WorkflowNotReady
		running  *serviceerror.WorkflowExecutionAlreadyStarted
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &app) && workflows.Reason(app.Type()).Known():
		return &Error{Code: app.Type(), Message: app.Message()}
	case errors.As(err, &missing), errors.As(err, &notReady):
		return errNoWorkflow
	case errors.As(err, &running):
		return ErrRunning
	case errors.Is(err, context.DeadlineExceeded), isDeadline(err):
		return &Error{Code: CodeTimeout, Message: "No answer in time: is a worker running on task queue \"" + workflows.TaskQueue + "\"?"}
	case errors.Is(err, context.Canceled):
		return err
	default:
		return &Error{Code: CodeTemporalUnavailable, Message: "Temporal cannot be reached: check that the server runs and TEMPORAL_ADDRESS."}
	}
}

func isDeadline(err error) bool {
	var deadline *serviceerror.DeadlineExceeded
	return errors.As(err, &deadline)
}
