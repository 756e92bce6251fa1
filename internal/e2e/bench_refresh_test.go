package e2e_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/devserver"
	"github.com/acme/connections/internal/devserver/devservertest"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/renewal"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/workflows"
)

// What BenchmarkRefresh runs. Its rate is below what two cores can do, so that it measures work, not queues.
const (
	benchFleet  = 300
	benchLife   = 10 * time.Second
	benchToken  = 1154 // bytes, 1,200 when sealed
	benchRounds = 3
	benchWarmUp = 10 * time.Second
	benchWindow = 20 * time.Second
	benchID     = "bench"
)

// bench is what all the loads of a benchmark run on: one Temporal, one Postgres, one provider.
type bench struct {
	b          *testing.B
	server     *devserver.Server
	temporal   client.Client
	database   string
	postmaster int
	provider   *rotator
	system     *system
	vault      vault.Store
	keys       keyring.Keys
	connector  connector.Connector
	db         *pgx.Conn
}

// newBench brings up a Temporal on a SQLite file, a Postgres that keeps its promises (pgtest's does not sync), and the
// worker process of ours.
func newBench(b *testing.B) *bench {
	b.Helper()
	ctx := context.Background()
	s := &bench{b: b, provider: newRotator(b, benchToken, benchLife)}
	cluster, err := pgtest.StartCluster(ctx, "fsync=on", "synchronous_commit=on", "full_page_writes=on",
		"shared_buffers=128MB", "autovacuum=on", "shared_preload_libraries=pg_stat_statements")
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, cluster.Stop()) })
	s.database = cluster.URL()
	s.db, err = pgx.Connect(ctx, s.database)
	require.NoError(b, err)
	b.Cleanup(func() { _ = s.db.Close(ctx) })
	_, err = s.db.Exec(ctx, `CREATE EXTENSION pg_stat_statements`)
	require.NoError(b, err)
	s.postmaster = s.findPostmaster(ctx)

	s.server, err = devserver.Start(ctx, devserver.Options{
		DataDir: filepath.Join(b.TempDir(), "temporal"), SearchAttributes: workflows.SearchAttributes(),
		Log: b.Output(), DieWithParent: true,
	})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.server.Stop(context.WithoutCancel(ctx))) })
	s.temporal = devservertest.Client(b, s.server)
	s.system = newSystemWith(b, []string{"--log-level", "warn"}, config.EnvDatabaseURL+"="+s.database, config.EnvTemporalAddress+"="+s.server.Address)
	s.open(ctx)
	return s
}

// findPostmaster is the process id of the server, whose children serve the sessions.
func (s *bench) findPostmaster(ctx context.Context) int {
	s.b.Helper()
	var dir string
	require.NoError(s.b, s.db.QueryRow(ctx, `SHOW data_directory`).Scan(&dir))
	content, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	require.NoError(s.b, err)
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(first)
	require.NoError(s.b, err)
	return pid
}

// open opens the worker's vault and keys, and makes the provider known to it.
func (s *bench) open(ctx context.Context) {
	s.b.Helper()
	dev := s.system.dev
	settings := config.Settings{
		Dev: &dev, BaseURL: dev.BaseURL, VaultKeyset: dev.VaultKeyset(), AccessKeyset: dev.AccessKeyset(), DatabaseURL: s.database,
	}
	var err error
	s.vault, err = settings.OpenVault(ctx, false)
	require.NoError(s.b, err)
	s.b.Cleanup(func() { require.NoError(s.b, s.vault.Close()) })
	s.keys, err = settings.OpenKeys(ctx, s.vault)
	require.NoError(s.b, err)
	catalogue, err := settings.OpenCatalogue(s.vault)
	require.NoError(s.b, err)
	c := connections.New(connections.Config{
		Temporal: s.temporal, Vault: s.vault, Keys: s.keys, Catalogue: catalogue, BaseURL: dev.BaseURL, Now: time.Now, Loopback: true,
	})
	document, err := json.Marshal(map[string]any{
		"id": benchID, "name": "Bench", "category": "development", "grants": []string{connector.AuthorizationCode},
		"authorize": map[string]any{"url": s.provider.URL + "/authorize", "pkce": "S256"},
		"token":     map[string]any{"url": s.provider.URL + "/token", "auth": connector.AuthBasic, "rate_per_second": 1000},
		"refresh":   map[string]any{"rotates": true},
		"scopes":    map[string]any{"separator": " ", "default": []string{"contacts.read", "contacts.write"}},
	})
	require.NoError(s.b, err)
	s.connector, err = c.AddConnector(ctx, document, false)
	require.NoError(s.b, err)
	_, err = c.PutIntegration(ctx, connections.IntegrationRequest{Connector: benchID, ClientID: "bench", ClientSecret: secret.New("bench-secret")})
	require.NoError(s.b, err)
}

