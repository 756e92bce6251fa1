package activities

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"time"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/renewal"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// grant is what a call at the provider needs beside the token.
type grant struct {
	connection  vault.Connection
	connector   connector.Connector
	integration vault.Integration
	app         oauth.App
	// request is the authorization request of an exchange; zero otherwise.
	request vault.AuthRequest
	// choice is which of the integration's secrets app has.
	choice int
	// unanswered is set if a step after the consent failed that may yet tell of the account.
	unanswered bool
}

// resolve finds connector and app of a connection, with its inputs filled in; routed are inputs that the provider set
// when it sent the browser back.
func (a *Activities) resolve(ctx context.Context, c vault.Connection, routed map[string]string) (grant, error) {
	conn, err := a.catalogue.Get(ctx, c.Connector)
	if err != nil {
		return grant{}, failure(workflows.ReasonConnectorMissing, 0)
	}
	inputs := c.Inputs
	if len(routed) > 0 {
		inputs = maps.Clone(inputs)
		if inputs == nil {
			inputs = make(map[string]string, len(routed))
		}
		maps.Copy(inputs, routed)
	}
	if conn, err = conn.Resolve(inputs); err != nil {
		return grant{}, failure(workflows.ReasonInputsRejected, 0)
	}
	conn = conn.WithMetadata(c.Metadata)
	integration, err := a.vault.Integration(ctx, c.IntegrationID)
	switch {
	case errors.Is(err, vault.ErrNotFound):
		return grant{}, failure(workflows.ReasonIntegrationMissing, 0)
	case err != nil:
		return grant{}, vaultFailure(err)
	case integration.Connector != c.Connector, integration.Owner == "" && conn.CustomersOnly():
		// A secret goes nowhere but to its own connector, and the platform's to no host that somebody typed.
		return grant{}, failure(workflows.ReasonIntegrationMissing, 0)
	}
	g := grant{connection: c, connector: conn, integration: integration, app: oauth.App{ClientID: integration.ClientID}}
	if len(integration.Secrets) > 0 {
		g.choice = a.secrets.of(integration)
		if g.app.Secret, err = a.keys.Vault.OpenString(keyring.ClientSecret(integration.ID), integration.Secrets[g.choice]); err != nil {
			return grant{}, failure(workflows.ReasonKeyMissing, 0)
		}
	}
	return g, nil
}

// grantOf is resolve for an attempt.
func (a *Activities) grantOf(ctx context.Context, begun vault.Begun) (grant, error) {
	var request vault.AuthRequest
	if begun.Attempt.RequestID != "" {
		var err error
		if request, err = a.vault.AuthRequest(ctx, begun.Attempt.RequestID); err != nil {
			return grant{}, vaultFailure(err)
		}
	}
	g, err := a.resolve(ctx, begun.Connection, request.Inputs)
	g.request = request
	return g, err
}

func (a *Activities) refreshToken(c vault.Connection) (secret.String, error) {
	token, err := a.keys.Vault.OpenString(keyring.RefreshToken(c.ID, c.Generation), c.RefreshToken)
	if err != nil {
		return secret.String{}, failure(workflows.ReasonKeyMissing, 0)
	}
	return token, nil
}

func (a *Activities) accessToken(c vault.Connection) (secret.String, error) {
	token, err := a.keys.Access.OpenString(keyring.AccessToken(c.ID, c.Generation), c.AccessToken)
	if err != nil {
		return secret.String{}, failure(workflows.ReasonKeyMissing, 0)
	}
	return token, nil
}

// stepsLimit bounds all steps after a consent: the token waits for them.
const stepsLimit = 5 * time.Second

// complete adds what is known beside the reply: what the callback told, and what the provider's API says of the account.
// Whatever of it fails costs nothing but itself; unanswered says that asking again may help.
func (a *Activities) complete(ctx context.Context, g grant, attempt vault.Attempt, reply oauth.Reply) (_ oauth.Reply, unanswered bool) {
	metadata := maps.Clone(g.request.Captured)
	if metadata == nil {
		metadata = make(map[string]string)
	}
	maps.Copy(metadata, reply.Metadata)
	if g.connector.Upgrade != nil {
		metadata[renewal.MetadataTokenKind] = renewal.LongLived
		if attempt.Kind == string(oauth.Exchange) {
			metadata[renewal.MetadataTokenKind] = renewal.ShortLived
		}
	}
	// Asked at a consent, and once more after it, for the case that the provider was not ready. With client credentials
	// nobody consents, and most of these APIs know no account then.
	if attempt.Kind == string(oauth.Exchange) || (attempt.Kind == string(oauth.Refresh) && g.connection.Generation <= 1) {
		ctx, cancel := context.WithTimeout(ctx, stepsLimit)
		defer cancel()
		for _, step := range g.connector.Steps {
			told, err := a.oauth.Ask(ctx, g.connector, step, reply.AccessToken, g.connection.Metadata)
			if err != nil {
				a.log.Warn("a step after the consent failed", slog.String("connection", g.connection.ID), slog.String("step", step.Name))
				unanswered = unanswered || mayAnswer(err)
			}
			maps.Copy(metadata, told)
		}
	}
	reply.Metadata = metadata
	reply.ExpiresAt = a.expiry(ctx, g, attempt, reply)
	if reply.Second != nil {
		a.log.Warn("a second credential came beside the first and is not kept", slog.String("connection", g.connection.ID))
	}
	if reply.Scopes == nil && attempt.RequestID != "" {
		reply.Scopes = g.request.GrantedScopes
		if reply.Scopes == nil {
			reply.Scopes = g.request.Scopes
		}
	}
	return reply, unanswered
}
