package vault

import (
	"context"
	"time"
)

// Idempotency keeps which requests were made under which Idempotency-Key, and what they were answered, so that one that
// is repeated creates nothing twice.
type Idempotency interface {
	// BeginRequest claims an idempotency key for a request, or says why not. Of those who begin at the same time, one is
	// told [RequestStarted]. A claim ends with its lease, measured by the store's own clock, so that a process that
	// crashed does not hold it for ever. A row that has expired at r.At counts as none.
	BeginRequest(ctx context.Context, r RequestStart) (RequestBegun, error)
	// FinishRequest stores the answer, sealed, for whoever repeats the request (ErrConflict if the claim is not the
	// caller's any more).
	FinishRequest(ctx context.Context, r RequestStart, sealed []byte) error
	// DropRequest gives a claim up, so that the request can be made again. That it is not there is no error.
	DropRequest(ctx context.Context, r RequestStart) error
	// DeleteRequests removes rows that expired by a time, at most limit, and returns how many.
	DeleteRequests(ctx context.Context, expiredBy time.Time, limit int) (int64, error)
}

// RequestStart claims an idempotency key.
type RequestStart struct {
	// KeyID is the API key's: idempotency keys of two of them never meet. Hash is that of the idempotency key.
	KeyID string
	Hash  []byte
	// Request is the hash of what is asked.
	Request []byte
	// Claim tells apart those who claim the same.
	Claim     string
	Lease     time.Duration
	At        time.Time
	ExpiresAt time.Time
}

// RequestOutcome says what BeginRequest found.
type RequestOutcome string

// The outcomes of BeginRequest.
const (
	// RequestStarted: the claim is the caller's, who is to finish or to drop it.
	RequestStarted RequestOutcome = "started"
	// RequestRunning: somebody else has claimed it, and has not finished.
	RequestRunning RequestOutcome = "running"
	// RequestDone: it was answered; RequestBegun.Sealed is what.
	RequestDone RequestOutcome = "done"
	// RequestDiffers: the key was used for another request.
	RequestDiffers RequestOutcome = "differs"
)

// RequestBegun is the result of BeginRequest.
type RequestBegun struct {
	Outcome RequestOutcome
	// Sealed is the answer, for RequestDone.
	Sealed []byte
}

// RequestFound says what a row that is in the way of a start means.
func (r RequestStart) RequestFound(request, sealed []byte) RequestBegun {
	switch {
	case string(request) != string(r.Request):
		return RequestBegun{Outcome: RequestDiffers}
	case sealed == nil:
		return RequestBegun{Outcome: RequestRunning}
	default:
		return RequestBegun{Outcome: RequestDone, Sealed: sealed}
	}
}
