package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/api"
	"github.com/acme/connections/internal/apikey"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/workflows"
)

func TestMain(m *testing.M) { os.Exit(connectionstest.Run(withPostgres{m})) }

// withPostgres runs the tests between the two that have something to stop.
type withPostgres struct{ m *testing.M }

func (w withPostgres) Run() int { return pgtest.Run(w.m) }

const patience = 20 * time.Second

// rig is the API on a real HTTP server, with everything real behind it.
type rig struct {
	*connectionstest.Rig
	t     testing.TB
	base  string
	api   *api.Server
	vault vault.Store
	now   func() time.Time
}

func newRig(t testing.TB, change ...func(*api.Config)) *rig {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	r := &rig{t: t, base: "http://" + server.Listener.Addr().String()}
	r.Rig = connectionstest.New(t, connectionstest.Options{BaseURL: r.base})
	r.vault, r.now = r.Vault, r.Clock.Now
	config := api.Config{Connections: r.Client, Log: r.Log}
	for _, f := range change {
		f(&config)
	}
	var err error
	r.api, err = api.New(config)
	require.NoError(t, err)
	server.Config.Handler = r.api
	server.Start()
	t.Cleanup(func() {
		server.Close()
		r.api.Close()
	})
	return r
}

// key makes an API key; without scopes it has all.
func (r *rig) key(owner string, scopes ...string) string {
	r.t.Helper()
	if scopes == nil {
		scopes = slices.Collect(maps.Keys(apikey.Scopes()))
	}
	_, text, err := apikey.Create(r.t.Context(), r.vault, apikey.Request{Owner: owner, Scopes: scopes}, r.now())
	require.NoError(r.t, err)
	return text.Reveal()
}

// answer is what a request was answered.
type answer struct {
	status int
	header http.Header
	body   string
}

// decode reads the body, which must have no more than v has.
func decode[T any](t testing.TB, a answer) T {
	t.Helper()
	var v T
	decoder := json.NewDecoder(bytes.NewReader([]byte(a.body)))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&v), a.body)
	return v
}

// ask makes a request with a key, a body if it is not nil, and headers in pairs.
func (r *rig) ask(key, method, path string, body any, headers ...string) answer {
	r.t.Helper()
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = bytes.NewReader([]byte(b))
	case io.Reader:
		content = b
	default:
		encoded, err := json.Marshal(b)
		require.NoError(r.t, err)
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.base+path, content)
	require.NoError(r.t, err)
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	if content != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(r.t, err)
	defer func() { require.NoError(r.t, response.Body.Close()) }()
	read, err := io.ReadAll(response.Body)
	require.NoError(r.t, err)
	a := answer{response.StatusCode, response.Header, string(read)}
	r.checkAnswer(method+" "+path, a)
	return a
}

// checkAnswer checks what is true of every answer.
func (r *rig) checkAnswer(what string, a answer) {
	r.t.Helper()
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
	} {
		require.Equal(r.t, want, a.header.Get(name), "%s: %s", what, name)
	}
	require.Empty(r.t, a.header.Get("Access-Control-Allow-Origin"), what)
	require.Empty(r.t, a.header.Get("Set-Cookie"), what)
	if a.status >= 400 && a.body != "" {
		require.Equal(r.t, "application/problem+json", a.header.Get("Content-Type"), "%s: %s", what, a.body)
		p := decode[api.Problem](r.t, a)
		require.Equal(r.t, a.status, p.Status, what)
		require.NotEmpty(r.t, p.Code, what)
		require.NotEmpty(r.t, p.Detail, what)
	}
}

// refused requires a problem.
func (r *rig) refused(a answer, status int, code string) api.Problem {
	r.t.Helper()
	require.Equal(r.t, status, a.status, a.body)
	p := decode[api.Problem](r.t, a)
	require.Equal(r.t, code, p.Code, a.body)
	return p
}

// made requires an answer of a status and reads it.
func made[T any](r *rig, a answer, status int) T {
	r.t.Helper()
	require.Equal(r.t, status, a.status, a.body)
	return decode[T](r.t, a)
}

// active makes an active connection of an owner, by client credentials.
func (r *rig) active(owner string) string {
	r.t.Helper()
	created, err := r.Client.Create(r.t.Context(), connections.CreateRequest{
		Connector: "sandbox", Owner: owner, Grant: workflows.GrantClientCredentials,
	})
	require.NoError(r.t, err)
	r.AwaitStatus(created.ID, workflows.StatusActive)
	return created.ID
}

// token is the connection's access token as the vault has it.
func (r *rig) token(id string) string {
	r.t.Helper()
	token, err := r.Client.Token(r.t.Context(), id, 0)
	require.NoError(r.t, err)
	return token.Text.Reveal()
}
