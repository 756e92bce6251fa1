package reconcile_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"

	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// forget deletes a connection's row, as if the vault had been restored to before it.
func (r *rig) forget(id string) {
	r.t.Helper()
	r.exec("DELETE FROM connections WHERE id = ?", id)
	r.t.Cleanup(func() {
		_ = r.Temporal.TerminateWorkflow(context.WithoutCancel(r.t.Context()), workflows.WorkflowID(id), "", "its test is over")
	})
}

func (r *rig) requireTerminated(id string) {
	r.t.Helper()
	_, status := r.runOf(id)
	require.Equal(r.t, enums.WORKFLOW_EXECUTION_STATUS_TERMINATED, status)
}

// TestOrphans: a workflow whose connection the vault does not have is ended, and says why.
func TestOrphans(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	r.owner += ` \ "Sons"` // an owner may have any printable characters
	first, id, last := r.machine(), r.machine(), r.machine()
	r.forget(id)
	require.EqualValues(t, 1, r.reconcile().Young, "it may be about to get a row? no, but nobody is in a hurry")
	r.old()
	r.requireFound(r.reconcile(dryRun), workflows.FoundRowMissing, workflows.ActEnded, id)
	_, status := r.runOf(id)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, status)

	report := r.reconcile()
	r.requireFound(report, workflows.FoundRowMissing, workflows.ActEnded, id)
	require.EqualValues(t, 3, report.Workflows)
	require.EqualValues(t, 2, report.Rows)
	r.requireTerminated(id)
	r.requireRuns(first, workflows.StatusActive)
	r.requireRuns(last, workflows.StatusActive)
	r.awaitListed(id, "")
	r.requireQuiet()
}

// TestOrphans_EmptyVault: an empty database, or the wrong one, does not end a fleet.
func TestOrphans_EmptyVault(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	const many = 26
	var ids []string
	for range many {
		ids = append(ids, r.row(workflows.GrantAuthorizationCode, workflows.StatusPaused, time.Hour))
	}
	require.EqualValues(t, many, r.reconcile().Started)
	for _, id := range ids {
		r.awaitListed(id, workflows.StatusPaused)
		r.forget(id)
	}
	r.old()
	report := r.reconcile()
	require.Len(t, report.Findings, 1)
	require.EqualValues(t, many, report.Of(workflows.FoundRowMissing, workflows.ActHeld))
	require.Zero(t, report.Ended)
	require.Contains(t, report.Findings[0].Message, "is this the right vault?")
	require.Len(t, report.Findings[0].Examples, 10)
	_, status := r.runOf(ids[0])
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, status)

	require.EqualValues(t, many, r.reconcile(endOrphans).Of(workflows.FoundRowMissing, workflows.ActEnded))
	for _, id := range ids {
		r.requireTerminated(id)
		r.awaitListed(id, "")
	}
	r.requireQuiet()
}

// TestRowEnded: the row decides what exists. The workflow of a connection that has ended is ended.
func TestRowEnded(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	gone, late := r.machine(), r.row(workflows.GrantAuthorizationCode, workflows.StatusPaused, time.Hour)
	r.old()
	r.requireFound(r.reconcile(), workflows.FoundWorkflowMissing, workflows.ActStarted, late)
	r.awaitListed(late, workflows.StatusPaused)
	for id, status := range map[string]workflows.ConnectionStatus{gone: workflows.StatusDisconnected, late: workflows.StatusExpired} {
		require.NoError(t, r.Vault.Erase(t.Context(), vault.StatusChange{ID: id, Status: string(status), Seq: 9, At: r.Clock.Now()}, r.Clock.Now().Add(time.Hour)))
	}
	require.EqualValues(t, 2, r.reconcile().Young, "their workflows may be just ending")
	r.old()
	report := r.reconcile()
	r.requireFound(report, workflows.FoundRowEnded, workflows.ActEnded, gone, late)
	require.True(t, report.Deep, "it shows that Temporal is from before: others were asked, too")
	r.requireTerminated(gone)
	r.requireTerminated(late)
	r.awaitListed(gone, "")
	r.awaitListed(late, "")
	r.requireQuiet()
}
