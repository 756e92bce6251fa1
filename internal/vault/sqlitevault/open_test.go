package sqlitevault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/vault"
)

// childPath tells this test binary to be the second process of TestTwoProcesses.
const childPath = "SQLITEVAULT_TEST_CHILD"

// pausePath tells it to be that of TestWatchOtherProcess.
const pausePath = "SQLITEVAULT_TEST_PAUSE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		os.Exit(child(path))
	}
	if path := os.Getenv(pausePath); path != "" {
		os.Exit(pause(path))
	}
	os.Exit(m.Run())
}

// pause is the second process of TestWatchOtherProcess.
func pause(path string) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store, err := Open(ctx, path)
	if err == nil {
		err = errors.Join(store.SetStatus(ctx, vault.StatusChange{ID: "c", Status: "paused", Seq: 1}), store.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// child begins as many attempts as it can and prints the ids of those that it began.
func child(path string) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store, err := Open(ctx, path)
	if err == nil {
		var started []string
		started, err = beginMany(ctx, store, fmt.Sprint("child", os.Getpid()))
		fmt.Println(strings.Join(started, "\n"))
		_ = store.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// beginMany tries to begin one attempt on each of many connections, making those that are not there.
func beginMany(ctx context.Context, store *Store, name string) (started []string, err error) {
	for i := range 50 {
		id := fmt.Sprint("conn", i)
		err := store.CreateConnection(ctx, vault.Connection{ID: id, Status: "active"})
		if err != nil && err != vault.ErrExists { //nolint:errorlint // this error comes unwrapped
			return nil, err
		}
		begun, err := store.BeginAttempt(ctx, vault.AttemptStart{
			ID: name + id, ConnectionID: id, Kind: "refresh", Generation: vault.AttemptAnyGeneration, Lease: time.Hour,
		})
		if err != nil {
			return nil, err
		}
		if begun.Outcome == vault.BeginStarted {
			started = append(started, id)
		}
	}
	return started, nil
}

func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vault.db")
	executable, err := os.Executable()
	require.NoError(t, err)
	var outputs, errs [2]bytes.Buffer
	var children [2]*exec.Cmd
	for i := range children {
		children[i] = exec.CommandContext(t.Context(), executable)
		children[i].Env = append(os.Environ(), childPath+"="+path)
		children[i].Stdout, children[i].Stderr = &outputs[i], &errs[i]
		require.NoError(t, children[i].Start())
	}
	own, err := beginMany(t.Context(), open(t, path), "parent")
	require.NoError(t, err)
	started := own
	for i := range children {
		require.NoError(t, children[i].Wait(), errs[i].String())
		started = append(started, strings.Fields(outputs[i].String())...)
	}
	require.Len(t, started, 50, "each connection's attempt was begun by exactly one process")
	distinct := map[string]bool{}
	for _, id := range started {
		distinct[id] = true
	}
	require.Len(t, distinct, 50)
}

func TestOpenSentences(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(text, bytes.Repeat([]byte("not a database\n"), 1000), 0o600))
	newer := filepath.Join(dir, "newer")
	_, err := open(t, newer).write.ExecContext(t.Context(),
		`INSERT INTO `+versionTable+` (version_id, is_applied) VALUES (9999, 1)`)
	require.NoError(t, err)
	for path, want := range map[string]string{
		filepath.Join(dir, "none", "vault.db"): "does not exist: create it",
		dir:                                    "is a directory: name a file in it",
		text:                                   "is not a vault, or is damaged",
		newer:                                  "start the newer program",
	} {
		_, err := Open(t.Context(), path)
		require.ErrorContains(t, err, want)
	}
}

func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := open(t, filepath.Join(dir, "vault.db"))
	require.NoError(t, store.CreateConnection(t.Context(), vault.Connection{ID: "c"}))
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 3, "the file, its log and the log's index")
	for _, file := range files {
		info, err := file.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), file.Name())
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "1", "foreign_keys": "1"} {
		var got string
		require.NoError(t, store.write.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got))
		require.Equal(t, want, got, pragma)
	}
}

func TestOpenConcurrently(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vault.db")
	errs := make([]error, 8)
	var running sync.WaitGroup
	for i := range errs {
		running.Go(func() {
			store, err := Open(t.Context(), path)
			if err == nil {
				err = store.Close()
			}
			errs[i] = err
		})
	}
	running.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}
