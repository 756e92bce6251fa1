package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/tokens"
	"github.com/acme/connections/workflows"
)

// Register registers activity "Token" in the caller's own worker, for [workflows.Local]: workflow code then gets its
// sealed tokens from this process's cache, at the price of one event of history. It keeps to Config.Owner, and is
// audited, as every read of t is.
func (t *Tokens) Register(registry worker.ActivityRegistry) {
	registry.RegisterActivityWithOptions(t.sealed, activity.RegisterOptions{Name: workflows.ActivityToken})
}

// sealed is [Tokens.Token] for histories.
func (t *Tokens) sealed(ctx context.Context, in workflows.TokenRequest) (workflows.AccessToken, error) {
	if !workflows.ValidID(in.ID) {
		return workflows.AccessToken{}, (&refusedError{reason: workflows.ReasonInvalid}).asFailure(0)
	}
	need := t.need
	need.Owner = in.Owner
	if in.MinLifeSeconds > 0 {
		need.Life = time.Duration(in.MinLifeSeconds) * time.Second
	}
	held, err := t.engine.Token(ctx, in.ID, need)
	if err != nil {
		return workflows.AccessToken{}, refusedHere(err).asFailure(0)
	}
	sealed, err := t.access.SealString(keyring.AccessToken(in.ID, held.Generation), secret.New(held.OAuth.AccessToken))
	if err != nil {
		return workflows.AccessToken{}, (&refusedError{reason: workflows.ReasonKeyMissing}).asFailure(0)
	}
	return workflows.AccessToken{
		Status: held.Status, Reason: held.Reason, Generation: held.Generation,
		IssuedAt: optional(held.IssuedAt), ExpiresAt: optional(held.OAuth.Expiry), Scopes: listed(held.Scopes),
		Type: held.OAuth.TokenType, Sealed: sealed,
	}, nil
}

// refusedHere is an error of the engine's in the terms of the contract.
func refusedHere(err error) *refusedError {
	var refused *tokens.Error
	if !errors.As(err, &refused) {
		return &refusedError{reason: workflows.ReasonUnanswered}
	}
	e := &refusedError{reason: reasonOr(refused.Reason, workflows.ReasonUnanswered)}
	switch refused.Kind {
	case tokens.NeedsReauthorization:
		e.status = workflows.StatusNeedsReauth
	case tokens.Paused:
		e.status = workflows.StatusPaused
	case tokens.Disconnected:
		e.status = workflows.StatusDisconnected
	case tokens.NotFound:
		e.reason = workflows.ReasonNotFound
	case tokens.Unavailable:
	}
	return e
}
