package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	tlog "go.temporal.io/sdk/log"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/vault"
)

const (
	// outageLife is that of the tokens. They are renewed after 24 to 30 s, which no outage lets them.
	outageLife = 40 * time.Second
	// outageEnds is how long before the first token expires the reads end.
	outageEnds = 2 * time.Second
	// outageConnections are read by every caller.
	outageConnections = 4
)

// outage is a fleet at work, with processes of callers. In truth these are all in this process, but each has a cache and
// a channel of its own.
type outage struct {
	*fleet
	ids    []string
	client client.Client
	// listening is how many sessions hear of changes, and goroutines how many the callers had, while all was well.
	listening, goroutines int
	open                  []*activities.Tokens
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	o := &outage{fleet: newFleet(t, fleetOptions{life: outageLife})}
	for _, name := range []string{"worker 1", "worker 2"} {
		o.newWorker(name).keep()
	}
	o.ids = o.newConnections(outageConnections, 0)
	var err error
	o.client, err = client.Dial(client.Options{
		HostPort: o.temporal.Address, Logger: tlog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(o.client.Close)
	return o
}

// labelled marks every goroutine that f starts, and those that they start.
func (o *outage) labelled(f func()) {
	pprof.Do(o.t.Context(), pprof.Labels("of", o.t.Name()), func(context.Context) { f() })
}

// running counts the goroutines of the callers. Those of the Temporal client are not among them.
func (o *outage) running() int {
	o.t.Helper()
	var profile bytes.Buffer
	require.NoError(o.t, pprof.Lookup("goroutine").WriteTo(&profile, 1))
	total, group := 0, 0
	for lines := bufio.NewScanner(&profile); lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "%d @", &group)
		if strings.HasPrefix(lines.Text(), "# labels:") && strings.Contains(lines.Text(), `"`+o.t.Name()+`"`) {
			total += group
		}
	}
	return total
}

// caller makes a caller with an empty cache.
func (o *outage) caller() *activities.Tokens {
	o.t.Helper()
	var tokens *activities.Tokens
	o.labelled(func() {
		var err error
		tokens, err = activities.Open(o.t.Context(), activities.Config{
			DatabaseURL: o.database.URL(), AccessKeyset: filepath.Join(o.dir, "access.json"), DataDir: o.dir,
			Temporal: o.client, Owner: "acme", Caller: "outage", Log: slog.New(slog.DiscardHandler),
		})
		require.NoError(o.t, err)
	})
	o.t.Cleanup(func() { _ = tokens.Close() })
	o.open = append(o.open, tokens)
	return tokens
}

// settled notes how things are while all is well.
func (o *outage) settled() {
	o.t.Helper()
	// With the two workers and the web role, which are settled when nobody has come for a while.
	last, same := 0, 0
	require.Eventually(o.t, func() bool {
		count := o.listeners()
		if same++; count != last {
			last, same = count, 0
		}
		return count >= len(o.open)+3 && same >= 10
	}, patience, 100*time.Millisecond)
	o.listening = last
	o.goroutines = o.running()
}

