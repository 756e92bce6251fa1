// Package vault is where secrets rest, sealed, and where hot reads hit. It knows nothing of keys, OAuth or Temporal:
// what it is given sealed it keeps sealed. Engines are pgvault and sqlitevault; vaulttest is the suite both pass.
package vault

import (
	"context"
	"errors"
	"time"
)

// The errors that every engine returns, wrapped or not. Anything else means that the engine is unavailable.
var (
	// ErrNotFound: no such row.
	ErrNotFound = errors.New("vault: not found")
	// ErrExists: a row with that id is there already.
	ErrExists = errors.New("vault: already exists")
	// ErrConflict: the row has moved on (generation, status or attempt) since the caller looked.
	ErrConflict = errors.New("vault: conflict")
	// ErrConsumed: the single-use row was used before.
	ErrConsumed = errors.New("vault: already used")
	// ErrExpired: the row's time is over.
	ErrExpired = errors.New("vault: expired")
	// ErrExhausted: the row was used as often as it may be.
	ErrExhausted = errors.New("vault: used too often")
)

// Store is one vault. All methods are safe for concurrent use, by many processes.
//
// Times are truncated to microseconds and returned in UTC; a zero time is stored as NULL. Leases are measured by the
// store's own clock, so that hosts with different clocks agree on them. Empty maps, lists and byte strings are stored
// as none and returned as nil; NUL and invalid UTF-8 in free texts become U+FFFD.
type Store interface {
	Connections
	Tokens
	Attempts
	Consents
	Sessions
	Integrations
	Breakers
	Reads
	Waiters
	Connectors
	Reconciliation
	KeyChecks
	Audit
	APIKeys
	Idempotency
	Access
	Events
	Webhooks

	// Ping reports whether the vault can be reached.
	Ping(ctx context.Context) error
	// Close releases everything; the Store must not be used after.
	Close() error
}

// Connections is the directory: a connection exists if and only if its row does.
type Connections interface {
	// CreateConnection inserts a row without tokens (ErrExists).
	CreateConnection(ctx context.Context, c Connection) error
	// ImportConnection inserts a row together with the tokens that it has had elsewhere, as its first generation, in one
	// transaction (ErrExists). What c.Generation says is of no matter.
	ImportConnection(ctx context.Context, c Connection) error
	// Connection reads a row, sealed tokens included (ErrNotFound).
	Connection(ctx context.Context, id string) (Connection, error)
	// ListConnections returns rows in order of id, without sealed tokens.
	ListConnections(ctx context.Context, f ConnectionFilter) ([]Connection, error)
	// SetStatus writes status, reason, seq and at if s.Seq is greater than the row's; else it changes nothing and
	// returns nil, since a newer status is there already. ErrNotFound if there is no row.
	// A row in "disconnected" never changes again.
	SetStatus(ctx context.Context, s StatusChange) error
	// SetIntegration points the connection to another integration (ErrNotFound).
	SetIntegration(ctx context.Context, id, integrationID string) error
	// SetPolicy gives the connection another policy of refresh (ErrNotFound).
	SetPolicy(ctx context.Context, id, policy string) error
	// Erase removes tokens, attempts, links, requests, the read mark and counted failures of the connection and applies
	// s, in one transaction. With s.Status "disconnected" the row becomes a tombstone until the given time, whatever
	// s.Seq is; any other status is subject to the rule of SetStatus. Erasing twice is no error (ErrNotFound). The audit
	// stays.
	Erase(ctx context.Context, s StatusChange, tombstoneUntil time.Time) error
	// DeleteTombstones removes rows whose tombstone time has passed, and returns how many.
	DeleteTombstones(ctx context.Context, now time.Time) (int64, error)
}

// Tokens writes token sets.
type Tokens interface {
	// CommitTokens stores a new token set, raises the generation by one, zeroes failures, and ends the attempt as
	// done, in one transaction: only if the row's generation is still t.FromGeneration and its status is not
	// disconnecting, disconnected or expired (ErrConflict). It returns the new generation.
	CommitTokens(ctx context.Context, t TokenCommit) (generation int64, err error)
}

