package activities_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/workflows"
)

// localCaller is a workflow of another team, whose worker has opened the tokens.
func localCaller(ctx workflow.Context, id string, minLife time.Duration) (workflows.AccessToken, error) {
	return workflows.Token(ctx, id, workflows.Local(), workflows.MinLife(minLife))
}

// ownedCaller asks for one owner's.
func ownedCaller(ctx workflow.Context, id, owner string) (workflows.AccessToken, error) {
	return workflows.Token(ctx, id, workflows.Local(), workflows.OfOwner(owner))
}

// TestLocalToken_OfOwner: whoever may read everything can still ask for one owner's.
func TestLocalToken_OfOwner(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	id := c.active()
	queue := "callers-" + uuid.NewString()
	w := worker.New(c.Temporal, queue, worker.Options{})
	w.RegisterWorkflow(ownedCaller)
	open(t, c.Rig, activities.Config{}).Register(w)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	for _, owner := range []string{"acme", "globex", "acme"} {
		run, err := c.Temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "caller-" + uuid.NewString(), TaskQueue: queue}, ownedCaller, id, owner)
		require.NoError(t, err)
		err = run.Get(t.Context(), nil)
		if owner == "acme" {
			require.NoError(t, err)
			continue
		}
		refused, is := workflows.AsTokenError(err)
		require.True(t, is)
		require.Equal(t, workflows.NotFound, refused.Kind)
	}
}

// TestLocalToken: workflow code gets its sealed token in its own worker, for one event of history.
func TestLocalToken(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	id := c.active()
	queue := "callers-" + uuid.NewString()
	w := worker.New(c.Temporal, queue, worker.Options{})
	w.RegisterWorkflow(localCaller)
	c.Register(w)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	start := func(id string, minLife time.Duration) client.WorkflowRun {
		t.Helper()
		run, err := c.Temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "caller-" + uuid.NewString(), TaskQueue: queue}, localCaller, id, minLife)
		require.NoError(t, err)
		return run
	}
	run := start(id, 0)
	var got workflows.AccessToken
	require.NoError(t, run.Get(t.Context(), &got))
	text, err := c.Keys.Access.OpenString(keyring.AccessToken(id, got.Generation), got.Sealed)
	require.NoError(t, err)
	here, err := c.Token(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, here.Reveal(), text.Reveal())
	require.Equal(t, workflows.StatusActive, got.Status)
	events, history := connectionstest.History(t, c.Temporal, run)
	require.NotContains(t, history, text.Reveal())
	require.Equal(t, 6, events, "a workflow that does nothing has five")

	others, err := c.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "somebody else", Grant: workflows.GrantClientCredentials})
	require.NoError(t, err)
	c.AwaitStatus(others.ID, workflows.StatusActive)
	refused, is := workflows.AsTokenError(start(others.ID, 0).Get(t.Context(), nil))
	require.True(t, is)
	require.Equal(t, workflows.NotFound, refused.Kind, "it keeps to its owner")
	_, err = c.Client.Pause(t.Context(), id)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		refused, is := workflows.AsTokenError(start(id, 0).Get(t.Context(), nil))
		return is && refused.Kind == workflows.Paused
	}, 5*time.Second, 10*time.Millisecond)
}
