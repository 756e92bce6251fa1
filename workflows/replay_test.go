package workflows_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	tlog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/workflows"
)

// Histories that a real server recorded must replay with the code of today: connections live for years, and a worker
// that cannot replay them stops them all. A change that breaks one belongs behind workflow.GetVersion. New ones are
// recorded by "go test ./internal/e2e -record-histories DIR".
func TestRecordedHistoriesReplay(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/histories/*.json")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 5, "the corpus is not there")
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			replayer := worker.NewWorkflowReplayer()
			replayer.RegisterWorkflowWithOptions(workflows.Connection, workflow.RegisterOptions{Name: workflows.TypeConnection})
			replayer.RegisterWorkflowWithOptions(workflows.Breaker, workflow.RegisterOptions{Name: workflows.TypeBreaker})
			replayer.RegisterWorkflowWithOptions(workflows.Reconcile, workflow.RegisterOptions{Name: workflows.TypeReconcile})
			replayer.RegisterWorkflowWithOptions(workflows.EventDelivery, workflow.RegisterOptions{Name: workflows.TypeEventDelivery})
			log := tlog.NewStructuredLogger(slog.New(slog.DiscardHandler))
			require.NoError(t, replayer.ReplayWorkflowHistoryFromJSONFile(log, file))
		})
	}
}
