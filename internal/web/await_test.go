package web

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/workflows"
)

// waiter is a workflow of another team that waits for a person.
func waiter(ctx workflow.Context, id string, minLife time.Duration) (workflows.AccessToken, error) {
	return workflows.AwaitToken(ctx, id, workflows.MinLife(minLife))
}

// await starts a waiter, and returns when it is parked for at least two attempts.
func (r *rig) await(id string, minLife time.Duration) (run client.WorkflowRun, events int) {
	r.t.Helper()
	queue := connectionstest.CallerWorker(r.t, r.Temporal, waiter)
	run, err := r.Temporal.ExecuteWorkflow(r.t.Context(), client.StartWorkflowOptions{ID: "waiter-" + uuid.NewString(), TaskQueue: queue}, waiter, id, minLife)
	require.NoError(r.t, err)
	require.Eventually(r.t, func() bool {
		said, err := r.Temporal.DescribeWorkflowExecution(r.t.Context(), run.GetID(), run.GetRunID())
		return err == nil && len(said.GetPendingActivities()) == 1 && said.GetPendingActivities()[0].GetAttempt() > 2
	}, 30*time.Second, 20*time.Millisecond)
	events, _ = connectionstest.History(r.t, r.Temporal, run)
	return run, events
}

// requireGoesOn: the waiter has a token, without a trace of its waiting, and nobody can read it in its history.
func (r *rig) requireGoesOn(id string, run client.WorkflowRun, parked int) workflows.AccessToken {
	r.t.Helper()
	var got workflows.AccessToken
	require.NoError(r.t, run.Get(r.t.Context(), &got))
	text, err := r.Keys.Access.OpenString(keyring.AccessToken(id, got.Generation), got.Sealed)
	require.NoError(r.t, err)
	events, history := connectionstest.History(r.t, r.Temporal, run)
	require.NotContains(r.t, history, text.Reveal())
	require.LessOrEqual(r.t, events, parked+6, "started, completed, one workflow task, and the end")
	return got
}

// TestAwaitToken_APersonConsents: from the first consent, and from the one that a revoked grant needs, the workflows that
// wait go on by themselves.
func TestAwaitToken_APersonConsents(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *options) { o.ParkAttempt = 300 * time.Millisecond })
	id, link := r.create()
	run, parked := r.await(id, 0)
	require.Equal(t, 5, parked)
	require.Contains(t, r.browser().get(link).body, "<p>1 task waits for this, and goes on by itself.</p>")
	r.requireWaiting(id, 1)
	r.browser().connect(link)
	require.EqualValues(t, 1, r.requireGoesOn(id, run, parked).Generation)

	require.NoError(t, r.Sandbox.SetFaults(sandbox.Faults{Count: 1, ErrorCode: "invalid_grant"}))
	_, err := r.Client.Refresh(t.Context(), id)
	require.Error(t, err)
	r.AwaitStatus(id, workflows.StatusNeedsReauth)
	run, parked = r.await(id, time.Hour)
	_, _ = r.await(id, time.Hour)
	r.requireWaiting(id, 2)
	link = r.reconnect(id, nil)
	require.Contains(t, r.browser().get(link).body, "<p>2 tasks wait for this, and go on by themselves.</p>")
	r.browser().connect(link)
	got := r.requireGoesOn(id, run, parked)
	require.Equal(t, workflows.StatusActive, got.Status)
	require.GreaterOrEqual(t, got.Generation, int64(2))
	require.Eventually(t, func() bool {
		n, err := r.Vault.CountWaiters(t.Context(), id)
		return err == nil && n == 0
	}, 10*time.Second, 10*time.Millisecond, "nobody waits any more")
}

// requireWaiting: the status says how many wait.
func (r *rig) requireWaiting(id string, want int) {
	r.t.Helper()
	view, err := r.Client.Status(r.t.Context(), id)
	require.NoError(r.t, err)
	require.Equal(r.t, want, view.Waiting)
}
