package oauth_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

// canary is a provider's text or a secret, wherever a test puts it.
const canary = "c4n4ry"

const goodReply = `{"access_token":"at","refresh_token":"rt","token_type":"Bearer","expires_in":3600,"scope":"a b"}`

// nobody is where no test's provider can be: the port of one that is closed may be another's a moment later.
const nobody = "http://127.0.0.1:1"

func noon() time.Time { return time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC) }

// request is a request as the provider saw it.
type request struct {
	method, path, query string
	header              http.Header
	form                url.Values
}

// provider is a token endpoint that notes what it is asked.
type provider struct {
	*httptest.Server
	mu   sync.Mutex
	seen []request
}

func newProvider(t testing.TB, answer http.HandlerFunc) *provider {
	t.Helper()
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		p.mu.Lock()
		p.seen = append(p.seen, request{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Clone(), form})
		p.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

// replying answers everything with one reply.
func replying(t testing.TB, status int, body string, header ...string) *provider {
	t.Helper()
	return newProvider(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

func (p *provider) requests() []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]request(nil), p.seen...)
}

// only returns the request, of which there must be exactly one.
func (p *provider) only(t testing.TB) request {
	t.Helper()
	seen := p.requests()
	require.Len(t, seen, 1)
	return seen[0]
}

func (p *provider) connector(mod ...func(*connector.Connector)) connector.Connector {
	return at(p.URL, mod...)
}

// at is a connector for a provider at this URL.
func at(base string, mod ...func(*connector.Connector)) connector.Connector {
	c := connector.Connector{
		ID: "test", Name: "Test", Grants: []string{connector.AuthorizationCode, connector.ClientCredentials},
		Authorize: &connector.Authorize{URL: base + "/authorize", PKCE: "S256"},
		Token:     connector.TokenCall{URL: base + "/token", Auth: connector.AuthBasic},
		Revoke:    &connector.Revoke{URL: base + "/revoke"}, Scopes: connector.Scopes{Separator: " "}, Loopback: true,
	}
	for _, m := range mod {
		m(&c)
	}
	return c
}

func post(c *connector.Connector)  { c.Token.Auth = connector.AuthPost }
func comma(c *connector.Connector) { c.Scopes.Separator = "," }

func app() oauth.App { return oauth.App{ClientID: "id", Secret: secret.New(canary + "-secret")} }

func newClient() *oauth.Client { return oauth.NewClient(5*time.Second, noon) }

func refresh(t testing.TB, c connector.Connector, hooks oauth.Hooks) (oauth.Reply, error) {
	t.Helper()
	return newClient().Refresh(t.Context(), c, app(), oauth.Renewal{Token: secret.New(canary + "-rt")}, hooks)
}

func requireFailure(t testing.TB, err error, kind oauth.Kind) {
	t.Helper()
	require.NotNil(t, failureOf(t, err, kind))
}

// failureOf checks a call's error, and that it tells nothing that it should not.
func failureOf(t testing.TB, err error, kind oauth.Kind) *oauth.Failure {
	t.Helper()
	var f *oauth.Failure
	require.ErrorAs(t, err, &f)
	require.Equal(t, kind, f.Kind)
	requireSilent(t, err)
	return f
}

func requireSilent(t testing.TB, err error) {
	t.Helper()
	for _, verb := range []string{"%s", "%v", "%+v", "%#v", "%q"} {
		text := fmt.Sprintf(verb, err)
		require.NotContains(t, text, canary, verb)
		require.NotContains(t, text, "://", verb)
		require.NotContains(t, text, "127.0.0.1", verb)
	}
}

// calls are all ways to ask a token endpoint.
func calls() map[oauth.Phase]func(testing.TB, connector.Connector, oauth.Hooks) error {
	return map[oauth.Phase]func(testing.TB, connector.Connector, oauth.Hooks) error{
		oauth.Exchange: func(t testing.TB, c connector.Connector, h oauth.Hooks) error {
			_, err := newClient().Exchange(t.Context(), c, app(), secret.New(canary+"-code"), secret.New(strings.Repeat("v", 43)), "https://app.test/cb", h)
			return err
		},
		oauth.Refresh: func(t testing.TB, c connector.Connector, h oauth.Hooks) error {
			_, err := refresh(t, c, h)
			return err
		},
		oauth.ClientCredentials: func(t testing.TB, c connector.Connector, h oauth.Hooks) error {
			_, err := newClient().ClientCredentials(t.Context(), c, app(), []string{"a", "b"}, h)
			return err
		},
	}
}
