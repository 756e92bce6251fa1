package reconcile_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"

	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/workflows"
)

// TestMissing_Terminated: a workflow that was ended by hand is started again, and goes on from the vault.
func TestMissing_Terminated(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	id, well := r.machine(), r.machine()
	r.end(id)
	r.old()
	dry := r.reconcile(dryRun)
	r.requireFound(dry, workflows.FoundWorkflowMissing, workflows.ActStarted, id)
	require.True(t, dry.DryRun)
	_, status := r.runOf(id)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_TERMINATED, status, "a dry run does nothing")

	report := r.reconcile()
	r.requireFound(report, workflows.FoundWorkflowMissing, workflows.ActStarted, id)
	require.EqualValues(t, 2, report.Rows)
	require.EqualValues(t, 1, report.Workflows)
	require.EqualValues(t, 1, report.Started)
	require.Equal(t, "The connection has no workflow. A new workflow goes on from the vault.", report.Findings[0].Message)
	require.Equal(t, "2 rows and 1 workflows: workflow_missing: 1 started", report.Summary())
	require.Contains(t, r.Logged.String(), `"found":"workflow_missing","act":"started","connection":"`+id+`"`)

	said := r.requireRuns(id, workflows.StatusActive)
	require.EqualValues(t, 1, said.Generation)
	r.requireRuns(well, workflows.StatusActive)
	refreshed, err := r.Client.Refresh(t.Context(), id)
	require.NoError(t, err)
	require.EqualValues(t, 2, refreshed.Generation)
	r.requireToken(id)
	r.requireQuiet()
}

// TestMissing_NeverStarted: the process died between the row and its workflow.
func TestMissing_NeverStarted(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	id := r.row(workflows.GrantClientCredentials, workflows.StatusPending, time.Hour)
	waiting := r.row(workflows.GrantAuthorizationCode, workflows.StatusPending, time.Hour)
	r.requireFound(r.reconcile(), workflows.FoundWorkflowMissing, workflows.ActStarted, sorted(id, waiting)...)
	r.AwaitStatus(id, workflows.StatusActive)
	r.requireToken(id)
	said := r.requireRuns(waiting, workflows.StatusPending)
	require.WithinDuration(t, time.Now().Add(23*time.Hour), *said.ConsentDeadline, time.Minute, "its time goes on, it does not begin anew")
	r.requireQuiet()
}

// TestMissing_EveryStatusGoesOn as what it is.
func TestMissing_EveryStatusGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	paused, dead := r.machine(), r.consented()
	_, err := r.Client.Pause(t.Context(), paused)
	require.NoError(t, err)
	r.exec("UPDATE connections SET status = 'needs_reauth', reason = 'grant_rejected', status_seq = 7 WHERE id = ?", dead)
	asked := r.TokenRequests("client_credentials")
	r.end(paused)
	r.end(dead)
	r.old()
	r.requireFound(r.reconcile(), workflows.FoundWorkflowMissing, workflows.ActStarted, paused, dead)

	r.requireRuns(paused, workflows.StatusPaused)
	require.Equal(t, asked, r.TokenRequests("client_credentials"), "a pause stays a pause")
	_, err = r.Client.Resume(t.Context(), paused)
	require.NoError(t, err)
	r.requireRuns(paused, workflows.StatusActive)
	said := r.requireRuns(dead, workflows.StatusNeedsReauth)
	require.Equal(t, workflows.ReasonGrantRejected, said.Reason)
	require.EqualValues(t, 7, said.StatusSeq)
	require.Zero(t, r.TokenRequests("refresh_token"))
	r.requireQuiet()
}

// TestMissing_ConsentOverdue: nobody was there to say that the consent never came.
func TestMissing_ConsentOverdue(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	id := r.row(workflows.GrantAuthorizationCode, workflows.StatusPending, 25*time.Hour)
	report := r.reconcile()
	r.requireFound(report, workflows.FoundConsentOverdue, workflows.ActEnded, id)
	require.EqualValues(t, 1, report.Ended)
	row := r.AwaitStatus(id, workflows.StatusExpired)
	require.Equal(t, "consent_expired", row.Reason)
	r.awaitListed(id, "")
	r.requireQuiet()
	_, err := r.Client.Reconnect(t.Context(), id)
	require.NoError(t, err)
	r.requireRuns(id, workflows.StatusPending)
}

