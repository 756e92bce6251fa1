package reconcile_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// setStatus writes a status to the row only, as if Temporal had been restored to before it.
func (r *rig) setStatus(id string, status workflows.ConnectionStatus, reason workflows.Reason, seq int64, at time.Time) {
	r.t.Helper()
	require.NoError(r.t, r.Vault.SetStatus(r.t.Context(), vault.StatusChange{
		ID: id, Status: string(status), Reason: string(reason), Seq: seq, At: at,
	}))
}

// The vault is older than Temporal.

// TestVaultOlder_Status: the workflow's newer status is written, and its run goes on.
func TestVaultOlder_Status(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	id := r.machine()
	restore := r.backup(id)
	_, err := r.Client.Pause(t.Context(), id)
	require.NoError(t, err)
	r.awaitListed(id, workflows.StatusPaused)
	restore()
	run, _ := r.runOf(id)
	_, err = r.Client.Token(t.Context(), id, 0)
	require.NoError(t, err, "the row hands out what was paused")
	r.old()
	report := r.reconcile()
	r.requireFound(report, workflows.FoundRowBehind, workflows.ActRepaired, id)
	require.EqualValues(t, 1, report.Repaired)
	row, err := r.Client.Row(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "paused", row.Status)
	require.Equal(t, "paused_by_request", row.Reason)
	same, _ := r.runOf(id)
	require.Equal(t, run, same)
	r.requireQuiet()
	_, err = r.Client.Resume(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "active", r.AwaitStatus(id, workflows.StatusActive).Status)
}

// TestVaultOlder_Tokens: the row holds generation 1, the workflow has had 3. What the provider still serves is not lost.
func TestVaultOlder_Tokens(t *testing.T) {
	t.Parallel()
	for name, rotates := range map[string]bool{"refresh tokens are kept": false, "refresh tokens rotate": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			grant := workflows.GrantClientCredentials
			if rotates {
				grant = workflows.GrantAuthorizationCode
			}
			r := newRig(t, connectionstest.Options{Connector: func(c *connector.Connector) { c.Refresh.GraceSeconds = 0 }})
			var id string
			if rotates {
				id = r.consented()
			} else {
				id = r.machine()
			}
			restore := r.backup(id)
			for range 2 {
				_, err := r.Client.Refresh(t.Context(), id)
				require.NoError(t, err)
			}
			restore()
			r.old()
			require.Empty(t, r.reconcile().Findings, "it shows only where the workflow is asked")
			report := r.reconcile(deep)
			r.requireFound(report, workflows.FoundTokensBehind, workflows.ActNoted, id)
			require.True(t, report.Deep)
			said := r.requireRuns(id, workflows.StatusActive)
			require.EqualValues(t, 3, said.Generation, "the token that the workflow has stays in use")
			require.Equal(t, string(grant), string(said.Grant))

			// The row's token is over; the caller gets the workflow's, which lives.
			r.exec("UPDATE connections SET expires_at = ? WHERE id = ?", time.Now().Add(-time.Minute).UnixMicro(), id)
			r.requireToken(id)
		})
	}
}

// TestVaultOlder_NoTokens: the vault is from before there was a token. What can be had without a person is asked for.
func TestVaultOlder_NoTokens(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	id, link := r.pending()
	restorePerson := r.backup(id)
	request := r.consent(link)
	require.NoError(t, r.Client.Callback(t.Context(), id, workflows.Callback{RequestID: request.ID, SealedCode: request.Code}))
	r.AwaitStatus(id, workflows.StatusActive)
	r.awaitListed(id, workflows.StatusActive)
	machine := r.machine()
	restoreMachine := r.backup(machine)
	restorePerson()
	restoreMachine()
	r.exec(`UPDATE connections SET status = 'pending', status_seq = 0, generation = 0, access_token = NULL, issued_at = NULL,
		expires_at = NULL WHERE id = ?`, machine)
	r.old()
	report := r.reconcile()
	r.requireFound(report, workflows.FoundTokensLost, workflows.ActRestarted, id, machine)
	require.EqualValues(t, 2, report.Restarted)

	r.AwaitStatus(machine, workflows.StatusActive)
	r.requireToken(machine)
	said := r.requireRuns(id, workflows.StatusNeedsReauth)
	require.Equal(t, workflows.ReasonTokensLost, said.Reason)
	require.Contains(t, said.Message, "The person must reconnect.")
	r.awaitListed(id, workflows.StatusNeedsReauth)
	r.awaitListed(machine, workflows.StatusActive)
	r.requireQuiet()

	view, err := r.Client.Reconnect(t.Context(), id)
	require.NoError(t, err)
	request = r.consent(*view.ConnectURL)
	require.NoError(t, r.Client.Callback(t.Context(), id, workflows.Callback{RequestID: request.ID, SealedCode: request.Code}))
	r.AwaitStatus(id, workflows.StatusActive)
	r.requireToken(id)
}

