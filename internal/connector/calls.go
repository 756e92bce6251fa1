package connector

import "maps"

// The ways in which a client authenticates at the token endpoint (RFC 6749 §2.3.1, RFC 7521 §4.2, RFC 8705 §2). There
// is no "auto": trying one after the other could spend a single-use grant twice (K7).
const (
	AuthBasic = "client_secret_basic"
	// AuthBasicRaw is Basic without the form encoding that RFC 6749 §2.3.1 wants.
	AuthBasicRaw = "client_secret_basic_raw"
	AuthPost     = "client_secret_post"
	// AuthNone is a public client: only PKCE protects its codes.
	AuthNone = "none"
	// AuthPrivateKeyJWT and AuthSecretJWT are signed assertions (RFC 7523 §2.2). The secret of the first is a private
	// key: PEM, or a JWK whose "kid" is sent.
	AuthPrivateKeyJWT = "private_key_jwt"
	AuthSecretJWT     = "client_secret_jwt"
	// AuthTLS is a client certificate (RFC 8705 §2). The secret is PEM: certificate chain and private key.
	AuthTLS = "tls_client_auth"
	// AuthTemplate is Basic with TokenCall.Basic.
	AuthTemplate = "basic_template"
)

// How a request carries its parameters (K8).
const (
	BodyForm = "form"
	BodyJSON = "json"
)

// Where the token comes from that a refresh presents (K14).
const (
	FromRefreshToken = "refresh_token"
	FromAccessToken  = "access_token"
)

// Authorize is the authorization endpoint.
type Authorize struct {
	URL string `json:"url"`
	// Fragment stands after a "#" at the end of the request, as WeChat wants it.
	Fragment string `json:"fragment,omitempty"`
	// Params are added to the request (K2).
	Params map[string]string `json:"params,omitempty"`
	// PKCE is "S256", or "none" for a provider that refuses it (K6).
	PKCE string `json:"pkce"`
	// Rename gives standard parameters other names: {"client_id": "client_key"} (K4).
	Rename map[string]string `json:"rename,omitempty"`
	// Drop leaves standard parameters out (K4).
	Drop []string `json:"drop,omitempty"`
	// IssRequired says that the provider announces "iss" in its answers (RFC 9207 §3): one without it is refused. One
	// that names another issuer than the connector's is refused in any case.
	IssRequired bool `json:"iss_required,omitempty"`
	// RedirectURI is sent instead of our callback's URL, as eBay's RuName (K5). It may be an input.
	RedirectURI string `json:"redirect_uri,omitempty"`
}

// Callback is what the provider adds when it sends the browser back (K4, K5).
type Callback struct {
	// CodeParam and StateParam are the names of code and state, if they have others.
	CodeParam  string `json:"code_param,omitempty"`
	StateParam string `json:"state_param,omitempty"`
	// ScopeParam holds the granted scopes, where the token reply does not.
	ScopeParam string `json:"scope_param,omitempty"`
	// Capture are the parameters to keep.
	Capture []CallbackValue `json:"capture,omitempty"`
	// HMAC is a signature over the query with the client secret.
	HMAC *CallbackHMAC `json:"hmac,omitempty"`
}

// CallbackValue is a parameter of the callback. Nothing is taken that does not match its pattern.
type CallbackValue struct {
	Param string `json:"param"`
	// Pattern must match the whole value. If it has a group, what the first one matched is the value.
	Pattern string `json:"pattern"`
	// As is its name in the metadata; Param, if empty.
	As string `json:"as,omitempty"`
	// Input names the input that the value replaces, and so may route the calls that follow. It must match that
	// input's pattern too. It is not kept as metadata, unless As says so.
	Input string `json:"input,omitempty"`
	// Match says that the value must equal the input instead of replacing it; else the answer is refused.
	Match bool `json:"match,omitempty"`
	// Required refuses an answer without it.
	Required bool `json:"required,omitempty"`
}

// CallbackHMAC is a signature of the callback's query: HMAC-SHA-256 in hexadecimal, keyed with the client secret, over
// all other parameters in order, as Shopify has it.
type CallbackHMAC struct {
	Param string `json:"param"`
}

