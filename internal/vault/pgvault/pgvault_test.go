package pgvault

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/internal/vault/vaulttest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestConformance(t *testing.T) { t.Parallel(); vaulttest.Run(t, databases(t)) }

func TestConcurrency(t *testing.T) { t.Parallel(); vaulttest.RunConcurrency(t, databases(t)) }

// databases makes a few databases and lends an empty one to each subtest.
func databases(t *testing.T) func(t *testing.T) vaulttest.Database {
	t.Helper()
	free := make(chan string, 3)
	for range cap(free) {
		free <- pgtest.URL(t)
	}
	return func(t *testing.T) vaulttest.Database {
		t.Helper()
		url := <-free
		t.Cleanup(func() {
			empty(t, url)
			free <- url
		})
		return vaulttest.Database{
			Open: func(t *testing.T) vault.Store { t.Helper(); return open(t, url) },
			Dump: func(t *testing.T) string { t.Helper(); return dump(t, url) },
		}
	}
}

// empty deletes everything; the rest goes with the connections.
func empty(t *testing.T, url string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	_, err = conn.Exec(ctx, `DELETE FROM connections; DELETE FROM integrations; DELETE FROM connectors;
		DELETE FROM key_checks; DELETE FROM breakers; DELETE FROM events; DELETE FROM webhook_endpoints;
		DELETE FROM api_keys; DELETE FROM api_requests; DELETE FROM connect_sessions`)
	require.NoError(t, err)
	require.NoError(t, conn.Close(ctx))
}

func open(t *testing.T, url string) *Store {
	t.Helper()
	store, err := Open(t.Context(), url, Options{MaxConns: 6, Migrate: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

// dump copies all tables in Postgres's binary form, in which bytea is raw.
func dump(t *testing.T, url string) string {
	t.Helper()
	conn, err := open(t, url).pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	var all strings.Builder
	for _, table := range []string{
		"connections", "attempts", "links", "auth_requests", "integrations", "connectors", "key_checks", "breakers",
		"breaker_failures", "reads", "waiters", "handouts", "events", "webhook_endpoints", "dead_letters",
		"api_keys", "api_requests", "connect_sessions", "session_openings",
	} {
		_, err := conn.Conn().PgConn().CopyTo(t.Context(), &all, "COPY "+table+" TO STDOUT (FORMAT binary)")
		require.NoError(t, err)
	}
	return all.String()
}
