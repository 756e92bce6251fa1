package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/acme/connections/workflows"
)

const (
	every  = 5 * time.Minute
	jitter = 30 * time.Second

	// scheduleVersion counts changes of the schedule below. A worker brings an older one up to date, and leaves a newer
	// one, and what an operator has changed since, as it is.
	scheduleVersion = 1
	versionKey      = "connections_schedule_version"
)

// retrySchedule is the pause before a server that was busy or away is asked again.
const retrySchedule = 30 * time.Second

// KeepSchedule is EnsureSchedule for a worker that starts: it tries until it succeeds, ctx ends, or the server says that
// it will not have it, as where this client may not make schedules. The worker does without, then, and says so once.
func KeepSchedule(ctx context.Context, temporalClient client.Client, log *slog.Logger) {
	for warned := false; ; warned = true {
		err := EnsureSchedule(ctx, temporalClient)
		if err == nil || ctx.Err() != nil {
			return
		}
		if !warned {
			log.WarnContext(ctx, "the reconciler's schedule could not be made: \"starter reconcile\" runs it by hand", slog.Any("error", err))
		}
		if !passes(err) || isDenied(err) {
			return
		}
		timer := time.NewTimer(retrySchedule)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

func isDenied(err error) bool {
	var denied *serviceerror.PermissionDenied
	return errors.As(err, &denied)
}

// EnsureSchedule creates the schedule of the reconciler, or brings an older one up to date. One that an operator has
// paused stays paused. Any number of workers may do so at once.
func EnsureSchedule(ctx context.Context, temporalClient client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 3*rpcLimit)
	defer cancel()
	schedules := temporalClient.ScheduleClient()
	spec := client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}, Jitter: jitter}
	_, err := schedules.Create(ctx, client.ScheduleOptions{
		ID: workflows.ReconcilerID, Spec: spec, Action: action(),
		// After an outage one run is enough.
		Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: every,
	})
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return err
	}
	return schedules.GetHandle(ctx, workflows.ReconcilerID).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			schedule := in.Description.Schedule
			if versionOf(schedule) >= scheduleVersion {
				return nil, temporal.ErrSkipScheduleUpdate
			}
			schedule.Spec, schedule.Action = &spec, action()
			schedule.Policy = &client.SchedulePolicies{Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: every}
			return &client.ScheduleUpdate{Schedule: &schedule}, nil
		},
	})
}

// action is what the schedule does.
func action() *client.ScheduleWorkflowAction {
	return &client.ScheduleWorkflowAction{
		ID: workflows.ReconcilerID, Workflow: workflows.TypeReconcile, TaskQueue: workflows.TaskQueue,
		Args:                     []any{workflows.ReconcileInput{}},
		WorkflowExecutionTimeout: workflows.ReconcileLimit,
		Memo:                     map[string]any{versionKey: scheduleVersion},
		StaticSummary:            "reconciler",
		StaticDetails:            fmt.Sprintf("Makes the vault's directory and the workflows agree, every %d minutes.", int(every.Minutes())),
	}
}

// versionOf reads the version of a stored schedule; 0 if it tells none.
func versionOf(schedule client.Schedule) int {
	stored, ok := schedule.Action.(*client.ScheduleWorkflowAction)
	if !ok {
		return 0
	}
	var version int
	payload, ok := stored.Memo[versionKey].(*commonpb.Payload)
	if !ok || converter.GetDefaultDataConverter().FromPayload(payload, &version) != nil {
		return 0
	}
	return version
}
