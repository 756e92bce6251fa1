package connections_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
)

// issuer is a server that answers for some paths, and notes what it is asked for.
type issuer struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string]http.HandlerFunc
	asked   []string
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{answers: map[string]http.HandlerFunc{}}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		i.asked = append(i.asked, r.Method+" "+r.URL.Path)
		answer := i.answers[r.URL.Path]
		i.mu.Unlock()
		if answer == nil {
			http.NotFound(w, r)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

// on answers a path.
func (i *issuer) on(path string, answer http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answers[path] = answer
}

func (i *issuer) requests() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	asked := i.asked
	i.asked = nil
	return asked
}

// metadata says what a server of that name would.
func (i *issuer) metadata(name, more string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"token_endpoint":%q,"authorization_endpoint":%q%s}`, name, i.URL+"/token", i.URL+"/authorize", more)
	}
}

func discovers(id, issuer, more string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"name":"Own","issuer":%q,"discovery":true%s}`, id, issuer, more)
}

// TestDiscovery_WhereTheMetadataIs: the addresses of RFC 8414 §3.1 and OpenID Connect Discovery §4, in that order.
func TestDiscovery_WhereTheMetadataIs(t *testing.T) {
	t.Parallel()
	_, c := operator(t, true)
	const server, openID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	for n, at := range []struct {
		path  string
		there string
		asked []string
	}{
		{"", server, []string{server}},
		{"", openID, []string{server, openID}},
		{"/tenant", server + "/tenant", []string{server + "/tenant"}},
		{"/tenant", openID + "/tenant", []string{server + "/tenant", openID + "/tenant"}},
		{"/tenant", "/tenant" + openID, []string{server + "/tenant", openID + "/tenant", "/tenant" + openID}},
		{"/a/b", "/a/b" + openID, []string{server + "/a/b", openID + "/a/b", "/a/b" + openID}},
		{"/tenant/", server + "/tenant", []string{server + "/tenant"}},
	} {
		i := newIssuer(t)
		i.on(at.there, i.metadata(i.URL+at.path, ""))
		added, err := c.AddConnector(t.Context(), discovers(fmt.Sprintf("own-%d", n), i.URL+at.path, ""), false)
		require.NoError(t, err)
		require.Equal(t, i.URL+"/token", added.Token.URL)
		var want []string
		for _, path := range at.asked {
			want = append(want, "GET "+path)
		}
		require.Equal(t, want, i.requests(), "%+v", at)
	}
}

// TestDiscovery_WhatIsNoMetadata: nothing of it is believed, and nothing of it is shown.
func TestDiscovery_WhatIsNoMetadata(t *testing.T) {
	t.Parallel()
	r, c := operator(t, true)
	elsewhere := newIssuer(t)
	for name, test := range map[string]struct {
		answer func(i *issuer) http.HandlerFunc
		says   string
	}{
		"another issuer":  {func(i *issuer) http.HandlerFunc { return i.metadata("https://as.example", "") }, "names another issuer"},
		"no issuer":       {func(i *issuer) http.HandlerFunc { return i.metadata("", "") }, "names another issuer"},
		"a slash more":    {func(i *issuer) http.HandlerFunc { return i.metadata(i.URL+"/", "") }, "names another issuer"},
		"another case":    {func(i *issuer) http.HandlerFunc { return i.metadata(strings.ToUpper(i.URL), "") }, "names another issuer"},
		"not JSON":        {func(*issuer) http.HandlerFunc { return says("<html>canary") }, "gives no authorization server metadata"},
		"a list":          {func(*issuer) http.HandlerFunc { return says(`["canary"]`) }, "gives no authorization server metadata"},
		"of another type": {func(*issuer) http.HandlerFunc { return says(`{"issuer":["canary"]}`) }, "gives no authorization server metadata"},
		"empty":           {func(*issuer) http.HandlerFunc { return says("") }, "gives no authorization server metadata"},
		"huge": {func(i *issuer) http.HandlerFunc {
			return i.metadata(i.URL, `,"x":"`+strings.Repeat("canary", 1<<16)+`"`)
		}, "gives no authorization server metadata"},
		"an error": {func(*issuer) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }
		}, "gives no authorization server metadata"},
		"hangs up": {func(*issuer) http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		}, "gives no authorization server metadata"},
		"sent elsewhere": {func(*issuer) http.HandlerFunc {
			return http.RedirectHandler(elsewhere.URL+"/x", http.StatusFound).ServeHTTP
		}, "gives no authorization server metadata"},
		"no token endpoint": {func(i *issuer) http.HandlerFunc { return says(fmt.Sprintf(`{"issuer":%q}`, i.URL)) }, "token.url is missing"},
		"endpoints inside": {func(i *issuer) http.HandlerFunc {
			return says(fmt.Sprintf(`{"issuer":%q,"token_endpoint":"http://10.0.0.7/","authorization_endpoint":"https://as.example/"}`, i.URL))
		}, "token.url must be https"},
		"endpoints at a private address": {
			func(i *issuer) http.HandlerFunc {
				return i.metadata(i.URL, `,"revocation_endpoint":"https://inside.example/revoke"`)
			},
			"Host inside.example is not at a public address",
		},
		"no grant of ours": {func(i *issuer) http.HandlerFunc { return i.metadata(i.URL, `,"grant_types_supported":["password"]`) }, "grants is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
				i.on(path, test.answer(i))
			}
			_, err := c.AddConnector(t.Context(), discovers("own", i.URL, ""), false)
			require.Equal(t, connections.CodeConnectorInvalid, connections.CodeOf(err))
			require.ErrorContains(t, err, test.says)
			require.NotContains(t, err.Error(), "canary")
		})
	}
	require.Empty(t, elsewhere.requests(), "no redirect is followed")
	all, err := r.Vault.ConnectorDocuments(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
}

// TestDiscovery_TheConnectorsOwnStays: what the server says fills what is missing, and no more.
func TestDiscovery_TheConnectorsOwnStays(t *testing.T) {
	t.Parallel()
	_, c := operator(t, true)
	i := newIssuer(t)
	i.on("/.well-known/oauth-authorization-server", i.metadata(i.URL, `,"revocation_endpoint":"`+i.URL+`/revoke","token_endpoint_auth_methods_supported":["private_key_jwt","client_secret_post"]`))
	added, err := c.AddConnector(t.Context(), discovers("own", i.URL, `,"grants":["authorization_code"],"scopes":{"separator":",","default":["a"]},
"authorize":{"url":"`+i.URL+`/own","pkce":"none","params":{"prompt":"consent"}},"token":{"auth":"client_secret_basic"}`), false)
	require.NoError(t, err)
	require.Equal(t, connector.AuthBasic, added.Token.Auth)
	require.Equal(t, i.URL+"/token", added.Token.URL)
	require.Equal(t, i.URL+"/own", added.Authorize.URL)
	require.Equal(t, "none", added.Authorize.PKCE)
	require.Equal(t, map[string]string{"prompt": "consent"}, added.Authorize.Params)
	require.Equal(t, i.URL+"/revoke", added.Revoke.URL)
	require.Equal(t, ",", added.Scopes.Separator)

	// What is stored needs the server no more.
	i.requests()
	found, err := c.Connector(t.Context(), "own")
	require.NoError(t, err)
	require.Equal(t, added, found)
	require.Empty(t, i.requests())
}

func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
}
