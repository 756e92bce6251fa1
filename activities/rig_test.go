package activities_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/sqlitevault"
	"github.com/acme/connections/workflows"
)

const (
	redirectURI = "http://127.0.0.1:9/callback"
	// canary is a provider's text, wherever a test puts it.
	canary = "c4n4ry"
)

var appScopes = []string{"openid", "offline_access", "contacts.read"}

// log is a log that tests can read.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// rig is a provider, a vault and its keys, and one process of ours.
type rig struct {
	*activities.Activities
	t         testing.TB
	provider  *sandbox.Provider
	server    *httptest.Server
	gate      *gate
	id        string // of the connection
	suffix    string // of its authorization requests
	anyone    bool   // its connect links allow another account
	before    map[string]int
	n         int // of others made from it
	dir       string
	vault     vault.Store
	keys      keyring.Keys
	catalogue *connector.Catalogue
	log       *log
}

// gate holds token requests up, or answers them with something else.
type gate struct {
	mu     sync.Mutex
	before func(w http.ResponseWriter, r *http.Request) (answered bool)
}

func (g *gate) set(before func(http.ResponseWriter, *http.Request) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.before = before
}

func (g *gate) get() func(http.ResponseWriter, *http.Request) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.before
}

func newRig(t testing.TB, mod ...func(*connector.Connector)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), catalogue: &connector.Catalogue{}, gate: &gate{}, log: &log{}, id: "con_1"}
	r.server = httptest.NewUnstartedServer(nil)
	issuer := "http://" + r.server.Listener.Addr().String()
	var err error
	r.provider, err = sandbox.Open(t.Context(), sandbox.Options{
		Issuer: issuer, RedirectURIs: []string{redirectURI}, Log: slog.New(slog.DiscardHandler), AccessTokenLifetime: time.Hour,
	})
	require.NoError(t, err)
	r.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if before := r.gate.get(); before != nil && req.Method == http.MethodPost && before(w, req) {
			return
		}
		r.provider.Handler().ServeHTTP(w, req)
	})
	r.server.Start()

	endpoints := r.provider.Endpoints()
	c := connector.Connector{
		ID: "sandbox", Name: "Sandbox", Grants: []string{connector.AuthorizationCode, connector.ClientCredentials},
		Authorize: &connector.Authorize{URL: endpoints.Authorization, PKCE: "S256"},
		Token:     connector.TokenCall{URL: endpoints.Token, Auth: connector.AuthBasic},
		Revoke:    &connector.Revoke{URL: endpoints.Revocation}, Scopes: connector.Scopes{Separator: " "}, Loopback: true,
	}
	for _, m := range mod {
		m(&c)
	}
	require.NoError(t, r.catalogue.Add(c))

	empty, err := emptyVault()
	require.NoError(t, err)
	path := filepath.Join(r.dir, "vault.db")
	require.NoError(t, os.WriteFile(path, empty, 0o600))
	r.vault, err = sqlitevault.Open(t.Context(), path)
	require.NoError(t, err)
	r.keys = newKeys(t, r.dir)
	r.Activities = r.instance()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, r.Drain(ctx))
		r.server.Close()
		require.NoError(t, errors.Join(r.provider.Close(), r.vault.Close()))
	})
	return r
}

// emptyVault is a vault's file with its schema, made once: that is most of the time that a test takes.
var emptyVault = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "vault")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "vault.db")
	store, err := sqlitevault.Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	if err := store.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func newKeys(t testing.TB, dir string) keyring.Keys {
	t.Helper()
	var keys keyring.Keys
	var err error
	keys.Vault, err = keyring.LoadOrCreate(keyring.Vault, filepath.Join(dir, "vault.json"))
	require.NoError(t, err)
	keys.Access, err = keyring.LoadOrCreate(keyring.Access, filepath.Join(dir, "access.json"))
	require.NoError(t, err)
	return keys
}

