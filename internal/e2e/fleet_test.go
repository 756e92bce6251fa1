package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	tlog "go.temporal.io/sdk/log"

	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/devserver"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/internal/vault/pgvault"
	"github.com/acme/connections/workflows"
)

// fleet is Connections as it runs in production: worker processes and a process for the pages, without --dev, on a
// Postgres and a Temporal of their own that can be stopped and started again. The provider is the sandbox, in this
// process: it survives whatever becomes of the others, and is the witness of what they did.
type fleet struct {
	t   *testing.T
	dir string
	env []string
	log *buffer

	database *pgtest.Cluster
	temporal *devserver.Server
	provider *sandbox.Provider
	doors    *http.Server
	web      *machine

	store  vault.Store
	keys   keyring.Keys
	client *connections.Client
	audit  *audit
}

// fleetOptions say what is special about a fleet.
type fleetOptions struct {
	// life is that of the provider's access tokens.
	life time.Duration
	// latency is how long the provider takes to think about a refresh before it commits.
	latency time.Duration
}

// newFleet brings up everything but the workers.
func newFleet(t *testing.T, o fleetOptions) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir(), log: &buffer{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the processes said:\n%s", f.log.String())
		}
	})
	baseURL := "http://" + freeAddress(t)
	f.startProvider(o, baseURL)
	f.startDatabase()
	f.startTemporal(0)
	t.Cleanup(func() { require.NoError(t, f.temporal.Stop(context.WithoutCancel(t.Context()))) })
	f.env = append(
		cleanEnv(),
		config.EnvDatabaseURL+"="+f.database.URL(), config.EnvTemporalAddress+"="+f.temporal.Address,
		config.EnvVaultKeyset+"="+filepath.Join(f.dir, "vault.json"),
		config.EnvAccessKeyset+"="+filepath.Join(f.dir, "access.json"),
		config.EnvBaseURL+"="+baseURL, config.EnvAllowLoopback+"=1",
	)
	f.connect(baseURL)
	f.web = f.newMachine("web", "--roles", "web", "--http", strings.TrimPrefix(baseURL, "http://"))
	f.web.start()
	require.Eventually(t, func() bool {
		response, err := http.Get(baseURL + "/readyz")
		return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
	}, patience, 20*time.Millisecond, "the web role does not become ready")
	return f
}

// freeAddress is a loopback address that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

func (f *fleet) startProvider(o fleetOptions, baseURL string) {
	f.t.Helper()
	address := freeAddress(f.t)
	var err error
	f.provider, err = sandbox.Open(f.t.Context(), sandbox.Options{
		Issuer: "http://" + address, RedirectURIs: []string{baseURL + "/callback"},
		AccessTokenLifetime: o.life, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(f.t, err)
	require.NoError(f.t, f.provider.SetFaults(sandbox.Faults{Grant: "refresh_token", Delay: o.latency}))
	f.serveProvider(address)
	f.t.Cleanup(func() {
		f.unreachable()
		require.NoError(f.t, f.provider.Close())
	})
}

// serveProvider lets the provider be reached.
func (f *fleet) serveProvider(address string) {
	f.t.Helper()
	listener, err := net.Listen("tcp", address)
	require.NoError(f.t, err)
	handler := f.provider.Handler()
	f.doors = &http.Server{Addr: address, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A provider that has a request acts on it, also if the caller has died since.
		handler.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	})}
	go func() { _ = f.doors.Serve(listener) }()
}

// unreachable closes the provider's doors, behind the requests that it has; reachable opens them again.
func (f *fleet) unreachable() {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.t.Context()), patience)
	defer cancel()
	http.DefaultClient.CloseIdleConnections()
	require.NoError(f.t, f.doors.Shutdown(ctx))
}

func (f *fleet) reachable() {
	f.t.Helper()
	f.serveProvider(f.doors.Addr)
}

func (f *fleet) startDatabase() {
	f.t.Helper()
	var err error
	f.database, err = pgtest.StartCluster(f.t.Context())
	require.NoError(f.t, err)
	f.t.Cleanup(func() { require.NoError(f.t, f.database.Stop()) })
}