// TokenCall is the token endpoint.
type TokenCall struct {
	URL string `json:"url"`
	// Auth is one of the Auth constants.
	Auth string `json:"auth"`
	// Algorithm signs assertions: RS256, PS256, ES256 and their longer forms, EdDSA, or HS256 …; by the kind of key
	// if empty.
	Algorithm string `json:"algorithm,omitempty"`
	// Audience of assertions: "issuer", "token_url", or a text; the issuer if there is one, else the token URL.
	Audience string `json:"audience,omitempty"`
	// Basic are user and password of AuthTemplate.
	Basic *BasicTemplate `json:"basic,omitempty"`
	// Certificate says that the client shows a certificate too, whatever Auth is. The secret is then the client secret
	// followed by PEM: certificate chain and private key.
	Certificate bool `json:"certificate,omitempty"`
	// Method is POST, or GET for providers that take nothing else. With GET everything stands in the URL.
	Method string `json:"method,omitempty"`
	// Body is BodyForm or BodyJSON; BodyForm if empty.
	Body    string            `json:"body,omitempty"`
	Params  map[string]string `json:"params,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	// Rename gives standard parameters other names, on every call to the token endpoint (K4).
	Rename map[string]string `json:"rename,omitempty"`
	// Drop leaves standard parameters out, on every call to the token endpoint (K4).
	Drop []string `json:"drop,omitempty"`
	// RatePerSecond bounds how often one worker calls the token endpoint for renewals (K17); 50 if 0.
	RatePerSecond float64 `json:"rate_per_second,omitempty"`
}

// BasicTemplate is a way to fill Basic authentication, with {client_id}, {client_secret}, and the two in base64:
// {client_id_base64}, {client_secret_base64}.
type BasicTemplate struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// Refresh is how tokens are renewed, and what is known of the provider's refresh tokens.
type Refresh struct {
	// Rotates is null where nobody knows; it is then taken for true (K15).
	Rotates *bool `json:"rotates"`
	// URL and Method are the token endpoint's if empty (K8). The host of URL may be {metadata.NAME}, on one of the
	// connector's Hosts; until it is known, refreshes go to the token endpoint (K13).
	URL    string `json:"url,omitempty"`
	Method string `json:"method,omitempty"`
	// Auth is how a refresh authenticates, if not as an exchange does: one of the ways that need the client secret
	// alone, or AuthNone (K7).
	Auth string `json:"auth,omitempty"`
	// Params are added; a standard parameter is replaced.
	Params map[string]string `json:"params,omitempty"`
	// TokenParam is the name of the parameter that carries the token, if it is not "refresh_token".
	TokenParam string `json:"token_param,omitempty"`
	// TokenSource is FromRefreshToken, or FromAccessToken where the access token renews itself (K14).
	TokenSource string `json:"token_source,omitempty"`
	// RedirectURI and Scope send the exchange's redirect URI and the connection's scopes again (K8).
	RedirectURI bool `json:"redirect_uri,omitempty"`
	Scope       bool `json:"scope,omitempty"`
	// GraceSeconds is how long a spent refresh token is still taken (K15).
	GraceSeconds int64 `json:"grace_seconds,omitempty"`
	// SpentOn is "reply", or "first_use" if the old refresh token dies when the new access token is first used (K15).
	SpentOn string `json:"spent_on,omitempty"`
	// LifetimeSeconds is the refresh token's life from the consent on, IdleSeconds its life unused; 0 if unknown (K16).
	LifetimeSeconds int64 `json:"lifetime_seconds,omitempty"`
	IdleSeconds     int64 `json:"idle_seconds,omitempty"`
	// LeadSeconds is how long before the expiry to renew, at least (K17).
	LeadSeconds int64 `json:"lead_seconds,omitempty"`
	// WindowSeconds is how long before the expiry a renewal is taken at the earliest (K17).
	WindowSeconds int64 `json:"window_seconds,omitempty"`
	// MinIntervalSeconds is the shortest time between two renewals that the provider bears (K17).
	MinIntervalSeconds int64 `json:"min_interval_seconds,omitempty"`
	// SingleLive says that a new access token ends the one before (K17).
	SingleLive bool `json:"single_live,omitempty"`
}

// SpentOnFirstUse is the value of Refresh.SpentOn for providers that keep the old refresh token until the new access
// token is used.
const SpentOnFirstUse = "first_use"

// Upgrade is a call that swaps a token for a longer-lived one (K18).
type Upgrade struct {
	URL string `json:"url"`
	// Method is GET if empty.
	Method string            `json:"method,omitempty"`
	Params map[string]string `json:"params,omitempty"`
	// TokenParam carries the short-lived access token.
	TokenParam string `json:"token_param"`
}

// ClientCredentialsCall is what differs in the client credentials grant.
type ClientCredentialsCall struct {
	Scopes []string          `json:"scopes,omitempty"`
	Params map[string]string `json:"params,omitempty"`
	// Assertion makes it the JWT bearer grant (RFC 7523 §2.1): the client asks with a JWT that its private key signs,
	// anew at each renewal (K14). These are the claims beside iss, aud, iat, exp and jti; "sub" must be one of them,
	// and {client_id} may be named. Token.Audience and Token.Algorithm count for it.
	Assertion map[string]string `json:"assertion,omitempty"`
}

// Revoke is how tokens are revoked (K19).
type Revoke struct {
	// URL may name {client_id} in its path.
	URL string `json:"url"`
	// Method is POST if empty.
	Method string `json:"method,omitempty"`
	// Body is BodyForm or BodyJSON; BodyForm if empty.
	Body string `json:"body,omitempty"`
	// Auth is "client" (as at the token endpoint) if empty, "basic" for the client with Basic whatever that is, "bearer"
	// for the access token itself, or "none".
	Auth string `json:"auth,omitempty"`
	// Token says which is revoked: "both" (refresh token first) if empty, "refresh_token" or "access_token".
	Token string `json:"token,omitempty"`
	// TokenParam carries the token; "token" if empty, "-" for none.
	TokenParam string `json:"token_param,omitempty"`
	// Params may name {client_id} and {metadata.NAME}, Headers {client_id} and {client_secret}, beside inputs.
	Params  map[string]string `json:"params,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
}

