package connections

import (
	"context"
	"errors"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/acme/connections/internal/events"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

const (
	// followPoll is how often new events are looked for, whatever the vault announces.
	followPoll = 2 * time.Second
	// followAgain is how far back is read again, since of two events that are committed at once the later may be seen
	// first. It is longer than a transaction of the vault's may take.
	followAgain = time.Minute
	// deliveryLimit bounds a delivery's workflow: its own limits are shorter.
	deliveryLimit = 10 * 24 * time.Hour
)

// CodeDelivering: the delivery is under way.
const CodeDelivering = "delivery_under_way"

// EventView is what people and programs see of an event.
type EventView struct {
	ID   string          `json:"id"`
	Type vault.EventType `json:"type"`
	// Connection is the connection's id.
	Connection string    `json:"connection"`
	Connector  string    `json:"connector"`
	Owner      string    `json:"owner"`
	Status     string    `json:"status"`
	Reason     string    `json:"reason"`
	Message    string    `json:"message"`
	At         time.Time `json:"at"`
}

func viewOfEvent(e vault.Event) EventView {
	return EventView{
		ID: e.ID, Type: e.Type, Connection: e.ConnectionID, Connector: e.Connector, Owner: e.Owner, Status: e.Status,
		Reason: e.Reason, Message: events.Message(e), At: e.At,
	}
}

// EventQuery selects events; empty fields select all.
type EventQuery struct {
	Owner, Connection, Type string
	// After is the id of the event to go on from; without it the latest events are meant.
	After string
	// Limit is at most 1,000; 0 means 100.
	Limit int
}

func (c *Client) eventFilter(ctx context.Context, q EventQuery) (vault.EventFilter, error) {
	f := vault.EventFilter{
		Owner: q.Owner, ConnectionID: q.Connection, Type: vault.EventType(q.Type), Newest: q.After == "", Limit: q.Limit,
	}
	if q.Type != "" {
		if err := checkEventType(q.Type); err != nil {
			return f, err
		}
	}
	if q.After != "" {
		e, err := c.Vault.Event(ctx, q.After)
		if err != nil {
			return f, eventError(err, q.After)
		}
		f.After = e.Sequence
	}
	return f, nil
}

// Events lists events, the oldest first: those after one, or the latest.
func (c *Client) Events(ctx context.Context, q EventQuery) ([]EventView, error) {
	f, err := c.eventFilter(ctx, q)
	if err != nil {
		return nil, err
	}
	list, err := c.Vault.ListEvents(ctx, f)
	if err != nil {
		return nil, vaultError(err, "")
	}
	views := []EventView{}
	for _, e := range list {
		views = append(views, viewOfEvent(e))
	}
	return views, nil
}

// FollowEvents tells the events that Events lists, and then every new one as it happens, until ctx ends, which is no
// error, or told returns one.
func (c *Client) FollowEvents(ctx context.Context, q EventQuery, told func(EventView) error) error {
	filter, err := c.eventFilter(ctx, q)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	wake, watched := make(chan struct{}, 1), make(chan struct{})
	defer func() {
		cancel()
		<-watched
	}()
	go func() {
		defer close(watched)
		// Who is not woken polls.
		_ = c.Vault.Watch(ctx, vault.Watch{Changed: func(string) {
			select {
			case wake <- struct{}{}:
			default:
			}
		}})
	}()
	f := &follower{vault: c.Vault, filter: filter, seen: map[int64]time.Time{}, told: told}
	for {
		if err := f.look(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		timer := time.NewTimer(followPoll)
		select {
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// follower tells each event once.
type follower struct {
	vault  vault.Events
	filter vault.EventFilter
	// seen are the events behind filter.After that were told, and when.
	seen map[int64]time.Time
	told func(EventView) error
}

// look tells what is new.
func (f *follower) look(ctx context.Context) error {
	for filter := f.filter; ; {
		list, err := f.vault.ListEvents(ctx, filter)
		if err != nil {
			return vaultError(err, "")
		}
		for _, e := range list {
			if _, again := f.seen[e.Sequence]; again {
				continue
			}
			f.seen[e.Sequence] = time.Now()
			if err := f.told(viewOfEvent(e)); err != nil {
				return err
			}
		}
		if filter.Newest && len(list) > 0 {
			f.filter.After = list[0].Sequence - 1
		}
		if filter.Newest || len(list) < filter.PageSize() {
			f.settle()
			return nil
		}
		filter.After = list[len(list)-1].Sequence
	}
}

// settle moves the place to go on from behind what was seen a while ago.
func (f *follower) settle() {
	f.filter.Newest, f.filter.Limit = false, 1000
	for sequence, at := range f.seen {
		if time.Since(at) > followAgain {
			f.filter.After = max(f.filter.After, sequence)
		}
	}
	for sequence := range f.seen {
		if sequence <= f.filter.After {
			delete(f.seen, sequence)
		}
	}
}

// DeadLetterView is what people and programs see of an event that an endpoint never took.
type DeadLetterView struct {
	Event      string          `json:"event"`
	Endpoint   string          `json:"endpoint"`
	Type       vault.EventType `json:"type"`
	Connection string          `json:"connection"`
	Owner      string          `json:"owner"`
	Attempts   int             `json:"attempts"`
	// StatusCode is the HTTP status of the last answer; 0 if there was none.
	StatusCode int       `json:"status_code"`
	Reason     string    `json:"reason"`
	Message    string    `json:"message"`
	At         time.Time `json:"at"`
}

// DeadLetters lists what could not be delivered, the latest first.
func (c *Client) DeadLetters(ctx context.Context, f vault.DeadLetterFilter) ([]DeadLetterView, error) {
	list, err := c.Vault.ListDeadLetters(ctx, f)
	if err != nil {
		return nil, vaultError(err, "")
	}
	views := []DeadLetterView{}
	for _, d := range list {
		views = append(views, DeadLetterView{
			Event: d.EventID, Endpoint: d.EndpointID, Type: d.Type, Connection: d.ConnectionID, Owner: d.Owner,
			Attempts: d.Attempts, StatusCode: d.StatusCode, Reason: d.Reason, Message: workflows.Reason(d.Reason).Sentence(), At: d.At,
		})
	}
	return views, nil
}

// DeliverEvent begins the delivery of an event to an endpoint. If that was done before it does nothing, and that is no
// error: see events.Pump.
func (c *Client) DeliverEvent(ctx context.Context, eventID, endpointID string) error {
	err := c.deliver(ctx, eventID, endpointID, enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE)
	if errors.Is(err, ErrRunning) {
		return nil
	}
	return err
}

// Redeliver begins the delivery again, of an event that was delivered or was given up.
func (c *Client) Redeliver(ctx context.Context, eventID, endpointID string) error {
	event, err := c.Vault.Event(ctx, eventID)
	if err != nil {
		return eventError(err, eventID)
	}
	endpoint, err := c.Vault.Endpoint(ctx, endpointID)
	if err != nil {
		return endpointError(err, endpointID)
	}
	if !endpoint.Gets(event) {
		return invalid("Endpoint %s is of another owner than the event, and is not told of it.", endpointID)
	}
	if !endpoint.DisabledAt.IsZero() {
		return reasonError(workflows.ReasonWebhookDisabled)
	}
	err = c.deliver(ctx, eventID, endpointID, enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE)
	if errors.Is(err, ErrRunning) {
		return &Error{Code: CodeDelivering, Message: "The event is on its way to that endpoint already: workflow " + workflows.EventWorkflowID(eventID, endpointID) + " is trying."}
	}
	return err
}

// deliver starts the workflow of a delivery (ErrRunning, also where it has ended and may not be started again).
func (c *Client) deliver(ctx context.Context, eventID, endpointID string, reuse enums.WorkflowIdReusePolicy) error {
	_, err := c.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       workflows.EventWorkflowID(eventID, endpointID),
		TaskQueue:                workflows.TaskQueue,
		WorkflowExecutionTimeout: deliveryLimit,
		WorkflowIDReusePolicy:    reuse,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		// Its own error, to tell it from what is wrong.
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            "webhook",
	}, workflows.TypeEventDelivery, workflows.EventDeliveryInput{Event: eventID, Endpoint: endpointID})
	return temporalError(err)
}

// eventError is vaultError for an event.
func eventError(err error, id string) error {
	if errors.Is(err, vault.ErrNotFound) {
		return &Error{Code: string(workflows.ReasonNotFound), Message: "There is no event \"" + id + "\": events are kept for 90 days. \"starter events\" shows the latest."}
	}
	return vaultError(err, id)
}
