package e2e_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

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
	"github.com/acme/connections/internal/vault/pgvault"
	"github.com/acme/connections/workflows"
)

var (
	benchHTTPS  = flag.Bool("bench.https", false, "the provider of BenchmarkRefresh speaks https")
	benchMemory = flag.Bool("bench.memory", false, "the Temporal of BenchmarkRefresh keeps everything in memory, rather than in a file")
)

// stage is what all the loads of a benchmark run on: a Temporal, a Postgres, a provider, and a worker process of ours as
// in production.
type stage struct {
	b        *testing.B
	dir      string
	provider *rotator

	server     *devserver.Server
	temporal   client.Client
	database   *pgtest.Cluster
	postmaster int
	db         *pgx.Conn
	worker     *exec.Cmd

	vault     vault.Store
	keys      keyring.Keys
	connector connector.Connector
}

// stageConnector is the provider's id.
const stageConnector = "bench"

// newStage brings up everything, for a provider whose access tokens have this length and life.
func newStage(b *testing.B, length int, life time.Duration) *stage {
	b.Helper()
	s := &stage{b: b, dir: b.TempDir(), provider: newRotator(b, length, life, *benchHTTPS)}
	s.startDatabase()
	o := devserver.Options{SearchAttributes: workflows.SearchAttributes(), DieWithParent: true}
	if !*benchMemory {
		o.DataDir = filepath.Join(s.dir, "temporal")
	}
	var err error
	s.server, err = devserver.Start(b.Context(), o)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.server.Stop(context.WithoutCancel(b.Context()))) })
	s.temporal = devservertest.Client(b, s.server)
	s.open()
	s.startWorker()
	return s
}

// startDatabase starts a Postgres that, unlike that of the tests, keeps its promises, and that counts statements.
func (s *stage) startDatabase() {
	s.b.Helper()
	ctx := s.b.Context()
	var err error
	s.database, err = pgtest.StartCluster(ctx, "fsync=on", "synchronous_commit=on", "full_page_writes=on",
		"autovacuum=on", "shared_buffers=128MB", "shared_preload_libraries=pg_stat_statements")
	require.NoError(s.b, err)
	s.b.Cleanup(func() { require.NoError(s.b, s.database.Stop()) })
	s.db, err = pgx.Connect(ctx, s.database.URL())
	require.NoError(s.b, err)
	s.b.Cleanup(func() { require.NoError(s.b, s.db.Close(context.WithoutCancel(ctx))) })
	_, err = s.db.Exec(ctx, `CREATE EXTENSION pg_stat_statements`)
	require.NoError(s.b, err)
	var dir string
	require.NoError(s.b, s.db.QueryRow(ctx, `SHOW data_directory`).Scan(&dir))
	content, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	require.NoError(s.b, err)
	first, _, _ := strings.Cut(string(content), "\n")
	s.postmaster, err = strconv.Atoi(first)
	require.NoError(s.b, err)
}

// open opens the vault and its keys, and makes the provider known.
func (s *stage) open() {
	s.b.Helper()
	ctx := s.b.Context()
	store, err := pgvault.Open(ctx, s.database.URL(), pgvault.Options{Migrate: true, MaxConns: 8})
	require.NoError(s.b, err)
	s.b.Cleanup(func() { require.NoError(s.b, store.Close()) })
	s.vault = store
	s.keys.Vault, err = keyring.LoadOrCreate(keyring.Vault, filepath.Join(s.dir, "vault.json"))
	require.NoError(s.b, err)
	s.keys.Access, err = keyring.LoadOrCreate(keyring.Access, filepath.Join(s.dir, "access.json"))
	require.NoError(s.b, err)
	catalogue, err := connector.Load()
	require.NoError(s.b, err)
	catalogue.UseSource(store, true)
	c := connections.New(connections.Config{
		Temporal: s.temporal, Vault: store, Keys: s.keys, Catalogue: catalogue, Now: time.Now, Loopback: true,
	})
	document, err := json.Marshal(map[string]any{
		"id": stageConnector, "name": "Bench", "category": "development", "grants": []string{connector.AuthorizationCode},
		"authorize": map[string]any{"url": s.provider.URL + "/authorize", "pkce": "S256"},
		"token":     map[string]any{"url": s.provider.URL + "/token", "auth": connector.AuthBasic, "rate_per_second": 1000},
		"refresh":   map[string]any{"rotates": true},
		"scopes":    map[string]any{"separator": " ", "default": []string{"contacts.read", "contacts.write"}},
	})
	require.NoError(s.b, err)
	s.connector, err = c.AddConnector(ctx, document, false)
	require.NoError(s.b, err)
	_, err = c.PutIntegration(ctx, connections.IntegrationRequest{
		Connector: stageConnector, ClientID: "bench", ClientSecret: secret.New("bench-secret"),
	})
	require.NoError(s.b, err)
}

