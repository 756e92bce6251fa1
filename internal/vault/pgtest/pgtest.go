// Package pgtest gives tests a real Postgres: the server that TEST_DATABASE_URL names, or a private one made from the
// server programs of this machine. Each test gets a database of its own.
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
//	func TestStore(t *testing.T) { url := pgtest.URL(t) … }
package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// environmentVariable names a server to use instead of a private one. Its user must be allowed to create databases.
	environmentVariable = "TEST_DATABASE_URL"

	startTimeout = time.Minute
	adminTimeout = 30 * time.Second
)

// shared is the server of this test binary. URL is called from everywhere, so it cannot be handed around.
var shared server

// server is started by the first test that needs it, and stopped by Run.
type server struct {
	mu      sync.Mutex
	running bool // Run is there to stop it
	started bool
	url     string
	cluster *Cluster
	err     error
}

// Main runs the tests of a package, stops the server and exits.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for a TestMain that has more to clean up: it returns the exit code.
func Run(m *testing.M) int {
	shared.mu.Lock()
	shared.running = true
	shared.mu.Unlock()
	code := m.Run()
	if err := shared.stop(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "pgtest:", err)
		return max(code, 1)
	}
	return code
}

// URL makes an empty database, which is dropped when the test ends, and returns its URL.
func URL(t testing.TB) string {
	t.Helper()
	serverURL, err := shared.start()
	if err != nil {
		t.Fatal(err)
	}
	name := "test_" + strings.ToLower(rand.Text()[:16])
	if err := execute(serverURL, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		t.Fatalf("pgtest: cannot create a database: %v", err)
	}
	t.Cleanup(func() {
		if err := execute(serverURL, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("pgtest: cannot drop the database: %v", err)
		}
	})
	databaseURL, err := withDatabase(serverURL, name)
	if err != nil {
		t.Fatal(err)
	}
	return databaseURL
}

// start returns the server's URL. It uses no context of a test: the server outlives the test that came first.
func (s *server) start() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return s.url, s.err
	}
	if !s.running {
		return "", fmt.Errorf("pgtest: call pgtest.Main or pgtest.Run from this package's TestMain")
	}
	s.started = true
	if url := os.Getenv(environmentVariable); url != "" {
		s.url = url
		return s.url, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	s.cluster, s.err = StartCluster(ctx)
	if s.err == nil {
		s.url = s.cluster.URL()
	}
	return s.url, s.err
}

func (s *server) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = false
	if s.cluster == nil {
		return nil
	}
	return s.cluster.Stop()
}

// execute runs one statement on a connection of its own.
func execute(url, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	if closeErr := conn.Close(ctx); err == nil {
		err = closeErr
	}
	return err
}
