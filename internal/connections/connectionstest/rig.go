// Package connectionstest gives tests all that a connection needs, and nothing of it pretended: an embedded Temporal
// with a worker, a vault, keysets, and the sandbox as the provider.
package connectionstest

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/reads"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/sqlitevault"
	"github.com/acme/connections/internal/webhook"
	"github.com/acme/connections/workflows"
)

// Rig is one vault with everything around it. It goes with its test.
type Rig struct {
	Vault vault.Store
	// VaultFile is the file of the vault, for tests that restore an older one; empty with Options.Vault.
	VaultFile string
	Keys      keyring.Keys
	// AccessKeyset is the file of Keys.Access, for processes of callers.
	AccessKeyset string
	Catalogue    *connector.Catalogue
	Sandbox      *sandbox.Provider
	Temporal     client.Client
	Client       *connections.Client
	// HandOut is that of the worker, for this rig.
	HandOut *activities.HandOut
	// Ledger collects what HandOut hands out; a test writes it with Flush.
	Ledger *reads.Ledger
	Clock  *Clock
	Log    *slog.Logger
	Logged *Buffer

	t       testing.TB
	changes activities.Changes
}

// Options say what is special about a Rig.
type Options struct {
	// BaseURL is where the pages are; a closed port if empty.
	BaseURL string
	// Connector changes the sandbox's connector.
	Connector func(*connector.Connector)
	// TokenLife is that of the sandbox's access tokens; ten minutes if zero.
	TokenLife time.Duration
	// ProbeInterval is the time between two probes of an open breaker; the usual one if zero.
	ProbeInterval time.Duration
	// Scopes are those of the platform's own app; nil for the connector's defaults.
	Scopes []string
	// ParkAttempt and MaxWaiting are those of activities.HandOutConfig; two seconds and the usual one if zero.
	ParkAttempt time.Duration
	MaxWaiting  int
	// Vault is used instead of one in a file of the rig's own. It is the test's to close.
	Vault vault.Store
}

// New makes a rig.
func New(t testing.TB, o Options) *Rig {
	t.Helper()
	e, err := startEngine()
	require.NoError(t, err)
	if o.BaseURL == "" {
		o.BaseURL = "http://127.0.0.1:9"
	}
	if o.TokenLife == 0 {
		o.TokenLife = 10 * time.Minute
	}
	if o.ParkAttempt == 0 {
		o.ParkAttempt = 2 * time.Second
	}
	r := &Rig{t: t, Temporal: e.client, Clock: &Clock{}, Logged: &Buffer{}}
	r.Log = slog.New(slog.NewJSONHandler(r.Logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	dir := t.TempDir()
	r.openVault(o, dir)
	r.Keys.Vault, err = keyring.LoadOrCreate(keyring.Vault, filepath.Join(dir, "vault.json"))
	require.NoError(t, err)
	r.AccessKeyset = filepath.Join(dir, "access.json")
	r.Keys.Access, err = keyring.LoadOrCreate(keyring.Access, r.AccessKeyset)
	require.NoError(t, err)
	r.openSandbox(o)
	r.Client = r.NewClient(e.client, o.BaseURL)

	m := &member{vault: r.Vault, activities: activities.New(activities.Deps{
		Vault: r.Vault, Keys: r.Keys, Catalogue: r.Catalogue, Log: r.Log,
		OAuth: oauth.NewClient(workflows.HTTPLimit, time.Now), BreakerOpened: r.Client.BreakerOpened, ProbeInterval: o.ProbeInterval,
	})}
	r.watch(&r.changes)
	r.Ledger = reads.NewLedger(r.Vault, r.Log)
	r.HandOut = activities.NewHandOut(activities.HandOutConfig{
		Rows: r.Vault, Waiters: r.Vault, Changes: &r.changes, Refresh: r.Client.RefreshFor, Query: r.Client.AskToken,
		HandedOut: r.Ledger.Add, Now: r.Clock.Now, ParkAttempt: o.ParkAttempt, MaxWaiting: o.MaxWaiting,
	})
	m.handOut = r.HandOut
	m.delivery = activities.NewDelivery(activities.DeliveryConfig{
		Vault: r.Vault, Keys: r.Keys.Vault, Sender: webhook.NewSender(true), Log: r.Log,
	})
	e.rigs.add(m)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute)
		defer cancel()
		r.terminate(ctx)
		e.rigs.remove(m)
		require.NoError(t, m.activities.Drain(ctx))
	})
	for _, app := range []connections.IntegrationRequest{
		{Connector: "sandbox", ClientID: r.Sandbox.Clients().App.ID, ClientSecret: r.Sandbox.Clients().App.Secret, Scopes: o.Scopes},
		{
			ID:        connections.PlatformIntegrationID("sandbox", connector.ClientCredentials),
			Connector: "sandbox", ClientID: r.Sandbox.Clients().Machine.ID, ClientSecret: r.Sandbox.Clients().Machine.Secret,
		},
	} {
		_, err := r.Client.PutIntegration(t.Context(), app)
		require.NoError(t, err)
	}
	return r
}

