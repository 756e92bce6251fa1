package connections_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/nexus/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	tlog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/workflows"
)

// nexusAsks is what the callers of another namespace ask for.
type nexusAsks struct {
	Endpoint, ID, Owner string
	MinLife             time.Duration
	Wait                time.Duration
}

// nexusCaller is a workflow of another team, in a namespace of its own.
func nexusCaller(ctx workflow.Context, in nexusAsks) (workflows.AccessToken, error) {
	return workflows.Token(ctx, in.ID, workflows.ViaNexus(in.Endpoint), workflows.MinLife(in.MinLife), workflows.Wait(in.Wait), workflows.OfOwner(in.Owner))
}

func nexusStatusCaller(ctx workflow.Context, in nexusAsks) (workflows.Status, error) {
	return workflows.StatusViaNexus(ctx, in.Endpoint, in.ID, workflows.OfOwner(in.Owner))
}

// anotherNamespace makes one, and a client of it.
func anotherNamespace(t *testing.T, r *connectionstest.Rig) (c client.Client, name string) {
	t.Helper()
	name = "team-" + uuid.NewString()
	_, err := r.Temporal.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: name, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	require.NoError(t, err)
	c, err = client.NewClientFromExisting(r.Temporal, client.Options{Namespace: name, Logger: tlog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	// A new namespace takes a moment to be known everywhere.
	require.Eventually(t, func() bool {
		_, err := c.DescribeTaskQueue(t.Context(), "none", enums.TASK_QUEUE_TYPE_WORKFLOW)
		return err == nil
	}, 30*time.Second, 50*time.Millisecond)
	return c, name
}

// endpoint leads from any namespace to a worker that serves the rig's connections, in theirs: those of one owner, or all.
func endpoint(t *testing.T, r *connectionstest.Rig, owner string) string {
	t.Helper()
	queue := "nexus-" + uuid.NewString()
	w := worker.New(r.Temporal, queue, worker.Options{DisableWorkflowWorker: true})
	service, err := r.HandOut.NexusService(r.Vault, owner, r.Log)
	require.NoError(t, err)
	w.RegisterNexusService(service)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	name := "connections-" + uuid.NewString()
	_, err = r.Temporal.OperatorService().CreateNexusEndpoint(t.Context(), &operatorservice.CreateNexusEndpointRequest{Spec: &nexus.EndpointSpec{
		Name: name,
		Target: &nexus.EndpointTarget{Variant: &nexus.EndpointTarget_Worker_{
			Worker: &nexus.EndpointTarget_Worker{Namespace: "default", TaskQueue: queue},
		}},
	}})
	require.NoError(t, err)
	return name
}

// TestNexus_AcrossNamespaces: the same calls from a namespace that has no other way to the connections.
func TestNexus_AcrossNamespaces(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	id, paused, down := active(t, r), active(t, r), active(t, r)
	_, err := r.Client.Pause(t.Context(), paused)
	require.NoError(t, err)
	c, _ := anotherNamespace(t, r)
	at := endpoint(t, r, "")
	queue := connectionstest.CallerWorker(t, c, nexusCaller, nexusStatusCaller)
	start := func(f any, in nexusAsks) client.WorkflowRun {
		t.Helper()
		in.Endpoint = at
		run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "caller-" + uuid.NewString(), TaskQueue: queue}, f, in)
		require.NoError(t, err)
		return run
	}

	var got workflows.AccessToken
	run := start(nexusCaller, nexusAsks{ID: id})
	require.NoError(t, run.Get(t.Context(), &got))
	require.EqualValues(t, 1, got.Generation)
	events := requireSealedIn(t, c, r, id, run, got)
	require.LessOrEqual(t, events, 10)
	require.NoError(t, start(nexusCaller, nexusAsks{ID: id, MinLife: time.Hour}).Get(t.Context(), &got))
	require.EqualValues(t, 2, got.Generation)

	var status workflows.Status
	require.NoError(t, start(nexusStatusCaller, nexusAsks{ID: id}).Get(t.Context(), &status))
	require.Equal(t, []any{id, "sandbox", "acme", workflows.StatusActive, int64(2)},
		[]any{status.ID, status.Connector, status.Owner, status.Status, status.Generation})
	require.NotEmpty(t, status.Message)

	require.NoError(t, r.Sandbox.SetFaults(sandbox.Faults{Status: 503, Body: "canary-of-the-provider"}))
	r.Clock.Move(11 * time.Minute)
	for _, refusal := range []struct {
		in     nexusAsks
		kind   workflows.Refusal
		reason workflows.Reason
	}{
		{nexusAsks{ID: paused}, workflows.Paused, workflows.ReasonPausedByRequest},
		{nexusAsks{ID: "con_unknown"}, workflows.NotFound, workflows.ReasonNotFound},
		{nexusAsks{ID: "no id"}, workflows.Malformed, workflows.ReasonInvalid},
		{nexusAsks{ID: down, Wait: 2 * time.Second}, workflows.TemporarilyUnavailable, ""},
	} {
		run := start(nexusCaller, refusal.in)
		refused, is := workflows.AsTokenError(run.Get(t.Context(), nil))
		require.True(t, is, refusal.kind)
		require.Equal(t, refusal.kind, refused.Kind)
		if refusal.reason != "" {
			require.Equal(t, refusal.reason, refused.Reason)
		}
		_, history := connectionstest.History(t, c, run)
		require.NotContains(t, history, "canary")
	}
	refused, is := workflows.AsTokenError(start(nexusStatusCaller, nexusAsks{ID: "con_unknown"}).Get(t.Context(), nil))
	require.True(t, is)
	require.Equal(t, workflows.NotFound, refused.Kind)
}
