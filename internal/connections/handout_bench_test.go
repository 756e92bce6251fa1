package connections_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/workflows"
)

// callsPerRun keeps the benchmarks' histories short.
const callsPerRun = 50

// BenchmarkWorkflowToken is workflows.Token, one after another, beside its floor: an activity that does nothing, on the
// same worker and queue.
func BenchmarkWorkflowToken(b *testing.B) {
	r := connectionstest.New(b, connectionstest.Options{})
	created, err := r.Client.Create(b.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme", Grant: grant})
	require.NoError(b, err)
	r.AwaitStatus(created.ID, workflows.StatusActive)
	queue := "callers-" + uuid.NewString()
	w := worker.New(r.Temporal, queue, worker.Options{})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context, n int) error {
		for range n {
			if _, err := workflows.Token(ctx, created.ID); err != nil {
				return err
			}
		}
		return nil
	}, workflow.RegisterOptions{Name: "token"})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context, n int) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{TaskQueue: queue + "-activities", StartToCloseTimeout: time.Minute})
		for range n {
			if err := workflow.ExecuteActivity(ctx, "noop").Get(ctx, nil); err != nil {
				return err
			}
		}
		return nil
	}, workflow.RegisterOptions{Name: "noop"})
	require.NoError(b, w.Start())
	b.Cleanup(w.Stop)
	// As the worker of connections: guarded, and on another queue than its callers.
	floor := worker.New(r.Temporal, queue+"-activities", worker.Options{Interceptors: []interceptor.WorkerInterceptor{activities.Guard(slog.New(slog.DiscardHandler))}, DisableWorkflowWorker: true})
	floor.RegisterActivityWithOptions(func() error { return nil }, activity.RegisterOptions{Name: "noop"})
	require.NoError(b, floor.Start())
	b.Cleanup(floor.Stop)
	for _, name := range []string{"noop", "token"} {
		b.Run(name, func(b *testing.B) {
			for left := b.N; left > 0; left -= callsPerRun {
				run, err := r.Temporal.ExecuteWorkflow(b.Context(), client.StartWorkflowOptions{ID: name + uuid.NewString(), TaskQueue: queue}, name, min(left, callsPerRun))
				require.NoError(b, err)
				require.NoError(b, run.Get(b.Context(), nil))
			}
		})
	}
}
