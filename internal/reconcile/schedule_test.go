package reconcile_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/reconcile"
	"github.com/acme/connections/workflows"
)

// TestSchedule is one test, since there is one schedule in a namespace.
func TestSchedule(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	ctx := t.Context()
	handle := r.Temporal.ScheduleClient().GetHandle(ctx, workflows.ReconcilerID)
	describe := func() *client.ScheduleDescription {
		t.Helper()
		description, err := handle.Describe(ctx)
		require.NoError(t, err)
		return description
	}
	actionOf := func(d *client.ScheduleDescription) *client.ScheduleWorkflowAction {
		t.Helper()
		action, ok := d.Schedule.Action.(*client.ScheduleWorkflowAction)
		require.True(t, ok)
		return action
	}

	// Many workers start at once.
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		all.Go(func() { errs[i] = reconcile.EnsureSchedule(ctx, r.Temporal) })
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	t.Cleanup(func() { require.NoError(t, handle.Delete(context.WithoutCancel(ctx))) })
	made := describe()
	require.Equal(t, []client.ScheduleIntervalSpec{{Every: 5 * time.Minute}}, made.Schedule.Spec.Intervals)
	require.Equal(t, 30*time.Second, made.Schedule.Spec.Jitter)
	require.Equal(t, enums.SCHEDULE_OVERLAP_POLICY_SKIP, made.Schedule.Policy.Overlap)
	require.Equal(t, 5*time.Minute, made.Schedule.Policy.CatchupWindow)
	require.Equal(t, "Reconcile", actionOf(made).Workflow)
	require.Equal(t, "connections", actionOf(made).TaskQueue)
	require.False(t, made.Schedule.State.Paused)

	// What an operator has changed is left as it is: the pause, and the interval.
	require.NoError(t, handle.Pause(ctx, client.SchedulePauseOptions{Note: "while we restore"}))
	change := func(f func(*client.Schedule)) {
		t.Helper()
		require.Eventually(t, func() bool {
			return handle.Update(ctx, client.ScheduleUpdateOptions{
				DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
					schedule := in.Description.Schedule
					f(&schedule)
					return &client.ScheduleUpdate{Schedule: &schedule}, nil
				},
			}) == nil
		}, patience, 10*time.Millisecond, "a busy server takes its time")
	}
	hourly := &client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: time.Hour}}}
	change(func(s *client.Schedule) { s.Spec = hourly })
	require.NoError(t, reconcile.EnsureSchedule(ctx, r.Temporal))
	changed := describe()
	require.True(t, changed.Schedule.State.Paused)
	require.Equal(t, "while we restore", changed.Schedule.State.Note)
	require.Equal(t, time.Hour, changed.Schedule.Spec.Intervals[0].Every)

	// An older version's is brought up to date, and stays paused.
	change(func(s *client.Schedule) {
		action, ok := s.Action.(*client.ScheduleWorkflowAction)
		require.True(t, ok)
		action.Memo, action.Workflow = nil, "OlderName"
	})
	require.NoError(t, reconcile.EnsureSchedule(ctx, r.Temporal))
	mended := describe()
	require.Equal(t, "Reconcile", actionOf(mended).Workflow)
	require.Equal(t, 5*time.Minute, mended.Schedule.Spec.Intervals[0].Every)
	require.True(t, mended.Schedule.State.Paused)
	require.Equal(t, "while we restore", mended.Schedule.State.Note)

	// A newer version's is left as it is.
	change(func(s *client.Schedule) {
		action, ok := s.Action.(*client.ScheduleWorkflowAction)
		require.True(t, ok)
		payload, ok := action.Memo["connections_schedule_version"].(*commonpb.Payload)
		require.True(t, ok)
		payload.Data = []byte("1000")
		action.Workflow = "NewerName"
	})
	require.NoError(t, reconcile.EnsureSchedule(ctx, r.Temporal))
	require.Equal(t, "NewerName", actionOf(describe()).Workflow)
}

// TestSchedule_NoServer: the worker is told once, and goes on; it is tried again until the worker stops.
func TestSchedule_NoServer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	logged := &connectionstest.Buffer{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		reconcile.KeepSchedule(ctx, connectionstest.LazyTemporal(t, "127.0.0.1:9"), slog.New(slog.NewTextHandler(logged, nil)))
	}()
	require.Eventually(t, func() bool { return strings.Contains(logged.String(), "schedule could not be made") }, patience, 10*time.Millisecond)
	select {
	case <-done:
		require.Fail(t, "it gave up")
	default:
	}
	cancel()
	<-done
}

// unwilling is a server that lets this client make no schedules.
type unwilling struct{ client.Client }

func (unwilling) ScheduleClient() client.ScheduleClient { return noSchedules{} }

type noSchedules struct{ client.ScheduleClient }

func (noSchedules) Create(context.Context, client.ScheduleOptions) (client.ScheduleHandle, error) {
	return nil, serviceerror.NewPermissionDenied("no", "")
}

// TestSchedule_NotAllowed: the worker does without.
func TestSchedule_NotAllowed(t *testing.T) {
	t.Parallel()
	logged := &connectionstest.Buffer{}
	reconcile.KeepSchedule(t.Context(), unwilling{}, slog.New(slog.NewTextHandler(logged, nil)))
	require.Equal(t, 1, strings.Count(logged.String(), "level=WARN"))
}