// TestVaultOlder_Disconnected: nobody takes back a disconnect. The tokens that came back with the backup are revoked and
// erased again.
func TestVaultOlder_Disconnected(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	id := r.consented()
	restore := r.backup(id)
	_, err := r.Client.Disconnect(t.Context(), id)
	require.NoError(t, err)
	r.AwaitStatus(id, workflows.StatusDisconnected)
	r.awaitListed(id, "")
	restore()
	_, err = r.Client.Token(t.Context(), id, 0)
	require.NoError(t, err, "the vault hands it out again")
	r.old()
	r.requireFound(r.reconcile(), workflows.FoundDisconnectForgotten, workflows.ActStarted, id)
	row := r.AwaitStatus(id, workflows.StatusDisconnected)
	require.Nil(t, row.RefreshToken)
	r.awaitListed(id, "")
	require.Zero(t, r.TokenRequests("refresh_token"))
	r.requireQuiet()
}

// Temporal is older than the vault.

// TestTemporalOlder: the row has changes that the workflow knows nothing of, and their numbers are above the workflow's.
func TestTemporalOlder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status workflows.ConnectionStatus
		reason workflows.Reason
		// pausedSince pauses the workflow after its restore: its change has too low a number, and the vault drops it.
		pausedSince bool
		want        workflows.ConnectionStatus
	}{
		"the row was paused":            {workflows.StatusPaused, workflows.ReasonPausedByRequest, false, workflows.StatusPaused},
		"the row needs a person":        {workflows.StatusNeedsReauth, workflows.ReasonGrantRejected, false, workflows.StatusNeedsReauth},
		"the workflow was paused since": {workflows.StatusActive, workflows.ReasonNone, true, workflows.StatusPaused},
		"a disconnect was promised":     {workflows.StatusDisconnecting, workflows.ReasonDisconnectRequest, false, workflows.StatusDisconnected},
		"and paused since":              {workflows.StatusDisconnecting, workflows.ReasonDisconnectRequest, true, workflows.StatusDisconnected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, connectionstest.Options{})
			id := r.machine()
			r.setStatus(id, c.status, c.reason, 40, time.Now())
			if c.pausedSince {
				_, err := r.Client.Pause(t.Context(), id)
				require.NoError(t, err)
				r.awaitListed(id, workflows.StatusPaused)
				require.Equal(t, string(c.status), r.AwaitStatus(id, c.status).Status, "the vault has dropped it")
			}
			first, _ := r.runOf(id)
			r.old()
			report := r.reconcile()
			// The second, deeper look may find a new workflow that is just ending, by a clock that is ahead.
			require.EqualValues(t, 1, report.Of(workflows.FoundWorkflowBehind, workflows.ActRestarted), "%+v", report)
			r.AwaitStatus(id, c.want)
			second, _ := r.runOf(id)
			require.NotEqual(t, first, second)
			if c.want == workflows.StatusDisconnected {
				r.awaitListed(id, "")
				r.requireQuiet()
				return
			}
			said := r.requireRuns(id, c.want)
			require.GreaterOrEqual(t, said.StatusSeq, int64(40), "it counts on from the higher number")
			r.awaitListed(id, c.want)
			r.requireQuiet()
			_, err := r.Client.Disconnect(t.Context(), id)
			require.NoError(t, err)
			r.AwaitStatus(id, workflows.StatusDisconnected)
		})
	}
}

