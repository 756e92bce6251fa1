package reconcile_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	tlog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/reconcile"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/internal/vault/pgvault"
	"github.com/acme/connections/workflows"
)

// outcome waits until something has come of a request.
func (r *rig) outcome(id string) string {
	r.t.Helper()
	var request vault.AuthRequest
	require.Eventually(r.t, func() bool {
		var err error
		request, err = r.Vault.AuthRequest(r.t.Context(), id)
		return err == nil && request.Outcome != ""
	}, patience, 10*time.Millisecond)
	require.Nil(r.t, request.Code)
	return request.Outcome
}

// TestCallbacks_Lost: the code was stored, and the process died before it told the workflow.
func TestCallbacks_Lost(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	id, link := r.pending()
	request := r.consent(link)
	require.Empty(t, r.reconcile(includeYoung).Findings, "its signal may be on its way")
	r.Clock.Move(time.Minute)
	r.requireFound(r.reconcile(dryRun), workflows.FoundCallbackLost, workflows.ActResent, id)
	require.Zero(t, r.TokenRequests("authorization_code"))

	report := r.reconcile()
	r.requireFound(report, workflows.FoundCallbackLost, workflows.ActResent, id)
	require.EqualValues(t, 1, report.Resent)
	require.Equal(t, "connected", r.outcome(request.ID))
	r.AwaitStatus(id, workflows.StatusActive)
	r.awaitListed(id, workflows.StatusActive)
	r.requireToken(id)
	require.Equal(t, 1, r.TokenRequests("authorization_code"))
	r.requireQuiet()

	// Told twice, the workflow exchanges once.
	require.NoError(t, r.Client.Callback(t.Context(), id, workflows.Callback{RequestID: request.ID, SealedCode: request.Code}))
	_, err := r.Client.Refresh(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 1, r.TokenRequests("authorization_code"))

	code, err := r.Keys.Vault.OpenString(keyring.Code(request.ID), request.Code)
	require.NoError(t, err)
	for where, text := range map[string]string{"history": r.history(), "log": r.Logged.String()} {
		require.NotContains(t, text, code.Reveal(), where)
	}
}

// TestCallbacks_NoWorkflow: the workflow is missing as well, and the connection's time is over; the code comes first.
func TestCallbacks_NoWorkflow(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	id, link := r.pending()
	request := r.consent(link)
	r.end(id)
	r.exec("UPDATE connections SET created_at = ?, status_at = created_at WHERE id = ?", time.Now().Add(-25*time.Hour).UnixMicro(), id)
	r.Clock.Move(time.Minute)
	report := r.reconcile()
	require.EqualValues(t, 1, report.Of(workflows.FoundCallbackLost, workflows.ActResent))
	require.Equal(t, "connected", r.outcome(request.ID))
	r.AwaitStatus(id, workflows.StatusActive)
	r.requireToken(id)
}

// TestCallbacks_Life: a code that is too old is not tried, nor one of a connection that has ended, nor another owner's.
func TestCallbacks_Life(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	_, link := r.pending()
	r.consent(link)
	ended, link := r.pending()
	r.consent(link)
	_, err := r.Client.Disconnect(t.Context(), ended)
	require.NoError(t, err)
	r.AwaitStatus(ended, workflows.StatusDisconnected)
	r.Clock.Move(time.Minute)
	others := r.reconcile(func(in *workflows.ReconcileInput) { in.Owner = "somebody else" })
	require.Empty(t, others.Findings)
	require.Zero(t, others.Rows)
	r.Clock.Move(10 * time.Minute)
	require.Empty(t, r.reconcile().Findings)
	require.Zero(t, r.TokenRequests("authorization_code"))
}

// TestTidy removes what is over, and nothing else. It is part of runs over all owners only, so it is asked by itself.
func TestTidy(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	tidy := func(scope workflows.ReconcileScope) workflows.ReconcileReport {
		t.Helper()
		var report workflows.ReconcileReport
		value, err := r.environment(nil, nil).ExecuteActivity(workflows.ActivityTidy, scope)
		require.NoError(t, err)
		require.NoError(t, value.Get(&report))
		return report
	}
	id, link := r.pending()
	request := r.consent(link)
	gone := r.machine()
	_, err := r.Client.Disconnect(t.Context(), gone)
	require.NoError(t, err)
	r.AwaitStatus(gone, workflows.StatusDisconnected)
	r.Clock.Move(50 * time.Minute)
	require.Empty(t, tidy(workflows.ReconcileScope{}).Findings)

	r.Clock.Move(11 * time.Minute)
	require.Empty(t, tidy(workflows.ReconcileScope{DryRun: true}).Findings)
	report := tidy(workflows.ReconcileScope{})
	r.requireCount(report, workflows.FoundCode, 1)
	require.Equal(t, "exchange_lost", r.outcome(request.ID))
	require.Empty(t, tidy(workflows.ReconcileScope{}).Findings)

	r.Clock.Move(25 * time.Hour)
	report = tidy(workflows.ReconcileScope{})
	require.EqualValues(t, 1, report.Of(workflows.FoundLink, workflows.ActRemoved))
	require.EqualValues(t, 1, report.Of(workflows.FoundRequest, workflows.ActRemoved))
	require.EqualValues(t, 2, report.Removed)
	_, err = r.Vault.Link(t.Context(), connections.HashSecret(link))
	require.ErrorIs(t, err, vault.ErrNotFound)

	r.Clock.Move(30 * 24 * time.Hour)
	r.requireCount(tidy(workflows.ReconcileScope{}), workflows.FoundTombstone, 1)
	_, err = r.Vault.Connection(t.Context(), gone)
	require.ErrorIs(t, err, vault.ErrNotFound)
	_, err = r.Vault.Connection(t.Context(), id)
	require.NoError(t, err)
	_, status := r.runOf(id)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, status)
}

