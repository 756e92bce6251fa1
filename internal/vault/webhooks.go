package vault

import (
	"context"
	"slices"
	"time"
)

// Webhooks keeps who is to be told of events, and what they could not be told.
type Webhooks interface {
	// CreateEndpoint inserts an endpoint (ErrExists).
	CreateEndpoint(ctx context.Context, e Endpoint) error
	// Endpoint reads one (ErrNotFound).
	Endpoint(ctx context.Context, id string) (Endpoint, error)
	// ListEndpoints returns endpoints in order of id.
	ListEndpoints(ctx context.Context, f EndpointFilter) ([]Endpoint, error)
	// SetEndpointSecrets replaces the secrets if nobody has since version (ErrConflict, ErrNotFound).
	SetEndpointSecrets(ctx context.Context, id string, version int64, secrets []EndpointSecret) error
	// DisableEndpoint stops deliveries to an endpoint; the first reason stays (ErrNotFound).
	DisableEndpoint(ctx context.Context, id, reason string, at time.Time) error
	// DeleteEndpoint removes an endpoint and its dead letters (ErrNotFound).
	DeleteEndpoint(ctx context.Context, id string) error

	// PutDeadLetter inserts or replaces one (ErrNotFound if its event or its endpoint is gone).
	PutDeadLetter(ctx context.Context, d DeadLetter) error
	// DeleteDeadLetter removes one, if it is there.
	DeleteDeadLetter(ctx context.Context, eventID, endpointID string) error
	// ListDeadLetters returns dead letters, the latest first.
	ListDeadLetters(ctx context.Context, f DeadLetterFilter) ([]DeadLetter, error)
}

// Endpoint is a URL that is told of events.
type Endpoint struct {
	ID string
	// Owner is whose events it gets: empty for the platform, which gets everyone's.
	Owner string
	URL   string
	// Types are the events that it wants; nil for all.
	Types []string
	// Secrets sign, the newest first.
	Secrets []EndpointSecret
	// Version counts changes of the secrets.
	Version   int64
	CreatedAt time.Time
	// DisabledAt is zero while it is in use; DisabledReason says why it is not.
	DisabledAt     time.Time
	DisabledReason string
}

// Gets reports whether the endpoint may be told of the event at all: one owner's never of another's.
func (e Endpoint) Gets(event Event) bool { return e.Owner == "" || e.Owner == event.Owner }

// Wants reports whether the endpoint is to be told of the event, unasked.
func (e Endpoint) Wants(event Event) bool {
	return e.Gets(event) && (len(e.Types) == 0 || slices.Contains(e.Types, string(event.Type)))
}

// EndpointSecret is one secret of an endpoint.
type EndpointSecret struct {
	// Sealed is sealed with the keyset "vault".
	Sealed []byte `json:"sealed"`
	// Until is when it ceases to sign; zero for the one in force.
	Until time.Time `json:"until,omitzero"`
}

// Normalize returns the endpoint in the form in which it is stored.
func (e Endpoint) Normalize() Endpoint {
	e.URL, e.Types, e.DisabledReason = cleanText(e.URL), cleanList(e.Types), cleanText(e.DisabledReason)
	e.Secrets = NormalizeSecrets(e.Secrets)
	e.CreatedAt, e.DisabledAt = cleanTime(e.CreatedAt), cleanTime(e.DisabledAt)
	return e
}

// NormalizeSecrets returns the secrets in the form in which they are stored.
func NormalizeSecrets(secrets []EndpointSecret) []EndpointSecret {
	if len(secrets) == 0 {
		return nil
	}
	clean := make([]EndpointSecret, len(secrets))
	for i, s := range secrets {
		clean[i] = EndpointSecret{Sealed: s.Sealed, Until: cleanTime(s.Until)}
	}
	return clean
}

// EndpointFilter selects endpoints; empty fields select all.
type EndpointFilter struct {
	// Owners selects those of any of these; "" is the platform.
	Owners []string
	// Enabled leaves out those that are disabled.
	Enabled bool
	// After is the id to go on from, exclusive.
	After string
	// Limit is capped at 1,000; 0 means 100.
	Limit int
}

// PageSize is the limit with its default and its cap.
func (f EndpointFilter) PageSize() int { return ConnectionFilter{Limit: f.Limit}.PageSize() }

// DeadLetter is an event that an endpoint never took. It goes with either.
type DeadLetter struct {
	EventID    string
	EndpointID string
	// Attempts is how often it was tried, and StatusCode what HTTP status the last answer had; 0 if there was none.
	Attempts   int
	StatusCode int
	// Reason is a code: why the last attempt failed.
	Reason string
	At     time.Time

	// Type, ConnectionID and Owner are the event's; PutDeadLetter does not look at them.
	Type         EventType
	ConnectionID string
	Owner        string
}

// Normalize returns the dead letter in the form in which it is stored.
func (d DeadLetter) Normalize() DeadLetter {
	d.Reason, d.At = cleanText(d.Reason), cleanTime(d.At)
	return d
}

// DeadLetterFilter selects dead letters; empty fields select all.
type DeadLetterFilter struct {
	// Owner is the event's.
	Owner, EndpointID string
	// Limit is capped at 1,000; 0 means 100.
	Limit int
}

// PageSize is the limit with its default and its cap.
func (f DeadLetterFilter) PageSize() int { return ConnectionFilter{Limit: f.Limit}.PageSize() }
