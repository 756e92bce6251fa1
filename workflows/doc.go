// Package workflows is the public, pure part of Connections: what other teams' workflows get tokens by, the contract
// with them and with operators, and the workflow that each connection is. It imports no I/O.
//
// # In workflow code
//
// A connection is one authorised account at a provider, known by its id ("con_…"). With that id,
//
//   - [Token] gets its access token, sealed, with its expiry and its scopes. It costs one activity on queue
//     "connections", and needs neither a database nor a key in the caller's worker. With [Local] it costs one event,
//     where that worker has opened the tokens by package activities; with [ViaNexus] it works from another namespace.
//   - [AwaitToken] does the same, and if the connection needs a person it parks the workflow until that person has
//     consented, for days if need be, at the cost of one activity.
//   - [StatusViaNexus] asks from another namespace where a connection stands.
//
// [MinLife] asks for a token that lives long enough for what is to be done with it, [Wait] bounds the call.
//
// The token stays sealed in workflow code, so that no history ever has it in clear. An activity opens it, with
// Tokens.OpenSealed of package activities. Often no token need pass through workflow code at all: the activity that calls
// the API asks for one itself, by Tokens.HTTPClient there. Then only AwaitToken is of use here, for work that can wait.
//
// # Errors
//
// Both return a [*TokenError], whose Kind says what a caller can do:
//
//	NeedsReauthorization    a person must consent (again): AwaitToken waits for that
//	Paused                  until somebody resumes it: AwaitToken waits for that
//	Disconnected            final: connect anew
//	NotFound, Malformed     final: a fault of the caller
//	TemporarilyUnavailable  not in the time allowed: try again later
//
// [AsTokenError] finds it also in the failure of an activity that used package activities, and of a child workflow.
// Reasons are codes of one closed table ([Reason]), each with a sentence for people; the type of every application error
// of this module is one of them.
//
// # The contract
//
// Names of queues, workflows, signals, updates, queries, activities and search attributes are constants of this package
// and never change without a version. A connection's workflow is "connection/<id>" ([WorkflowID]); query "status"
// ([Status]) says where it stands, from outside of workflows.
//
// # The workflow of a connection
//
// One [Connection] workflow is one authorised account. It waits for a callback signal with the sealed authorization
// code (or starts straight from client credentials), then renews the token on durable timers and answers token
// queries, for years. Secrets never pass through it in clear: the vault holds them sealed, and what this workflow
// carries of the access token is sealed with a keyset that only activities and clients have.
package workflows
