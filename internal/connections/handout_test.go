package connections_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/workflows"
)

// asks is what the callers of the tests ask for.
type asks struct {
	ID      string
	MinLife time.Duration
	Wait    time.Duration
	Local   bool
	Owner   string
}

// tokenCaller is a workflow of another team.
func tokenCaller(ctx workflow.Context, in asks) (workflows.AccessToken, error) {
	options := []workflows.TokenOption{workflows.MinLife(in.MinLife), workflows.Wait(in.Wait), workflows.OfOwner(in.Owner)}
	if in.Local {
		options = append(options, workflows.Local())
	}
	return workflows.Token(ctx, in.ID, options...)
}

func awaitCaller(ctx workflow.Context, in asks) (workflows.AccessToken, error) {
	return workflows.AwaitToken(ctx, in.ID, workflows.MinLife(in.MinLife), workflows.Wait(in.Wait), workflows.OfOwner(in.Owner))
}

// refusedCaller tells what kind of error it got.
func refusedCaller(ctx workflow.Context, in asks) (string, error) {
	_, err := tokenCaller(ctx, in)
	var refused *workflows.TokenError
	if !errors.As(err, &refused) {
		return "", err
	}
	return string(refused.Kind) + " " + string(refused.Reason) + " " + refused.ID, nil
}

func call(t *testing.T, r *connectionstest.Rig, f any, in asks) client.WorkflowRun {
	t.Helper()
	queue := connectionstest.CallerWorker(t, r.Temporal, f)
	run, err := r.Temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "caller-" + uuid.NewString(), TaskQueue: queue}, f, in)
	require.NoError(t, err)
	return run
}

// requireSealed: the token in hand is the vault's, and nothing of it is in clear in the caller's history.
func requireSealed(t *testing.T, r *connectionstest.Rig, id string, run client.WorkflowRun, got workflows.AccessToken) (events int) {
	t.Helper()
	return requireSealedIn(t, r.Temporal, r, id, run, got)
}

func requireSealedIn(t *testing.T, c client.Client, r *connectionstest.Rig, id string, run client.WorkflowRun, got workflows.AccessToken) (events int) {
	t.Helper()
	text, err := r.Keys.Access.OpenString(keyring.AccessToken(id, got.Generation), got.Sealed)
	require.NoError(t, err)
	events, history := connectionstest.History(t, c, run)
	for _, form := range []string{text.Reveal(), base64.StdEncoding.EncodeToString([]byte(text.Reveal()))} {
		require.NotContains(t, history, strings.TrimRight(form, "="))
	}
	sealed, err := json.Marshal(got.Sealed)
	require.NoError(t, err)
	require.Contains(t, history, strings.Trim(string(sealed), `"`)[:40], "the search looks where the token is")
	return events
}

func TestWorkflowToken(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	id := active(t, r)
	run := call(t, r, tokenCaller, asks{ID: id})
	var got workflows.AccessToken
	require.NoError(t, run.Get(t.Context(), &got))
	require.Equal(t, workflows.StatusActive, got.Status)
	require.EqualValues(t, 1, got.Generation)
	require.Equal(t, "Bearer", got.Type)
	require.NotNil(t, got.ExpiresAt)
	require.NotEmpty(t, got.Scopes)
	require.False(t, got.Stale)
	require.LessOrEqual(t, requireSealed(t, r, id, run, got), 11)
	require.Equal(t, 1, r.TokenRequests(grant))

	run = call(t, r, tokenCaller, asks{ID: id, MinLife: time.Hour})
	require.NoError(t, run.Get(t.Context(), &got))
	require.EqualValues(t, 2, got.Generation, "one that lives too short is renewed")
	requireSealed(t, r, id, run, got)
}

// TestWorkflowToken_LocalWhereThereIsNone: queue "connections" answers where the caller's worker cannot.
func TestWorkflowToken_LocalWhereThereIsNone(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	id := active(t, r)
	run := call(t, r, tokenCaller, asks{ID: id, Local: true})
	var got workflows.AccessToken
	require.NoError(t, run.Get(t.Context(), &got))
	requireSealed(t, r, id, run, got)
}

