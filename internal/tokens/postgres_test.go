package tokens_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/tokens"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/internal/vault/pgvault"
)

// seed writes an active connection with a token that lives for an hour.
func seed(t testing.TB, store vault.Store, access *keyring.Ring, i int) string {
	t.Helper()
	id := fmt.Sprintf("con_06eg2v%020d", i)
	require.NoError(t, store.CreateConnection(t.Context(), vault.Connection{
		ID: id, Owner: "acme", Connector: "sandbox", Grant: "client_credentials", Status: "active", StatusSeq: 1, StatusAt: time.Now(),
	}))
	_, err := store.BeginAttempt(t.Context(), vault.AttemptStart{ID: "att_" + id, ConnectionID: id, Kind: "refresh", Lease: time.Minute})
	require.NoError(t, err)
	sealed, err := access.Seal(keyring.AccessToken(id, 1), []byte("token-of-"+id))
	require.NoError(t, err)
	_, err = store.CommitTokens(t.Context(), vault.TokenCommit{
		ConnectionID: id, AttemptID: "att_" + id, AccessToken: sealed, TokenType: "Bearer",
		IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour), GrantedScopes: []string{"contacts.read"},
	})
	require.NoError(t, err)
	return id
}

func newAccessRing(t testing.TB) *keyring.Ring {
	t.Helper()
	ring, err := keyring.LoadOrCreate(keyring.Access, filepath.Join(t.TempDir(), "access.json"))
	require.NoError(t, err)
	return ring
}

// openAccess makes an engine on a Postgres vault, as a process of its own would.
func openAccess(t testing.TB, url string, ring *keyring.Ring) *tokens.Engine {
	t.Helper()
	access, err := pgvault.OpenAccess(t.Context(), url, pgvault.Options{MaxConns: 4})
	require.NoError(t, err)
	engine := tokens.New(tokens.Config{Vault: access, Access: ring, Owner: "acme", Caller: "test", Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() {
		_ = engine.Close() // fails where the test has halted the server
		require.NoError(t, access.Close())
	})
	return engine
}

// TestPostgresStopped: every read of a cached token succeeds while the server is down, and afterwards changes are heard
// again.
func TestPostgresStopped(t *testing.T) {
	t.Parallel()
	cluster, err := pgtest.StartCluster(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cluster.Stop()) })
	store, err := pgvault.Open(t.Context(), cluster.URL(), pgvault.Options{Migrate: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	ring := newAccessRing(t)
	cached, uncached := seed(t, store, ring, 1), seed(t, store, ring, 2)
	engine := openAccess(t, cluster.URL(), ring)
	first, err := engine.Token(t.Context(), cached, tokens.Need{})
	require.NoError(t, err)

	cluster.Halt()
	for until := time.Now().Add(3 * time.Second); time.Now().Before(until); {
		held, err := engine.Token(t.Context(), cached, tokens.Need{})
		require.NoError(t, err)
		require.Equal(t, first.OAuth.AccessToken, held.OAuth.AccessToken)
	}
	_, err = engine.Token(t.Context(), uncached, tokens.Need{})
	requireKind(t, err, tokens.Unavailable)

	require.NoError(t, cluster.Resume(t.Context()))
	require.Eventually(t, func() bool {
		_, err := engine.Token(t.Context(), uncached, tokens.Need{})
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	setStatus(t, store, cached, "paused", 2)
	requireRefusedWithinASecond(t, engine, cached)
	require.NoError(t, engine.Flush(t.Context()))
	handouts, err := store.Handouts(t.Context(), cached, 0)
	require.NoError(t, err)
	require.NotEmpty(t, handouts)
}

func setStatus(t *testing.T, store vault.Store, id, status string, seq int64) {
	t.Helper()
	require.Eventually(t, func() bool {
		return store.SetStatus(t.Context(), vault.StatusChange{ID: id, Status: status, Seq: seq, At: time.Now()}) == nil
	}, 10*time.Second, 10*time.Millisecond)
}

func requireRefusedWithinASecond(t *testing.T, engine *tokens.Engine, id string) {
	t.Helper()
	from := time.Now()
	require.Eventually(t, func() bool {
		_, err := engine.Token(t.Context(), id, tokens.Need{})
		return err != nil
	}, 10*time.Second, time.Millisecond)
	took := time.Since(from)
	t.Logf("refused after %v", took)
	require.Less(t, took, time.Second)
}

// TestTwoProcessesOnPostgres: what one writes the other hears, also after its channel was cut.
func TestTwoProcessesOnPostgres(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	store, err := pgvault.Open(t.Context(), url, pgvault.Options{Migrate: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	ring := newAccessRing(t)
	engine := openAccess(t, url, ring)
	for i := range 3 {
		id := seed(t, store, ring, i)
		_, err := engine.Token(t.Context(), id, tokens.Need{})
		require.NoError(t, err)
		if i > 0 {
			cutListeners(t, url)
		}
		setStatus(t, store, id, "disconnecting", 2)
		requireRefusedWithinASecond(t, engine, id)
	}
}

// cutListeners ends every session that listens.
func cutListeners(t *testing.T, url string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	var cut int
	require.Eventually(t, func() bool {
		return conn.QueryRow(t.Context(), `
			SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'connections watch'`).Scan(&cut) == nil && cut > 0
	}, 10*time.Second, 10*time.Millisecond, "nobody listens")
}
