package reconcile_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/workflows"
)

// TestByHand_OneAtATime: who asks for a run does not get the report of another one.
func TestByHand_OneAtATime(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	_, err := r.Temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: connections.ReconcileID, TaskQueue: "where nobody works",
	}, workflows.TypeReconcile, workflows.ReconcileInput{})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, r.Temporal.TerminateWorkflow(context.WithoutCancel(t.Context()), connections.ReconcileID, "", "its test is over"))
	})
	_, err = r.Client.Reconcile(t.Context(), workflows.ReconcileInput{})
	require.Equal(t, connections.CodeReconciling, connections.CodeOf(err))
	require.ErrorContains(t, err, "connections-reconciler-by-hand")

	_, err = r.NewClient(connectionstest.LazyTemporal(t, "127.0.0.1:9"), "http://127.0.0.1:9").Reconcile(t.Context(), workflows.ReconcileInput{})
	require.Equal(t, connections.CodeTemporalUnavailable, connections.CodeOf(err))
}
