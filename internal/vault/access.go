package vault

import (
	"context"
	"time"
)

// Access is all that an in-process caller of other connections needs of a vault: access tokens, the connectors that
// operators have added, which say how to use them, and the marks that it leaves when it reads them. Every [Store] is one; an engine may also be opened as one, with rights that reach no
// further. All methods are safe for concurrent use.
type Access interface {
	// AccessRow reads what a caller may see of a connection: one lookup by primary key (ErrNotFound).
	AccessRow(ctx context.Context, id string) (AccessRow, error)
	// MarkRead is that of [Reads].
	MarkRead(ctx context.Context, marks map[string]time.Time) error
	// RecordHandouts is that of [Audit].
	RecordHandouts(ctx context.Context, handouts []Handout) error
	// ConnectorDocument and ConnectorDocuments are those of [Connectors].
	ConnectorDocument(ctx context.Context, id string) (document []byte, ok bool, err error)
	ConnectorDocuments(ctx context.Context) (map[string][]byte, error)
	Watcher

	// Ping reports whether the vault can be reached.
	Ping(ctx context.Context) error
	// Close releases everything; the Access must not be used after.
	Close() error
}

// AccessRow is the part of a [Connection] that callers may see. The fields are those of the same names there.
type AccessRow struct {
	ID, Owner, Connector string
	Status, Reason       string
	// Generation and Failures name the refresh that is due.
	Generation, Failures int64
	TokenType            string
	IssuedAt             time.Time
	// ExpiresAt is zero if the expiry is unknown.
	ExpiresAt     time.Time
	GrantedScopes []string
	// Metadata is what the provider told beside the tokens, such as the host of its API.
	Metadata map[string]string
	// AccessToken is sealed with the keyset "access"; nil if there is none.
	AccessToken []byte
}
