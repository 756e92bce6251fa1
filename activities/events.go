package activities

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/acme/connections/internal/events"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/webhook"
	"github.com/acme/connections/workflows"
)

const (
	// maxRetryAfter bounds how long a receiver may ask to be left alone.
	maxRetryAfter = 24 * time.Hour
	// deliverAgain is the pause after an attempt that never came to the receiver.
	deliverAgain = 30 * time.Second
	// maxUnderWay bounds the deliveries of this process, so that slow receivers leave room for refreshes, and
	// maxPerEndpoint those to one endpoint, so that one slow receiver leaves room for the others.
	maxUnderWay    = 60
	maxPerEndpoint = 10
	// queuedPause is the least time until a delivery that found no room is tried again; it is drawn up to twice that.
	queuedPause = 2 * time.Second
)

// EventsVault is the part of the vault that deliveries use.
type EventsVault interface {
	vault.Events
	vault.Webhooks
}

// DeliveryConfig is what deliveries need. All fields but Now are required.
type DeliveryConfig struct {
	Vault EventsVault
	// Keys is the keyset "vault".
	Keys   *keyring.Ring
	Sender *webhook.Sender
	// Now is time.Now if nil.
	Now func() time.Time
	Log *slog.Logger
}

// Delivery implements [workflows.EventActivities]. It is safe for concurrent use.
type Delivery struct {
	DeliveryConfig
	room room
}

var _ workflows.EventActivities = (*Delivery)(nil)

// NewDelivery makes the activities.
func NewDelivery(c DeliveryConfig) *Delivery {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Delivery{DeliveryConfig: c, room: room{under: map[string]int{}}}
}

// Register registers every activity under its name in the contract.
func (d *Delivery) Register(registry worker.ActivityRegistry) {
	registry.RegisterActivityWithOptions(d.DeliverEvent, activity.RegisterOptions{Name: workflows.ActivityDeliverEvent})
	registry.RegisterActivityWithOptions(d.RecordDeadLetter, activity.RegisterOptions{Name: workflows.ActivityRecordDeadLetter})
}

// DeliverEvent implements [workflows.EventActivities]: one attempt. It may be made again after it has succeeded, if its
// result is lost: receivers tell by the header "webhook-id".
func (d *Delivery) DeliverEvent(ctx context.Context, in workflows.DeliverEventInput) (workflows.DeliveryResult, error) {
	began := d.Now()
	attempts := int(activity.GetInfo(ctx).Attempt)
	event, endpoint, err := d.read(ctx, in)
	switch {
	case errors.Is(err, vault.ErrNotFound), err == nil && !endpoint.Gets(event):
		return workflows.DeliveryResult{Outcome: workflows.OutcomeRemoved, Attempts: attempts - 1}, nil
	case err != nil:
		return workflows.DeliveryResult{}, failure(workflows.ReasonVaultUnavailable, deliverAgain)
	case !endpoint.DisabledAt.IsZero():
		return workflows.DeliveryResult{}, failureWith(workflows.ReasonWebhookDisabled, 0, workflows.FailureDetails{Attempts: attempts - 1})
	}
	if !d.room.enter(endpoint.ID) {
		return workflows.DeliveryResult{}, failure(workflows.ReasonWebhookQueued, queuedPause+rand.N(queuedPause)) //nolint:gosec // jitter is no secret
	}
	defer d.room.leave(endpoint.ID)
	answer, reason := d.send(ctx, event, endpoint)
	if reason == workflows.ReasonNone {
		if err := d.Vault.DeleteDeadLetter(ctx, event.ID, endpoint.ID); err != nil {
			d.Log.WarnContext(ctx, "an event was delivered, and its dead letter is still there", slog.String("event", event.ID), slog.Any("error", err))
		}
		return workflows.DeliveryResult{Outcome: workflows.OutcomeDelivered, Attempts: attempts, StatusCode: answer.Status}, nil
	}
	d.Log.InfoContext(ctx, "a webhook was not delivered", slog.String("event", event.ID), slog.String("endpoint", endpoint.ID),
		slog.String("reason", string(reason)), slog.Int("status", answer.Status), slog.Int("attempt", attempts))
	details := workflows.FailureDetails{Attempts: attempts, StatusCode: answer.Status}
	if reason == workflows.ReasonWebhookGone {
		if err := d.Vault.DisableEndpoint(ctx, endpoint.ID, string(reason), d.Now()); err != nil && !errors.Is(err, vault.ErrNotFound) {
			return workflows.DeliveryResult{}, failure(workflows.ReasonVaultUnavailable, deliverAgain)
		}
		return workflows.DeliveryResult{}, failureWith(reason, 0, details)
	}
	wait, more := workflows.NextDelivery(event.ID, endpoint.ID, began.Sub(in.Since))
	if !more {
		details.Because = reason
		return workflows.DeliveryResult{}, failureWith(workflows.ReasonWebhookGivenUp, 0, details)
	}
	return workflows.DeliveryResult{}, failureWith(reason, max(wait, min(answer.RetryAfter, maxRetryAfter)), details)
}

