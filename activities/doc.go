// Package activities gives activities access tokens of connections, and does the work of the connections themselves.
//
// # In an activity
//
// [Open] once per process, and give the [Tokens] to the activities. There, in the order in which to prefer them:
//
//   - [Tokens.HTTPClient] is an *http.Client whose requests carry the connection's token as its provider wants it. It
//     refreshes a token that the API refuses (401), once, and repeats the request.
//   - [Tokens.TokenSource] is an oauth2.TokenSource, for the SDKs of Google, GitHub, Slack and others.
//   - [Tokens.Token] is the token itself, for everything else.
//   - [Tokens.OpenSealed] opens a token that workflow code was given by package workflows.
//
// Ask each time, and keep nothing: a read costs a table look-up while the token lives, and only who asks hears that the
// connection was paused, or is over. [MinLife] asks for a token that lives as long as the call that it is for; [Wait]
// bounds the wait for a newer one.
//
// A token prints as "[redacted]". Never return the text of [Token.Reveal] from an activity, nor put it into an error or a
// heartbeat: Temporal keeps them.
//
// # Errors
//
// Each says by its type what is to be done. All are found by errors.As:
//
//	NeedsReauthorization    a person must consent (again)       not retried; workflow code can wait: workflows.AwaitToken
//	Paused                  somebody has paused the connection  not retried; workflow code can wait
//	Disconnected            the connection is over              not retried; connect anew
//	NotFound                no such connection of this owner    not retried; a fault of the caller
//	InsufficientScope       the API wants more scopes           not retried; reconnect, with more scopes
//	TemporarilyUnavailable  no live token just now              retried; after RetryAfter, if that is known
//
// They are application errors of Temporal's around these types, with a reason of package workflows as their type: an
// activity may return them as they are, and is retried, or not, as the table says. Where an SDK or package net/http has
// wrapped them, [TemporalError] takes them out again; [TokenErrors] does so for every activity of a worker. Workflow code
// reads them by workflows.AsTokenError.
//
// # What it needs
//
// The keyset "access", which opens access tokens and nothing else, and a database user with the role
// "connections_access", who reads those alone: by the environment, or by [Config]. Nothing more is needed while tokens
// live; a Temporal client renews them. Config.Owner limits a process to one owner's connections: any other is [NotFound].
// Every hand-out is audited, by Config.Caller.
//
// # Outages
//
// With Temporal away, tokens are handed out until they expire. With Postgres away, those in the process are, and
// what is not is asked of the connection's workflow, by query. With both away, those in the process. When they are back,
// all goes on by itself. A refresh, a pause and a disconnect reach every process within a second: where changes cannot
// be heard, what is older than half a second is read again first.
//
// # In the worker of this module
//
// All the rest, from [New] and [NewHandOut] on, is for the worker of this module: what its workflows may not do, the
// calls to providers and to the vault. Whatever is single-use (a code, a rotating refresh token) is spent under an
// attempt row that fences it: the row is written before the call and re-checked just before the first byte leaves, the
// raw reply is sealed into it before it is parsed, and the token set lands by compare-and-swap on the generation. The
// call itself runs detached: neither a cancelled activity nor a stopping worker cuts off a reply that is on its way.
package activities
