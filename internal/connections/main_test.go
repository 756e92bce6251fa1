package connections_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/internal/vault/pgvault"
)

func TestMain(m *testing.M) { os.Exit(connectionstest.Run(withPostgres{m})) }

type withPostgres struct{ m *testing.M }

// Run implements the runner of connectionstest.Run.
func (w withPostgres) Run() int { return pgtest.Run(w.m) }

// openPostgres is a vault in Postgres that outlives the rig on it.
func openPostgres(t *testing.T, url string) *pgvault.Store {
	t.Helper()
	store, err := pgvault.Open(t.Context(), url, pgvault.Options{Migrate: true, MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}