// TestTemporalOlder_OneShowsOthers: where one workflow is behind, all are asked, and those that do not show it are found.
func TestTemporalOlder_OneShowsOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	silent, shows, well := r.machine(), r.machine(), r.machine()
	r.setStatus(silent, workflows.StatusActive, workflows.ReasonNone, 40, time.Now())
	r.old()
	require.Empty(t, r.reconcile().Findings)
	r.setStatus(shows, workflows.StatusPaused, workflows.ReasonPausedByRequest, 41, time.Now())
	report := r.reconcile()
	r.requireFound(report, workflows.FoundWorkflowBehind, workflows.ActRestarted, silent, shows)
	require.True(t, report.Deep)
	require.EqualValues(t, 3, report.Rows, "counted once")
	require.EqualValues(t, 40, r.requireRuns(silent, workflows.StatusActive).StatusSeq)
	require.EqualValues(t, 41, r.requireRuns(shows, workflows.StatusPaused).StatusSeq)
	require.EqualValues(t, 1, r.requireRuns(well, workflows.StatusActive).StatusSeq)
	r.awaitListed(shows, workflows.StatusPaused)
	r.requireQuiet()
	// And the pause of the one that did not show it reaches the vault.
	_, err := r.Client.Pause(t.Context(), silent)
	require.NoError(t, err)
	r.AwaitStatus(silent, workflows.StatusPaused)
}

// TestTemporalOlder_Consent: the workflow waits for a consent that was given since.
func TestTemporalOlder_Consent(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	id := r.consented()
	r.end(id)
	// What Temporal remembers is the connection as it was made.
	restore := r.backup(id)
	r.exec("UPDATE connections SET status = 'pending', reason = 'awaiting_consent', status_seq = 0, generation = 0, status_at = created_at WHERE id = ?", id)
	r.old()
	r.requireFound(r.reconcile(), workflows.FoundWorkflowMissing, workflows.ActStarted, id)
	r.awaitListed(id, workflows.StatusPending)
	restore()

	r.requireFound(r.reconcile(), workflows.FoundWorkflowBehind, workflows.ActRestarted, id)
	said := r.requireRuns(id, workflows.StatusActive)
	require.EqualValues(t, 1, said.Generation)
	refreshed, err := r.Client.Refresh(t.Context(), id)
	require.NoError(t, err)
	require.EqualValues(t, 2, refreshed.Generation)
	r.awaitListed(id, workflows.StatusActive)
	r.requireQuiet()
}

// TestTemporalOlder_Generation: the workflow goes on from the generation that the row has, without the reconciler.
func TestTemporalOlder_Generation(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	id := r.consented()
	restore := r.backup(id)
	for range 2 {
		_, err := r.Client.Refresh(t.Context(), id)
		require.NoError(t, err)
	}
	newer := r.backup(id)
	restore()
	r.end(id)
	r.old()
	r.requireFound(r.reconcile(), workflows.FoundWorkflowMissing, workflows.ActStarted, id)
	require.EqualValues(t, 1, r.requireRuns(id, workflows.StatusActive).Generation)
	newer()
	r.awaitListed(id, workflows.StatusActive)
	r.requireQuiet()
	view, err := r.Client.Refresh(t.Context(), id)
	require.NoError(t, err)
	require.EqualValues(t, 3, view.Generation, "the vault had a newer one")
	require.Equal(t, 2, r.TokenRequests("refresh_token"))
	_, err = r.Temporal.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{
		WorkflowID: workflows.WorkflowID(id), UpdateName: workflows.UpdateRefresh, UpdateID: "another",
		Args: []any{workflows.Refresh{Generation: 3}}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	require.NoError(t, err)
	require.EqualValues(t, 4, r.requireRuns(id, workflows.StatusActive).Generation)
	require.Equal(t, 3, r.TokenRequests("refresh_token"), "no token was presented twice")
	r.requireToken(id)
}