// TestMissing_DisconnectUnfinished: what was promised is to revoke and erase.
func TestMissing_DisconnectUnfinished(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	id := r.consented()
	r.end(id)
	r.exec("UPDATE connections SET status = 'disconnecting', reason = 'disconnect_requested', status_seq = 5 WHERE id = ?", id)
	r.old()
	r.requireFound(r.reconcile(), workflows.FoundDisconnectUnfinished, workflows.ActStarted, id)
	row := r.AwaitStatus(id, workflows.StatusDisconnected)
	require.Equal(t, "disconnect_requested", row.Reason)
	require.Nil(t, row.AccessToken)
	require.Nil(t, row.RefreshToken)
	require.Positive(t, r.Sandbox.Stats().Revocations)
	r.awaitListed(id, "")
	r.requireQuiet()
}

// TestMissing_ConnectorGone: the connection says so, and can be disconnected.
func TestMissing_ConnectorGone(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	id := r.row(workflows.GrantClientCredentials, workflows.StatusPending, time.Hour)
	r.exec("UPDATE connections SET connector = 'was-here' WHERE id = ?", id)
	r.requireFound(r.reconcile(), workflows.FoundWorkflowMissing, workflows.ActStarted, id)
	r.AwaitStatus(id, workflows.StatusPending)
	require.Eventually(t, func() bool {
		view, err := r.Client.Status(t.Context(), id)
		return err == nil && view.Reason == "connector_missing"
	}, patience, 10*time.Millisecond)
	_, err := r.Client.Disconnect(t.Context(), id)
	require.NoError(t, err)
	r.AwaitStatus(id, workflows.StatusDisconnected)
}

// TestLeftAlone: what is young, tombstones, what an operator or a customer has paused.
func TestLeftAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	tombstone, young := r.machine(), r.row(workflows.GrantClientCredentials, workflows.StatusPending, 4*time.Minute)
	expired := r.row(workflows.GrantAuthorizationCode, workflows.StatusExpired, 48*time.Hour)
	justChanged := r.row(workflows.GrantClientCredentials, workflows.StatusPending, time.Hour)
	r.exec("UPDATE connections SET status_at = ? WHERE id = ?", r.Clock.Now().Add(-4*time.Minute).UnixMicro(), justChanged)
	paused := r.machine()
	_, err := r.Client.Pause(t.Context(), paused)
	require.NoError(t, err)
	r.awaitListed(paused, workflows.StatusPaused)
	_, err = r.Client.Disconnect(t.Context(), tombstone)
	require.NoError(t, err)
	r.AwaitStatus(tombstone, workflows.StatusDisconnected)
	r.awaitListed(tombstone, "")

	report := r.reconcile()
	require.Empty(t, report.Findings)
	require.EqualValues(t, 5, report.Rows)
	require.EqualValues(t, 2, report.Young)
	row, err := r.Client.Row(t.Context(), expired)
	require.NoError(t, err)
	require.Equal(t, "expired", row.Status)

	r.Clock.Move(time.Minute + time.Second)
	r.requireFound(r.reconcile(), workflows.FoundWorkflowMissing, workflows.ActStarted, young, justChanged)
	row, err = r.Client.Row(t.Context(), tombstone)
	require.NoError(t, err)
	require.Equal(t, "disconnected", row.Status)
	require.Equal(t, "paused", r.AwaitStatus(paused, workflows.StatusPaused).Status)
}

// TestIncludeYoung is for people who cannot wait.
func TestIncludeYoung(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	id := r.machine()
	r.end(id)
	require.EqualValues(t, 1, r.reconcile().Young)
	r.requireFound(r.reconcile(includeYoung), workflows.FoundWorkflowMissing, workflows.ActStarted, id)
	r.requireRuns(id, workflows.StatusActive)
}

// TestPages: what is wrong is found on every page, of 1,200 rows.
func TestPages(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	const rows, stride = 1200, 120
	var ids []string
	for range rows {
		ids = append(ids, r.row(workflows.GrantAuthorizationCode, workflows.StatusExpired, 48*time.Hour))
	}
	ids = sorted(ids...)
	var missing []string
	for i := stride - 1; i < rows; i += stride {
		r.exec("UPDATE connections SET status = 'paused' WHERE id = ?", ids[i])
		missing = append(missing, ids[i])
	}
	require.Len(t, missing, 10)
	report := r.reconcile()
	r.requireFound(report, workflows.FoundWorkflowMissing, workflows.ActStarted, missing...)
	require.EqualValues(t, rows, report.Rows)
	for _, id := range missing {
		r.awaitListed(id, workflows.StatusPaused)
	}
	report = r.reconcile()
	require.Empty(t, report.Findings)
	require.EqualValues(t, len(missing), report.Workflows)
}
