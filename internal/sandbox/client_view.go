package sandbox

import (
	"net/url"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

var _ op.Client = (*client)(nil)

// The methods below are how the engine sees a client.

// GetID implements op.Client.
func (c *client) GetID() string { return c.id }

// RedirectURIs implements op.Client; they are compared character by character.
func (c *client) RedirectURIs() []string { return c.redirectURIs }

// PostLogoutRedirectURIs implements op.Client; there is no logout.
func (c *client) PostLogoutRedirectURIs() []string { return nil }

// ApplicationType implements op.Client: all clients are confidential.
func (c *client) ApplicationType() op.ApplicationType { return op.ApplicationTypeWeb }

// AuthMethod implements op.Client. Whatever a request uses is rewritten to Basic before the engine sees it.
func (c *client) AuthMethod() oidc.AuthMethod { return oidc.AuthMethodBasic }

// ResponseTypes implements op.Client.
func (c *client) ResponseTypes() []oidc.ResponseType {
	if slices.Contains(c.grants, grantCode) {
		return []oidc.ResponseType{oidc.ResponseTypeCode}
	}
	return nil
}

// GrantTypes implements op.Client.
func (c *client) GrantTypes() []oidc.GrantType {
	types := make([]oidc.GrantType, len(c.grants))
	for i, g := range c.grants {
		types[i] = oidc.GrantType(g)
	}
	return types
}

// LoginURL implements op.Client.
func (c *client) LoginURL(requestID string) string {
	return c.loginPath + "?id=" + url.QueryEscape(requestID)
}

// AccessTokenType implements op.Client: access tokens are opaque.
func (c *client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeBearer }

// IDTokenLifetime implements op.Client: an hour, and what undoes that the engine adds ClockSkew to exp but subtracts it
// from iat and auth_time.
func (c *client) IDTokenLifetime() time.Duration { return time.Hour + 2*c.skew }

// DevMode implements op.Client: it allows http redirect URIs.
func (c *client) DevMode() bool { return true }

// RestrictAdditionalIdTokenScopes implements op.Client.
//
//nolint:revive // the name is the engine's
func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string { return keepScopes }

// RestrictAdditionalAccessTokenScopes implements op.Client.
func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string { return keepScopes }

// IsScopeAllowed implements op.Client.
func (c *client) IsScopeAllowed(scope string) bool { return slices.Contains(c.scopes, scope) }

// IDTokenUserinfoClaimsAssertion implements op.Client.
func (c *client) IDTokenUserinfoClaimsAssertion() bool { return false }

// ClockSkew implements op.Client, in the engine's sense: how far behind the server tells the time.
func (c *client) ClockSkew() time.Duration { return -c.skew }

func keepScopes(scopes []string) []string { return scopes }
