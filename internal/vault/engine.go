package vault

import (
	"context"
	"errors"
	"fmt"
)

// EngineError is a failure of an engine that is none of the errors of the contract: the vault is unavailable. Its
// text names the operation and the engine's code, never a value: a driver's own message may quote what it was given.
type EngineError struct {
	Op    string
	Cause string
	// Err is the driver's error, for errors.Is and errors.As only.
	Err error
}

// Error implements error.
func (e *EngineError) Error() string { return "vault: " + e.Op + ": " + e.Cause }

// Unwrap gives the driver's error.
func (e *EngineError) Unwrap() error { return e.Err }

// NewEngineError wraps a driver's error; errors of the contract stay as they are. describe turns errors that the
// engine knows into a text without values, and returns "" for others; of those only the type is told.
func NewEngineError(op string, err error, describe func(error) string) error {
	for _, known := range []error{ErrNotFound, ErrExists, ErrConflict, ErrConsumed, ErrExpired, ErrExhausted} {
		if errors.Is(err, known) {
			return known
		}
	}
	cause := describe(err)
	switch {
	case cause != "":
	case errors.Is(err, context.DeadlineExceeded):
		cause = context.DeadlineExceeded.Error()
	case errors.Is(err, context.Canceled):
		cause = context.Canceled.Error()
	default:
		cause = fmt.Sprintf("unexpected %T", err)
	}
	return &EngineError{Op: op, Cause: cause, Err: err}
}