// load is a fleet of workflows that do the same thing.
type load struct {
	name   string
	worker int // process id
	// start starts workflow n of the fleet; its first turn is due after wait.
	start func(ctx context.Context, id string, wait time.Duration)
	// done counts the turns so far.
	done func() int64
	// workflow is the workflow id that start gives.
	workflow func(id string) string
}

// refreshes is the fleet that this is about: connections that renew their tokens.
func (s *bench) refreshes() load {
	return load{
		name: "refresh", worker: s.system.worker.Process.Pid, start: s.connect, workflow: workflows.WorkflowID,
		done: func() int64 { all, refused := s.provider.calls(); return all - refused },
	}
}

// connect makes a connection as if it had just been consented to, and starts its workflow as a restart does.
func (s *bench) connect(ctx context.Context, id string, wait time.Duration) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	scopes := []string{"contacts.read", "contacts.write"}
	require.NoError(s.b, s.vault.CreateConnection(ctx, vault.Connection{
		ID: id, Owner: "acme", Connector: benchID, IntegrationID: connections.PlatformIntegrationID(benchID, ""),
		Grant: string(workflows.GrantAuthorizationCode), RequestedScopes: scopes, Policy: vault.PolicyAlwaysFresh,
		Status: string(workflows.StatusActive), StatusSeq: 1, StatusAt: now, CreatedAt: now,
	}))
	attempt := vault.AttemptStart{ID: id, ConnectionID: id, Kind: string(oauth.Exchange), Generation: vault.AttemptAnyGeneration, Lease: time.Minute}
	_, err := s.vault.BeginAttempt(ctx, attempt)
	require.NoError(s.b, err)
	access, err := s.keys.Access.SealString(keyring.AccessToken(id, 1), secret.New(s.provider.token))
	require.NoError(s.b, err)
	refresh, err := s.keys.Vault.SealString(keyring.RefreshToken(id, 1), secret.New(s.provider.grant()))
	require.NoError(s.b, err)
	_, err = s.vault.CommitTokens(ctx, vault.TokenCommit{
		ConnectionID: id, AttemptID: attempt.ID, AccessToken: access, RefreshToken: refresh, TokenType: "Bearer",
		IssuedAt: now, ExpiresAt: now.Add(benchLife), GrantedScopes: scopes,
	})
	require.NoError(s.b, err)
	row, err := s.vault.Connection(ctx, id)
	require.NoError(s.b, err)
	state := &workflows.State{
		Status: workflows.StatusActive, StatusSeq: 1, Since: now, Token: renewal.TokenSet(s.connector, row), WakeAt: now.Add(wait),
	}
	_, err = s.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.WorkflowID(id), TaskQueue: workflows.TaskQueue, StaticSummary: "Bench for acme",
		TypedSearchAttributes: temporal.NewSearchAttributes(
			workflows.AttributeStatus.ValueSet(row.Status), workflows.AttributeConnector.ValueSet(row.Connector),
			workflows.AttributeOwner.ValueSet(row.Owner), workflows.AttributeReason.ValueSet(row.Reason),
		),
	}, workflows.TypeConnection, workflows.ConnectionInput{
		ID: id, Owner: row.Owner, Connector: row.Connector, Integration: row.IntegrationID,
		Grant: workflows.GrantAuthorizationCode, Carried: state,
	})
	require.NoError(s.b, err)
}