func (r *Rig) openVault(o Options, dir string) {
	r.t.Helper()
	if o.Vault != nil {
		r.Vault = o.Vault
		return
	}
	r.VaultFile = filepath.Join(dir, "vault.db")
	store, err := sqlitevault.Open(r.t.Context(), r.VaultFile)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = store.Close() })
	r.Vault = store
}

func (r *Rig) openSandbox(o Options) {
	r.t.Helper()
	server := httptest.NewUnstartedServer(nil)
	var err error
	r.Sandbox, err = sandbox.Open(r.t.Context(), sandbox.Options{
		Issuer: "http://" + server.Listener.Addr().String(), RedirectURIs: []string{o.BaseURL + "/callback"},
		AccessTokenLifetime: o.TokenLife, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(r.t, err)
	server.Config.Handler = r.Sandbox.Handler()
	server.Start()
	r.t.Cleanup(func() {
		server.Close()
		require.NoError(r.t, r.Sandbox.Close())
	})
	at := r.Sandbox.Endpoints()
	conn := config.Sandbox{
		Issuer: at.Issuer, Authorization: at.Authorization, Token: at.Token, Revocation: at.Revocation,
		Introspection: at.Introspection, Userinfo: at.Userinfo,
	}.Connector()
	if o.Connector != nil {
		o.Connector(&conn)
	}
	r.Catalogue = &connector.Catalogue{}
	require.NoError(r.t, r.Catalogue.Add(conn))
}

// watch tells changes of the vault's, until the test ends.
func (r *Rig) watch(changes *activities.Changes) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	var watching sync.WaitGroup
	watching.Go(func() {
		_ = r.Vault.Watch(ctx, vault.Watch{Changed: changes.Changed, Lost: changes.Lost, Ready: changes.Ready})
	})
	r.t.Cleanup(func() {
		cancel()
		watching.Wait()
	})
}

// NewClient makes another client of the same rig.
func (r *Rig) NewClient(temporal client.Client, baseURL string) *connections.Client {
	return connections.New(connections.Config{
		Temporal: temporal, Vault: r.Vault, Keys: r.Keys, Catalogue: r.Catalogue, BaseURL: baseURL,
		Now: r.Clock.Now, Log: r.Log,
	})
}

// LazyTemporal makes a client of a Temporal server that need not be there.
func LazyTemporal(t testing.TB, address string) client.Client {
	t.Helper()
	c, err := client.NewLazyClient(clientOptions(address))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// TemporalAddress is where the embedded Temporal is.
func (r *Rig) TemporalAddress() string {
	e, err := startEngine()
	require.NoError(r.t, err)
	return e.server.Address
}

// terminate ends the workflows of the rig, so that their timers do not outlive it.
func (r *Rig) terminate(ctx context.Context) {
	rows, err := r.Vault.ListConnections(ctx, vault.ConnectionFilter{Limit: 1000})
	if err != nil {
		return // the test closed the vault
	}
	for _, row := range rows {
		if workflows.ConnectionStatus(row.Status).Ended() {
			continue
		}
		_ = r.Temporal.TerminateWorkflow(ctx, workflows.WorkflowID(row.ID), "", "its test is over")
	}
}

// Await waits until a row is as wanted.
func (r *Rig) Await(id string, want func(vault.Connection) bool) vault.Connection {
	r.t.Helper()
	var row vault.Connection
	require.Eventually(r.t, func() bool {
		var err error
		row, err = r.Vault.Connection(r.t.Context(), id)
		return err == nil && want(row)
	}, 20*time.Second, 5*time.Millisecond, "the row never was as wanted")
	return row
}

// AwaitStatus waits for a status.
func (r *Rig) AwaitStatus(id string, status workflows.ConnectionStatus) vault.Connection {
	r.t.Helper()
	return r.Await(id, func(row vault.Connection) bool { return row.Status == string(status) })
}

// TokenRequests is how many requests of a grant the provider has seen.
func (r *Rig) TokenRequests(grant string) int {
	total := 0
	for _, n := range r.Sandbox.Stats().Tokens[grant] {
		total += n
	}
	return total
}
