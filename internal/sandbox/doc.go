// Package sandbox is a real OAuth 2.0 / OpenID authorization server that runs in this process.
//
// It stands in for a provider in `worker --dev` and in tests: authorization code with PKCE and a login and consent
// page, rotating refresh tokens with reuse detection, client credentials, revocation, introspection, userinfo.
// The protocol engine is the op package of zitadel/oidc; this package adds the storage (SQLite), the pages, what op
// leaves out (the iss parameter, mandatory PKCE, RFC 6749 client authentication on every endpoint, an injected clock),
// counters, and faults that make the token endpoint misbehave in the ways real ones do.
//
// It is strict where providers are strictest: a refresh token works once, and a second use kills the whole family.
// It is not for production: the default users have published passwords, and the state file holds the default clients'
// secrets and the signing key in the clear.
package sandbox