// Attempts fences the calls that spend something: at most one is open per connection.
type Attempts interface {
	// BeginAttempt opens an attempt, or says why not. See [AttemptOutcome]. ErrNotFound if there is no connection,
	// ErrConflict if it is disconnected, ErrExists if the attempt's id is taken.
	BeginAttempt(ctx context.Context, b AttemptStart) (Begun, error)
	// MarkSent records that the first byte is about to leave. ErrConflict if the attempt is no longer the open one,
	// or was marked before: the caller must then send nothing.
	MarkSent(ctx context.Context, attemptID string) error
	// SaveReply stores the provider's raw reply, sealed, whatever has become of the attempt (ErrNotFound).
	SaveReply(ctx context.Context, attemptID string, sealed []byte) error
	// FailAttempt ends an attempt as failed, in doubt, or superseded (the provider took nothing), raises the
	// connection's failures, and returns them. An attempt that has ended already stays as it is (ErrConflict), but
	// for one in doubt with a late reply, which is finished from that. (ErrNotFound)
	FailAttempt(ctx context.Context, attemptID string, state AttemptState, reason string) (failures int64, err error)
	// RaiseFailures raises a connection's failures by one although no attempt was made, so that the refusal of a shared
	// refresh is not replayed to a later caller (ErrNotFound).
	RaiseFailures(ctx context.Context, connectionID string) error
	// Attempt reads one (ErrNotFound).
	Attempt(ctx context.Context, attemptID string) (Attempt, error)
	// LastRefusal reads the newest failed attempt of a connection whose reply is kept (ErrNotFound).
	LastRefusal(ctx context.Context, connectionID string) (Attempt, error)
}

// Consents keeps connect links and authorization requests. Both are found by hash only: the vault never holds what a
// browser could present.
type Consents interface {
	// CreateLink inserts a link (ErrExists, ErrNotFound if there is no connection, or only its tombstone).
	CreateLink(ctx context.Context, l Link) error
	// Link reads a link by the hash of its secret (ErrNotFound).
	Link(ctx context.Context, hash []byte) (Link, error)
	// StartConsent consumes the link for one browser and inserts the authorization request, in one transaction.
	// ErrNotFound, ErrExpired (at r.CreatedAt), or ErrConsumed if another browser has used the link: the browser
	// that used it may start again until the link expires.
	StartConsent(ctx context.Context, linkHash []byte, r AuthRequest) error
	// AuthRequestByState reads an authorization request by the hash of its state (ErrNotFound).
	AuthRequestByState(ctx context.Context, stateHash []byte) (AuthRequest, error)
	// AuthRequest reads an authorization request by id (ErrNotFound).
	AuthRequest(ctx context.Context, id string) (AuthRequest, error)
	// ConsumeAuthRequest marks the request as answered, with the sealed code or an outcome, exactly once: ErrConsumed
	// for everyone but the first, ErrExpired (at c.At) after its time, ErrNotFound.
	ConsumeAuthRequest(ctx context.Context, c Consumption) error
	// ReleaseAuthRequest ends the hold on an answered request, exactly once: an empty outcome lets its code be used, any
	// other is written and erases code and verifier. ErrConsumed if it is not held any more, ErrExpired if the answer
	// came at or before answeredAfter, ErrNotFound.
	ReleaseAuthRequest(ctx context.Context, id, outcome string, answeredAfter time.Time) error
	// FinishAuthRequest writes the outcome that the result page shows, erasing the sealed code and verifier
	// (ErrNotFound). The first outcome stays.
	FinishAuthRequest(ctx context.Context, id, outcome string) error
}

// Integrations keeps OAuth apps.
type Integrations interface {
	// PutIntegration inserts or replaces an integration.
	PutIntegration(ctx context.Context, i Integration) error
	// Integration reads one (ErrNotFound).
	Integration(ctx context.Context, id string) (Integration, error)
	// ListIntegrations returns the integrations of an owner ("" for the platform's) in order of id.
	ListIntegrations(ctx context.Context, owner string) ([]Integration, error)
	// DeleteIntegration removes an integration that no connection uses but, it may be, the one named besides, and
	// disconnected ones (ErrConflict, ErrNotFound).
	DeleteIntegration(ctx context.Context, id, besides string) error
}

// Connectors keeps the connectors that operators have added: JSON documents, which the vault does not read.
type Connectors interface {
	// PutConnector inserts or replaces one.
	PutConnector(ctx context.Context, id string, document []byte) error
	// DeleteConnector removes one (ErrNotFound).
	DeleteConnector(ctx context.Context, id string) error
	// ConnectorDocument reads one; ok is false if there is none.
	ConnectorDocument(ctx context.Context, id string) (document []byte, ok bool, err error)
	// ConnectorDocuments reads them all, by id.
	ConnectorDocuments(ctx context.Context) (map[string][]byte, error)
}

// KeyChecks lets a process find out at start whether its keysets are those of the vault.
type KeyChecks interface {
	// KeyCheck returns the sealed known value of a keyset, inserting offered if there is none yet.
	KeyCheck(ctx context.Context, keyset string, offered []byte) (stored []byte, err error)
}
