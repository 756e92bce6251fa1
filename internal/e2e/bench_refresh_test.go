package e2e_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// What BenchmarkRefresh runs: 300 workflows that each turn every 6 to 7.5 seconds, about 45 a second. That is below what
// two cores can do, so that it measures work, not queues.
const (
	benchFleet  = 300
	benchLife   = 10 * time.Second
	benchToken  = 1200 - sealing // bytes
	benchRounds = 5
	benchWarmUp = 8 * time.Second
	benchWindow = 16 * time.Second
	// sealing is what sealing adds to a token: the envelope's version, the key's id, a nonce and a tag.
	sealing = 1 + 5 + 24 + 16
)

// load is a fleet of workflows that do the same thing.
type load struct {
	name string
	// worker is the process id of their worker.
	worker int
	// start starts one, its first turn due after wait; end ends it.
	start func(id string, wait time.Duration) error
	end   func(id string) error
	// done counts the turns of all so far.
	done func() int64
	// workflowID is that of one.
	workflowID func(id string) string
}

// refreshes is the fleet that this is about: connections that renew their tokens.
func (s *stage) refreshes() load {
	return load{
		name: "refresh", worker: s.worker.Process.Pid, end: s.forget, workflowID: workflows.WorkflowID,
		start: func(id string, wait time.Duration) error { return s.connect(id, vault.PolicyAlwaysFresh, wait) },
		done: func() int64 {
			all, refused := s.provider.calls()
			return all - refused
		},
	}
}

// bareLoops are the floor: workflows that wait as long and do nothing.
func (s *stage) bareLoops(w *bareWorker, name string, local bool) load {
	workflowID := func(id string) string { return "bare/" + id }
	return load{
		name: name, worker: w.process.Process.Pid, done: w.done, workflowID: workflowID,
		start: func(id string, wait time.Duration) error {
			_, err := s.temporal.ExecuteWorkflow(s.b.Context(), client.StartWorkflowOptions{ID: workflowID(id), TaskQueue: bareQueue},
				typeBare, bareInput{ID: id, Life: benchLife, First: wait, Local: local})
			return err
		},
		end: func(id string) error {
			return s.temporal.TerminateWorkflow(s.b.Context(), workflowID(id), "", "measured")
		},
	}
}

// measured is what one fleet cost in one window.
type measured struct {
	rate float64 // turns a second
	// CPU-seconds per 1,000 turns.
	server, database, worker float64
	// Per turn.
	statements, calls     float64
	events, bytes, beside float64
}

func (m measured) cpu() float64 { return m.server + m.database + m.worker }

// measure starts the fleet, lets it run, and ends it.
func (s *stage) measure(l load, round int) measured {
	s.b.Helper()
	ids := make([]string, benchFleet)
	for n := range ids {
		ids[n] = fmt.Sprintf("%s-%d-%03d", strings.ReplaceAll(l.name, " ", "-"), round, n)
	}
	// Spread as they would be after a while.
	require.NoError(s.b, each(ids, func(n int, id string) error {
		return l.start(id, benchLife/10*7*time.Duration(n)/benchFleet)
	}))
	time.Sleep(benchWarmUp) // waits for nothing: a warm-up and a window have a length
	before := s.counters(l)
	time.Sleep(benchWindow)
	after := s.counters(l)
	require.NoError(s.b, each(ids, func(_ int, id string) error { return l.end(id) }))

	turns := float64(after.turns - before.turns)
	require.Positive(s.b, turns, "nothing ran: %s", l.name)
	perThousand := func(d time.Duration) float64 { return d.Seconds() / turns * 1000 }
	m := measured{
		rate:   turns / after.at.Sub(before.at).Seconds(),
		server: perThousand(after.server - before.server), database: perThousand(after.database - before.database),
		worker:     perThousand(after.worker - before.worker),
		statements: float64(after.statements-before.statements) / turns, calls: float64(after.calls-before.calls) / turns,
	}
	history := turnsOf(s.b, s.temporal, l.workflowID(ids[0]))
	m.events = median(history, func(t turn) float64 { return float64(t.events) })
	m.bytes = median(history, func(t turn) float64 { return float64(t.bytes) })
	m.beside = median(history, func(t turn) float64 { return float64(t.bytes - t.sealed) })
	return m
}

