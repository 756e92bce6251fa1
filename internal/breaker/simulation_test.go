package breaker_test

import (
	"container/heap"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/breaker"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/sqlitevault"
	"github.com/acme/connections/workflows"
)

// fleet is a simulation on a clock of its own: each connection does what its workflow does (package workflows has the
// rules, and the tests of those), over the real board, the real schedule and a real vault; the provider is a function.
type fleet struct {
	t     *testing.T
	store *sqlitevault.Store
	board *breaker.Board
	now   time.Time
	rand  *rand.Rand
	// answers says how the provider answers at a time; ReasonNone is a token.
	answers func(at time.Time) workflows.Reason

	due    queue
	calls  []time.Time
	probes []time.Time
	opened int
	sets   map[string]workflows.TokenSet
	status map[string]workflows.ConnectionStatus
	failed map[string]int64
	wellAt map[string]time.Time
}

const integration = "platform:sandbox"

func newFleet(t *testing.T, size int, seed uint64, answers func(time.Time) workflows.Reason) *fleet {
	store, err := sqlitevault.Open(t.Context(), filepath.Join(t.TempDir(), "vault.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	f := &fleet{
		t: t, store: store, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), rand: rand.New(rand.NewPCG(seed, 1)), answers: answers,
		sets: map[string]workflows.TokenSet{}, status: map[string]workflows.ConnectionStatus{}, failed: map[string]int64{}, wellAt: map[string]time.Time{},
	}
	f.board = breaker.New(store, func() time.Time { return f.now }, workflows.ProbeInterval, func(context.Context, string) error {
		f.opened++
		f.schedule("", f.now.Add(workflows.ProbeInterval))
		return nil
	}, slog.New(slog.DiscardHandler))
	for i := range size {
		id := fmt.Sprintf("con_%05d", i)
		require.NoError(t, store.CreateConnection(t.Context(), vault.Connection{
			ID: id, Owner: "acme", Connector: "sandbox", IntegrationID: integration, Grant: "authorization_code", Status: "active",
			CreatedAt: f.now, StatusAt: f.now,
		}))
		// Connected within the last hour, each at a moment of its own.
		at := f.now.Add(-time.Duration(f.rand.Int64N(int64(30 * time.Minute))))
		f.sets[id] = workflows.TokenSet{Generation: 1, Renewable: true, Rotates: true, IssuedAt: at, ExpiresAt: at.Add(time.Hour)}
		f.status[id] = workflows.StatusActive
		f.schedule(id, workflows.NextRenewal(id, f.sets[id]))
	}
	return f
}

// run goes on until the end.
func (f *fleet) run(end time.Time) {
	for f.due.Len() > 0 && f.due[0].at.Before(end) {
		next := heap.Pop(&f.due).(event)
		f.now = next.at
		if next.id == "" {
			f.probe()
			continue
		}
		f.renew(next.id)
	}
	f.now = end
}

func (f *fleet) schedule(id string, at time.Time) { heap.Push(&f.due, event{at: at, id: id}) }

// probe is the workflow Breaker's turn.
func (f *fleet) probe() {
	state, claimed, err := f.board.ClaimProbe(f.t.Context(), integration)
	require.NoError(f.t, err)
	if claimed {
		f.probes = append(f.probes, f.now)
		f.calls = append(f.calls, f.now)
		if f.answers(f.now) == workflows.ReasonNone {
			f.board.Succeeded(f.t.Context(), integration)
			return
		}
	}
	if state.Open {
		f.schedule("", f.now.Add(workflows.ProbeInterval))
	}
}

// renew is a connection's turn.
func (f *fleet) renew(id string) {
	state, err := f.store.Breaker(f.t.Context(), integration)
	if err == nil && state.Open {
		wait, _ := f.board.Suspended(f.t.Context(), state, id)
		f.status[id] = workflows.StatusDegraded
		f.schedule(id, f.now.Add(wait))
		return
	}
	f.calls = append(f.calls, f.now)
	reason := f.answers(f.now)
	if reason == workflows.ReasonNone {
		set := f.sets[id]
		set.Generation++
		set.IssuedAt, set.ExpiresAt = f.now, f.now.Add(time.Hour)
		f.sets[id], f.failed[id] = set, 0
		if f.status[id] != workflows.StatusActive {
			f.wellAt[id] = f.now
		}
		f.status[id] = workflows.StatusActive
		if err == nil {
			f.board.Succeeded(f.t.Context(), integration)
		}
		f.schedule(id, workflows.NextRenewal(id, set))
		return
	}
	f.failed[id]++
	open := f.board.Failed(f.t.Context(), integration, id, reason)
	f.status[id] = workflows.StatusDegraded
	wait := min(workflows.Rung(id, f.failed[id]), 5*time.Minute)
	if reason.Class() == workflows.ClassReauthorize {
		if !open {
			f.status[id] = workflows.StatusNeedsReauth
			return
		}
		wait = time.Hour
	}
	f.schedule(id, f.now.Add(wait))
}