// startWorker starts our worker process.
func (s *stage) startWorker() {
	s.b.Helper()
	s.worker = exec.Command(binaries.worker, "--roles", "workflow,activity", "--log-level", "warn")
	s.worker.Env = append(
		cleanEnv(),
		config.EnvDatabaseURL+"="+s.database.URL(), config.EnvTemporalAddress+"="+s.server.Address,
		config.EnvVaultKeyset+"="+filepath.Join(s.dir, "vault.json"),
		config.EnvAccessKeyset+"="+filepath.Join(s.dir, "access.json"),
		config.EnvBaseURL+"=http://127.0.0.1:9", config.EnvAllowLoopback+"=1",
	)
	if certificate := s.provider.Certificate(); certificate != nil {
		file := filepath.Join(s.dir, "provider.pem")
		content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
		require.NoError(s.b, os.WriteFile(file, content, 0o600))
		s.worker.Env = append(s.worker.Env, "SSL_CERT_FILE="+file)
	}
	log := &buffer{}
	s.worker.Stdout, s.worker.Stderr = log, log
	require.NoError(s.b, s.worker.Start())
	s.b.Cleanup(func() {
		_ = s.worker.Process.Signal(syscall.SIGINT)
		_ = s.worker.Wait()
		if s.b.Failed() {
			s.b.Logf("the worker said:\n%s", log)
		}
	})
}

// connect makes a connection of the policy that was consented to long ago and has just been renewed, and starts its
// workflow as a restart does: its next renewal is due after wait. It sleeps then if its policy lets it and nobody has
// read it.
func (s *stage) connect(id, policy string, wait time.Duration) error {
	ctx := s.b.Context()
	now := time.Now().UTC().Truncate(time.Microsecond)
	row := vault.Connection{
		ID: id, Owner: "acme", Connector: stageConnector, IntegrationID: connections.PlatformIntegrationID(stageConnector, ""),
		Grant: string(workflows.GrantAuthorizationCode), RequestedScopes: []string{"contacts.read", "contacts.write"},
		Policy: policy, Status: string(workflows.StatusActive), StatusSeq: 1, StatusAt: now, CreatedAt: now,
	}
	if err := s.vault.CreateConnection(ctx, row); err != nil {
		return err
	}
	if err := s.consent(ctx, row, now); err != nil {
		return err
	}
	row, err := s.vault.Connection(ctx, id)
	if err != nil {
		return err
	}
	_, err = s.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.WorkflowID(id), TaskQueue: workflows.TaskQueue, StaticSummary: "Bench for acme",
		TypedSearchAttributes: temporal.NewSearchAttributes(
			workflows.AttributeStatus.ValueSet(row.Status), workflows.AttributeConnector.ValueSet(row.Connector),
			workflows.AttributeOwner.ValueSet(row.Owner), workflows.AttributeReason.ValueSet(row.Reason),
		),
	}, workflows.TypeConnection, workflows.ConnectionInput{
		ID: id, Owner: row.Owner, Connector: row.Connector, Integration: row.IntegrationID,
		Grant: workflows.GrantAuthorizationCode,
		Carried: &workflows.State{
			Status: workflows.StatusActive, StatusSeq: 1, Since: now, Token: renewal.TokenSet(s.connector, row),
			AwakeSince: now.Add(-awakeBefore), WakeAt: now.Add(wait),
		},
	})
	return err
}

// awakeBefore is longer ago than a connection stays awake unread.
const awakeBefore = 25 * time.Hour

// consent gives a row its first tokens.
func (s *stage) consent(ctx context.Context, row vault.Connection, now time.Time) error {
	attempt := vault.AttemptStart{
		ID: row.ID, ConnectionID: row.ID, Kind: string(oauth.Exchange), Generation: vault.AttemptAnyGeneration, Lease: time.Minute,
	}
	_, err := s.vault.BeginAttempt(ctx, attempt)
	if err != nil {
		return err
	}
	access, accessErr := s.keys.Access.SealString(keyring.AccessToken(row.ID, 1), secret.New(s.provider.token))
	refresh, refreshErr := s.keys.Vault.SealString(keyring.RefreshToken(row.ID, 1), secret.New(s.provider.grant()))
	if err := errors.Join(accessErr, refreshErr); err != nil {
		return err
	}
	_, err = s.vault.CommitTokens(ctx, vault.TokenCommit{
		ConnectionID: row.ID, AttemptID: attempt.ID, AccessToken: access, RefreshToken: refresh, TokenType: "Bearer",
		IssuedAt: now, ExpiresAt: now.Add(s.provider.life), GrantedScopes: row.RequestedScopes,
		ConsentedAt: now.Add(-awakeBefore),
	})
	return err
}

// forget ends a connection's workflow, and leaves a tombstone, so that the reconciler does not start it again.
func (s *stage) forget(id string) error {
	ctx, now := s.b.Context(), time.Now()
	err := s.temporal.TerminateWorkflow(ctx, workflows.WorkflowID(id), "", "measured")
	return errors.Join(err, s.vault.Erase(ctx, vault.StatusChange{
		ID: id, Status: string(workflows.StatusDisconnected), Seq: 2, At: now,
	}, now.Add(time.Hour)))
}
