package e2e_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	tlog "go.temporal.io/sdk/log"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// startingLine holds everybody who has read a connection's row until it is opened: they have all seen the same
// generation, whatever comes of it.
type startingLine struct {
	vault.Store
	arrived atomic.Int64
	open    chan struct{}
}

// Connection implements vault.Store.
func (l *startingLine) Connection(ctx context.Context, id string) (vault.Connection, error) {
	row, err := l.Store.Connection(ctx, id)
	l.arrived.Add(1)
	select {
	case <-l.open:
	case <-ctx.Done():
		return row, ctx.Err()
	}
	return row, err
}

// callers ask for the same connection at the same time.
type callers struct {
	line  *startingLine
	all   sync.WaitGroup
	views []connections.View
	errs  []error
}

// refresh forces a refresh.
func refresh(ctx context.Context, c *connections.Client, id string) (connections.View, error) {
	return c.Refresh(ctx, id)
}

// fresher wants a token that lives longer than the one there is can.
func fresher(ctx context.Context, c *connections.Client, id string) (connections.View, error) {
	token, err := c.Token(ctx, id, 2*time.Hour)
	return token.View, err
}

// processes is over how many clients, with connections of their own, the callers are spread.
const processes = 4

// newCallers brings n callers to the starting line.
func (f *fleet) newCallers(n int, id string, ask func(context.Context, *connections.Client, string) (connections.View, error)) *callers {
	f.t.Helper()
	c := &callers{
		line:  &startingLine{Store: f.store, open: make(chan struct{})},
		views: make([]connections.View, n), errs: make([]error, n),
	}
	var clients []*connections.Client
	for range processes {
		temporal, err := client.Dial(client.Options{
			HostPort: f.temporal.Address, Logger: tlog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		})
		require.NoError(f.t, err)
		f.t.Cleanup(temporal.Close)
		config := f.client.Config
		config.Temporal, config.Vault = temporal, c.line
		clients = append(clients, connections.New(config))
	}
	for i := range n {
		c.all.Go(func() { c.views[i], c.errs[i] = ask(f.t.Context(), clients[i%processes], id) })
	}
	require.Eventually(f.t, func() bool { return c.line.arrived.Load() == int64(n) }, patience, 10*time.Millisecond, "the callers read the row")
	return c
}

// run lets them go, and waits until each has its answer.
func (c *callers) run() time.Duration {
	begun := time.Now()
	close(c.line.open)
	c.all.Wait()
	return time.Since(begun)
}

// updates counts those that the connection's workflow has taken into its history.
func (f *fleet) updates(id string) int {
	f.t.Helper()
	n := 0
	for events := f.client.Temporal.GetWorkflowHistory(f.t.Context(), workflows.WorkflowID(id), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		event, err := events.Next()
		require.NoError(f.t, err)
		if event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED {
			n++
		}
	}
	return n
}

// A thousand callers hold the same token, too old for them, and each forces a refresh: one call at the provider, one update in the
// workflow's history, a new token for all.
func TestThunderForcedRefresh(t *testing.T) {
	t.Parallel()
	const n = 1000
	f := newFleet(t, fleetOptions{life: time.Hour, latency: 200 * time.Millisecond})
	f.newWorker("worker 1").start()
	f.newWorker("worker 2").start()
	id := f.newConnections(1, 0)[0]

	c := f.newCallers(n, id, fresher)
	took := c.run()
	for i := range n {
		require.NoError(t, c.errs[i])
		require.EqualValues(t, 2, c.views[i].Generation)
		require.Equal(t, "active", c.views[i].Status)
	}
	row, _ := f.row(id)
	require.EqualValues(t, 2, row.Generation)
	require.True(t, f.accepted(row))
	require.Equal(t, 1, f.provider.Stats().Tokens["refresh_token"]["issued"])
	require.Len(t, f.presentations(), 1)
	require.Equal(t, 1, f.updates(id))
	t.Logf("%d callers over %d clients had their answer after %v", n, processes, took.Round(time.Millisecond))
}

// The refresh fails for all who share it. Then the provider is mended, and the next caller, who holds the same
// generation, gets a fresh token: no failure is kept for him.
func TestThunderAfterOutage(t *testing.T) {
	t.Parallel()
	const n = 100
	f := newFleet(t, fleetOptions{life: time.Hour})
	f.newWorker("worker").start()
	id := f.newConnections(1, 0)[0]

	f.unreachable()
	c := f.newCallers(n, id, refresh)
	c.run()
	for i := range n {
		require.Equal(t, string(workflows.ReasonProviderUnavailable), connections.CodeOf(c.errs[i]))
	}
	require.Equal(t, 1, f.updates(id), "they shared one failure")

	// He has looked during the outage, and comes when it is over.
	next := f.newCallers(1, id, refresh)
	f.reachable()
	took := next.run()
	require.NoError(t, next.errs[0])
	require.EqualValues(t, 2, next.views[0].Generation)
	row, _ := f.row(id)
	require.True(t, f.accepted(row))
	require.Equal(t, 1, f.provider.Stats().Tokens["refresh_token"]["issued"])
	t.Logf("the next caller had a fresh token after %v", took.Round(time.Millisecond))
}
