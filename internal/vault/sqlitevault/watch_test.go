package sqlitevault

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/vaulttest"
)

func TestWatchOtherProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vault.db")
	store := open(t, path)
	require.NoError(t, store.CreateConnection(t.Context(), vault.Connection{ID: "c", Status: "active"}))
	w := vaulttest.StartWatching(t.Context(), store)
	defer func() { require.NoError(t, w.Stop()) }()
	require.Equal(t, vaulttest.EventReady, <-w.Events)
	executable, err := os.Executable()
	require.NoError(t, err)
	other := exec.CommandContext(t.Context(), executable)
	other.Env = append(os.Environ(), pausePath+"="+path)
	output, err := other.CombinedOutput()
	require.NoError(t, err, string(output))
	require.Equal(t, "c", <-w.Events)
}

// TestWatchMissesMuch: a watcher that was away for more changes than are kept says so; for fewer it reports them all.
func TestWatchMissesMuch(t *testing.T) {
	t.Parallel()
	store := open(t, filepath.Join(t.TempDir(), "vault.db"))
	changes := func(n int) {
		_, err := store.write.ExecContext(t.Context(), `
			WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
			INSERT INTO changes (connection_id) SELECT 'c' FROM n`, n)
		require.NoError(t, err)
	}
	var events []string
	changed := 0
	w := &watcher{store: store, Watch: vault.Watch{
		Changed: func(string) { changed++ },
		Lost:    func() { events = append(events, "lost") },
		Ready:   func() { events = append(events, "ready") },
	}}
	require.NoError(t, w.look(t.Context()))
	require.Equal(t, []string{"ready"}, events)
	changes(10_000)
	require.NoError(t, w.look(t.Context()))
	require.Equal(t, 10_000, changed)
	require.Equal(t, []string{"ready"}, events)
	changes(10_001)
	require.NoError(t, w.look(t.Context()))
	require.Equal(t, 10_000, changed)
	require.Equal(t, []string{"ready", "lost", "ready"}, events)
	changes(1)
	require.NoError(t, w.look(t.Context()))
	require.Equal(t, 10_001, changed)

	var kept int
	require.NoError(t, store.read.QueryRowContext(t.Context(), `SELECT count(*) FROM changes`).Scan(&kept))
	require.Equal(t, 10_000, kept)
	require.NoError(t, store.Close())
	require.Error(t, w.look(t.Context()))
}
