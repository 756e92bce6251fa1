package e2e_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	tlog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/internal/devserver/devservertest"
	"github.com/acme/connections/workflows"
)

const (
	queryFleet = 10
	// queryRenewals fill a run to just below the length at which it hands over to the next.
	queryRenewals = 72
	queryAsks     = 5
)

// quickRenewals are activities that say that each token was issued so long ago that its renewal is due at once, until
// there were enough.
type quickRenewals struct {
	until int64
	full  sync.WaitGroup
}

func (q *quickRenewals) renew(_ context.Context, in workflows.RenewInput) (workflows.TokenSet, error) {
	set := workflows.TokenSet{
		Generation: in.Generation + 1, Renewable: true, Type: "Bearer", Scopes: []string{"contacts.read", "contacts.write"},
		Sealed: make([]byte, benchToken+sealing), IssuedAt: time.Now().UTC(),
	}
	set.ExpiresAt = set.IssuedAt.Add(time.Hour)
	if set.Generation == q.until {
		q.full.Done()
	}
	if set.Generation < q.until {
		age := workflows.NextRenewal(in.ID, set).Sub(set.IssuedAt) - 100*time.Millisecond
		set.IssuedAt, set.ExpiresAt = set.IssuedAt.Add(-age), set.ExpiresAt.Add(-age)
	}
	return set, nil
}

func (q *quickRenewals) record(context.Context, workflows.RecordInput) error { return nil }

// worker starts a worker of the real workflow on these activities.
func (q *quickRenewals) worker(b *testing.B, c client.Client) worker.Worker {
	b.Helper()
	w := worker.New(c, workflows.TaskQueue, worker.Options{MaxConcurrentWorkflowTaskPollers: 8, DisableRegistrationAliasing: true})
	w.RegisterWorkflowWithOptions(workflows.Connection, workflow.RegisterOptions{Name: workflows.TypeConnection})
	w.RegisterActivityWithOptions(q.renew, activity.RegisterOptions{Name: workflows.ActivityClientCredentials})
	w.RegisterActivityWithOptions(q.record, activity.RegisterOptions{Name: workflows.ActivityRecord})
	require.NoError(b, w.Start())
	return w
}

// BenchmarkEvictedQuery measures query "token" of connections whose run is about as long as a run becomes: while a worker
// holds them in memory, after it has evicted them, and after it was restarted, each beside what a replay of the same
// history takes.
func BenchmarkEvictedQuery(b *testing.B) {
	for b.Loop() {
		c := devservertest.Client(b, devservertest.Start(b, workflows.SearchAttributes()...))
		quick := &quickRenewals{until: queryRenewals}
		w := quick.worker(b, c)
		ids := make([]string, queryFleet)
		quick.full.Add(len(ids))
		for n := range ids {
			ids[n] = fmt.Sprintf("con_%d", n)
			_, err := c.ExecuteWorkflow(b.Context(), client.StartWorkflowOptions{ID: workflows.WorkflowID(ids[n]), TaskQueue: workflows.TaskQueue},
				workflows.TypeConnection, workflows.ConnectionInput{
					ID: ids[n], Owner: "acme", Connector: "sandbox", Grant: workflows.GrantClientCredentials, ConsentDeadline: time.Now().Add(time.Hour),
				})
			require.NoError(b, err)
		}
		quick.full.Wait()

		warm := askAll(b, c, ids)
		worker.PurgeStickyWorkflowCache()
		evicted := askAll(b, c, ids)
		w.Stop()
		worker.PurgeStickyWorkflowCache() // the cache is the process's, and a new process has an empty one
		w = quick.worker(b, c)
		// A query that meets the old worker's last poll fails: the figure is that of the new one.
		require.Eventually(b, func() bool { return ask(b.Context(), c, ids[0], new(workflows.AccessToken)) == nil }, patience, 100*time.Millisecond)
		restarted := askAll(b, c, ids)
		events, replays := replayEach(b, c, ids)
		w.Stop()

		milliseconds := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
		replay := median(replays, milliseconds)
		b.ReportMetric(events, "events")
		b.ReportMetric(median(warm, milliseconds), "warm-ms")
		b.ReportMetric(replay, "replay-ms")
		b.ReportMetric(median(evicted, milliseconds), "evicted-ms")
		b.ReportMetric(median(restarted, milliseconds), "restarted-ms")
		b.ReportMetric(median(evicted, milliseconds)-replay, "evicted-less-replay-ms")
		b.ReportMetric(median(restarted, milliseconds)-replay, "restarted-less-replay-ms")
	}
}

// askAll queries each a few times, in turns, and returns how long each answer took. An answer from a replay does not
// put the run back into memory: every one of them costs the same.
func askAll(b *testing.B, c client.Client, ids []string) []time.Duration {
	b.Helper()
	var took []time.Duration
	for range queryAsks {
		for _, id := range ids {
			from := time.Now()
			var token workflows.AccessToken
			require.NoError(b, ask(b.Context(), c, id, &token))
			took = append(took, time.Since(from))
			require.EqualValues(b, queryRenewals, token.Generation)
		}
	}
	return took
}

func ask(ctx context.Context, c client.Client, id string, token *workflows.AccessToken) error {
	response, err := c.QueryWorkflowWithOptions(ctx, &client.QueryWorkflowWithOptionsRequest{
		WorkflowID: workflows.WorkflowID(id), QueryType: workflows.QueryToken,
		QueryRejectCondition: enums.QUERY_REJECT_CONDITION_NOT_OPEN,
	})
	if err != nil {
		return err
	}
	return response.QueryResult.Get(token)
}

// replayEach replays the history of each, and returns its length and how long that took.
func replayEach(b *testing.B, c client.Client, ids []string) (events float64, took []time.Duration) {
	b.Helper()
	replayer := worker.NewWorkflowReplayer()
	replayer.RegisterWorkflowWithOptions(workflows.Connection, workflow.RegisterOptions{Name: workflows.TypeConnection})
	log := tlog.NewStructuredLogger(slog.New(slog.DiscardHandler))
	for _, id := range ids {
		history := &historypb.History{}
		iterator := c.GetWorkflowHistory(b.Context(), workflows.WorkflowID(id), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for iterator.HasNext() {
			event, err := iterator.Next()
			require.NoError(b, err)
			history.Events = append(history.Events, event)
		}
		from := time.Now()
		require.NoError(b, replayer.ReplayWorkflowHistory(log, history))
		took = append(took, time.Since(from))
		events = max(events, float64(len(history.GetEvents())))
	}
	require.Greater(b, events, 400.0)
	require.Less(b, events, 600.0)
	return events, took
}
