package activities

import (
	"context"
	"errors"

	"go.temporal.io/sdk/temporal"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/renewal"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// outcomeConnected is the outcome of an authorization request that led to a token.
const outcomeConnected = "connected"

// Exchange implements [workflows.Activities]: RFC 6749 §4.1.3, with the PKCE verifier of the request. The request's
// outcome is written before it returns, so that the result page need not wait for the workflow.
func (a *Activities) Exchange(ctx context.Context, in workflows.ExchangeInput) (workflows.TokenSet, error) {
	request, err := a.vault.AuthRequest(ctx, in.RequestID)
	if err != nil {
		return workflows.TokenSet{}, vaultFailure(err)
	}
	if request.ConnectionID != in.ID {
		return workflows.TokenSet{}, failure(workflows.ReasonCodeRejected, 0)
	}
	set, err := a.spend(ctx, vault.AttemptStart{
		ConnectionID: in.ID, Kind: string(oauth.Exchange), Generation: vault.AttemptAnyGeneration, RequestID: in.RequestID,
		// A new consent does not wait for what an old refresh token's last use came to.
		Settle: true,
	}, false, func(ctx context.Context, g grant, hooks oauth.Hooks) (oauth.Reply, error) {
		code, codeErr := a.keys.Vault.OpenString(keyring.Code(in.RequestID), in.SealedCode)
		verifier, verifierErr := a.keys.Vault.OpenString(keyring.Verifier(in.RequestID), request.Verifier)
		switch {
		case codeErr != nil || verifierErr != nil:
			return oauth.Reply{}, failure(workflows.ReasonKeyMissing, 0)
		case code.Empty() || verifier.Empty():
			// The request is over: its secrets are erased.
			return oauth.Reply{}, failure(workflows.ReasonCodeRejected, 0)
		}
		return a.oauth.Exchange(ctx, g.connector, g.app, code, verifier, request.RedirectURI, hooks)
	})
	outcome := outcomeConnected
	if err != nil {
		reason := reasonOf(err)
		if reason.Class() == workflows.ClassTransient {
			return set, err
		}
		outcome = string(reason)
	}
	if finishErr := a.vault.FinishAuthRequest(ctx, in.RequestID, outcome); finishErr != nil && !errors.Is(finishErr, vault.ErrNotFound) {
		// Asked again, the attempt row answers without another call at the provider.
		return set, vaultFailure(finishErr)
	}
	return set, err
}

// Refresh implements [workflows.Activities]: RFC 6749 §6, or what the connector has in its place.
func (a *Activities) Refresh(ctx context.Context, in workflows.RenewInput) (workflows.TokenSet, error) {
	set, err := a.renew(ctx, string(workflows.GrantAuthorizationCode), attemptOf(in), in.Forced)
	return set, reported(in, err)
}

// ClientCredentials implements [workflows.Activities]: RFC 6749 §4.4.2. Renewal is the same grant again.
func (a *Activities) ClientCredentials(ctx context.Context, in workflows.RenewInput) (workflows.TokenSet, error) {
	set, err := a.renew(ctx, string(workflows.GrantClientCredentials), attemptOf(in), in.Forced)
	return set, reported(in, err)
}

// reported takes the failure of a renewal that is to be reported away from the server's retries.
func reported(in workflows.RenewInput, err error) error {
	var app *temporal.ApplicationError
	if !in.Report || !errors.As(err, &app) {
		return err
	}
	reason := reasonOf(err)
	if reason == workflows.ReasonAttemptInFlight || reason == workflows.ReasonQueued {
		return err
	}
	var details workflows.FailureDetails
	if app.HasDetails() && app.Details(&details) != nil {
		details = workflows.FailureDetails{}
	}
	return temporal.NewApplicationErrorWithOptions(reason.Sentence(), string(reason), temporal.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{details}, Category: temporal.ApplicationErrorCategoryBenign,
	})
}

func attemptOf(in workflows.RenewInput) vault.AttemptStart {
	return vault.AttemptStart{ConnectionID: in.ID, Generation: in.Generation, Settle: in.Settle, UnreadSince: in.UnreadSince}
}

// present trades the connection's refresh token for a new token set; a [call].
func (a *Activities) present(ctx context.Context, g grant, hooks oauth.Hooks) (oauth.Reply, error) {
	upgrade := renewal.UpgradePending(g.connector, g.connection)
	open := a.refreshToken
	if upgrade || g.connector.Refresh.TokenSource == connector.FromAccessToken {
		open = a.accessToken
	}
	token, err := open(g.connection)
	if err != nil {
		return oauth.Reply{}, err
	}
	if token.Empty() {
		return oauth.Reply{}, failure(workflows.ReasonNoRefreshToken, 0)
	}
	if upgrade {
		return a.oauth.Upgrade(ctx, g.connector, g.app, token, hooks)
	}
	return a.oauth.Refresh(ctx, g.connector, g.app, oauth.Renewal{
		Token: token, RedirectURI: oauth.RedirectURI(g.connector, a.redirect), Scopes: g.connection.RequestedScopes,
	}, hooks)
}

// askAgain asks for a new token set with the app's own credentials; a [call].
func (a *Activities) askAgain(ctx context.Context, g grant, hooks oauth.Hooks) (oauth.Reply, error) {
	return a.oauth.ClientCredentials(ctx, g.connector, g.app, g.connection.RequestedScopes, hooks)
}
