package connections_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// 300 connections of one integration on a real server, and a rejected secret: one breaker, a probe an interval, nobody
// asked to reconnect, and all well a little while after the secret is mended.
func TestBreakerOfThreeHundredConnections(t *testing.T) {
	t.Parallel()
	const (
		fleet    = 300
		interval = 10 * time.Second
	)
	r := connectionstest.New(t, connectionstest.Options{TokenLife: 90 * time.Second, ProbeInterval: interval})
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		rows, _ := r.Vault.ListConnections(context.WithoutCancel(t.Context()), vault.ConnectionFilter{Limit: 1000})
		where := map[string]int{}
		for _, row := range rows {
			where[row.Status+" "+row.Reason]++
		}
		open, _ := r.Vault.OpenBreakers(context.WithoutCancel(t.Context()))
		t.Logf("connections by status: %v; open breakers: %+v; token requests: %v", where, open, r.Sandbox.Stats().Tokens)
	})
	for range fleet {
		_, err := r.Client.Create(t.Context(), connections.CreateRequest{
			Connector: "sandbox", Owner: "acme", Grant: workflows.GrantClientCredentials, Policy: vault.PolicyAlwaysFresh,
		})
		require.NoError(t, err)
	}
	count := func(status workflows.ConnectionStatus) int {
		rows, err := r.Vault.ListConnections(t.Context(), vault.ConnectionFilter{Status: string(status), Limit: 1000})
		require.NoError(t, err)
		return len(rows)
	}
	all := func(status workflows.ConnectionStatus) func() bool {
		return func() bool { return count(status) == fleet }
	}
	require.Eventually(t, all(workflows.StatusActive), 5*time.Minute, 100*time.Millisecond)

	integration := connections.PlatformIntegrationID("sandbox", connector.ClientCredentials)
	open := func() bool {
		b, err := r.Vault.Breaker(t.Context(), integration)
		return err == nil && b.Open
	}
	require.NoError(t, r.Sandbox.SetFaults(sandbox.Faults{RejectClient: true}))
	require.Eventually(t, open, 3*time.Minute, 5*time.Millisecond)
	opened, before := time.Now(), r.TokenRequests("client_credentials")
	require.Eventually(t, all(workflows.StatusDegraded), 5*time.Minute, 100*time.Millisecond)
	calls := r.TokenRequests("client_credentials") - before
	// Attempts that had begun when it opened may come in after it.
	limit := int(time.Since(opened)/interval) + 1 + 5
	require.LessOrEqual(t, calls, limit)
	require.Zero(t, count(workflows.StatusNeedsReauth))
	require.True(t, open())

	require.NoError(t, r.Sandbox.SetFaults(sandbox.Faults{}))
	mended := time.Now()
	require.Eventually(t, all(workflows.StatusActive), 5*time.Minute, 100*time.Millisecond)
	require.False(t, open())
	t.Logf("%d calls while it was open (%s), at most %d allowed; all well %s after the mending, with probes every %s",
		calls, mended.Sub(opened).Round(time.Second), limit, time.Since(mended).Round(time.Second), interval)
}
