package vault

import (
	"context"
	"time"
)

// Waiters counts who is parked until a person has mended a connection, so that the page that asks for consent and the
// operator's status can say how many workflows that would set going. An entry lapses by itself, by the store's own
// clock, so that a waiter that crashed does not count for ever.
type Waiters interface {
	// PutWaiter notes that somebody waits for a connection, for as long as life from now on; key tells waiters apart.
	// Noting the same again prolongs it. A connection without a row, and a tombstone, are passed over.
	PutWaiter(ctx context.Context, connectionID, key string, life time.Duration) error
	// DeleteWaiter takes the note back; there need not be one.
	DeleteWaiter(ctx context.Context, connectionID, key string) error
	// CountWaiters is how many wait for a connection; 0 if there is none.
	CountWaiters(ctx context.Context, connectionID string) (int, error)
}