// startTemporal starts the server on its database file, as the one that ran there before left it; port 0 is any.
func (f *fleet) startTemporal(port int) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.t.Context()), patience)
	defer cancel()
	var err error
	f.temporal, err = devserver.Start(ctx, devserver.Options{
		DataDir: filepath.Join(f.dir, "temporal"), Port: port, SearchAttributes: workflows.SearchAttributes(), DieWithParent: true,
	})
	require.NoError(f.t, err)
}

// killTemporal ends the server as "kill -9" does; restartTemporal starts another on what it left, at the same address.
func (f *fleet) killTemporal() {
	f.t.Helper()
	require.NoError(f.t, syscall.Kill(f.temporal.PID, syscall.SIGKILL))
	<-f.temporal.Done()
}

func (f *fleet) restartTemporal() {
	f.t.Helper()
	_, port, err := net.SplitHostPort(f.temporal.Address)
	require.NoError(f.t, err)
	number, err := strconv.Atoi(port)
	require.NoError(f.t, err)
	f.startTemporal(number)
}

// connect opens this process's own client of the fleet, adds the sandbox as an operator would, and starts the audit.
func (f *fleet) connect(baseURL string) {
	f.t.Helper()
	ctx := f.t.Context()
	store, err := pgvault.Open(ctx, f.database.URL(), pgvault.Options{Migrate: true, MaxConns: 8})
	require.NoError(f.t, err)
	f.t.Cleanup(func() { require.NoError(f.t, store.Close()) })
	f.store = store
	f.keys.Vault, err = keyring.LoadOrCreate(keyring.Vault, filepath.Join(f.dir, "vault.json"))
	require.NoError(f.t, err)
	f.keys.Access, err = keyring.LoadOrCreate(keyring.Access, filepath.Join(f.dir, "access.json"))
	require.NoError(f.t, err)
	temporal, err := client.Dial(client.Options{
		HostPort: f.temporal.Address, Logger: tlog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(f.t, err)
	f.t.Cleanup(temporal.Close)
	catalogue, err := connector.Load()
	require.NoError(f.t, err)
	catalogue.UseSource(store, true)
	f.client = connections.New(connections.Config{
		Temporal: temporal, Vault: store, Keys: f.keys, Catalogue: catalogue, BaseURL: baseURL, Now: time.Now, Loopback: true,
	})
	at := f.provider.Endpoints()
	document, err := json.Marshal(config.Sandbox{
		Issuer: at.Issuer, Authorization: at.Authorization, Token: at.Token, Revocation: at.Revocation,
		Introspection: at.Introspection, Userinfo: at.Userinfo,
	}.Connector())
	require.NoError(f.t, err)
	_, err = f.client.AddConnector(ctx, document, false)
	require.NoError(f.t, err)
	app := f.provider.Clients().App
	_, err = f.client.PutIntegration(ctx, connections.IntegrationRequest{Connector: "sandbox", ClientID: app.ID, ClientSecret: app.Secret})
	require.NoError(f.t, err)
	f.audit = newAudit(f.t, f.database.URL(), f.keys)
}

// newConnections makes connections and consents to each, one after the other, evenly over a time.
func (f *fleet) newConnections(n int, over time.Duration) []string {
	f.t.Helper()
	pace := time.NewTicker(max(over/time.Duration(n), time.Millisecond))
	defer pace.Stop()
	ids := make([]string, n)
	for i := range ids {
		<-pace.C
		ids[i] = f.newConnection()
	}
	for _, id := range ids {
		f.await(id, func(row vault.Connection) bool { return row.Status == "active" })
	}
	return ids
}

// newConnection makes a connection and consents to it.
func (f *fleet) newConnection() string {
	f.t.Helper()
	created, err := f.client.Create(f.t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme"})
	require.NoError(f.t, err)
	newBrowser(f.t).consent(created.ConnectURL)
	return created.ID
}

// row reads a connection's row. ok is false while the database is away.
func (f *fleet) row(id string) (row vault.Connection, ok bool) {
	ctx, cancel := context.WithTimeout(f.t.Context(), 5*time.Second)
	defer cancel()
	row, err := f.store.Connection(ctx, id)
	return row, err == nil
}

// await reads a connection's row until it is as wanted.
func (f *fleet) await(id string, wanted func(vault.Connection) bool) vault.Connection {
	f.t.Helper()
	var last vault.Connection
	require.Eventually(f.t, func() bool {
		row, ok := f.row(id)
		last = row
		return ok && wanted(row)
	}, 2*patience, 50*time.Millisecond, "the row of connection %s never was as wanted", id)
	return last
}

// accepted reports whether the provider accepts the connection's access token.
func (f *fleet) accepted(row vault.Connection) bool {
	text, err := f.keys.Access.OpenString(keyring.AccessToken(row.ID, row.Generation), row.AccessToken)
	if err != nil || text.Empty() {
		return false
	}
	request, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, f.provider.Endpoints().Userinfo, nil)
	if err != nil {
		return false
	}
	request.Header.Set("Authorization", "Bearer "+text.Reveal())
	response, err := http.DefaultClient.Do(request)
	return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

// machine is a worker process, and whatever process takes its place.
type machine struct {
	f    *fleet
	name string
	args []string
	// env is added to the fleet's.
	env []string

	mu      sync.Mutex
	process *os.Process
	exited  chan struct{}
	// kept machines are started again whenever their process ends, as a supervisor does.
	kept, stopped bool
}

// newMachine makes a machine that is off. It is turned off when the test ends.
func (f *fleet) newMachine(name string, args ...string) *machine {
	f.t.Helper()
	m := &machine{f: f, name: name, args: args}
	f.t.Cleanup(m.stop)
	return m
}

// newWorker makes a machine with the roles workflow and activity.
func (f *fleet) newWorker(name string) *machine {
	return f.newMachine(name, "--roles", "workflow,activity")
}

// start starts a process.
func (m *machine) start() {
	m.f.t.Helper()
	require.NoError(m.f.t, m.launch())
}

// keep starts a process, and another one whenever one ends.
func (m *machine) keep() {
	m.f.t.Helper()
	m.kept = true
	m.start()
}

// launch starts a process, unless the machine has been stopped.
func (m *machine) launch() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return nil
	}
	command := exec.Command(binaries.worker, m.args...)
	command.Env, command.Dir = slices.Concat(m.f.env, m.env), m.f.dir
	out := &named{m.name, m.f.log}
	command.Stdout, command.Stderr = out, out
	if err := command.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	m.process, m.exited = command.Process, exited
	go func() {
		_ = command.Wait()
		close(exited)
		if !m.kept {
			return
		}
		if command.ProcessState.Exited() {
			// It could not start, or gave up: the next one waits a little.
			<-time.After(500 * time.Millisecond)
		}
		if err := m.launch(); err != nil {
			m.f.t.Errorf("%s did not start: %v", m.name, err)
		}
	}()
	return nil
}

// now is the process that runs, or ran last, and its end; nil if there was none.
func (m *machine) now() (*os.Process, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.process, m.exited
}

// signal sends the process a signal.
func (m *machine) signal(s syscall.Signal) {
	m.f.t.Helper()
	process, _ := m.now()
	require.NoError(m.f.t, process.Signal(s))
}

// kill ends the process as "kill -9" does, and reports whether there was one.
func (m *machine) kill() bool {
	process, exited := m.now()
	err := process.Kill()
	<-exited
	return err == nil
}

// stop ends the process for good, as Ctrl-C does.
func (m *machine) stop() {
	m.mu.Lock()
	m.stopped = true
	process, exited := m.process, m.exited
	m.mu.Unlock()
	if process == nil {
		return
	}
	// One that a test has frozen hears nothing else.
	_ = process.Signal(syscall.SIGCONT)
	_ = process.Signal(syscall.SIGINT)
	select {
	case <-exited:
	case <-time.After(patience):
		_ = process.Kill()
		<-exited
		m.f.t.Errorf("%s did not stop on SIGINT", m.name)
	}
}

// named writes lines with a name before them.
type named struct {
	name string
	to   *buffer
}

// Write implements io.Writer.
func (n *named) Write(p []byte) (int, error) {
	_, err := fmt.Fprintf(n.to, "[%s %s] %s", n.name, time.Now().Format("05.000"), p)
	return len(p), err
}