func (f *fleet) count(status workflows.ConnectionStatus) int {
	n := 0
	for _, s := range f.status {
		if s == status {
			n++
		}
	}
	return n
}

// perMinute is the most calls in any minute from a time on.
func (f *fleet) perMinute(from time.Time) int {
	most, first := 0, 0
	for i, at := range f.calls {
		for f.calls[first].Before(at.Add(-time.Minute)) {
			first++
		}
		if at.After(from) {
			most = max(most, i-first+1)
		}
	}
	return most
}

type event struct {
	at time.Time
	id string
}

type queue []event

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}

// 10,000 connections of one OAuth app whose secret is wrong for three quarters of an hour, and smaller fleets whose provider is down.
func TestTenThousandConnectionsOfOneIntegration(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reason workflows.Reason
		size   int
	}{
		"a rejected secret": {workflows.ReasonClientRejected, 10_000},
		"an outage":         {workflows.ReasonProviderUnavailable, 500},
		"lost replies":      {workflows.ReasonReplyLost, 500},
	} {
		reason, size := c.reason, c.size
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC)
			mended := begin.Add(45 * time.Minute)
			f := newFleet(t, size, 42, func(at time.Time) workflows.Reason {
				if at.After(begin) && at.Before(mended) {
					return reason
				}
				return workflows.ReasonNone
			})
			f.run(begin)
			require.Equal(t, size, f.count(workflows.StatusActive))
			steady := f.perMinute(begin.Add(-15 * time.Minute))

			before := len(f.calls)
			f.run(mended)
			during := len(f.calls) - before
			require.Zero(t, f.count(workflows.StatusNeedsReauth))
			require.Equal(t, 1, f.opened)
			require.LessOrEqual(t, len(f.probes), int(mended.Sub(begin)/workflows.ProbeInterval)+1)
			for i := 1; i < len(f.probes); i++ {
				require.GreaterOrEqual(t, f.probes[i].Sub(f.probes[i-1]), workflows.ProbeInterval)
			}
			require.LessOrEqual(t, during-len(f.probes), 5, "before it opened")
			waiting := f.count(workflows.StatusDegraded)
			require.Greater(t, waiting, size*9/10)

			f.run(mended.Add(10 * time.Minute))
			require.Equal(t, size, f.count(workflows.StatusActive), "all well within ten minutes")
			last := mended
			for _, at := range f.wellAt {
				if at.After(last) {
					last = at
				}
			}
			load := f.perMinute(mended)
			require.LessOrEqual(t, load, size*2/5, "spread over its return")
			require.Zero(t, f.count(workflows.StatusNeedsReauth))
			t.Logf("%d connections: %d calls before the breaker opened, %d probes in %s, %d waiting; all well %s after the mending, at most %d calls a minute (usually %d)",
				size, during-len(f.probes), len(f.probes), mended.Sub(begin), waiting, last.Sub(mended).Round(time.Second), load, steady)
		})
	}
}

// A provider that refuses everybody's grant for an hour costs nobody a consent but the few who were first.
func TestAProviderThatRefusesEverybody(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC)
	mended := begin.Add(time.Hour)
	f := newFleet(t, 500, 7, func(at time.Time) workflows.Reason {
		if at.After(begin) && at.Before(mended) {
			return workflows.ReasonGrantRejected
		}
		return workflows.ReasonNone
	})
	f.run(mended.Add(75 * time.Minute))
	require.LessOrEqual(t, f.count(workflows.StatusNeedsReauth), 4)
	require.Zero(t, f.count(workflows.StatusDegraded))
	require.Equal(t, 1, f.opened)
}
