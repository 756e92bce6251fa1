package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Timeouts and retries of every activity, in this one place. The activity's own HTTP deadline is 15 s.
const (
	localLimit   = 5 * time.Second
	attemptLimit = 25 * time.Second

	renewLimit    = 24 * time.Hour
	exchangeLimit = 2 * time.Minute
	revokeLimit   = 7 * 24 * time.Hour
	recordLimit   = 24 * time.Hour
	probeLimit    = 5 * time.Minute
	// deliverLimit is longer than the ladder of [NextDelivery] with all that a receiver may ask for besides.
	deliverLimit = 7 * 24 * time.Hour
)

// HTTPLimit is the longest that one call at a provider takes; activities keep to it.
const HTTPLimit = 15 * time.Second

// WorkerStopLimit is how long a stopping worker waits for attempts under way: longer than [HTTPLimit].
const WorkerStopLimit = 25 * time.Second

// ReconcileLimit bounds one run of the reconciler, over all that it continues as.
const ReconcileLimit = 6 * time.Hour

// untilTheLimit leaves the end of retrying to the activity's time limit.
const untilTheLimit = 1_000_000

func renewActivity(g Grant) string {
	if g == GrantClientCredentials {
		return ActivityClientCredentials
	}
	return ActivityRefresh
}

// local runs an activity inside the workflow task: one event of history, and no retry.
func local(ctx workflow.Context, summary, activity string, in any) workflow.Future {
	return workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		ScheduleToCloseTimeout: localLimit,
		RetryPolicy:            &temporal.RetryPolicy{MaximumAttempts: 1},
		Summary:                summary,
	}), activity, in)
}

// regular runs an activity that operators see, and can pause, reset and steer; its retries add no history.
func regular(ctx workflow.Context, summary, activity string, in any, limit time.Duration, retry temporal.RetryPolicy) workflow.Future {
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout:    attemptLimit,
		ScheduleToCloseTimeout: limit,
		// A cancelled attempt is waited for: what it spends, it must also bring home.
		WaitForCancellation: true,
		RetryPolicy:         &retry,
		Summary:             summary,
	}), activity, in)
}

func renewRetries() temporal.RetryPolicy {
	return temporal.RetryPolicy{InitialInterval: 2 * time.Second, BackoffCoefficient: 2, MaximumInterval: 5 * time.Minute, MaximumAttempts: untilTheLimit}
}

func exchangeRetries() temporal.RetryPolicy {
	return temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 10 * time.Second, MaximumAttempts: untilTheLimit}
}

func revokeRetries() temporal.RetryPolicy {
	return temporal.RetryPolicy{InitialInterval: 2 * time.Second, BackoffCoefficient: 3, MaximumInterval: time.Hour, MaximumAttempts: untilTheLimit}
}

func recordRetries() temporal.RetryPolicy {
	return temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute, MaximumAttempts: untilTheLimit}
}

// deliverRetries are for attempts that were cut off: one that fails says itself when it is to be tried again.
func deliverRetries() temporal.RetryPolicy {
	return temporal.RetryPolicy{InitialInterval: 5 * time.Second, BackoffCoefficient: 2, MaximumInterval: time.Hour, MaximumAttempts: untilTheLimit}
}

// reconciling runs an activity of the reconciler: a piece of work of half a minute or so, that says where it is.
func reconciling(ctx workflow.Context, summary, activity string, in any) workflow.Future {
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout:    2 * time.Minute,
		HeartbeatTimeout:       30 * time.Second,
		ScheduleToCloseTimeout: 10 * time.Minute,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second, MaximumAttempts: untilTheLimit,
		},
		Summary: summary,
	}), activity, in)
}

// failure is what the workflow knows of a failed attempt.
type failure struct {
	reason     Reason
	retryAfter time.Duration
	// because and unconfirmed are those of [FailureDetails], and so are attempts and statusCode.
	because     Reason
	unconfirmed bool
	attempts    int
	statusCode  int
}

// failureOf reads an activity's error. A nil error gives the zero failure.
func failureOf(err error) failure {
	if err == nil {
		return failure{}
	}
	var app *temporal.ApplicationError
	if !errors.As(err, &app) || !Reason(app.Type()).Known() {
		return failure{reason: ReasonInternal}
	}
	f := failure{reason: Reason(app.Type())}
	var details FailureDetails
	if app.HasDetails() && app.Details(&details) == nil {
		f.retryAfter = time.Duration(details.RetryAfterSeconds) * time.Second
		f.unconfirmed = details.Unconfirmed
		f.attempts, f.statusCode = details.Attempts, details.StatusCode
		if details.Because.Known() {
			f.because = details.Because
		}
	}
	return f
}

// refusal is the error that a caller of an update gets. It is never retried by the SDK, and its type is a Reason.
func refusal(reason Reason) error {
	return temporal.NewNonRetryableApplicationError(reason.Sentence(), string(reason), nil)
}
