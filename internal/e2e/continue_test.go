package e2e_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/workflows"
)

// A run hands over to the next before its history is long, with everything that it holds, and callers notice nothing.
func TestContinueAsNew(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	v := s.view("connect", "sandbox", "--grant", "client_credentials", "--wait")
	first, err := s.temporal().DescribeWorkflowExecution(ctx, workflows.WorkflowID(v.ID), "")
	require.NoError(t, err)
	firstRun := first.GetWorkflowExecutionInfo().GetExecution().GetRunId()

	c := s.client()
	const refreshes = 60 // a dozen events each: more than a run holds
	for n := range int64(refreshes) {
		refreshed, err := c.Refresh(ctx, v.ID)
		require.NoError(t, err)
		require.Equal(t, v.Generation+n+1, refreshed.Generation)
	}
	now, err := s.temporal().DescribeWorkflowExecution(ctx, workflows.WorkflowID(v.ID), "")
	require.NoError(t, err)
	require.NotEqual(t, firstRun, now.GetWorkflowExecutionInfo().GetExecution().GetRunId(), "a new run")
	require.Equal(t, firstRun, now.GetWorkflowExecutionInfo().GetFirstRunId())
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, now.GetWorkflowExecutionInfo().GetStatus())
	require.Contains(t, string(now.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields()["ConnectionStatus"].GetData()), "active")
	require.Equal(t, 200, s.call(s.dev.Sandbox.API, s.token(v.ID)))
	s.view("disconnect", v.ID)
	s.await(v.ID, func(now connections.View) bool { return now.Status == "disconnected" })
	s.replayAll()
}
