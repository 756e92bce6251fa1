package workflows

import (
	"context"
	"time"

	"go.temporal.io/sdk/workflow"
)

// EventActivities is what [EventDelivery] calls, by name.
//
// Every error is an application error whose type is a [Reason] and whose details are one [FailureDetails].
type EventActivities interface {
	DeliverEvent(ctx context.Context, in DeliverEventInput) (DeliveryResult, error)
	RecordDeadLetter(ctx context.Context, in DeadLetterInput) error
}

// EventDeliveryInput is the argument of workflow "EventDelivery": ids, and neither a URL nor a secret.
type EventDeliveryInput struct {
	Event    string `json:"event"`
	Endpoint string `json:"endpoint"`
}

// DeliverEventInput is the argument of activity "DeliverEvent".
type DeliverEventInput struct {
	Event    string `json:"event"`
	Endpoint string `json:"endpoint"`
	// Since is when the delivery began: [NextDelivery] counts from it.
	Since time.Time `json:"since"`
}

// DeadLetterInput is the argument of activity "RecordDeadLetter".
type DeadLetterInput struct {
	Event    string `json:"event"`
	Endpoint string `json:"endpoint"`
	Attempts int    `json:"attempts"`
	// StatusCode is the HTTP status of the last answer; 0 if there was none.
	StatusCode int `json:"status_code"`
	// Reason is why the last attempt failed.
	Reason Reason `json:"reason"`
}

// DeliveryOutcome is how a delivery ended.
type DeliveryOutcome string

// The outcomes of a delivery.
const (
	// OutcomeDelivered: the receiver answered with a status of 2xx.
	OutcomeDelivered DeliveryOutcome = "delivered"
	// OutcomeDeadLetter: it never did, and that is noted in the vault.
	OutcomeDeadLetter DeliveryOutcome = "dead_letter"
	// OutcomeRemoved: the event or the endpoint is gone from the vault, so there is nothing to deliver.
	OutcomeRemoved DeliveryOutcome = "removed"
)

// DeliveryResult is the result of workflow "EventDelivery" and of activity "DeliverEvent".
type DeliveryResult struct {
	Outcome    DeliveryOutcome `json:"outcome"`
	Attempts   int             `json:"attempts"`
	StatusCode int             `json:"status_code,omitempty"`
	// Reason is why the last attempt failed, of a dead letter.
	Reason Reason `json:"reason,omitempty"`
}

// EventDelivery is the workflow of one event's way to one webhook endpoint: it tries for about three days, and leaves a
// dead letter in the vault if that was in vain. It ends as completed either way. Its id, [EventWorkflowID], keeps the
// delivery from being begun twice.
func EventDelivery(ctx workflow.Context, in EventDeliveryInput) (DeliveryResult, error) {
	if !ValidID(in.Event) || !ValidID(in.Endpoint) {
		return DeliveryResult{}, refusal(ReasonInvalid)
	}
	var result DeliveryResult
	err := regular(ctx, "deliver webhook", ActivityDeliverEvent,
		DeliverEventInput{Event: in.Event, Endpoint: in.Endpoint, Since: workflow.Now(ctx)},
		deliverLimit, deliverRetries()).Get(ctx, &result)
	if err == nil || ctx.Err() != nil {
		return result, err
	}
	letter := deadLetter(in, failureOf(err))
	err = regular(ctx, "record dead letter", ActivityRecordDeadLetter, letter, recordLimit, recordRetries()).Get(ctx, nil)
	switch {
	case err == nil:
		result = DeliveryResult{
			Outcome: OutcomeDeadLetter, Attempts: letter.Attempts, StatusCode: letter.StatusCode, Reason: letter.Reason,
		}
	case failureOf(err).reason == ReasonNotFound:
		result, err = DeliveryResult{Outcome: OutcomeRemoved, Attempts: letter.Attempts}, nil
	}
	return result, err
}

// deadLetter is what to note of a delivery that failed for good.
func deadLetter(in EventDeliveryInput, f failure) DeadLetterInput {
	letter := DeadLetterInput{
		Event: in.Event, Endpoint: in.Endpoint, Attempts: f.attempts, StatusCode: f.statusCode, Reason: f.reason,
	}
	if f.reason == ReasonWebhookGivenUp {
		letter.Reason = f.because
	}
	return letter
}

// deliveryLadder is how long to wait after each failed attempt, as Standard Webhooks recommends: soon at first, for a
// hiccup or a deployment of the receiver's, and over three days, for a weekend.
func deliveryLadder() []time.Duration {
	return []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

// NextDelivery says how long to wait after an attempt that began this long after the first, and failed; ok is false
// after the last one. It goes by time and not by a count, so that attempts that never came to the receiver, as while the
// vault was away, use up nothing of its three days. A part of up to a tenth, from the ids, keeps the deliveries of one
// outage from coming back all at once.
func NextDelivery(eventID, endpointID string, began time.Duration) (wait time.Duration, ok bool) {
	const width = 100
	var due time.Duration
	for n, pause := range deliveryLadder() {
		if due += pause; began < due {
			jitter := spread(EventWorkflowID(eventID, endpointID), int64(n), width)
			return pause + pause/1000*time.Duration(jitter), true
		}
	}
	return 0, false
}
