package pgvault

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/acme/connections/internal/vault"
)

// channel is where changes are announced; the payload is a connection's id.
const channel = "connections_changed"

// A connection that has been silent for watchQuiet is asked whether it still listens, and has watchPing to answer: a
// silent cut is noticed within the sum of both.
const (
	watchQuiet = 300 * time.Millisecond
	watchPing  = 400 * time.Millisecond
)

// A broken connection is made again at once, and then ever more slowly, each time after a random part of the pause: all
// processes lose theirs in the same moment. One that held for watchHeld starts from the beginning.
const (
	watchConnect    = 3 * time.Second
	watchFirstPause = 25 * time.Millisecond
	watchLastPause  = 2 * time.Second
	watchHeld       = 5 * time.Second
	watchHangUp     = 500 * time.Millisecond
)

// watcherName is what operators see in pg_stat_activity, unless the URL names the application.
const watcherName = applicationName + " watch"

var (
	errDeaf       = errors.New("the session does not listen: a connection pooler in transaction mode stands between")
	errAfterwards = errors.New("the connection is over")
)

// Watch implements vault.Watcher.
func (a *Access) Watch(ctx context.Context, w vault.Watch) error { return a.watchers.Watch(ctx, w) }

// listenAll keeps a listening connection until ctx ends.
func (a *Access) listenAll(ctx context.Context, w vault.Watch) {
	pause := watchFirstPause
	for ctx.Err() == nil {
		begun := time.Now()
		listen(ctx, a.pool.Config().ConnConfig, w)
		if time.Since(begun) > watchHeld {
			pause = watchFirstPause
		}
		sleep(ctx, rand.N(pause)) //nolint:gosec // jitter is no secret
		pause = min(2*pause, watchLastPause)
	}
}

// sleep waits, but not longer than ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// listen makes a connection and reports what it hears, until it breaks or ctx ends. It is not one of the pool's, which
// may be so small that a watcher would starve everyone else.
func listen(ctx context.Context, config *pgx.ConnConfig, w vault.Watch) {
	conn, err := dialWatcher(ctx, config)
	if err != nil {
		return
	}
	defer hangUp(context.WithoutCancel(ctx), conn)
	if err := subscribe(ctx, conn); err != nil {
		return
	}
	w.Ready()
	defer w.Lost()
	for {
		heard, err := hear(ctx, conn)
		switch {
		case err == nil && heard == nil:
			if err := checkListening(ctx, conn); err != nil {
				return
			}
		case err != nil:
			return
		case heard.Channel != channel:
		case heard.Payload == "":
			// An id too long to be announced. The connection is fine.
			w.Lost()
			w.Ready()
		default:
			w.Changed(heard.Payload)
		}
	}
}

// dialWatcher connects. A pgx connection that fails asks the server over a second one to cancel what runs; here nothing
// runs, and the server may be out of reach, so nothing is dialled once it is connected.
func dialWatcher(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	if config.RuntimeParams["application_name"] == applicationName {
		config.RuntimeParams["application_name"] = watcherName
	}
	var connected atomic.Bool
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if connected.Load() {
			return nil, errAfterwards
		}
		return dial(ctx, network, address)
	}
	ctx, cancel := context.WithTimeout(ctx, watchConnect)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	connected.Store(true)
	return conn, err
}

func subscribe(ctx context.Context, conn *pgx.Conn) error {
	bounded, cancel := context.WithTimeout(ctx, watchConnect)
	defer cancel()
	// A listener that reads nothing, such as a process that was stopped, keeps all that is announced in the server's
	// queue, and when that is full no announcing transaction commits: over TCP the server gives it up before.
	if _, err := conn.Exec(bounded, "SET tcp_user_timeout = '60s'; LISTEN "+channel); err != nil {
		return err
	}
	return checkListening(ctx, conn)
}

// hear waits for one notification; it returns nil if there was none for a while.
func hear(ctx context.Context, conn *pgx.Conn) (*pgconn.Notification, error) {
	quiet, cancel := context.WithTimeout(ctx, watchQuiet)
	defer cancel()
	heard, err := conn.WaitForNotification(quiet)
	if err != nil && quiet.Err() != nil && ctx.Err() == nil && !conn.IsClosed() {
		return nil, nil //nolint:nilnil // silence is neither a notification nor an error
	}
	return heard, err
}

// checkListening asks the session whether it listens. That it answers is not enough: a pooler may answer from another
// session.
func checkListening(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, watchPing)
	defer cancel()
	var listens bool
	err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_listening_channels() AS c WHERE c = '`+channel+`')`).
		Scan(&listens)
	if err == nil && !listens {
		return errDeaf
	}
	return err
}

// hangUp closes the connection, without waiting for a server that does not answer.
func hangUp(ctx context.Context, conn *pgx.Conn) {
	if conn.IsClosed() {
		_ = conn.PgConn().Conn().Close()
		<-conn.PgConn().CleanupDone()
		return
	}
	ctx, cancel := context.WithTimeout(ctx, watchHangUp)
	defer cancel()
	_ = conn.Close(ctx)
}
