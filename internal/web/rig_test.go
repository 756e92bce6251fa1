package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

func TestMain(m *testing.M) { connectionstest.Main(m) }

const platform = "Acme Inc"

// rig is the pages on a real HTTP server, with everything real behind them.
type rig struct {
	*connectionstest.Rig
	t     *testing.T
	base  string
	pages *Server

	mu sync.Mutex
	// secrets must never be seen in a page, a log or a clean URL.
	secrets map[string]string
	answers []page
	// asked are the requests that came in, in order.
	asked []arrival
}

// arrival is a request that came in.
type arrival struct {
	method, path string
	at           time.Time
}

// noting notes requests before they are served.
func (r *rig) noting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		r.asked = append(r.asked, arrival{q.Method, q.URL.Path, time.Now()})
		r.mu.Unlock()
		next.ServeHTTP(w, q)
	})
}

// arrived are the requests since the first n.
func (r *rig) arrived(n int) []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked[n:])
}

type options struct {
	connectionstest.Options
	// temporal is the address of another Temporal than the embedded one: the pages' client only.
	temporal string
}

// loaded reports whether a path was asked for.
func (r *rig) loaded(path string) bool {
	return slices.ContainsFunc(r.arrived(0), func(a arrival) bool { return a.path == path })
}

func newRig(t *testing.T, o ...func(*options)) *rig {
	t.Helper()
	var opts options
	for _, f := range o {
		f(&opts)
	}
	server := httptest.NewUnstartedServer(nil)
	base := "http://" + server.Listener.Addr().String()
	opts.BaseURL = base
	r := &rig{Rig: connectionstest.New(t, opts.Options), t: t, base: base, secrets: map[string]string{}}
	r.allowSessions()
	client := r.Client
	if opts.temporal != "" {
		client = r.NewClient(connectionstest.LazyTemporal(t, opts.temporal), base)
	}
	r.pages = r.serverAt(base, client)
	server.Config.Handler = r.noting(r.pages)
	server.Config.MaxHeaderBytes = 64 << 10 // as the worker's
	server.Start()
	t.Cleanup(func() {
		server.Close()
		r.pages.Close()
		r.checkSecrets()
	})
	return r
}

// serverAt makes pages for a base URL.
func (r *rig) serverAt(base string, client *connections.Client) *Server {
	r.t.Helper()
	s, err := New(Config{
		Vault: r.Vault, Keys: r.Keys, Catalogue: r.Catalogue, Connections: client, Platform: platform, BaseURL: base,
		Ready: func(ctx context.Context) error { return r.Vault.Ping(ctx) }, Now: r.Clock.Now, Log: r.Log,
	})
	require.NoError(r.t, err)
	return s
}

// secret notes a text that must not be seen.
func (r *rig) secret(what, text string) string {
	r.t.Helper()
	require.NotEmpty(r.t, text, what)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secrets[what+" "+text] = text
	return text
}

func (r *rig) checkSecrets() {
	r.mu.Lock()
	defer r.mu.Unlock()
	logged := r.Logged.String()
	for what, text := range r.secrets {
		assert.NotContains(r.t, logged, text, "%s in the log", what)
		for _, p := range r.answers {
			assert.NotContains(r.t, p.body, text, "%s in the page at %s", what, p.url)
			if !strings.HasPrefix(p.header.Get("Location"), r.Sandbox.Endpoints().Authorization) {
				assert.NotContains(r.t, p.header.Get("Location"), text, "%s in a redirect of %s", what, p.url)
			}
		}
	}
}

// create makes a pending connection and its link.
func (r *rig) create(mod ...func(*connections.CreateRequest)) (id, link string) {
	r.t.Helper()
	request := connections.CreateRequest{Connector: "sandbox", Owner: "Northwind Traders"}
	for _, m := range mod {
		m(&request)
	}
	created, err := r.Client.Create(r.t.Context(), request)
	require.NoError(r.t, err)
	r.secret("link", strings.TrimPrefix(created.ConnectURL, r.base+"/connect/"))
	return created.ID, created.ConnectURL
}

// requestOf is the authorization request behind an authorize URL.
func (r *rig) requestOf(authorize string) vault.AuthRequest {
	r.t.Helper()
	request, err := r.Vault.AuthRequestByState(r.t.Context(), connections.HashSecret(query(r.t, authorize).Get("state")))
	require.NoError(r.t, err)
	return request
}

// requireUntouched: the request still waits for its answer.
func (r *rig) requireUntouched(authorize string) {
	r.t.Helper()
	request := r.requestOf(authorize)
	require.Zero(r.t, request.ConsumedAt)
	require.Empty(r.t, request.Outcome)
	require.Nil(r.t, request.Code)
}

// requireOutcome: the request was used up, without an exchange at the provider.
func (r *rig) requireOutcome(authorize string, reason workflows.Reason) {
	r.t.Helper()
	request := r.requestOf(authorize)
	require.NotZero(r.t, request.ConsumedAt)
	require.Equal(r.t, string(reason), request.Outcome)
	require.Nil(r.t, request.Code)
	require.Zero(r.t, r.TokenRequests("authorization_code"))
}

func query(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u.Query()
}

// with returns the address with some parameters set, or removed where the value is "-".
func with(t *testing.T, address string, pairs ...string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	q := u.Query()
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "-" {
			q.Del(pairs[i])
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

const patience = 20 * time.Second

var _ http.Handler = (*Server)(nil)

// slowly holds up one exchange.
func slowly(d time.Duration) sandbox.Faults {
	return sandbox.Faults{Grant: "authorization_code", Count: 1, Delay: d}
}