// bareLoops are the floor: the same number of workflows that wait as long and do nothing.
func (s *bench) bareLoops(w *bareWorker, name string, local bool) load {
	workflowID := func(id string) string { return "bare/" + id }
	return load{
		name: name, worker: w.process.Process.Pid, done: w.done, workflow: workflowID,
		start: func(ctx context.Context, id string, wait time.Duration) {
			_, err := s.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: workflowID(id), TaskQueue: bareQueue},
				typeBare, bareInput{ID: id, Life: benchLife, First: wait, Local: local})
			require.NoError(s.b, err)
		},
	}
}

// measured is what one fleet cost in one window.
type measured struct {
	turns                      float64
	rate                       float64 // turns a second
	server, database, process  float64 // CPU-seconds per 1,000 turns
	statements, calls, refused float64 // per turn; calls only make sense for refreshes
	events, bytes              float64 // of history, per turn
}

func (m measured) cpu() float64 { return m.server + m.database + m.process }

// measure starts the fleet, lets it run, and ends it.
func (s *bench) measure(l load, round int) measured {
	s.b.Helper()
	ctx := context.Background()
	ids := make([]string, benchFleet)
	for n := range ids {
		ids[n] = fmt.Sprintf("%s-%d-%03d", strings.ReplaceAll(l.name, " ", "-"), round, n)
	}
	longest := time.Duration(float64(benchLife) * .7)
	s.each(ids, func(n int, id string) {
		// Spread as after a while: nobody's turn depends on when it was started.
		l.start(ctx, id, longest*time.Duration(n)/benchFleet)
	})
	time.Sleep(benchWarmUp) // not a wait for anything: a warm-up has a length
	before := s.counters(ctx, l)
	time.Sleep(benchWindow)
	after := s.counters(ctx, l)
	turns := float64(after.turns - before.turns)
	perThousand := func(d time.Duration) float64 { return d.Seconds() / turns * 1000 }
	m := measured{
		turns: turns, rate: turns / after.at.Sub(before.at).Seconds(),
		server: perThousand(after.server - before.server), database: perThousand(after.database - before.database),
		process:    perThousand(after.worker - before.worker),
		statements: float64(after.statements-before.statements) / turns,
		calls:      float64(after.calls-before.calls) / turns, refused: float64(after.refused-before.refused) / turns,
	}
	s.each(ids, func(_ int, id string) {
		require.NoError(s.b, s.temporal.TerminateWorkflow(ctx, l.workflow(id), "", "measured"))
	})
	m.events, m.bytes = s.turnsOf(ctx, l.workflow(ids[0]))
	return m
}

// each does something for all of a fleet, a few at a time.
func (s *bench) each(ids []string, do func(n int, id string)) {
	var all sync.WaitGroup
	next := make(chan int)
	for range 8 {
		all.Go(func() {
			for n := range next {
				do(n, ids[n])
			}
		})
	}
	for n := range ids {
		next <- n
	}
	close(next)
	all.Wait()
}

// counters are read before and after a window.
type counters struct {
	at                       time.Time
	turns, statements        int64
	calls, refused           int64
	server, database, worker time.Duration
}

func (s *bench) counters(ctx context.Context, l load) counters {
	s.b.Helper()
	c := counters{
		at: time.Now(), turns: l.done(), server: cpuOf(s.b, s.server.PID), database: cpuOf(s.b, s.postmaster), worker: cpuOf(s.b, l.worker),
	}
	c.calls, c.refused = s.provider.calls()
	require.NoError(s.b, s.db.QueryRow(ctx, `SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements
		WHERE query NOT LIKE '%pg_stat_statements%'`).Scan(&c.statements))
	return c
}