// TestTidy_Held: a code that waits for a person is sent to nobody, and is kept no longer than any other.
func TestTidy_Held(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	_, link := r.pending()
	request := r.answered(link, true)
	r.Clock.Move(time.Minute)
	require.Empty(t, r.reconcile().Findings)
	tidy := func() (report workflows.ReconcileReport) {
		t.Helper()
		value, err := r.environment(nil, nil).ExecuteActivity(workflows.ActivityTidy, workflows.ReconcileScope{})
		require.NoError(t, err)
		require.NoError(t, value.Get(&report))
		return report
	}
	r.Clock.Move(58 * time.Minute)
	require.Empty(t, tidy().Findings)
	r.Clock.Move(2 * time.Minute)
	r.requireCount(tidy(), workflows.FoundCode, 1)
	require.Equal(t, string(workflows.ReasonConsentExpired), r.outcome(request.ID))
	request, err := r.Vault.AuthRequest(t.Context(), request.ID)
	require.NoError(t, err)
	require.Nil(t, request.Verifier)
	require.Zero(t, r.TokenRequests("authorization_code"))
	require.Empty(t, tidy().Findings)
}

// TestTidy_Handouts: the audit is kept for as long as the operator says, and no longer.
func TestTidy_Handouts(t *testing.T) {
	t.Parallel()
	store, err := pgvault.Open(t.Context(), pgtest.URL(t), pgvault.Options{Migrate: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	r := connectionstest.New(t, connectionstest.Options{Vault: store})
	created, err := r.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme", Grant: workflows.GrantClientCredentials})
	require.NoError(t, err)
	now := r.Clock.Now()
	for _, days := range []int{1, 89, 91, 400} {
		at := now.Add(-time.Duration(days) * 24 * time.Hour)
		require.NoError(t, store.RecordHandouts(t.Context(), []vault.Handout{{ConnectionID: created.ID, Who: "w", Count: 1, First: at, Last: at}}))
	}
	left := func() int {
		t.Helper()
		handouts, err := store.Handouts(t.Context(), created.ID, 0)
		require.NoError(t, err)
		return len(handouts)
	}
	tidy := func(kept time.Duration, scope workflows.ReconcileScope) workflows.ReconcileReport {
		t.Helper()
		var suite testsuite.WorkflowTestSuite
		suite.SetLogger(tlog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
		env := suite.NewTestActivityEnvironment()
		reconciler := reconcile.New(r.Client)
		if kept > 0 {
			reconciler.HandoutsKept = kept
		}
		reconciler.Register(env)
		value, err := env.ExecuteActivity(workflows.ActivityTidy, scope)
		require.NoError(t, err)
		var report workflows.ReconcileReport
		require.NoError(t, value.Get(&report))
		return report
	}
	require.Empty(t, tidy(0, workflows.ReconcileScope{DryRun: true}).Findings)
	require.Equal(t, 4, left())
	report := tidy(0, workflows.ReconcileScope{})
	require.EqualValues(t, 2, report.Of(workflows.FoundHandout, workflows.ActRemoved))
	require.Contains(t, report.Summary(), "handout_over: 2 removed")
	require.Equal(t, 2, left())
	require.Empty(t, tidy(0, workflows.ReconcileScope{}).Findings)
	require.EqualValues(t, 1, tidy(7*24*time.Hour, workflows.ReconcileScope{}).Removed)
	require.Equal(t, 1, left())
}

// requireCount: this was removed, and nothing else.
func (r *rig) requireCount(report workflows.ReconcileReport, kind workflows.ReconcileKind, count int64) {
	r.t.Helper()
	require.Len(r.t, report.Findings, 1)
	require.Equal(r.t, count, report.Of(kind, workflows.ActRemoved))
}
