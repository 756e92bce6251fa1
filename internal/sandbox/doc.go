// Package sandbox is a real OAuth 2.0 / OpenID authorization server that runs in this process.
//
// It stands in for a provider in `worker --dev` and in tests: authorization code with PKCE and a login and consent
// page, rotating refresh tokens with reuse detection, client credentials, revocation, introspection, userinfo.
// The protocol engine is the op package of zitadel/oidc; this package adds the storage (SQLite), the pages, what op
// leaves out (the iss parameter, mandatory PKCE, RFC 6749 client authentication on every endpoint, an injected clock),
// counters, a small protected API of contacts, and faults that make them misbehave in the ways real ones do.
//
// By default it is strict where providers are strictest: a refresh token works once, and a second use kills the whole
// family. How it misbehaves beyond that is in two places:
//
//   - [Behaviour] lasts, also over a restart: rotation, grace, a single live access token, clock skew, how long refresh
//     tokens live, and how often the contacts API answers 401 and 429. Options.Behaviour, [Provider.SetBehaviour], or
//     POST /_behaviour.
//   - [Faults] hit requests at the token endpoint, one, some or all of them: delays, lost, slow, cut, huge, empty and
//     foreign replies, errors, scopes withheld. [Provider.SetFaults], or POST /_faults.
//
// What it saw is in [Provider.Presentations] (GET /_presentations), every refresh token with what became of it and when
// that was committed, and in [Provider.Stats] (GET /_stats). The paths with an underscore need Options.Admin, which
// `worker --dev` sets; their JSON is that of the types here, durations being text such as "1.5s". With the sandbox's
// address, which `worker --dev` prints, in $S:
//
//	curl $S/_behaviour                          # all of it, defaults filled in
//	curl $S/_behaviour --json '{"rotation":"strict","grace":"30s","clock_skew":"-5m"}'
//	curl $S/_behaviour --json '{"contacts_unauthorized_every":3,"contacts_throttled_every":-1}'
//	curl $S/_behaviour --json '{}'              # what is not named is back to its default
//	curl $S/_faults --json '{"grant":"refresh_token","lose_reply_after":true,"count":1}'
//	curl $S/_faults --json '{"status":429,"retry_after":"7","user":"ada","skip":2,"count":3}'
//	curl $S/_faults --json '[{"status":503,"probability":0.2,"seed":1},{"delay":"2s"}]'
//	curl $S/_faults --json '{}'                 # all is well again
//	curl $S/_presentations
//
// It is not for production: the default users (demo and ada) have published passwords, and the state file holds the
// default clients' secrets and the signing key in the clear.
package sandbox
