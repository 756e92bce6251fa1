package connections_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/workflows"
)

// TestPostgresStopped: other workflows get every valid token while the database is down, and none that they must not
// have; afterwards what was handed out is in the audit.
func TestPostgresStopped(t *testing.T) {
	t.Parallel()
	cluster, err := pgtest.StartCluster(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cluster.Stop()) })
	r := connectionstest.New(t, connectionstest.Options{Vault: openPostgres(t, cluster.URL())})
	ids := []string{active(t, r), active(t, r), active(t, r)}
	paused, gone := active(t, r), active(t, r)
	pending, err := r.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme"})
	require.NoError(t, err)
	_, err = r.Client.Pause(t.Context(), paused)
	require.NoError(t, err)
	_, err = r.Client.Disconnect(t.Context(), gone)
	require.NoError(t, err)
	r.AwaitStatus(gone, workflows.StatusDisconnected)
	// Each is asked for once, so that the worker of the tests knows whose it is.
	queue := connectionstest.CallerWorker(t, r.Temporal, tokenCaller, awaitCaller)
	for _, id := range append(ids, paused, gone, pending.ID) {
		_ = start(t, r.Temporal, queue, tokenCaller, asks{ID: id}).Get(t.Context(), nil)
	}

	cluster.Halt()
	t.Cleanup(func() { _ = cluster.Resume(t.Context()) })
	_, err = r.Vault.AccessRow(t.Context(), ids[0])
	require.ErrorAs(t, err, new(*vault.EngineError))
	var runs []client.WorkflowRun
	for range 10 {
		for _, id := range ids {
			runs = append(runs,
				start(t, r.Temporal, queue, tokenCaller, asks{ID: id}),
				start(t, r.Temporal, queue, awaitCaller, asks{ID: id}),
				start(t, r.Temporal, queue, tokenCaller, asks{ID: id, Owner: "acme", MinLife: time.Hour}))
		}
	}
	for i, run := range runs {
		var got workflows.AccessToken
		require.NoError(t, run.Get(t.Context(), &got))
		require.Equal(t, workflows.StatusActive, got.Status)
		requireSealed(t, r, ids[i/3%len(ids)], run, got)
	}
	t.Logf("%d of %d tokens were had while Postgres was down", len(runs), len(runs))
	short := 3 * time.Second
	requireRefused(t, start(t, r.Temporal, queue, tokenCaller, asks{ID: ids[0], Owner: "globex"}), workflows.NotFound, workflows.ReasonNotFound)
	requireRefused(t, start(t, r.Temporal, queue, tokenCaller, asks{ID: paused}), workflows.Paused, workflows.ReasonPausedByRequest)
	requireRefused(t, start(t, r.Temporal, queue, tokenCaller, asks{ID: pending.ID}), workflows.NeedsReauthorization, workflows.ReasonAwaitingConsent)
	for _, f := range []any{tokenCaller, awaitCaller} {
		requireRefused(t, start(t, r.Temporal, queue, f, asks{ID: gone, Wait: short}), workflows.TemporarilyUnavailable, workflows.ReasonVaultUnavailable)
	}
	waiting := start(t, r.Temporal, queue, awaitCaller, asks{ID: paused})
	require.Error(t, r.Ledger.Flush(t.Context()))

	require.NoError(t, cluster.Resume(t.Context()))
	require.Eventually(t, func() bool { return r.Ledger.Flush(t.Context()) == nil }, 20*time.Second, 50*time.Millisecond)
	for _, id := range ids {
		handouts, err := r.Vault.Handouts(t.Context(), id, 0)
		require.NoError(t, err)
		var total int64
		for _, h := range handouts {
			total += h.Count
		}
		require.EqualValues(t, 1+30, total, "those of the outage are counted")
	}
	var got workflows.AccessToken
	require.NoError(t, start(t, r.Temporal, queue, tokenCaller, asks{ID: ids[0], MinLife: time.Hour}).Get(t.Context(), &got))
	require.EqualValues(t, 2, got.Generation, "and it is renewed again")
	require.Eventually(t, func() bool {
		_, err := r.Client.Resume(t.Context(), paused)
		return err == nil
	}, 20*time.Second, 100*time.Millisecond)
	require.NoError(t, waiting.Get(t.Context(), nil), "who waited through it goes on")
	requireRefused(t, start(t, r.Temporal, queue, tokenCaller, asks{ID: gone}), workflows.Disconnected, workflows.ReasonDisconnectRequest)
}
