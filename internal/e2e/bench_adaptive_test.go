package e2e_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/reads"
	"github.com/acme/connections/internal/vault"
)

// What BenchmarkAdaptive runs. Its hour has ten seconds, and a token lives one: everything else is as it is.
const (
	adaptiveLife   = 10 * time.Second
	adaptiveFleet  = 300
	adaptiveRead   = adaptiveFleet / 10
	adaptiveRounds = 3
	adaptiveWarmUp = adaptiveLife
	adaptiveWindow = 3 * adaptiveLife
)

// BenchmarkAdaptive measures what a fleet costs of which a tenth is read every hour, always the same tenth, after the
// first day: with policy always_fresh and with policy adaptive. The workflow, the worker, the vault, the provider, the
// reads and their marks are the real ones. That a day has passed is put into the workflows' state, since a connection
// falls asleep after a real day. What the processes take with no connection at all is no connection's cost: it is
// measured before each round and taken off.
func BenchmarkAdaptive(b *testing.B) {
	for b.Loop() {
		s := newStage(b, benchToken, adaptiveLife)
		var fresh, adaptive []daily
		for round := range adaptiveRounds {
			idle := s.idle()
			fresh = append(fresh, s.live(vault.PolicyAlwaysFresh, round, idle))
			adaptive = append(adaptive, s.live(vault.PolicyAdaptive, round, idle))
		}
		_, refused := s.provider.calls()
		require.Zero(b, refused, "a refresh token was presented twice")
		rounds := make([]int, adaptiveRounds)
		for i := range rounds {
			rounds[i] = i
		}
		b.ReportMetric(median(fresh, func(d daily) float64 { return d.cpu }), "fresh-cpu-s/1000-days")
		b.ReportMetric(median(adaptive, func(d daily) float64 { return d.cpu }), "adaptive-cpu-s/1000-days")
		b.ReportMetric(median(rounds, func(i int) float64 { return adaptive[i].cpu / fresh[i].cpu }), "x-fresh")
		b.ReportMetric(median(rounds, func(i int) float64 {
			return (adaptive[i].cpu + adaptive[i].idle) / (fresh[i].cpu + fresh[i].idle)
		}), "x-fresh-with-idle")
		b.ReportMetric(median(fresh, func(d daily) float64 { return d.idle }), "idle-cpu-s/1000-days")
		b.ReportMetric(median(fresh, func(d daily) float64 { return d.refreshes }), "fresh-refreshes/day")
		b.ReportMetric(median(adaptive, func(d daily) float64 { return d.refreshes }), "adaptive-refreshes/day")
		b.ReportMetric(median(adaptive, func(d daily) float64 { return d.reads }), "reads/day")
	}
}

// daily is what a fleet cost.
type daily struct {
	// cpu are the CPU-seconds of server, database and worker for 1,000 connections and a day, beside the idle ones: those
	// that the processes would have taken anyway.
	cpu, idle float64
	// refreshes and reads are those of a day, for a connection on average.
	refreshes, reads float64
}

// cpuBetween is all CPU time.
func cpuBetween(before, after counters) time.Duration {
	return after.server - before.server + after.database - before.database + after.worker - before.worker
}

// idle is the CPU time that everything takes in a second in which there is nothing to do.
func (s *stage) idle() time.Duration {
	s.b.Helper()
	before := s.counters(s.refreshes())
	time.Sleep(adaptiveLife)
	after := s.counters(s.refreshes())
	return time.Duration(float64(cpuBetween(before, after)) / after.at.Sub(before.at).Seconds())
}

// live lets a fleet live under a policy for a while. Idle is what each second costs anyway.
func (s *stage) live(policy string, round int, idle time.Duration) daily {
	s.b.Helper()
	ids := make([]string, adaptiveFleet)
	marks := make(map[string]time.Time, adaptiveRead)
	for n := range ids {
		ids[n] = fmt.Sprintf("%s-%d-%03d", policy, round, n)
		if n%(adaptiveFleet/adaptiveRead) == 0 {
			marks[ids[n]] = time.Now()
		}
	}
	require.NoError(s.b, each(ids, func(n int, id string) error {
		return s.connect(id, policy, adaptiveLife/10*7*time.Duration(n)/adaptiveFleet)
	}))
	require.NoError(s.b, s.vault.MarkRead(s.b.Context(), marks)) // as they were read in the last hour
	stopReading := s.read(marks)
	time.Sleep(adaptiveWarmUp) // waits for nothing: a warm-up and a window have a length
	l := s.refreshes()
	before := s.counters(l)
	time.Sleep(adaptiveWindow)
	after := s.counters(l)
	reads := stopReading()
	s.requireAsleep(policy, ids, marks)
	require.NoError(s.b, each(ids, func(_ int, id string) error { return s.forget(id) }))

	seconds := after.at.Sub(before.at).Seconds()
	days := adaptiveFleet * seconds / (24 * adaptiveLife).Seconds()
	idling := seconds * idle.Seconds() / days * 1000
	return daily{
		cpu: cpuBetween(before, after).Seconds()/days*1000 - idling, idle: idling, refreshes: float64(after.turns-before.turns) / days,
		reads: float64(reads) / (adaptiveFleet * float64(adaptiveWarmUp+adaptiveWindow) / float64(24*adaptiveLife)),
	}
}

// read reads each of the connections once an hour, evenly, as a client in Go does, until the returned function is
// called, which says how many reads there were.
func (s *stage) read(marks map[string]time.Time) (stop func() int) {
	s.b.Helper()
	marker := reads.New(s.vault, slog.New(slog.DiscardHandler))
	catalogue, err := connector.Load()
	require.NoError(s.b, err)
	catalogue.UseSource(s.vault, true)
	c := connections.New(connections.Config{
		Temporal: s.temporal, Vault: s.vault, Keys: s.keys, Catalogue: catalogue, Now: time.Now, MarkRead: marker.Mark,
	})
	ctx, cancel := context.WithCancel(s.b.Context())
	var all sync.WaitGroup
	all.Go(func() { marker.Run(ctx) })
	done, failed := 0, error(nil)
	all.Go(func() {
		ticker := time.NewTicker(adaptiveLife / time.Duration(len(marks)))
		defer ticker.Stop()
		for {
			for id := range marks {
				select {
				case <-ticker.C:
				case <-ctx.Done():
					return
				}
				if _, err := c.Token(ctx, id, 0); err != nil && ctx.Err() == nil {
					failed = err
				}
				done++
			}
		}
	})
	return func() int {
		cancel()
		all.Wait()
		require.NoError(s.b, failed, "a read got no token")
		return done
	}
}

// requireAsleep proves that those sleep that may, and nobody else: what was measured is what was meant.
func (s *stage) requireAsleep(policy string, ids []string, marks map[string]time.Time) {
	s.b.Helper()
	for _, id := range ids {
		row, err := s.vault.Connection(s.b.Context(), id)
		require.NoError(s.b, err)
		_, read := marks[id]
		require.Equal(s.b, policy == vault.PolicyAlwaysFresh || read, row.Generation > 1, "renewed: %s, read: %v", id, read)
	}
}
