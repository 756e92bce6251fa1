package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	tlog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/acme/connections/internal/sample"
	"github.com/acme/connections/workflows"
)

// record writes the histories of these tests to workflows/testdata/histories, for a release to keep.
var record = flag.String("record-histories", "", "directory to write workflow histories to")

// run is one workflow execution with its history.
type execution struct {
	workflowID, runID string
	history           *historypb.History
}

// queue is the task queue that it was started on: whose workflow it is.
func (e execution) queue() string {
	return e.history.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes().GetTaskQueue().GetName()
}

// executions reads every history of the system's server, of every run, open or closed.
func (s *system) executions() []execution {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := s.temporal()
	var found []execution
	// Visibility lags a little behind: every connection of the vault must be among them.
	want := len(s.list())
	require.Eventually(s.t, func() bool {
		response, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: s.dev.Namespace, PageSize: 1000})
		require.NoError(s.t, err)
		ids := map[string]bool{}
		found = nil
		for _, e := range response.GetExecutions() {
			ids[e.GetExecution().GetWorkflowId()] = true
			found = append(found, execution{workflowID: e.GetExecution().GetWorkflowId(), runID: e.GetExecution().GetRunId()})
		}
		return len(ids) >= want
	}, patience, 100*time.Millisecond)
	for i := range found {
		iterator := c.GetWorkflowHistory(ctx, found[i].workflowID, found[i].runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		found[i].history = &historypb.History{}
		for iterator.HasNext() {
			event, err := iterator.Next()
			require.NoError(s.t, err)
			found[i].history.Events = append(found[i].history.Events, event)
		}
	}
	return found
}

// replayAll proves that the workflow code replays what it has just recorded.
func (s *system) replayAll() {
	s.t.Helper()
	replayer := worker.NewWorkflowReplayer()
	replayer.RegisterWorkflowWithOptions(workflows.Breaker, workflow.RegisterOptions{Name: workflows.TypeBreaker})
	replayer.RegisterWorkflowWithOptions(workflows.Connection, workflow.RegisterOptions{Name: workflows.TypeConnection})
	replayer.RegisterWorkflowWithOptions(workflows.EventDelivery, workflow.RegisterOptions{Name: workflows.TypeEventDelivery})
	replayer.RegisterWorkflowWithOptions(workflows.Reconcile, workflow.RegisterOptions{Name: workflows.TypeReconcile})
	replayer.RegisterWorkflowWithOptions(sample.Contacts, workflow.RegisterOptions{Name: sample.TypeContacts})
	replayer.RegisterWorkflowWithOptions(sample.Await, workflow.RegisterOptions{Name: sample.TypeAwait})
	for i, e := range s.executions() {
		if e.queue() != workflows.TaskQueue && e.queue() != sample.TaskQueue {
			continue // of a caller in a test
		}
		require.NoError(s.t, replayer.ReplayWorkflowHistory(tlog.NewStructuredLogger(slog.New(slog.DiscardHandler)), e.history), e.workflowID)
		require.Less(s.t, len(e.history.GetEvents()), 600)
		if *record != "" && e.queue() == workflows.TaskQueue {
			content, err := protojson.MarshalOptions{Multiline: true}.Marshal(e.history)
			require.NoError(s.t, err)
			name := filepath.Join(*record, fmt.Sprintf("%s-%d.json", filepath.Base(s.t.Name()), i))
			require.NoError(s.t, os.WriteFile(name, content, 0o600))
		}
	}
}
