package activities_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/connector"
)

// api serves f, and closes with the test.
func api(t *testing.T, f http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return server
}

func get(t *testing.T, client *http.Client, address string) (*http.Response, error) {
	t.Helper()
	return send(t, client, http.MethodGet, address, nil)
}

func send(t *testing.T, client *http.Client, method, address string, body io.Reader) (*http.Response, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, body)
	require.NoError(t, err)
	response, err := client.Do(request)
	if err == nil {
		t.Cleanup(func() { _ = response.Body.Close() })
	}
	return response, err
}

func text(t *testing.T, response *http.Response) string {
	t.Helper()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(content)
}

func TestHTTPClient_CallsAsTheConnectorSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		api    *connector.API
		header string
		prefix string
	}{
		"usual":  {nil, "Authorization", "Bearer "},
		"scheme": {&connector.API{Scheme: "Zoho-oauthtoken", Headers: map[string]string{"Api-Version": "7"}}, "Authorization", "Zoho-oauthtoken "},
		"header": {&connector.API{Header: "X-Access-Token", Scheme: "-"}, "X-Access-Token", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			caller := newCaller(t, func(conn *connector.Connector) { conn.API = c.api })
			id := caller.active()
			token, err := caller.Token(t.Context(), id)
			require.NoError(t, err)
			server := api(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, r.Header.Get(c.header)+"|"+r.Header.Get("Api-Version"))
			})
			response, err := get(t, caller.HTTPClient(t.Context(), id), server.URL)
			require.NoError(t, err)
			version := ""
			if c.api != nil {
				version = c.api.Headers["Api-Version"]
			}
			require.Equal(t, c.prefix+token.Reveal()+"|"+version, text(t, response))
		})
	}
}

func TestHTTPClient_RedirectsToOthersCarryNothing(t *testing.T) {
	t.Parallel()
	c := newCaller(t, func(conn *connector.Connector) { conn.API = &connector.API{Header: "X-Access-Token", Scheme: "-"} })
	id := c.active()
	var home *httptest.Server
	foreign := api(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/back" {
			http.Redirect(w, r, home.URL+"/end", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "foreign:"+r.Header.Get("X-Access-Token")+r.Header.Get("Authorization"))
	})
	home = api(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, foreign.URL+"/", http.StatusFound)
		case "/there-and-back":
			http.Redirect(w, r, foreign.URL+"/back", http.StatusFound)
		case "/same":
			http.Redirect(w, r, "/end", http.StatusFound)
		default:
			_, _ = io.WriteString(w, "home:"+r.Header.Get("X-Access-Token"))
		}
	})
	client := c.HTTPClient(t.Context(), id)
	for path, want := range map[string]string{"/away": "foreign:", "/there-and-back": "home:"} {
		response, err := get(t, client, home.URL+path)
		require.NoError(t, err)
		require.Equal(t, want, text(t, response))
	}
	response, err := get(t, client, home.URL+"/same")
	require.NoError(t, err)
	token, err := c.Token(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "home:"+token.Reveal(), text(t, response))
}

// refusing accepts every token but the one that it saw first, and echoes bodies.
func refusing(t *testing.T) (server *httptest.Server, requests *atomic.Int64) {
	t.Helper()
	requests = new(atomic.Int64)
	var first atomic.Pointer[string]
	return api(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		header := r.Header.Get("Authorization")
		if first.CompareAndSwap(nil, &header) || *first.Load() == header {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.Copy(w, r.Body)
	}), requests
}

func TestHTTPClient_ARefusedTokenIsRefreshedOnce(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	id := c.active()
	server, requests := refusing(t)
	client := c.HTTPClient(t.Context(), id)
	response, err := send(t, client, http.MethodPost, server.URL, strings.NewReader("the body"))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "the body", text(t, response))
	require.EqualValues(t, 2, requests.Load())
	require.Equal(t, 2, c.TokenRequests("client_credentials"))
	response, err = get(t, client, server.URL)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, 2, c.TokenRequests("client_credentials"))
}