// another is the same rig for another connection, in a subtest. Faults are the provider's: one at a time.
func (r *rig) another(t testing.TB) *rig {
	next := *r
	r.n++
	next.t, next.id, next.suffix = t, fmt.Sprintf("con_%d", r.n+1), fmt.Sprintf("_%d", r.n+1)
	next.before = map[string]int{}
	for grant := range r.provider.Stats().Tokens {
		next.before[grant] = (&rig{provider: r.provider}).calls(grant)
	}
	r.gate.set(nil)
	next.fault(sandbox.Faults{})
	// Nor is what befell another connection the integration's fault.
	for _, id := range []string{sandbox.AppClientID, sandbox.MachineClientID} {
		_, err := r.vault.CountSuccess(t.Context(), id)
		require.NoError(t, err)
	}
	return &next
}

// instance is another process of ours on the same vault.
func (r *rig) instance(mod ...func(*activities.Deps)) *activities.Activities {
	config := activities.Deps{
		BreakerOpened: func(context.Context, string) error { return nil },
		Vault:         r.vault, Keys: r.keys, Catalogue: r.catalogue,
		OAuth: oauth.NewClient(workflows.HTTPLimit, time.Now), Log: slog.New(slog.NewTextHandler(r.log, nil)),
	}
	for _, m := range mod {
		m(&config)
	}
	return activities.New(config)
}

// changed is the connector as another version of it has it.
func (r *rig) changed(change func(*connector.Connector)) func(*activities.Deps) {
	return func(config *activities.Deps) {
		c, err := r.catalogue.Get(context.Background(), "sandbox")
		require.NoError(r.t, err)
		c.Inputs = slices.Clone(c.Inputs)
		change(&c)
		config.Catalogue = &connector.Catalogue{}
		require.NoError(r.t, config.Catalogue.Add(c))
	}
}

// integrate stores a client as an integration of the same name, with its own secret or with others.
func (r *rig) integrate(client sandbox.Client, others ...string) {
	r.t.Helper()
	if others == nil {
		others = []string{client.Secret.Reveal()}
	}
	i := vault.Integration{ID: client.ID, Connector: "sandbox", ClientID: client.ID}
	for _, text := range others {
		sealed, err := r.keys.Vault.SealString(keyring.ClientSecret(client.ID), secret.New(text))
		require.NoError(r.t, err)
		i.Secrets = append(i.Secrets, sealed)
	}
	require.NoError(r.t, r.vault.PutIntegration(r.t.Context(), i))
}

// create makes a connection of the app, by authorization code.
func (r *rig) create(mod ...func(*vault.Connection)) {
	r.t.Helper()
	r.integrate(r.provider.Clients().App)
	c := vault.Connection{
		ID: r.id, Owner: "acme", Connector: "sandbox", IntegrationID: sandbox.AppClientID,
		Grant: string(workflows.GrantAuthorizationCode), RequestedScopes: appScopes,
		Status: string(workflows.StatusPending), StatusSeq: 1, CreatedAt: time.Now(),
	}
	for _, m := range mod {
		m(&c)
	}
	require.NoError(r.t, r.vault.CreateConnection(r.t.Context(), c))
}

// createMachine makes a connection by client credentials.
func (r *rig) createMachine() {
	r.t.Helper()
	r.integrate(r.provider.Clients().Machine)
	require.NoError(r.t, r.vault.CreateConnection(r.t.Context(), vault.Connection{
		ID: r.id, Owner: "acme", Connector: "sandbox", IntegrationID: sandbox.MachineClientID,
		Grant: string(workflows.GrantClientCredentials), RequestedScopes: []string{"contacts.read"},
		Status: string(workflows.StatusPending), StatusSeq: 1, CreatedAt: time.Now(),
	}))
}