// listeners counts the sessions that hear of changes.
func (o *outage) listeners() int {
	ctx, cancel := context.WithTimeout(o.t.Context(), 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, o.database.URL())
	if err != nil {
		return 0
	}
	defer func() { _ = conn.Close(ctx) }()
	count := 0
	_ = conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'connections watch'`).Scan(&count)
	return count
}

// renew gives every connection a new token, and returns until when all of them live.
func (o *outage) renew() time.Time {
	o.t.Helper()
	var until time.Time
	for _, id := range o.ids {
		_, err := o.fleet.client.Refresh(o.t.Context(), id)
		require.NoError(o.t, err)
	}
	for _, id := range o.ids {
		row, ok := o.row(id)
		require.True(o.t, ok)
		if until.IsZero() || row.ExpiresAt.Before(until) {
			until = row.ExpiresAt
		}
	}
	return until
}

// handedOut is what came of the reads of callers.
type handedOut struct {
	total, failed atomic.Int64
	first         atomic.Pointer[error]
	stop          chan struct{}
	readers       sync.WaitGroup
}

// read lets callers read every connection, all the time, until wait is called.
func (o *outage) read(callers ...*activities.Tokens) *handedOut {
	r := &handedOut{stop: make(chan struct{})}
	o.labelled(func() {
		for _, tokens := range callers {
			for _, id := range o.ids {
				r.readers.Go(func() { r.run(o.t.Context(), tokens, id) })
			}
		}
	})
	return r
}

func (r *handedOut) run(ctx context.Context, tokens *activities.Tokens, id string) {
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for {
		token, err := tokens.Token(ctx, id)
		if err == nil && !token.ExpiresAt().After(time.Now()) {
			err = errors.New("the token has expired")
		}
		r.total.Add(1)
		if err != nil {
			r.failed.Add(1)
			r.first.CompareAndSwap(nil, &err)
		}
		select {
		case <-pace.C:
		case <-r.stop:
			return
		}
	}
}

// end stops the reads. Every one must have had a live token.
func (r *handedOut) end(t *testing.T, what string) {
	t.Helper()
	close(r.stop)
	r.readers.Wait()
	t.Logf("%s: %d of %d reads had a live token", what, r.total.Load()-r.failed.Load(), r.total.Load())
	if err := r.first.Load(); err != nil {
		require.NoError(t, *err, "%s: the first of %d that failed", what, r.failed.Load())
	}
	require.Greater(t, r.total.Load(), int64(1000))
}

// during waits until just before the tokens expire.
func during(until time.Time) { <-time.After(time.Until(until.Add(-outageEnds))) }

// catchUp waits until all is as it was: every connection is refreshed, every caller has its new token, changes are heard,
// and nothing is left over.
func (o *outage) catchUp(generations map[string]int64) {
	o.t.Helper()
	since := time.Now()
	for _, id := range o.ids {
		o.await(id, func(row vault.Connection) bool { return row.Status == "active" && row.Generation > generations[id] })
		for i, tokens := range o.open {
			require.Eventually(o.t, func() bool {
				var token activities.Token
				var err error
				o.labelled(func() { token, err = tokens.Token(o.t.Context(), id) })
				return err == nil && token.Generation() > generations[id]
			}, patience, 20*time.Millisecond, "caller %d does not get the new token of %s", i, id)
		}
	}
	o.t.Logf("refreshed, and read by all, after %v", time.Since(since).Round(time.Millisecond))
	require.Eventually(o.t, func() bool { return o.listeners() == o.listening }, patience, 50*time.Millisecond, "not all listen again")
	o.disconnectIsHeard(o.ids[0])
	require.Eventually(o.t, func() bool { return o.running() <= o.goroutines }, patience, 100*time.Millisecond,
		"there are %d goroutines, and were %d", o.running(), o.goroutines)
	for _, tokens := range o.open {
		require.NoError(o.t, tokens.Close())
	}
	require.Eventually(o.t, func() bool { return o.running() == 0 }, patience, 100*time.Millisecond, "goroutines are left")
}

// disconnectIsHeard checks that within a second every caller refuses a connection that is over.
func (o *outage) disconnectIsHeard(id string) {
	o.t.Helper()
	_, err := o.fleet.client.Disconnect(o.t.Context(), id)
	require.NoError(o.t, err)
	since := time.Now()
	for i, tokens := range o.open {
		var over *activities.Disconnected
		require.Eventually(o.t, func() bool {
			var err error
			o.labelled(func() { _, err = tokens.Token(o.t.Context(), id) })
			return errors.As(err, &over)
		}, patience, 2*time.Millisecond, "caller %d does not hear of it", i)
	}
	took := time.Since(since)
	o.t.Logf("a disconnect was heard by %d callers after %v", len(o.open), took.Round(time.Millisecond))
	require.Less(o.t, took, time.Second)
}

// generations are those of the tokens now.
func (o *outage) generations() map[string]int64 {
	o.t.Helper()
	all := make(map[string]int64)
	for _, id := range o.ids {
		row, ok := o.row(id)
		require.True(o.t, ok)
		all[id] = row.Generation
	}
	return all
}

// warm reads every connection once.
func (o *outage) warm(tokens *activities.Tokens) {
	o.t.Helper()
	o.labelled(func() {
		for _, id := range o.ids {
			_, err := tokens.Token(o.t.Context(), id)
			require.NoError(o.t, err)
		}
	})
}

// Temporal is stopped: the cache serves, and the vault does to whoever has nothing cached.
func TestOutageOfTemporal(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	warm, cold := o.caller(), o.caller()
	until := o.renew()
	o.warm(warm)
	o.settled()
	before := o.generations()
	o.killTemporal()
	fromCache, fromVault := o.read(warm), o.read(cold)
	during(until)
	fromCache.end(t, "Temporal away, cache warm")
	fromVault.end(t, "Temporal away, cache cold")
	require.Equal(t, before, o.generations(), "nobody could refresh")
	o.restartTemporal()
	o.catchUp(before)
}

// Postgres is stopped: the cache serves, and the workflow does, by query, to whoever has nothing cached.
func TestOutageOfPostgres(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	warm, cold, late := o.caller(), o.caller(), o.caller()
	until := o.renew()
	o.warm(warm)
	o.settled()
	before := o.generations()
	o.database.Halt()
	fromCache, byQuery := o.read(warm), o.read(cold)
	<-time.After(time.Until(until.Add(-8 * time.Second))) // less than MinLife is left, and nobody can renew
	lateByQuery := o.read(late)
	during(until)
	fromCache.end(t, "Postgres away, cache warm")
	byQuery.end(t, "Postgres away, cache cold")
	lateByQuery.end(t, "Postgres away, cache cold, the tokens old")
	require.NoError(t, o.database.Resume(t.Context()))
	o.catchUp(before)
}

// Both are stopped: the cache serves.
func TestOutageOfBoth(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	warm := o.caller()
	until := o.renew()
	o.warm(warm)
	o.settled()
	o.warm(warm) // what was announced of the last renewals has arrived by now, and made the cache forget
	before := o.generations()
	o.database.Halt()
	o.killTemporal()
	fromCache := o.read(warm)
	during(until)
	fromCache.end(t, "both away, cache warm")
	require.NoError(t, o.database.Resume(t.Context()))
	o.restartTemporal()
	o.catchUp(before)
}
