package tokens_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/tokens"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/internal/vault/pgvault"
	"github.com/acme/connections/workflows"
)

// The environment of process B: this test binary once more, as a process that only reads tokens.
const (
	envReaderURL    = "TOKENS_TEST_READER_URL"
	envReaderKeyset = "TOKENS_TEST_READER_KEYSET"
)

// runReader is process B. For each line "ID" it answers "warm GENERATION" from a cache that is warm, then reads on until it
// is refused or has a newer token, and answers "refused REASON AT" or "newer GENERATION AT", with the time in nanoseconds
// since 1970.
func runReader(in io.Reader, out io.Writer) error {
	ring, err := keyring.Load(keyring.Access, os.Getenv(envReaderKeyset))
	if err != nil {
		return err
	}
	access, err := pgvault.OpenAccess(context.Background(), os.Getenv(envReaderURL), pgvault.Options{MaxConns: 2})
	if err != nil {
		return err
	}
	engine := tokens.New(tokens.Config{Vault: access, Access: ring, Owner: "acme", Caller: "process B", Log: slog.New(slog.DiscardHandler)})
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if err := follow(engine, lines.Text(), out); err != nil {
			return err
		}
	}
	return errors.Join(engine.Close(), access.Close())
}

func follow(engine *tokens.Engine, id string, out io.Writer) error {
	first, err := engine.Token(context.Background(), id, tokens.Need{})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, "warm", first.Generation); err != nil {
		return err
	}
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for ; ; <-ticker.C {
		held, err := engine.Token(context.Background(), id, tokens.Need{})
		at := time.Now().UnixNano()
		var refused *tokens.Error
		switch {
		case errors.As(err, &refused):
			_, err := fmt.Fprintln(out, "refused", refused.Reason, at)
			return err
		case err != nil:
			return err
		case held.Generation > first.Generation:
			_, err := fmt.Fprintln(out, "newer", held.Generation, at)
			return err
		}
	}
}

// reader is process B as its parent sees it.
type reader struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Scanner
}

// startReader starts process B; it ends with the test, cleanly.
func startReader(t *testing.T, url, keyset string) *reader {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	command := exec.Command(program)
	command.Env = append(os.Environ(), envReaderURL+"="+url, envReaderKeyset+"="+keyset)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	require.NoError(t, err)
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	timeout := time.AfterFunc(2*time.Minute, func() { _ = command.Process.Kill() })
	t.Cleanup(func() {
		defer timeout.Stop()
		require.NoError(t, in.Close())
		require.NoError(t, command.Wait())
	})
	return &reader{t: t, in: in, out: bufio.NewScanner(out)}
}

func (r *reader) answer(format string, values ...any) {
	r.t.Helper()
	require.True(r.t, r.out.Scan(), "process B has ended")
	_, err := fmt.Sscanf(r.out.Text(), format, values...)
	require.NoError(r.t, err, r.out.Text())
}

// TestAChangeReachesAnotherProcess within a second, measured: process A disconnects, pauses or refreshes by the connection's
// workflow, and process B, which has the token in its cache, hands it out no longer. Nor when B's listening session has
// just been cut, or has just fallen silent.
func TestAChangeReachesAnotherProcess(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	store, err := pgvault.Open(t.Context(), url, pgvault.Options{Migrate: true, MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	a := connectionstest.New(t, connectionstest.Options{Vault: store})
	line := pgtest.NewLine(t, url)
	b := startReader(t, line.URL, a.AccessKeyset)
	changes := []struct {
		name   string
		by     func(context.Context, string) (connections.View, error)
		answer string
	}{
		{"disconnect", a.Client.Disconnect, "refused disconnected %d"},
		{"pause", a.Client.Pause, "refused paused %d"},
		{"refresh", a.Client.Refresh, "newer 2 %d"},
	}
	for _, channel := range []struct {
		name string
		harm func()
	}{
		{"as it is", func() {}},
		{"cut", func() { cutListeners(t, url) }},
		{"silent", func() { require.Positive(t, line.Mute("connections watch")) }},
	} {
		for _, change := range changes {
			created, err := a.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme", Grant: grant})
			require.NoError(t, err)
			a.AwaitStatus(created.ID, workflows.StatusActive)
			_, err = fmt.Fprintln(b.in, created.ID)
			require.NoError(t, err)
			var generation int64
			b.answer("warm %d", &generation)
			require.EqualValues(t, 1, generation)
			awaitListeners(t, url, 2) // A's and B's
			channel.harm()
			called := time.Now()
			_, err = change.by(t.Context(), created.ID)
			require.NoError(t, err)
			answered := time.Now()
			var at int64
			b.answer(change.answer, &at)
			took := time.Unix(0, at).Sub(answered)
			t.Logf("channel %s, %s: %v after A's call was answered, %v after it was made", channel.name, change.name, took, time.Unix(0, at).Sub(called))
			require.Less(t, took, time.Second)
		}
	}
}

// awaitListeners waits until so many sessions listen.
func awaitListeners(t *testing.T, url string, count int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	require.Eventually(t, func() bool {
		var n int
		return conn.QueryRow(t.Context(), `
			SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'connections watch' AND state = 'idle'
			AND query LIKE '%pg_listening_channels%'`).Scan(&n) == nil && n == count
	}, 20*time.Second, 10*time.Millisecond)
}