func TestWorkflowToken_IsRefused(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	pending, err := r.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme"})
	require.NoError(t, err)
	paused, gone, down := active(t, r), active(t, r), active(t, r)
	_, err = r.Client.Pause(t.Context(), paused)
	require.NoError(t, err)
	_, err = r.Client.Disconnect(t.Context(), gone)
	require.NoError(t, err)
	require.NoError(t, r.Sandbox.SetFaults(sandbox.Faults{Status: 503, Body: "canary-of-the-provider"}))
	queue := connectionstest.CallerWorker(t, r.Temporal, refusedCaller, tokenCaller)
	options := func() client.StartWorkflowOptions {
		return client.StartWorkflowOptions{ID: "caller-" + uuid.NewString(), TaskQueue: queue}
	}
	refused := func(in asks, kind workflows.Refusal, reason workflows.Reason) {
		t.Helper()
		run, err := r.Temporal.ExecuteWorkflow(t.Context(), options(), refusedCaller, in)
		require.NoError(t, err)
		var said string
		require.NoError(t, run.Get(t.Context(), &said))
		require.Equal(t, string(kind)+" "+string(reason)+" "+in.ID, said)

		run, err = r.Temporal.ExecuteWorkflow(t.Context(), options(), tokenCaller, in)
		require.NoError(t, err)
		outside, is := workflows.AsTokenError(run.Get(t.Context(), nil))
		require.True(t, is, "the kind is known outside of the workflow too")
		require.Equal(t, kind, outside.Kind)
		_, history := connectionstest.History(t, r.Temporal, run)
		require.NotContains(t, history, "canary")
	}
	refused(asks{ID: "con_unknown"}, workflows.NotFound, workflows.ReasonNotFound)
	refused(asks{ID: "no id"}, workflows.Malformed, workflows.ReasonInvalid)
	refused(asks{ID: pending.ID}, workflows.NeedsReauthorization, workflows.ReasonAwaitingConsent)
	refused(asks{ID: paused}, workflows.Paused, workflows.ReasonPausedByRequest)
	refused(asks{ID: gone}, workflows.Disconnected, workflows.ReasonDisconnectRequest)

	run, err := r.Temporal.ExecuteWorkflow(t.Context(), options(), tokenCaller, asks{ID: down, MinLife: time.Hour})
	require.NoError(t, err)
	require.NoError(t, run.Get(t.Context(), nil), "the refresh fails, the token lives")
	r.Clock.Move(11 * time.Minute)
	refused(asks{ID: down, Wait: 3 * time.Second}, workflows.TemporarilyUnavailable, workflows.ReasonProviderUnavailable)
}

// awaitAttempt waits until the caller's activity has been tried so often, and returns how long the history is.
func awaitAttempt(t *testing.T, r *connectionstest.Rig, run client.WorkflowRun, attempt int32) int64 {
	t.Helper()
	var events int64
	require.Eventually(t, func() bool {
		said, err := r.Temporal.DescribeWorkflowExecution(t.Context(), run.GetID(), run.GetRunID())
		if err != nil || len(said.GetPendingActivities()) != 1 {
			return false
		}
		events = said.GetWorkflowExecutionInfo().GetHistoryLength()
		return said.GetPendingActivities()[0].GetAttempt() >= attempt
	}, 30*time.Second, 20*time.Millisecond)
	return events
}

// TestAwaitToken_Parks while the connection is paused, at no cost of history, and goes on by itself.
func TestAwaitToken_Parks(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{ParkAttempt: 200 * time.Millisecond})
	id := active(t, r)
	_, err := r.Client.Pause(t.Context(), id)
	require.NoError(t, err)
	run := call(t, r, awaitCaller, asks{ID: id})
	before := awaitAttempt(t, r, run, 1)
	require.Equal(t, before, awaitAttempt(t, r, run, 4), "waiting adds nothing")
	_, err = r.Client.Resume(t.Context(), id)
	require.NoError(t, err)
	var got workflows.AccessToken
	require.NoError(t, run.Get(t.Context(), &got))
	require.LessOrEqual(t, requireSealed(t, r, id, run, got), 11)
}

func TestAwaitToken_StopsWaiting(t *testing.T) {
	t.Parallel()
	// One attempt, so that the worker learns of the cancellation by its heartbeat.
	r := connectionstest.New(t, connectionstest.Options{ParkAttempt: time.Minute})
	id := active(t, r)
	_, err := r.Client.Pause(t.Context(), id)
	require.NoError(t, err)
	run := call(t, r, awaitCaller, asks{ID: id})
	awaitAttempt(t, r, run, 1)
	require.Eventually(t, func() bool {
		n, err := r.Vault.CountWaiters(t.Context(), id)
		return err == nil && n == 1
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, r.Temporal.CancelWorkflow(t.Context(), run.GetID(), run.GetRunID()))
	var canceled *temporal.CanceledError
	require.ErrorAs(t, run.Get(t.Context(), nil), &canceled)
	require.Eventually(t, func() bool {
		n, err := r.Vault.CountWaiters(t.Context(), id)
		return err == nil && n == 0
	}, 30*time.Second, 20*time.Millisecond, "who stopped waiting is not counted")

	refused, is := workflows.AsTokenError(call(t, r, awaitCaller, asks{ID: id, Wait: 2 * time.Second}).Get(t.Context(), nil))
	require.True(t, is)
	require.Equal(t, workflows.Paused, refused.Kind, "when the time is over, it says what it waited for")

	run = call(t, r, awaitCaller, asks{ID: id})
	awaitAttempt(t, r, run, 1)
	_, err = r.Client.Disconnect(t.Context(), id)
	require.NoError(t, err)
	refused, is = workflows.AsTokenError(run.Get(t.Context(), nil))
	require.True(t, is)
	require.Equal(t, workflows.Disconnected, refused.Kind)
}

// TestAwaitToken_MoreThanMayWait take turns.
func TestAwaitToken_MoreThanMayWait(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{MaxWaiting: 1, ParkAttempt: 100 * time.Millisecond})
	id := active(t, r)
	_, err := r.Client.Pause(t.Context(), id)
	require.NoError(t, err)
	runs := []client.WorkflowRun{call(t, r, awaitCaller, asks{ID: id}), call(t, r, awaitCaller, asks{ID: id}), call(t, r, awaitCaller, asks{ID: id})}
	for _, run := range runs {
		awaitAttempt(t, r, run, 1)
	}
	_, err = r.Client.Resume(t.Context(), id)
	require.NoError(t, err)
	for _, run := range runs {
		require.NoError(t, run.Get(t.Context(), nil))
	}
}
