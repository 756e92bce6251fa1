package connectionstest

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
)

// CallerWorker runs workflows of another team: on a task queue of its own, with no vault and no key. It stops with the
// test.
func CallerWorker(t testing.TB, c client.Client, functions ...any) (queue string) {
	t.Helper()
	queue = "callers-" + uuid.NewString()
	w := worker.New(c, queue, worker.Options{})
	for _, f := range functions {
		w.RegisterWorkflow(f)
	}
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	return queue
}

// History is the history of a workflow: how many events, and all their text.
func History(t testing.TB, c client.Client, run client.WorkflowRun) (events int, text string) {
	t.Helper()
	all := c.GetWorkflowHistory(t.Context(), run.GetID(), run.GetRunID(), false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for all.HasNext() {
		event, err := all.Next()
		require.NoError(t, err)
		events++
		text += fmt.Sprintf("%v %q\n", event, event)
	}
	return events, text
}
