package api_test

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/api"
	"github.com/acme/connections/internal/apikey"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/internal/vault/pgvault"
)

// pgRig is the API on Postgres, with connections that have no workflow: a Temporal server is there, and knows none.
type pgRig struct {
	*rig
	url    string
	store  *pgvault.Store
	keys   keyring.Keys
	client *connections.Client
}

func newPostgresRig(t testing.TB, change ...func(*api.Config)) *pgRig {
	t.Helper()
	p := &pgRig{url: pgtest.URL(t)}
	var err error
	p.store, err = pgvault.Open(t.Context(), p.url, pgvault.Options{Migrate: true, MaxConns: clients})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.store.Close()) })
	dir := t.TempDir()
	p.keys.Vault, err = keyring.LoadOrCreate(keyring.Vault, filepath.Join(dir, "vault.json"))
	require.NoError(t, err)
	p.keys.Access, err = keyring.LoadOrCreate(keyring.Access, filepath.Join(dir, "access.json"))
	require.NoError(t, err)
	catalogue, err := connector.Load()
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(nil)
	base := "http://" + server.Listener.Addr().String()
	config := api.Config{Log: slog.New(slog.DiscardHandler), Connections: connections.New(connections.Config{
		Temporal: connectionstest.New(t, connectionstest.Options{}).Temporal, Vault: p.store, Keys: p.keys, Catalogue: catalogue, BaseURL: base, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})}
	for _, f := range change {
		f(&config)
	}
	p.client = config.Connections
	service, err := api.New(config)
	require.NoError(t, err)
	server.Config.Handler = service
	server.Start()
	t.Cleanup(func() {
		server.Close()
		service.Close()
	})
	p.rig = &rig{t: t, base: base, api: service, vault: p.store, now: time.Now}
	return p
}

// seed writes an active connection with a token that lives for an hour.
func (p *pgRig) seed(owner string, i int) string {
	p.t.Helper()
	id := fmt.Sprintf("con_06eg2v%020d", i)
	require.NoError(p.t, p.store.CreateConnection(p.t.Context(), vault.Connection{
		ID: id, Owner: owner, Connector: "slack", Grant: "authorization_code", Status: "active", StatusSeq: 1,
		StatusAt: time.Now(), CreatedAt: time.Now(), Tags: map[string]string{"n": fmt.Sprint(i % 2)},
	}))
	_, err := p.store.BeginAttempt(p.t.Context(), vault.AttemptStart{ID: "att_" + id, ConnectionID: id, Kind: "refresh", Lease: time.Minute})
	require.NoError(p.t, err)
	sealed, err := p.keys.Access.Seal(keyring.AccessToken(id, 1), []byte(tokenText(id)))
	require.NoError(p.t, err)
	_, err = p.store.CommitTokens(p.t.Context(), vault.TokenCommit{
		ConnectionID: id, AttemptID: "att_" + id, AccessToken: sealed, TokenType: "Bearer",
		IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour), GrantedScopes: []string{"contacts.read"},
	})
	require.NoError(p.t, err)
	return id
}

func tokenText(id string) string { return "token-of-" + id }

// serveBare serves a handler beside the API, as the API is served.
func serveBare(t testing.TB, handler http.Handler) (base string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// newClient is a client with as many connections as there are callers.
func newClient(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{
		DialContext: (&net.Dialer{}).DialContext, MaxIdleConns: 2 * clients, MaxIdleConnsPerHost: clients, DisableCompression: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (p *pgRig) newKey(owner string, scopes ...string) (id, text string) {
	p.t.Helper()
	k, secret, err := apikey.Create(p.t.Context(), p.store, apikey.Request{Owner: owner, Scopes: scopes}, time.Now())
	require.NoError(p.t, err)
	return k.ID, secret.Reveal()
}