// consent walks through the provider's pages and stores the answer, as the web does.
func (r *rig) consent(requestID string, mod ...func(*vault.Consumption)) workflows.ExchangeInput {
	r.t.Helper()
	requestID += r.suffix
	ctx := r.t.Context()
	conn, err := r.catalogue.Get(context.Background(), "sandbox")
	require.NoError(r.t, err)
	conn, err = conn.Resolve(r.row().Inputs)
	require.NoError(r.t, err)
	verifier := oauth.NewVerifier()
	code := r.walk(oauth.AuthorizeURL(conn, sandbox.AppClientID, redirectURI, "state", verifier, appScopes))

	now := time.Now()
	hash := sha256.Sum256([]byte("link " + requestID))
	state := sha256.Sum256([]byte("state " + requestID))
	require.NoError(r.t, r.vault.CreateLink(ctx, vault.Link{Hash: hash[:], ConnectionID: r.id, CreatedAt: now, ExpiresAt: now.Add(time.Hour), AnyAccount: r.anyone}))
	sealedVerifier, err := r.keys.Vault.SealString(keyring.Verifier(requestID), verifier)
	require.NoError(r.t, err)
	require.NoError(r.t, r.vault.StartConsent(ctx, hash[:], vault.AuthRequest{
		ID: requestID, StateHash: state[:], ConnectionID: r.id, LinkHash: hash[:], RedirectURI: redirectURI, Scopes: appScopes,
		BrowserHash: []byte("browser"), Verifier: sealedVerifier, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}))
	sealedCode, err := r.keys.Vault.SealString(keyring.Code(requestID), code)
	require.NoError(r.t, err)
	told := vault.Consumption{RequestID: requestID, At: now, Code: sealedCode}
	for _, m := range mod {
		m(&told)
	}
	require.NoError(r.t, r.vault.ConsumeAuthRequest(ctx, told))
	return workflows.ExchangeInput{ID: r.id, RequestID: requestID, SealedCode: sealedCode}
}

// walk signs in and consents, and returns the code.
func (r *rig) walk(authorizeURL string) secret.String {
	r.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(r.t, err)
	browser := &http.Client{Jar: jar, Transport: r.server.Client().Transport, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), redirectURI) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	send := func(response *http.Response, err error) *http.Response {
		r.t.Helper()
		require.NoError(r.t, err)
		_, _ = io.Copy(io.Discard, response.Body)
		require.NoError(r.t, response.Body.Close())
		return response
	}
	page := send(browser.Get(authorizeURL))
	form := url.Values{"id": {page.Request.URL.Query().Get("id")}, "username": {"demo"}, "password": {"demo"}, "decision": {"allow"}}
	page = send(browser.PostForm(r.provider.Endpoints().Issuer+"/login", form))
	page = send(browser.PostForm(page.Request.URL.Scheme+"://"+page.Request.URL.Host+page.Request.URL.Path, form))
	back, err := url.Parse(page.Header.Get("Location"))
	require.NoError(r.t, err)
	require.NotEmpty(r.t, back.Query().Get("code"))
	return secret.New(back.Query().Get("code"))
}

// connect brings the connection to generation 1.
func (r *rig) connect() {
	r.t.Helper()
	r.create()
	set, err := r.Exchange(r.t.Context(), r.consent("req_1"))
	require.NoError(r.t, err)
	require.EqualValues(r.t, 1, set.Generation)
}

func (r *rig) row() vault.Connection {
	r.t.Helper()
	row, err := r.vault.Connection(r.t.Context(), r.id)
	require.NoError(r.t, err)
	return row
}

// tokens opens the row's tokens.
func (r *rig) tokens() (access, refresh string) {
	r.t.Helper()
	row := r.row()
	a, err := r.keys.Access.OpenString(keyring.AccessToken(r.id, row.Generation), row.AccessToken)
	require.NoError(r.t, err)
	b, err := r.keys.Vault.OpenString(keyring.RefreshToken(r.id, row.Generation), row.RefreshToken)
	require.NoError(r.t, err)
	return a.Reveal(), b.Reveal()
}

