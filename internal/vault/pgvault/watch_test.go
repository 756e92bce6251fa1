package pgvault

import (
	"context"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/internal/vault/vaulttest"
)

// line is a way to the database that can fall silent without being cut.
type line struct {
	url   string
	mu    sync.Mutex
	muted []*atomic.Bool
}

// newLine puts a proxy before the database of a URL.
func newLine(t *testing.T, databaseURL string) *line {
	t.Helper()
	config, err := pgconn.ParseConfig(databaseURL)
	require.NoError(t, err)
	network, address := pgconn.NetworkAddress(config.Host, config.Port)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	query := u.Query()
	query.Del("host")
	query.Del("port")
	u.Host, u.RawQuery = listener.Addr().String(), query.Encode()
	l := &line{url: u.String()}
	var running sync.WaitGroup
	ends := make(chan net.Conn, 1000)
	t.Cleanup(func() {
		_ = listener.Close()
		for {
			select {
			case end := <-ends:
				_ = end.Close()
			default:
				running.Wait()
				return
			}
		}
	})
	running.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			ends <- near
			far, err := net.Dial(network, address)
			if err != nil {
				_ = near.Close()
				continue
			}
			ends <- far
			muted := new(atomic.Bool)
			l.mu.Lock()
			l.muted = append(l.muted, muted)
			l.mu.Unlock()
			running.Go(func() { carry(far, near, muted) })
			running.Go(func() { carry(near, far, muted) })
		}
	})
	return l
}

// carry copies until an end closes; what comes once it is muted is dropped.
func carry(to, from net.Conn, muted *atomic.Bool) {
	defer func() { _ = to.Close() }()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if muted.Load() {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// mute silences all connections there are; new ones get through.
func (l *line) mute() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, muted := range l.muted {
		muted.Store(true)
	}
}

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
	l := newLine(t, databaseURL)
	store := open(t, l.url)
	require.NoError(t, store.CreateConnection(t.Context(), vault.Connection{ID: "c", Status: "active"}))
	w := watch(t, store)
	l.mute()
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
