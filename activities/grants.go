package activities

import (
	"context"
	"errors"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
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
	}, func(ctx context.Context, g grant, hooks oauth.Hooks) (oauth.Reply, error) {
		code, codeErr := a.keys.Vault.OpenString(keyring.Code(in.RequestID), in.SealedCode)
		verifier, verifierErr := a.keys.Vault.OpenString(keyring.Verifier(in.RequestID), request.Verifier)
		switch {
		case codeErr != nil || verifierErr != nil:
			return oauth.Reply{}, failure(workflows.ReasonKeyMissing, 0)
		case code.Empty() || verifier.Empty():
			// The request is over: its secrets are erased.
			return oauth.Reply{}, failure(workflows.ReasonCodeRejected, 0)
		}
		reply, err := a.oauth.Exchange(ctx, g.connector, g.app, code, verifier, request.RedirectURI, hooks)
		if reply.Scopes == nil {
			reply.Scopes = request.Scopes
		}
		return reply, err
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

// Refresh implements [workflows.Activities]: RFC 6749 §6.
func (a *Activities) Refresh(ctx context.Context, in workflows.RenewInput) (workflows.TokenSet, error) {
	return a.spend(ctx, vault.AttemptStart{
		ConnectionID: in.ID, Kind: string(oauth.Refresh), Generation: in.Generation, Settle: in.Settle,
	}, func(ctx context.Context, g grant, hooks oauth.Hooks) (oauth.Reply, error) {
		token, err := a.refreshToken(g.connection)
		if err != nil {
			return oauth.Reply{}, err
		}
		if token.Empty() {
			return oauth.Reply{}, failure(workflows.ReasonNoRefreshToken, 0)
		}
		return a.oauth.Refresh(ctx, g.connector, g.app, token, hooks)
	})
}

// ClientCredentials implements [workflows.Activities]: RFC 6749 §4.4.2. Renewal is the same grant again.
func (a *Activities) ClientCredentials(ctx context.Context, in workflows.RenewInput) (workflows.TokenSet, error) {
	return a.spend(ctx, vault.AttemptStart{
		ConnectionID: in.ID, Kind: string(oauth.ClientCredentials), Generation: in.Generation,
		// Asking twice spends nothing.
		Settle: true,
	}, func(ctx context.Context, g grant, hooks oauth.Hooks) (oauth.Reply, error) {
		return a.oauth.ClientCredentials(ctx, g.connector, g.app, g.connection.RequestedScopes, hooks)
	})
}

// Revoke implements [workflows.Activities]: RFC 7009, the refresh token first. What the provider refuses for good is
// not asked again; everything else is, for as long as the workflow allows.
func (a *Activities) Revoke(ctx context.Context, in workflows.RevokeInput) (workflows.RevokeResult, error) {
	connection, err := a.vault.Connection(ctx, in.ID)
	if err != nil {
		return workflows.RevokeResult{}, vaultFailure(err)
	}
	g, err := a.resolve(ctx, connection)
	if err != nil {
		return workflows.RevokeResult{}, err
	}
	if g.connector.RevokeURL == "" {
		return workflows.RevokeResult{}, nil
	}
	refresh, err := a.refreshToken(connection)
	if err != nil {
		return workflows.RevokeResult{}, err
	}
	access, err := a.keys.Access.OpenString(keyring.AccessToken(connection.ID, connection.Generation), connection.AccessToken)
	if err != nil {
		return workflows.RevokeResult{}, failure(workflows.ReasonKeyMissing, 0)
	}
	var refused error
	revoked := false
	for _, token := range []struct {
		text secret.String
		hint string
	}{{refresh, "refresh_token"}, {access, "access_token"}} {
		if token.text.Empty() {
			continue
		}
		err := a.oauth.Revoke(ctx, g.connector, g.app, token.text, token.hint)
		switch {
		case err == nil:
			revoked = true
		case transientRevocation(err):
			return workflows.RevokeResult{}, revocationFailure(err)
		case !revoked:
			// Refused for good. What comes after it is tried all the same.
			refused = err
		default:
			// The grant is gone; that the provider takes no access tokens here changes nothing.
		}
	}
	if refused != nil {
		return workflows.RevokeResult{}, revocationFailure(refused)
	}
	return workflows.RevokeResult{Revoked: revoked}, nil
}

func (a *Activities) refreshToken(c vault.Connection) (secret.String, error) {
	token, err := a.keys.Vault.OpenString(keyring.RefreshToken(c.ID, c.Generation), c.RefreshToken)
	if err != nil {
		return secret.String{}, failure(workflows.ReasonKeyMissing, 0)
	}
	return token, nil
}

// grant is what a call at the provider needs beside the token.
type grant struct {
	connection vault.Connection
	connector  connector.Connector
	app        oauth.App
}

// resolve finds connector and app of a connection.
func (a *Activities) resolve(ctx context.Context, c vault.Connection) (grant, error) {
	conn, err := a.catalogue.Get(c.Connector)
	if err != nil {
		return grant{}, failure(workflows.ReasonConnectorMissing, 0)
	}
	integration, err := a.vault.Integration(ctx, c.IntegrationID)
	if errors.Is(err, vault.ErrNotFound) {
		return grant{}, failure(workflows.ReasonIntegrationMissing, 0)
	}
	if err != nil {
		return grant{}, vaultFailure(err)
	}
	app := oauth.App{ClientID: integration.ClientID}
	if len(integration.Secrets) > 0 {
		if app.Secret, err = a.keys.Vault.OpenString(keyring.ClientSecret(integration.ID), integration.Secrets[0]); err != nil {
			return grant{}, failure(workflows.ReasonKeyMissing, 0)
		}
	}
	return grant{connection: c, connector: conn, app: app}, nil
}
