package vault

import (
	"context"
	"time"
)

// Reads keeps when each connection's token was last asked for, apart from the connection's row: marks come in batches
// and must cost neither history nor a copy of the sealed tokens.
type Reads interface {
	// MarkRead raises the last read of each connection to the given time; it never lowers one. Ids without a row, and
	// those of tombstones, are passed over.
	MarkRead(ctx context.Context, marks map[string]time.Time) error
	// LastRead is when the connection was last read; zero if never, and for a tombstone (ErrNotFound if there is no
	// connection).
	LastRead(ctx context.Context, connectionID string) (time.Time, error)
}

// The policies of refresh (Connection.Policy, Integration.Policy). Empty means the integration's, and there adaptive.
const (
	// PolicyAdaptive lets a connection that nobody reads sleep until its next read, or its keep-alive.
	PolicyAdaptive = "adaptive"
	// PolicyAlwaysFresh keeps a live token at all times.
	PolicyAlwaysFresh = "always_fresh"
)
