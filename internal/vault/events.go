package vault

import (
	"context"
	"slices"
	"time"
)

// EventType says what happened to a connection.
type EventType string

// The closed table of events. One is written in the transaction that changes a connection's status, once per transition:
// a status that is entered again from a pause is none, since nobody was told of another one meanwhile.
const (
	// EventActivated: consent was given, and there is a first token.
	EventActivated EventType = "connection.activated"
	// EventDegraded: refresh fails for a reason that should pass.
	EventDegraded EventType = "connection.degraded"
	// EventRecovered: active again, after degraded or needs_reauth.
	EventRecovered EventType = "connection.recovered"
	// EventNeedsReauth: only a person's new consent helps.
	EventNeedsReauth EventType = "connection.needs_reauth"
	// EventExpiringSoon: the provider ends the grant within a month, a week, a day: once for each, and for each consent.
	EventExpiringSoon EventType = "connection.expiring_soon"
	// EventDisconnected: revoked, erased, and over. A connection that never had a token, and of which nothing was told
	// before, ends without one.
	EventDisconnected EventType = "connection.disconnected"
)

// EventTypes lists the closed table, in the order of a connection's life.
func EventTypes() []EventType {
	return []EventType{
		EventActivated, EventDegraded, EventRecovered, EventNeedsReauth, EventExpiringSoon, EventDisconnected,
	}
}

// EventsKept is how long events are kept, and with them their dead letters.
const EventsKept = 90 * 24 * time.Hour

// Events is the outbox: what connections went through, for those who are to be told. No method adds to it, since the
// change of a connection's status does. It outlives the connections, and holds no secret.
type Events interface {
	// Event reads one (ErrNotFound).
	Event(ctx context.Context, id string) (Event, error)
	// ListEvents returns events in order of sequence. Of two that are committed at the same time the later one may be
	// seen first: whoever follows reads the last minute again.
	ListEvents(ctx context.Context, f EventFilter) ([]Event, error)
	// ClaimEvents returns the earliest events that nobody has marked as dispatched, or claimed within the lease of that
	// claim, and claims them: at most limit. What is claimed and never marked is claimable again.
	ClaimEvents(ctx context.Context, limit int, lease time.Duration) ([]Event, error)
	// MarkDispatched notes that every endpoint's delivery of the events has begun. Those that are gone are passed over.
	MarkDispatched(ctx context.Context, ids []string) error
	// DeleteEvents removes events from before the given time, and their dead letters, and returns how many events.
	DeleteEvents(ctx context.Context, before time.Time) (int64, error)
}

// Event is one transition of a connection.
type Event struct {
	// Sequence orders events, with gaps.
	Sequence int64
	// ID is "evt_" and 32 hexadecimal digits, which sort by time.
	ID   string
	Type EventType
	// ConnectionID, Connector and Owner are the connection's, and Status and Reason what it changed to.
	ConnectionID string
	Connector    string
	Owner        string
	Status       string
	Reason       string
	// At is when the status changed.
	At time.Time
	// DispatchedAt is zero until every endpoint's delivery has begun.
	DispatchedAt time.Time
}

// EventFilter selects events; empty fields select all.
type EventFilter struct {
	Owner, ConnectionID string
	Type                EventType
	// After is the sequence to go on from, exclusive.
	After int64
	// Newest selects the last ones instead of the first; they are in order all the same.
	Newest bool
	// Limit is capped at 1,000; 0 means 100.
	Limit int
}

// PageSize is the limit with its default and its cap.
func (f EventFilter) PageSize() int { return ConnectionFilter{Limit: f.Limit}.PageSize() }

// InOrder brings a page that was read newest first into order.
func (f EventFilter) InOrder(page []Event) []Event {
	if f.Newest {
		slices.Reverse(page)
	}
	return page
}
