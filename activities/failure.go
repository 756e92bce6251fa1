package activities

import (
	"context"
	"errors"
	"math"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/renewal"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// failure is the only way in which an error crosses into Temporal: a reason and its sentence. What caused it stays
// here, since causes hold providers' texts and URLs.
func failure(reason workflows.Reason, retryAfter time.Duration) error {
	return failureWith(reason, retryAfter, workflows.FailureDetails{})
}

// failureWith is failure with more details; RetryAfterSeconds is filled in.
func failureWith(reason workflows.Reason, retryAfter time.Duration, details workflows.FailureDetails) error {
	details.RetryAfterSeconds = int64(math.Ceil(retryAfter.Seconds()))
	return temporal.NewApplicationErrorWithOptions(reason.Sentence(), string(reason), temporal.ApplicationErrorOptions{
		NonRetryable:   reason.Class() != workflows.ClassTransient,
		NextRetryDelay: retryAfter,
		Details:        []any{details},
		Category:       temporal.ApplicationErrorCategoryBenign,
	})
}

// Failure is the error for Temporal of activities that live elsewhere.
func Failure(reason workflows.Reason) error { return failure(reason, 0) }

// reasonOf reads the reason of an error made by failure.
func reasonOf(err error) workflows.Reason {
	var app *temporal.ApplicationError
	if errors.As(err, &app) && workflows.Reason(app.Type()).Known() {
		return workflows.Reason(app.Type())
	}
	return workflows.ReasonInternal
}

// vaultFailure turns an error of the vault's into one for Temporal; nil stays nil.
func vaultFailure(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, vault.ErrNotFound):
		return failure(workflows.ReasonNotFound, 0)
	case errors.Is(err, vault.ErrConflict):
		return failure(workflows.ReasonSuperseded, 0)
	default:
		return failure(workflows.ReasonVaultUnavailable, 0)
	}
}

// isVerdict reports whether err is the vault's answer rather than its absence.
func isVerdict(err error) bool {
	for _, verdict := range []error{vault.ErrNotFound, vault.ErrExists, vault.ErrConflict, vault.ErrConsumed, vault.ErrExpired} {
		if errors.Is(err, verdict) {
			return true
		}
	}
	return false
}

// verdict says what a failed call means for the connection and for its attempt row.
func (a *Activities) verdict(ctx context.Context, begun vault.Begun, err error) (workflows.Reason, vault.AttemptState, time.Duration) {
	var f *oauth.Failure
	if !errors.As(err, &f) {
		// Our own: nothing was sent.
		var own *temporal.ApplicationError
		if errors.As(err, &own) {
			return reasonOf(err), vault.AttemptSuperseded, own.NextRetryDelay()
		}
		return reasonOf(err), vault.AttemptSuperseded, 0
	}
	if cause := f.Unwrap(); f.Kind == oauth.Fenced && cause != nil && !isVerdict(cause) {
		return workflows.ReasonVaultUnavailable, vault.AttemptSuperseded, 0
	}
	rotates := true
	if conn, err := a.catalogue.Get(ctx, begun.Connection.Connector); err == nil {
		rotates = conn.MayRotate() && !renewal.UpgradePending(conn, begun.Connection)
	}
	reason, state := classify(f, rotates)
	var another *rejectedSecretError
	if errors.As(err, &another) {
		state = vault.AttemptSuperseded
	}
	return reason, state, f.RetryAfter
}

// classify is the table of OAuth failures: what each means, by phase. A state of superseded means that the provider
// took nothing.
func classify(f *oauth.Failure, rotates bool) (workflows.Reason, vault.AttemptState) {
	switch f.Kind {
	case oauth.Unreachable:
		return workflows.ReasonProviderUnavailable, vault.AttemptSuperseded
	case oauth.Fenced:
		return workflows.ReasonSuperseded, vault.AttemptSuperseded
	case oauth.Throttled:
		return workflows.ReasonProviderThrottled, vault.AttemptSuperseded
	case oauth.ReplyLost, oauth.ServerError, oauth.Unreadable:
		return unknownOutcome(f, rotates)
	case oauth.EndpointWrong:
		return workflows.ReasonEndpointWrong, vault.AttemptFailed
	case oauth.CredentialUnusable:
		return workflows.ReasonCredentialUnusable, vault.AttemptSuperseded
	case oauth.InvalidClient:
		return workflows.ReasonClientRejected, vault.AttemptFailed
	case oauth.InvalidScope:
		return workflows.ReasonScopeRejected, vault.AttemptFailed
	case oauth.AppRefused:
		return workflows.ReasonAppMisconfigured, vault.AttemptFailed
	case oauth.InvalidGrant, oauth.InteractionRequired, oauth.AccessDenied:
		return refusedGrant(f), vault.AttemptFailed
	case oauth.UnknownError:
		switch f.Phase {
		case oauth.Exchange:
			return workflows.ReasonCodeRejected, vault.AttemptFailed
		case oauth.ClientCredentials:
			return workflows.ReasonAppMisconfigured, vault.AttemptFailed
		default:
			return workflows.ReasonReplyUnknown, vault.AttemptFailed
		}
	default:
		return workflows.ReasonInternal, vault.AttemptFailed
	}
}

// unknownOutcome: the provider may have acted. That matters where it spends something.
func unknownOutcome(f *oauth.Failure, rotates bool) (workflows.Reason, vault.AttemptState) {
	switch {
	case f.Phase == oauth.Exchange:
		return workflows.ReasonExchangeLost, vault.AttemptInDoubt
	case f.Phase == oauth.Refresh && rotates && f.Kind == oauth.Unreadable:
		return workflows.ReasonReplyUnreadable, vault.AttemptInDoubt
	case f.Phase == oauth.Refresh && rotates:
		return workflows.ReasonReplyLost, vault.AttemptInDoubt
	default:
		return workflows.ReasonProviderUnavailable, vault.AttemptFailed
	}
}

// refusedGrant: the provider said no to what was presented.
func refusedGrant(f *oauth.Failure) workflows.Reason {
	switch {
	case f.Phase == oauth.ClientCredentials:
		return workflows.ReasonAppMisconfigured
	case f.Phase == oauth.Exchange && f.Kind == oauth.AccessDenied:
		return workflows.ReasonConsentDenied
	case f.Phase == oauth.Exchange && f.Kind == oauth.InvalidGrant:
		return workflows.ReasonCodeRejected
	case f.Kind == oauth.InteractionRequired:
		return workflows.ReasonInteractionRequired
	default:
		return workflows.ReasonGrantRejected
	}
}

// transientRevocation reports whether asking again may help.
func transientRevocation(err error) bool {
	var f *oauth.Failure
	if !errors.As(err, &f) {
		return true
	}
	switch f.Kind {
	case oauth.CredentialUnusable, oauth.EndpointWrong, oauth.AppRefused, oauth.InvalidScope, oauth.AccessDenied, oauth.InvalidGrant, oauth.UnknownError:
		return false
	default:
		return true
	}
}

func revocationFailure(err error) error {
	var f *oauth.Failure
	switch {
	case !errors.As(err, &f):
		return failure(workflows.ReasonInternal, 0)
	case transientRevocation(err):
		return failure(workflows.ReasonProviderUnavailable, f.RetryAfter)
	default:
		return failure(workflows.ReasonAppMisconfigured, 0)
	}
}