func TestHTTPClient_ABodyThatCannotBeReplayed(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	id := c.active()
	server, requests := refusing(t)
	client := c.HTTPClient(t.Context(), id)
	response, err := send(t, client, http.MethodPost, server.URL, io.MultiReader(strings.NewReader("once")))
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	require.EqualValues(t, 1, requests.Load())
	response, err = send(t, client, http.MethodPost, server.URL, io.MultiReader(strings.NewReader("again")))
	require.NoError(t, err)
	require.Equal(t, "again", text(t, response), "the next try has a new token")
}

func TestHTTPClient_AnAPIThatAlwaysRefuses(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	id := c.active()
	var requests atomic.Int64
	server := api(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
	})
	response, err := get(t, c.HTTPClient(t.Context(), id), server.URL)
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	require.EqualValues(t, 2, requests.Load())
	require.Equal(t, 2, c.TokenRequests("client_credentials"))
}

func TestHTTPClient_InsufficientScope(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	id := c.active()
	server := api(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", r.URL.Query().Get("challenge"))
		w.WriteHeader(http.StatusForbidden)
	})
	client := c.HTTPClient(t.Context(), id)
	for challenge, want := range map[string][]string{
		`Bearer realm="x", error="insufficient_scope", scope="contacts.write files"`:                         {"contacts.write", "files"},
		`Bearer error=insufficient_scope`:                                                                    nil,
		`Bearer error="insufficient_scope", error_description="` + canary + `", scope="ok ` + "\u00e9" + `"`: {"ok"},
	} {
		_, err := get(t, client, server.URL+"?challenge="+url.QueryEscape(challenge))
		var insufficient *activities.InsufficientScope
		require.ErrorAs(t, err, &insufficient)
		require.Equal(t, want, insufficient.Scopes)
		ours := activities.TemporalError(err)
		requireApplicationError(t, ours, "insufficient_scope", true)
		require.NotContains(t, ours.Error(), canary)
	}
	response, err := get(t, client, server.URL+"?challenge="+url.QueryEscape(`Bearer x_error="insufficient_scope"`))
	require.NoError(t, err, "another 403 is the caller's")
	require.Equal(t, http.StatusForbidden, response.StatusCode)
}

func TestHTTPClient_Refusals(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	id := c.active()
	token, err := c.Token(t.Context(), id)
	require.NoError(t, err)
	_, err = get(t, c.HTTPClient(t.Context(), id), "http://api.example.com/")
	requireApplicationError(t, activities.TemporalError(err), "invalid_request", true)
	require.NotContains(t, err.Error(), token.Reveal())
	server := api(t, func(http.ResponseWriter, *http.Request) { t.Error("it must not be called") })
	_, err = c.Client.Pause(t.Context(), id)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := c.Token(t.Context(), id)
		return err != nil
	}, 5*time.Second, time.Millisecond)
	_, err = send(t, c.HTTPClient(t.Context(), id), http.MethodPost, server.URL+"/?q="+canary, strings.NewReader("x"))
	var paused *activities.Paused
	require.ErrorAs(t, err, &paused)
	ours := activities.TemporalError(err)
	requireApplicationError(t, ours, "paused", true)
	require.NotContains(t, ours.Error(), canary, "the URL stays out of history")
}

// TestHTTPClient_SendsWithTheClientOfTheContext as package oauth2 does.
func TestHTTPClient_SendsWithTheClientOfTheContext(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	id := c.active()
	failure := errors.New("the transport of the context")
	given := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		require.NotEmpty(t, r.Header.Get("Authorization"))
		return nil, failure
	})}
	_, err := get(t, c.HTTPClient(context.WithValue(t.Context(), oauth2.HTTPClient, given), id), "https://api.example.com/")
	require.ErrorIs(t, err, failure)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
