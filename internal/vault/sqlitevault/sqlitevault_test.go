package sqlitevault

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/vaulttest"
)

func TestConformance(t *testing.T) { t.Parallel(); vaulttest.Run(t, fresh) }

func TestConcurrency(t *testing.T) { t.Parallel(); vaulttest.RunConcurrency(t, fresh) }

func fresh(t *testing.T) vaulttest.Database {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vault ?%#.db")
	return vaulttest.Database{
		Open: func(t *testing.T) vault.Store { t.Helper(); return open(t, path) },
		Dump: func(t *testing.T) string { t.Helper(); return dump(t, path) },
	}
}

func open(t *testing.T, path string) *Store {
	t.Helper()
	store, err := Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

// dump prints all tables, blobs raw.
func dump(t *testing.T, path string) string {
	t.Helper()
	store := open(t, path)
	var all strings.Builder
	for _, table := range []string{
		"connections", "attempts", "links", "auth_requests", "integrations", "connectors", "key_checks", "breakers",
		"breaker_failures", "reads", "waiters", "handouts", "changes", "events", "webhook_endpoints", "dead_letters",
		"api_keys", "api_requests", "connect_sessions", "session_openings",
	} {
		dumpTable(t, &all, store, table)
	}
	return all.String()
}

func dumpTable(t *testing.T, all *strings.Builder, store *Store, table string) {
	t.Helper()
	rows, err := store.read.QueryContext(t.Context(), "SELECT * FROM "+table)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	columns, err := rows.Columns()
	require.NoError(t, err)
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		require.NoError(t, rows.Scan(values...))
		for _, value := range values {
			switch v := (*value.(*any)).(type) {
			case []byte:
				all.Write(v)
			default:
				_, _ = fmt.Fprint(all, v, "\n")
			}
		}
	}
	require.NoError(t, rows.Err())
}
