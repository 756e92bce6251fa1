package pgvault

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/internal/vault/vaulttest"
)

func nextEvent(t *testing.T, w vaulttest.Watching) string {
	t.Helper()
	patience := time.NewTimer(time.Minute)
	defer patience.Stop()
	select {
	case event := <-w.Events:
		return event
	case <-patience.C:
		require.FailNow(t, "the watcher heard nothing")
		return ""
	}
}

func watch(t *testing.T, watcher vault.Watcher) vaulttest.Watching {
	t.Helper()
	w := vaulttest.StartWatching(t.Context(), watcher)
	t.Cleanup(func() { require.NoError(t, w.Stop()) })
	require.Equal(t, vaulttest.EventReady, nextEvent(t, w))
	return w
}

// byHand runs a statement as an operator might, with no program of ours.
func byHand(t *testing.T, databaseURL, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), statement)
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
}

func TestWatchOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	store := open(t, databaseURL)
	require.NoError(t, store.CreateConnection(t.Context(), vault.Connection{ID: "c", Status: "active"}))
	w := watch(t, store)
	for _, status := range []string{"paused", "active", "degraded"} {
		begun := time.Now()
		byHand(t, databaseURL, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'connections watch'`)
		require.Equal(t, vaulttest.EventLost, nextEvent(t, w))
		t.Logf("lost after %v", time.Since(begun))
		require.Equal(t, vaulttest.EventReady, nextEvent(t, w))
		t.Logf("ready after %v", time.Since(begun))
		byHand(t, databaseURL, `UPDATE connections SET status = '`+status+`'`)
		require.Equal(t, "c", nextEvent(t, w))
	}
}

// TestWatchNoticesSilence holds the bound of Watch.Lost: a connection that is neither cut nor alive is noticed.
func TestWatchNoticesSilence(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	l := pgtest.NewLine(t, databaseURL)
	store := open(t, l.URL)
	require.NoError(t, store.CreateConnection(t.Context(), vault.Connection{ID: "c", Status: "active"}))
	w := watch(t, store)
	l.Mute("")
	begun := time.Now()
	byHand(t, databaseURL, `UPDATE connections SET status = 'paused'`)
	require.Equal(t, vaulttest.EventLost, nextEvent(t, w))
	lost := time.Since(begun)
	require.Equal(t, vaulttest.EventReady, nextEvent(t, w))
	t.Logf("lost after %v, ready after %v", lost, time.Since(begun))
	require.Less(t, lost, watchQuiet+watchPing+2*time.Second, "the margin is for a busy machine")
	byHand(t, databaseURL, `UPDATE connections SET status = 'active'`)
	require.Equal(t, "c", nextEvent(t, w))
}

func TestWatchOutlivesTheServer(t *testing.T) {
	t.Parallel()
	cluster, err := pgtest.StartCluster(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cluster.Stop()) })
	store := open(t, cluster.URL())
	require.NoError(t, store.CreateConnection(t.Context(), vault.Connection{ID: "c", Status: "active"}))
	w := watch(t, store)
	cluster.Halt()
	require.Equal(t, vaulttest.EventLost, nextEvent(t, w))
	require.NoError(t, cluster.Resume(t.Context()))
	require.Equal(t, vaulttest.EventReady, nextEvent(t, w))
	byHand(t, cluster.URL(), `UPDATE connections SET status = 'paused'`)
	require.Equal(t, "c", nextEvent(t, w))
}

// TestWatchOfASessionThatDoesNotListen is what a pooler in transaction mode makes of LISTEN.
func TestWatchOfASessionThatDoesNotListen(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), pgtest.URL(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	require.ErrorIs(t, checkListening(t.Context(), conn), errDeaf)
	require.NoError(t, subscribe(t.Context(), conn))
	require.NoError(t, checkListening(t.Context(), conn))
}

// TestCloseAnnouncesTheLast: nothing that was committed before Close stays unsaid.
func TestCloseAnnouncesTheLast(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	w := watch(t, open(t, databaseURL))
	store := open(t, databaseURL)
	for _, id := range []string{"a", "b", "c"} {
		require.NoError(t, store.CreateConnection(t.Context(), vault.Connection{ID: id, Status: "active"}))
		_, err := store.CommitTokens(t.Context(), vault.TokenCommit{ConnectionID: id, AccessToken: []byte("sealed")})
		require.NoError(t, err)
	}
	require.NoError(t, store.Close())
	missing := map[string]bool{"a": true, "b": true, "c": true}
	for len(missing) > 0 {
		delete(missing, nextEvent(t, w))
	}
}

// TestWatchTakesOneConnection: many watchers of a process are one session, and none when they have gone.
func TestWatchTakesOneConnection(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	store := open(t, databaseURL)
	sessions := func() (n int) {
		require.NoError(t, store.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'connections watch'`).Scan(&n))
		return n
	}
	var watchers []vaulttest.Watching
	for range 20 {
		watchers = append(watchers, watch(t, store))
	}
	require.Equal(t, 1, sessions())
	for _, w := range watchers {
		require.NoError(t, w.Stop())
	}
	require.Eventually(t, func() bool { return sessions() == 0 }, time.Minute, 10*time.Millisecond)
}
