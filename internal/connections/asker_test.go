package connections_test

import (
	"maps"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/workflows"
)

// start runs a workflow of another team on a queue.
func start(t *testing.T, c client.Client, queue string, f, in any) client.WorkflowRun {
	t.Helper()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "caller-" + uuid.NewString(), TaskQueue: queue}, f, in)
	require.NoError(t, err)
	return run
}

func requireRefused(t *testing.T, run client.WorkflowRun, kind workflows.Refusal, reason workflows.Reason) {
	t.Helper()
	refused, is := workflows.AsTokenError(run.Get(t.Context(), nil))
	require.True(t, is)
	require.Equal(t, []any{kind, reason}, []any{refused.Kind, refused.Reason})
}

// TestEveryHandOutIsAudited: who asked, by which way and how often, in rows that count.
func TestEveryHandOutIsAudited(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{Vault: openPostgres(t, pgtest.URL(t))})
	id, paused := active(t, r), active(t, r)
	_, err := r.Client.Pause(t.Context(), paused)
	require.NoError(t, err)
	begun := time.Now()
	queue := connectionstest.CallerWorker(t, r.Temporal, tokenCaller, awaitCaller)
	for range 3 {
		require.NoError(t, start(t, r.Temporal, queue, tokenCaller, asks{ID: id}).Get(t.Context(), nil))
	}
	require.NoError(t, start(t, r.Temporal, queue, awaitCaller, asks{ID: id}).Get(t.Context(), nil))
	requireRefused(t, start(t, r.Temporal, queue, tokenCaller, asks{ID: paused}), workflows.Paused, workflows.ReasonPausedByRequest)

	team, namespace := anotherNamespace(t, r)
	at := endpoint(t, r, "")
	teamQueue := connectionstest.CallerWorker(t, team, nexusCaller, nexusStatusCaller)
	for range 2 {
		require.NoError(t, start(t, team, teamQueue, nexusCaller, nexusAsks{Endpoint: at, ID: id}).Get(t.Context(), nil))
	}
	require.NoError(t, start(t, team, teamQueue, nexusStatusCaller, nexusAsks{Endpoint: at, ID: id}).Get(t.Context(), nil), "a status is no token")

	handouts, err := r.Vault.Handouts(t.Context(), id, 0)
	require.NoError(t, err)
	require.Empty(t, handouts, "no row is written for a read")
	require.NoError(t, r.Ledger.Flush(t.Context()))
	require.NoError(t, r.Ledger.Flush(t.Context()), "nothing is written twice")
	counts := make(map[string]int64)
	handouts, err = r.Vault.Handouts(t.Context(), id, 0)
	require.NoError(t, err)
	for _, h := range handouts {
		counts[h.Tier+" "+h.Who] += h.Count
		require.Equal(t, "acme", h.Owner)
		require.WithinRange(t, h.First, begun.Add(-time.Second), h.Last)
		require.WithinRange(t, h.Last, h.First, time.Now().Add(time.Second))
	}
	expected := map[string]int64{"activity default/tokenCaller": 3, "activity default/awaitCaller": 1, "nexus " + namespace: 2}
	if _, told := counts["nexus "+namespace]; !told { // servers from 1.30 on tell the endpoint
		delete(expected, "nexus "+namespace)
		expected["nexus "+namespace+" via "+at] = 2
	}
	require.True(t, maps.Equal(expected, counts), counts)
	handouts, err = r.Vault.Handouts(t.Context(), paused, 0)
	require.NoError(t, err)
	require.Empty(t, handouts, "a refusal is no hand-out")
	last, err := r.Vault.LastRead(t.Context(), id)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), last, time.Minute, "what is read stays awake")
}

// TestAnotherOwnersTokenIsNotFound, by every way, where the caller names an owner.
func TestAnotherOwnersTokenIsNotFound(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	id := active(t, r)
	queue := connectionstest.CallerWorker(t, r.Temporal, tokenCaller, awaitCaller)
	team, _ := anotherNamespace(t, r)
	at := endpoint(t, r, "")
	teamQueue := connectionstest.CallerWorker(t, team, nexusCaller, nexusStatusCaller)
	for _, owner := range []string{"acme", "globex"} {
		for name, run := range map[string]client.WorkflowRun{
			"Token":           start(t, r.Temporal, queue, tokenCaller, asks{ID: id, Owner: owner}),
			"AwaitToken":      start(t, r.Temporal, queue, awaitCaller, asks{ID: id, Owner: owner}),
			"token by Nexus":  start(t, team, teamQueue, nexusCaller, nexusAsks{Endpoint: at, ID: id, Owner: owner}),
			"status by Nexus": start(t, team, teamQueue, nexusStatusCaller, nexusAsks{Endpoint: at, ID: id, Owner: owner}),
		} {
			if owner == "acme" {
				require.NoError(t, run.Get(t.Context(), nil), name)
				continue
			}
			requireRefused(t, run, workflows.NotFound, workflows.ReasonNotFound)
		}
	}
	// Nothing of it is different from what is said of a connection that is not there, whatever its status.
	_, err := r.Client.Pause(t.Context(), id)
	require.NoError(t, err)
	requireRefused(t, start(t, r.Temporal, queue, awaitCaller, asks{ID: id, Owner: "globex"}), workflows.NotFound, workflows.ReasonNotFound)
}

// TestAnEndpointKeepsToItsOwner, whatever its callers say: one worker has endpoints for several.
func TestAnEndpointKeepsToItsOwner(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	team, _ := anotherNamespace(t, r)
	queue := connectionstest.CallerWorker(t, team, nexusCaller, nexusStatusCaller)
	ids, endpoints := make(map[string]string), make(map[string]string)
	for _, owner := range []string{"acme", "globex"} {
		created, err := r.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: owner, Grant: grant})
		require.NoError(t, err)
		r.AwaitStatus(created.ID, workflows.StatusActive)
		ids[owner], endpoints[owner] = created.ID, endpoint(t, r, owner)
	}
	for of, at := range endpoints {
		for owner, id := range ids {
			for _, f := range []any{nexusCaller, nexusStatusCaller} {
				for _, named := range []string{"", "acme", "globex"} {
					run := start(t, team, queue, f, nexusAsks{Endpoint: at, ID: id, Owner: named})
					if of == owner && (named == "" || named == owner) {
						require.NoError(t, run.Get(t.Context(), nil))
						continue
					}
					requireRefused(t, run, workflows.NotFound, workflows.ReasonNotFound)
				}
			}
		}
	}
	require.NoError(t, call(t, r, tokenCaller, asks{ID: ids["globex"]}).Get(t.Context(), nil), "the namespace itself is not limited")
}