// turnsOf is the events and bytes of a turn in a workflow's history: from the start of one timer to that of the next.
func (s *bench) turnsOf(ctx context.Context, workflowID string) (events, bytes float64) {
	s.b.Helper()
	var starts []int
	var sizes []int
	iterator := s.temporal.GetWorkflowHistory(ctx, workflowID, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for iterator.HasNext() {
		event, err := iterator.Next()
		require.NoError(s.b, err)
		if event.GetEventType() == enums.EVENT_TYPE_TIMER_STARTED {
			starts = append(starts, len(sizes))
		}
		sizes = append(sizes, proto.Size(event))
	}
	require.Greater(s.b, len(starts), 2, "the workflow had no two turns")
	first, last := starts[0], starts[len(starts)-1]
	for _, size := range sizes[first:last] {
		bytes += float64(size)
	}
	turns := float64(len(starts) - 1)
	return float64(last-first) / turns, bytes / turns
}

// median is the middle of a figure over the rounds.
func median(rounds []measured, figure func(measured) float64) float64 {
	var values []float64
	for _, m := range rounds {
		values = append(values, figure(m))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// BenchmarkRefresh measures what a steady refresh costs: the real workflow and worker on a real Temporal (SQLite in a
// file, the only store that the embedded server has), a Postgres vault, and a provider that rotates strictly. Beside it
// run two bare loops on the same server, in turns. Each figure is the median of the rounds.
func BenchmarkRefresh(b *testing.B) {
	for b.Loop() {
		s := newBench(b)
		floor := startBareWorker(b, s.server.Address)
		loads := []load{s.refreshes(), s.bareLoops(floor, "bare local activity", true), s.bareLoops(floor, "bare activity", false)}
		results := make([][]measured, len(loads))
		for round := range benchRounds {
			for i, l := range loads {
				m := s.measure(l, round)
				results[i] = append(results[i], m)
				b.Logf("round %d, %-20s %5.1f/s  CPU-s per 1,000: %5.1f = server %5.1f + database %4.1f + worker %4.1f  %4.1f events, %.0f bytes, %.2f statements",
					round, l.name, m.rate, m.cpu(), m.server, m.database, m.process, m.events, m.bytes, m.statements)
			}
		}
		s.report(results)
		s.logStatements()
	}
}

func (s *bench) report(results [][]measured) {
	refresh, local, regular := results[0], results[1], results[2]
	sealed := float64(base64.StdEncoding.EncodedLen(benchToken + sealedOverhead))
	for name, value := range map[string]float64{
		"events/refresh":                     median(refresh, func(m measured) float64 { return m.events }),
		"bytes-beside-sealed/refresh":        median(refresh, func(m measured) float64 { return m.bytes }) - sealed,
		"statements/refresh":                 median(refresh, func(m measured) float64 { return m.statements }),
		"provider-calls/refresh":             median(refresh, func(m measured) float64 { return m.calls }),
		"refreshes/s":                        median(refresh, func(m measured) float64 { return m.rate }),
		"cpu-s/1000-refreshes":               median(refresh, measured.cpu),
		"server-cpu-s/1000-refreshes":        median(refresh, func(m measured) float64 { return m.server }),
		"database-cpu-s/1000-refreshes":      median(refresh, func(m measured) float64 { return m.database }),
		"worker-cpu-s/1000-refreshes":        median(refresh, func(m measured) float64 { return m.process }),
		"cpu-s/1000-bare-local-activities":   median(local, measured.cpu),
		"cpu-s/1000-bare-regular-activities": median(regular, measured.cpu),
	} {
		s.b.ReportMetric(value, name)
	}
	var ratios []float64
	for i := range refresh {
		ratios = append(ratios, refresh[i].cpu()/local[i].cpu())
		require.Zero(s.b, refresh[i].refused, "a refresh token was presented twice")
	}
	slices.Sort(ratios)
	s.b.ReportMetric(ratios[len(ratios)/2], "x-bare-local-activity")
}

// sealedOverhead is what sealing adds to a token: the envelope's version, Tink's prefix, a nonce and a tag.
const sealedOverhead = 1 + 5 + 24 + 16

// logStatements says which statements there were.
func (s *bench) logStatements() {
	rows, err := s.db.Query(context.Background(), `
		SELECT query, calls, mean_exec_time FROM pg_stat_statements WHERE calls > 1000`)
	require.NoError(s.b, err)
	type statement struct {
		Query string
		Calls int64
		Mean  float64
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[statement])
	require.NoError(s.b, err)
	slices.SortFunc(all, func(a, b statement) int { return cmp.Compare(b.Calls, a.Calls) })
	for _, st := range all {
		s.b.Logf("%6d × %.3f ms  %.100s", st.Calls, st.Mean, strings.Join(strings.Fields(st.Query), " "))
	}
}