// each does something for all of a fleet, a few at a time.
func each(ids []string, do func(n int, id string) error) error {
	errs := make([]error, len(ids))
	places := make(chan struct{}, 8)
	var all sync.WaitGroup
	for n, id := range ids {
		places <- struct{}{}
		all.Go(func() {
			errs[n] = do(n, id)
			<-places
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// counters are read before and after a window.
type counters struct {
	at                       time.Time
	turns, statements, calls int64
	server, database, worker time.Duration
}

func (s *stage) counters(l load) counters {
	s.b.Helper()
	c := counters{
		at: time.Now(), turns: l.done(),
		server: cpuOf(s.b, s.server.PID), database: cpuOf(s.b, s.postmaster), worker: cpuOf(s.b, l.worker),
	}
	c.calls, _ = s.provider.calls()
	require.NoError(s.b, s.db.QueryRow(s.b.Context(), `
		SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'`).Scan(&c.statements))
	return c
}

// BenchmarkRefresh measures what a steady refresh costs: the real workflow and worker on a real Temporal (the embedded
// one, SQLite in a file), a Postgres vault, and a provider that rotates strictly. Beside it, by turns and on the same
// server, run two bare loops of a timer and an activity that does nothing. Figures are medians of the rounds; what is
// counted are the CPU times of the server, of Postgres, and of the fleet's own worker process.
func BenchmarkRefresh(b *testing.B) {
	for b.Loop() {
		s := newStage(b, benchToken, benchLife)
		floor := startBareWorker(b, s.server.Address)
		loads := []load{s.refreshes(), s.bareLoops(floor, "bare local activity", true), s.bareLoops(floor, "bare activity", false)}
		results := make([][]measured, len(loads))
		for round := range benchRounds {
			for i, l := range loads {
				results[i] = append(results[i], s.measure(l, round))
			}
		}
		_, refused := s.provider.calls()
		require.Zero(b, refused, "a refresh token was presented twice")
		for i, l := range loads {
			r := results[i]
			b.Logf("%-19s %4.1f/s  %4.1f CPU-s per 1,000 = server %4.1f + database %3.1f + worker %3.1f; %4.1f events, %4.0f bytes", l.name,
				median(r, func(m measured) float64 { return m.rate }), median(r, measured.cpu),
				median(r, func(m measured) float64 { return m.server }), median(r, func(m measured) float64 { return m.database }),
				median(r, func(m measured) float64 { return m.worker }), median(r, func(m measured) float64 { return m.events }),
				median(r, func(m measured) float64 { return m.bytes }))
		}
		s.logStatements()
		reportRefresh(b, results[0], results[1], results[2])
	}
}

// reportRefresh prints the benchmark's figures.
func reportRefresh(b *testing.B, refresh, local, regular []measured) {
	b.Helper()
	events := median(refresh, func(m measured) float64 { return m.events })
	beside := median(refresh, func(m measured) float64 { return m.beside })
	b.ReportMetric(events, "events/refresh")
	b.ReportMetric(beside, "bytes-beside-token/refresh")
	b.ReportMetric(median(refresh, func(m measured) float64 { return m.statements }), "statements/refresh")
	b.ReportMetric(median(refresh, func(m measured) float64 { return m.calls }), "calls/refresh")
	b.ReportMetric(median(refresh, func(m measured) float64 { return m.rate }), "refreshes/s")
	b.ReportMetric(median(refresh, measured.cpu), "cpu-s/1000")
	b.ReportMetric(median(refresh, func(m measured) float64 { return m.server }), "server-cpu-s/1000")
	b.ReportMetric(median(refresh, func(m measured) float64 { return m.database }), "database-cpu-s/1000")
	b.ReportMetric(median(refresh, func(m measured) float64 { return m.worker }), "worker-cpu-s/1000")
	b.ReportMetric(median(local, measured.cpu), "bare-local-cpu-s/1000")
	b.ReportMetric(median(regular, measured.cpu), "bare-activity-cpu-s/1000")
	rounds := make([]int, len(refresh))
	for i := range rounds {
		rounds[i] = i
	}
	// Of neighbours in time, since the machine is not equally busy all the time.
	b.ReportMetric(median(rounds, func(i int) float64 { return refresh[i].cpu() / local[i].cpu() }), "x-bare-local")
	require.LessOrEqual(b, events, float64(mostEvents))
	require.LessOrEqual(b, beside, float64(mostBytes))
}

// logStatements says which statements there were.
func (s *stage) logStatements() {
	s.b.Helper()
	rows, err := s.db.Query(s.b.Context(), `
		SELECT query, calls, mean_exec_time FROM pg_stat_statements WHERE calls > 1000 ORDER BY calls DESC, query LIMIT 6`)
	require.NoError(s.b, err)
	var (
		query string
		calls int64
		mean  float64
	)
	_, err = pgx.ForEachRow(rows, []any{&query, &calls, &mean}, func() error {
		s.b.Logf("%6d × %.3f ms  %.90s", calls, mean, strings.Join(strings.Fields(query), " "))
		return nil
	})
	require.NoError(s.b, err)
}
