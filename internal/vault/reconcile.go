package vault

import (
	"context"
	"time"
)

// Reconciliation is what the reconciler looks for, and clears away, beside the directory.
type Reconciliation interface {
	// ListUnfinishedRequests returns the authorization requests whose answer brought a code after the one time and not
	// after the other, and whose outcome is still open, but for those held: the earliest answer first, by id where two are
	// equal. limit is capped at 1,000.
	ListUnfinishedRequests(ctx context.Context, after, upTo time.Time, limit int) ([]AuthRequest, error)
	// ListHeldRequests returns those that ListUnfinishedRequests leaves out since nobody has confirmed them.
	ListHeldRequests(ctx context.Context, after, upTo time.Time, limit int) ([]AuthRequest, error)
	// DeleteConsents removes links and authorization requests that expired at or before the given time, answered or
	// not: at most limit of each, and returns how many. Connect sessions that expired by then go too, uncounted.
	DeleteConsents(ctx context.Context, expiredBy time.Time, limit int) (links, requests int64, err error)
}