// alive reports whether the provider's API takes the access token.
func (r *rig) alive(access string) bool {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.provider.Endpoints().Me, nil)
	require.NoError(r.t, err)
	req.Header.Set("Authorization", "Bearer "+access)
	response, err := r.server.Client().Do(req)
	require.NoError(r.t, err)
	require.NoError(r.t, response.Body.Close())
	return response.StatusCode == http.StatusOK
}

// calls counts token requests at the provider, whatever came of them.
func (r *rig) calls(grant string) int {
	sum := -r.before[grant]
	for _, n := range r.provider.Stats().Tokens[grant] {
		sum += n
	}
	return sum
}

func (r *rig) fault(f sandbox.Faults) {
	r.t.Helper()
	require.NoError(r.t, r.provider.SetFaults(f))
}

// lastAttempt is what stands in the way of the next attempt, if anything does.
func (r *rig) lastAttempt(settle bool) vault.Begun {
	r.t.Helper()
	begun, err := r.vault.BeginAttempt(r.t.Context(), vault.AttemptStart{
		ID: fmt.Sprintf("probe-%d", time.Now().UnixNano()), ConnectionID: r.id, Kind: "refresh", Generation: r.row().Generation, Settle: settle,
	})
	require.NoError(r.t, err)
	return begun
}

func (r *rig) requireReason(err error, want workflows.Reason) {
	r.t.Helper()
	require.NotNil(r.t, r.reasonOf(err, want))
}

// reasonOf checks an activity's error: one of ours, with nothing in it but a reason.
func (r *rig) reasonOf(err error, want workflows.Reason) *temporal.ApplicationError {
	r.t.Helper()
	app, ok := err.(*temporal.ApplicationError) //nolint:errorlint // it must not be wrapped
	require.True(r.t, ok, "%T", err)
	require.Equal(r.t, string(want), app.Type())
	require.Equal(r.t, want.Sentence(), app.Message())
	require.Equal(r.t, want.Class() != workflows.ClassTransient, app.NonRetryable())
	require.NoError(r.t, app.Unwrap())
	r.requireSilent(fmt.Sprintf("%v %+v %#v", err, err, err))
	r.requireSilent(r.log.String())
	return app
}

// requireSilent checks that a text holds none of the secrets there are, and no provider's text.
func (r *rig) requireSilent(text string) {
	r.t.Helper()
	require.NotContains(r.t, text, canary)
	require.NotContains(r.t, text, "://")
	clients := r.provider.Clients()
	require.NotContains(r.t, text, clients.App.Secret.Reveal())
	require.NotContains(r.t, text, clients.Machine.Secret.Reveal())
	if row, err := r.vault.Connection(r.t.Context(), r.id); err == nil && row.AccessToken != nil {
		if access, err := r.keys.Access.OpenString(keyring.AccessToken(r.id, row.Generation), row.AccessToken); err == nil {
			require.NotContains(r.t, text, access.Reveal())
		}
		if token, err := r.keys.Vault.OpenString(keyring.RefreshToken(r.id, row.Generation), row.RefreshToken); err == nil && !token.Empty() {
			require.NotContains(r.t, text, token.Reveal())
		}
	}
}

// requireSealed searches the vault's files for texts that must not be there.
func (r *rig) requireSealed(texts ...string) {
	r.t.Helper()
	files, err := filepath.Glob(filepath.Join(r.dir, "vault.db*"))
	require.NoError(r.t, err)
	require.NotEmpty(r.t, files)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(r.t, err)
		for _, text := range texts {
			require.NotEmpty(r.t, text)
			require.False(r.t, bytes.Contains(content, []byte(text)), "%s in %s", text, filepath.Base(file))
		}
	}
}

func (r *rig) renew(generation int64) workflows.RenewInput {
	return workflows.RenewInput{ID: r.id, Generation: generation}
}

func (r *rig) settle(generation int64) workflows.RenewInput {
	return workflows.RenewInput{ID: r.id, Generation: generation, Settle: true}
}
