package activities

import (
	"context"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// Revoke implements [workflows.Activities]: RFC 7009, the refresh token first. What the provider refuses for good is
// not asked again; everything else is, for as long as the workflow allows.
func (a *Activities) Revoke(ctx context.Context, in workflows.RevokeInput) (workflows.RevokeResult, error) {
	c, err := a.vault.Connection(ctx, in.ID)
	if err != nil {
		return workflows.RevokeResult{}, vaultFailure(err)
	}
	g, err := a.resolve(ctx, c, nil)
	if err != nil {
		return workflows.RevokeResult{}, err
	}
	if g.connector.Revoke == nil {
		return workflows.RevokeResult{}, nil
	}
	switch shared, err := a.shared(ctx, g); {
	case err != nil:
		return workflows.RevokeResult{}, err
	case shared:
		return workflows.RevokeResult{}, nil
	}
	tokens, err := a.revocable(g)
	if err != nil {
		return workflows.RevokeResult{}, err
	}
	var refused error
	revoked := false
	for _, token := range tokens {
		err := a.oauth.Revoke(ctx, g.connector, g.app, token.text, token.hint)
		switch {
		case err == nil:
			revoked = true
		case a.secrets.rejected(g, err), transientRevocation(err):
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

// revocable is a token and its name in RFC 7009 §2.1.
type revocable struct {
	text secret.String
	hint string
}

// revocable lists the tokens that the provider is to revoke, in order.
func (a *Activities) revocable(g grant) ([]revocable, error) {
	var tokens []revocable
	for _, hint := range revokedKinds(g.connector.Revoke) {
		open := a.refreshToken
		if hint == connector.FromAccessToken {
			open = a.accessToken
		}
		text, err := open(g.connection)
		if err != nil {
			return nil, err
		}
		if !text.Empty() {
			tokens = append(tokens, revocable{text, hint})
		}
	}
	return tokens, nil
}

// revokedKinds are the kinds of token that a provider revokes, in order.
func revokedKinds(r *connector.Revoke) []string {
	switch {
	case r.Auth == connector.RevokeByBearer, r.Token == connector.FromAccessToken:
		return []string{connector.FromAccessToken}
	case r.Token == connector.FromRefreshToken:
		return []string{connector.FromRefreshToken}
	default:
		return []string{connector.FromRefreshToken, connector.FromAccessToken}
	}
}

// shared reports whether revoking would end the grant of another connection too: one of the same account and OAuth app,
// at a provider that revokes grants rather than tokens.
func (a *Activities) shared(ctx context.Context, g grant) (bool, error) {
	sharing := g.connector.Sharing
	if sharing == nil || !sharing.RevokesAll {
		return false, nil
	}
	return a.othersHave(ctx, g, sharing.Identity)
}

// othersHave reports whether another living connection of the same OAuth app is of the same account, by the metadata
// that identifies it.
func (a *Activities) othersHave(ctx context.Context, g grant, identity string) (bool, error) {
	if g.connection.Metadata[identity] == "" {
		return false, nil
	}
	filter := vault.ConnectionFilter{Connector: g.connection.Connector, IntegrationID: g.connection.IntegrationID, Limit: 1000}
	for {
		page, err := a.vault.ListConnections(ctx, filter)
		if err != nil {
			return false, vaultFailure(err)
		}
		for _, other := range page {
			status := workflows.ConnectionStatus(other.Status)
			if other.ID != g.connection.ID && !status.Ended() && status != workflows.StatusDisconnecting && other.Generation > 0 &&
				other.Metadata[identity] == g.connection.Metadata[identity] {
				return true, nil
			}
		}
		if len(page) < filter.Limit {
			return false, nil
		}
		filter.After = page[len(page)-1].ID
	}
}
