package reconcile_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/workflows"
)

// TestUnanswered: a workflow that cannot be asked is named, and left as it is.
func TestUnanswered(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	id := r.row(workflows.GrantClientCredentials, workflows.StatusPaused, time.Hour)
	_, err := r.Temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: workflows.WorkflowID(id), TaskQueue: "where nobody works",
		TypedSearchAttributes: temporal.NewSearchAttributes(
			workflows.AttributeOwner.ValueSet(r.owner), workflows.AttributeStatus.ValueSet("active"),
		),
	}, workflows.TypeConnection, workflows.ConnectionInput{ID: id, Grant: workflows.GrantClientCredentials})
	require.NoError(t, err)
	r.awaitListed(id, workflows.StatusActive)
	run, _ := r.runOf(id)
	report := r.reconcile()
	r.requireFound(report, workflows.FoundUnanswered, workflows.ActFailed, id)
	require.EqualValues(t, 1, report.Failed)
	same, _ := r.runOf(id)
	require.Equal(t, run, same)
	row, err := r.Client.Row(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "paused", row.Status)
}