// RecordDeadLetter implements [workflows.EventActivities].
func (d *Delivery) RecordDeadLetter(ctx context.Context, in workflows.DeadLetterInput) error {
	d.Log.WarnContext(ctx, "a webhook was given up", slog.String("event", in.Event), slog.String("endpoint", in.Endpoint),
		slog.String("reason", string(in.Reason)), slog.Int("status", in.StatusCode))
	return vaultFailure(d.Vault.PutDeadLetter(ctx, vault.DeadLetter{
		EventID: in.Event, EndpointID: in.Endpoint, Attempts: in.Attempts, StatusCode: in.StatusCode,
		Reason: string(in.Reason), At: d.Now(),
	}))
}

func (d *Delivery) read(ctx context.Context, in workflows.DeliverEventInput) (vault.Event, vault.Endpoint, error) {
	event, err := d.Vault.Event(ctx, in.Event)
	if err != nil {
		return vault.Event{}, vault.Endpoint{}, err
	}
	endpoint, err := d.Vault.Endpoint(ctx, in.Endpoint)
	return event, endpoint, err
}

// send makes the attempt, and says why it failed.
func (d *Delivery) send(ctx context.Context, event vault.Event, endpoint vault.Endpoint) (webhook.Answer, workflows.Reason) {
	body, err := events.Body(event)
	if err != nil {
		return webhook.Answer{}, workflows.ReasonInternal
	}
	now := d.Now()
	secrets, err := d.secrets(endpoint, now)
	if err != nil {
		return webhook.Answer{}, workflows.ReasonKeyMissing
	}
	signature, err := webhook.Sign(secrets, event.ID, now, body)
	if err != nil {
		return webhook.Answer{}, workflows.ReasonKeyMissing
	}
	answer, err := d.Sender.Send(ctx, endpoint.URL, webhook.Message{ID: event.ID, At: now, Signature: signature, Body: body})
	switch {
	case errors.Is(err, webhook.ErrForbidden):
		return answer, workflows.ReasonWebhookForbidden
	case err != nil:
		return answer, workflows.ReasonWebhookUnreachable
	case answer.OK():
		return answer, workflows.ReasonNone
	case answer.Status == http.StatusGone:
		return answer, workflows.ReasonWebhookGone
	default:
		return answer, workflows.ReasonWebhookRefused
	}
}

// secrets opens those that sign at a time; there is at least one.
func (d *Delivery) secrets(endpoint vault.Endpoint, now time.Time) ([]secret.String, error) {
	var opened []secret.String
	for _, s := range endpoint.Secrets {
		if !s.Until.IsZero() && !now.Before(s.Until) {
			continue
		}
		text, err := d.Keys.OpenString(keyring.WebhookSecret(endpoint.ID), s.Sealed)
		if err != nil {
			return nil, err
		}
		opened = append(opened, text)
	}
	if len(opened) == 0 {
		return nil, keyring.ErrOpen
	}
	return opened, nil
}

// room counts the deliveries under way.
type room struct {
	mu    sync.Mutex
	all   int
	under map[string]int
}

// enter reports whether there is room for one more to the endpoint.
func (r *room) enter(endpointID string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all >= maxUnderWay || r.under[endpointID] >= maxPerEndpoint {
		return false
	}
	r.all++
	r.under[endpointID]++
	return true
}

func (r *room) leave(endpointID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	if r.under[endpointID]--; r.under[endpointID] == 0 {
		delete(r.under, endpointID)
	}
}