// The values of Revoke.Auth and Revoke.Token.
const (
	RevokeAsClient   = "client"
	RevokeByBasic    = "basic"
	RevokeByBearer   = "bearer"
	RevokeWithoutKey = "none"
	RevokeBoth       = "both"
)

// Params are the extra parameters of an exchange, or of a client credentials call.
func (c Connector) Params(grant string) map[string]string {
	if grant == ClientCredentials && c.ClientCredentials != nil {
		return c.ClientCredentials.Params
	}
	return c.Token.Params
}

// RefreshCall is the token endpoint as a refresh sees it: the same, but for what Refresh says otherwise.
func (c Connector) RefreshCall() TokenCall {
	call := c.Token
	if c.Refresh.URL != "" && !metadataVariable.MatchString(c.Refresh.URL) {
		call.URL = c.Refresh.URL
	}
	if c.Refresh.Method != "" {
		call.Method = c.Refresh.Method
	}
	if c.Refresh.Auth != "" {
		call.Auth = c.Refresh.Auth
	}
	call.Params = c.Refresh.Params
	if name := c.Refresh.TokenParam; name != "" {
		call.Rename = maps.Clone(call.Rename)
		if call.Rename == nil {
			call.Rename = make(map[string]string)
		}
		call.Rename["refresh_token"] = name
	}
	return call
}

// UpgradeCall is the call that swaps the short-lived token.
func (c Connector) UpgradeCall() TokenCall {
	call := c.Token
	call.URL, call.Method, call.Params = c.Upgrade.URL, c.Upgrade.Method, c.Upgrade.Params
	if call.Method == "" {
		call.Method = "GET"
	}
	call.Rename = maps.Clone(call.Rename)
	if call.Rename == nil {
		call.Rename = make(map[string]string)
	}
	call.Rename["refresh_token"] = c.Upgrade.TokenParam
	return call
}

// ClientCall is a call at another of the provider's endpoints, at which the client authenticates as at the token
// endpoint: revocation (RFC 7009 §2.1), introspection (RFC 7662 §2.1).
func (c Connector) ClientCall(url string) TokenCall {
	call := c.Token
	call.URL, call.Method, call.Params, call.Drop = url, "", nil, nil
	return call
}

// RevokeCall is the revocation endpoint.
func (c Connector) RevokeCall() TokenCall {
	call := c.ClientCall(c.Revoke.URL)
	call.Method, call.Body, call.Params, call.Headers = c.Revoke.Method, c.Revoke.Body, c.Revoke.Params, c.Revoke.Headers
	if c.Revoke.Auth == RevokeByBasic {
		call.Auth = AuthBasic
	}
	return call
}
