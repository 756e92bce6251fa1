package e2e_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/nexus/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/internal/vault/sqlitevault"
	"github.com/acme/connections/workflows"
)

func handOutCaller(ctx workflow.Context, id, endpoint string) (workflows.AccessToken, error) {
	options := []workflows.TokenOption{workflows.Wait(30 * time.Second)}
	if endpoint != "" {
		options = append(options, workflows.ViaNexus(endpoint))
	}
	return workflows.Token(ctx, id, options...)
}

// TestHandOutsOfAWorker: its Nexus queues are for one owner each, and what it has handed out is in the audit when it has
// stopped, however soon that is.
func TestHandOutsOfAWorker(t *testing.T) {
	t.Parallel()
	s := newSystem(t, "CONNECTIONS_NEXUS_QUEUES=nexus-acme=acme")
	ids := make(map[string]string)
	for _, owner := range []string{"acme", "globex"} {
		ids[owner] = s.view("connect", "sandbox", "--owner", owner, "--grant", "client_credentials", "--wait").ID
	}
	temporal := s.temporal()
	callers := worker.New(temporal, "callers", worker.Options{})
	callers.RegisterWorkflow(handOutCaller)
	require.NoError(t, callers.Start())
	t.Cleanup(callers.Stop)
	endpoints := map[string]string{workflows.TaskQueue: "for-all", "nexus-acme": "for-acme"}
	for queue, name := range endpoints {
		_, err := temporal.OperatorService().CreateNexusEndpoint(t.Context(), &operatorservice.CreateNexusEndpointRequest{Spec: &nexus.EndpointSpec{
			Name: name, Target: &nexus.EndpointTarget{Variant: &nexus.EndpointTarget_Worker_{
				Worker: &nexus.EndpointTarget_Worker{Namespace: s.dev.Namespace, TaskQueue: queue},
			}},
		}})
		require.NoError(t, err)
	}
	ask := func(owner, endpoint string) error {
		run, err := temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: uuid.NewString(), TaskQueue: "callers"}, handOutCaller, ids[owner], endpoint)
		require.NoError(t, err)
		return run.Get(t.Context(), nil)
	}
	require.NoError(t, ask("acme", "for-acme"))
	require.NoError(t, ask("globex", "for-all"))
	refused, is := workflows.AsTokenError(ask("globex", "for-acme"))
	require.True(t, is)
	require.Equal(t, workflows.NotFound, refused.Kind)
	require.NoError(t, ask("globex", ""))
	require.Zero(t, s.starter("token", ids["acme"]).exit)
	require.NotEmpty(t, s.token(ids["acme"]))
	callers.Stop()
	s.stop()

	store, err := sqlitevault.Open(t.Context(), s.dev.VaultFile())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	for owner, tiers := range map[string]map[string]int64{"acme": {"nexus": 1, "client": 1}, "globex": {"nexus": 1, "activity": 1}} {
		handouts, err := store.Handouts(t.Context(), ids[owner], 0)
		require.NoError(t, err)
		counts := make(map[string]int64)
		for _, h := range handouts {
			counts[h.Tier] += h.Count
		}
		require.Equal(t, tiers, counts, owner)
	}
}
