// Package connector knows how each provider speaks OAuth 2.0: as data, one file a connector, checked when it is loaded.
package connector

import (
	"slices"
)

// The grants of a connector (RFC 6749 §4.1, §4.4).
const (
	AuthorizationCode = "authorization_code"
	ClientCredentials = "client_credentials"
)

// The ways in which a client authenticates at the token endpoint (RFC 6749 §2.3.1). There is no "auto": trying one
// after the other could spend a single-use grant twice.
const (
	AuthBasic = "client_secret_basic"
	AuthPost  = "client_secret_post"
)

// Connector is one provider.
type Connector struct {
	// ID is lower-case letters, digits and "-".
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Category string   `json:"category"`
	DocsURL  string   `json:"docs_url,omitempty"`
	Grants   []string `json:"grants"`
	// Issuer is what the callback's "iss" must equal (RFC 9207); empty if the provider announces none.
	Issuer    string     `json:"issuer,omitempty"`
	Authorize *Authorize `json:"authorize,omitempty"`
	Token     TokenCall  `json:"token"`
	Refresh   Refresh    `json:"refresh"`
	RevokeURL string     `json:"revoke_url,omitempty"`
	// IntrospectURL and UserinfoURL are facts for people.
	IntrospectURL string `json:"introspect_url,omitempty"`
	UserinfoURL   string `json:"userinfo_url,omitempty"`
	Scopes        Scopes `json:"scopes"`
	// ClientCredentials holds what differs in that grant, for connectors that have both.
	ClientCredentials *ClientCredentialsCall `json:"client_credentials,omitempty"`
	// ExpiresInDefault is the access token's life in seconds where the reply names none; 0 if unknown.
	ExpiresInDefault int64 `json:"expires_in_default,omitempty"`
	// NeverExpires says that the provider's access tokens have no expiry.
	NeverExpires bool `json:"never_expires,omitempty"`
	// Metadata names members of the token reply that callers need beside the token.
	Metadata   []string `json:"metadata,omitempty"`
	Notes      string   `json:"notes,omitempty"`
	Confidence string   `json:"confidence,omitempty"`
	// Unverified names the fields that no source confirmed.
	Unverified []string `json:"unverified,omitempty"`
	Sources    []string `json:"sources,omitempty"`

	// Loopback allows plain http on loopback addresses: set by code for the sandbox, never by data.
	Loopback bool `json:"-"`
}

// Authorize is the authorization endpoint.
type Authorize struct {
	URL    string            `json:"url"`
	Params map[string]string `json:"params,omitempty"`
	// PKCE is "S256", or "none" for a provider that refuses it.
	PKCE string `json:"pkce"`
}

// TokenCall is the token endpoint.
type TokenCall struct {
	URL string `json:"url"`
	// Auth is AuthBasic or AuthPost.
	Auth   string            `json:"auth"`
	Params map[string]string `json:"params,omitempty"`
}

// Refresh is what is known of the provider's refresh tokens.
type Refresh struct {
	// Rotates is null where nobody knows; it is then taken for true.
	Rotates *bool             `json:"rotates"`
	Params  map[string]string `json:"params,omitempty"`
	// GraceSeconds is how long a spent refresh token is still taken.
	GraceSeconds int64 `json:"grace_seconds,omitempty"`
	// LifetimeSeconds is the refresh token's life; 0 if unknown.
	LifetimeSeconds int64 `json:"lifetime_seconds,omitempty"`
}

// Scopes is how scopes are written and which are asked for by default.
type Scopes struct {
	Separator string   `json:"separator"`
	Default   []string `json:"default"`
}

// ClientCredentialsCall is what differs in the client credentials grant.
type ClientCredentialsCall struct {
	Scopes []string          `json:"scopes,omitempty"`
	Params map[string]string `json:"params,omitempty"`
}

// Allows reports whether the connector has the grant.
func (c Connector) Allows(grant string) bool { return slices.Contains(c.Grants, grant) }

// MayRotate reports whether a refresh may spend the refresh token.
func (c Connector) MayRotate() bool { return c.Refresh.Rotates == nil || *c.Refresh.Rotates }

// DefaultScopes are asked for if nobody says otherwise.
func (c Connector) DefaultScopes(grant string) []string {
	if grant == ClientCredentials && c.ClientCredentials != nil {
		return c.ClientCredentials.Scopes
	}
	return c.Scopes.Default
}

// TokenParams are the extra parameters of a token call.
func (c Connector) TokenParams(grant string) map[string]string {
	if grant == ClientCredentials && c.ClientCredentials != nil {
		return c.ClientCredentials.Params
	}
	return c.Token.Params
}
