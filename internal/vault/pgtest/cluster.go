package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	stopTimeout = 15 * time.Second
	superuser   = "postgres"
	port        = "5432"
)

// Cluster is a private Postgres server in a directory of its own. It listens on a Unix socket in that directory only.
type Cluster struct {
	dir      string
	programs string
	as       *account
	settings []string
	stop     func() error

	// Of the server that runs now, or ran last.
	process *os.Process
	log     *serverLog
	exited  chan struct{}
}

// StartCluster makes a cluster and starts its server. The caller must Stop it; on Linux the server also ends when the
// calling process dies. Settings are "name=value", and win over those that make tests fast. Its methods are not for
// concurrent use.
func StartCluster(ctx context.Context, settings ...string) (*Cluster, error) {
	programs, err := findPrograms(ctx)
	if err != nil {
		return nil, err
	}
	as, err := serverAccount()
	if err != nil {
		return nil, err
	}
	dir, err := makeDirectory(as)
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, programs: programs, as: as, settings: settings}
	c.stop = sync.OnceValue(c.stopOnce)
	if err := c.initialize(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := c.Resume(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// Halt ends the server, with its clients' sessions, as "pg_ctl stop -m fast" does, and keeps its data for [Cluster.Resume].
func (c *Cluster) Halt() {
	if c.process == nil {
		return // it never started
	}
	// SIGINT is Postgres's fast shutdown. An error means that it has ended already.
	_ = c.process.Signal(syscall.SIGINT)
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case <-c.exited:
	case <-timeout.C:
		_ = c.process.Kill()
		<-c.exited
	}
}

// Resume starts the server on the data of the one that was halted, at the same address.
func (c *Cluster) Resume(ctx context.Context) error {
	err := c.run()
	if err != nil {
		return err
	}
	select {
	case <-c.log.ready:
		return nil
	case <-c.exited:
		err = errors.New("it ended at once")
	case <-ctx.Done():
		err = ctx.Err()
	}
	return fmt.Errorf("pgtest: the Postgres server did not start: %w\n%s", err, c.log)
}

// URL is the address of the cluster's database "postgres", for its superuser.
func (c *Cluster) URL() string {
	query := url.Values{"host": {c.dir}, "port": {port}, "sslmode": {"disable"}}
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/postgres", RawQuery: query.Encode()}
	return u.String()
}

// Stop is Halt, and removes the cluster's directory. Stopping twice is no error.
func (c *Cluster) Stop() error { return c.stop() }

func (c *Cluster) stopOnce() error {
	c.Halt()
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("pgtest: cannot remove the cluster: %w", err)
	}
	return nil
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *Cluster) initialize(ctx context.Context) error {
	initdb := exec.CommandContext(ctx, filepath.Join(c.programs, "initdb"),
		"--pgdata="+c.data(), "--username="+superuser, "--auth=trust", "--encoding=UTF8", "--locale=C",
		"--no-sync", "--no-instructions")
	initdb.Dir = c.dir
	initdb.SysProcAttr = attributes(c.as)
	if output, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("pgtest: initdb failed: %w\n%s", err, output)
	}
	return nil
}

// run starts the server. Where a process can ask to be told of its parent's death, "parent" is the thread that
// started it: a goroutine keeps that thread until the server has ended.
func (c *Cluster) run() error {
	args := []string{
		"-D", c.data(), "-k", c.dir, "-p", port,
		"-c", "listen_addresses=", "-c", "unix_socket_permissions=0700",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
		"-c", "max_connections=200", "-c", "shared_buffers=32MB", "-c", "autovacuum=off",
		"-c", "log_destination=stderr", "-c", "logging_collector=off", "-c", "lc_messages=C",
	}
	for _, setting := range c.settings {
		args = append(args, "-c", setting)
	}
	// Not bound to a context: Halt ends it.
	postgres := exec.Command(filepath.Join(c.programs, "postgres"), args...)
	postgres.Dir = c.dir
	postgres.SysProcAttr = attributes(c.as)
	exited := make(chan struct{})
	c.log, c.exited = newServerLog(), exited
	postgres.Stderr = c.log
	started := make(chan error)
	go func() {
		defer close(exited)
		lockThread()
		err := postgres.Start()
		started <- err
		if err == nil {
			_ = postgres.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("pgtest: the Postgres server did not start: %w", err)
	}
	c.process = postgres.Process
	return nil
}
