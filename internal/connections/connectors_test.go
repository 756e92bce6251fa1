package connections_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
)

// resolver answers for hosts, and fails for those it does not know.
type resolver map[string]string

func (r resolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	address, ok := r[host]
	if !ok {
		return nil, errors.New("no such host")
	}
	return []netip.Addr{netip.MustParseAddr(address)}, nil
}

// operator is a client whose catalogue has what is added to the vault.
func operator(t *testing.T, loopback bool) (*connectionstest.Rig, *connections.Client) {
	t.Helper()
	r := connectionstest.New(t, connectionstest.Options{})
	r.Catalogue.UseSource(r.Vault, loopback)
	config := r.Client.Config
	config.Loopback = loopback
	config.Resolver = resolver{"as.example": "8.8.8.8", "inside.example": "10.0.0.7", "metadata.example": "169.254.169.254"}
	return r, connections.New(config)
}

func file(id, tokenURL string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"name":"Own","category":"crm","grants":["client_credentials"],"token":{"url":%q,"auth":"client_secret_basic"}}`, id, tokenURL)
}

func TestAddConnector(t *testing.T) {
	t.Parallel()
	_, c := operator(t, false)
	added, err := c.AddConnector(t.Context(), file("own", "https://as.example/token"), false)
	require.NoError(t, err)
	found, err := c.Connector(t.Context(), "own")
	require.NoError(t, err)
	require.Equal(t, added, found)
	_, err = c.AddConnector(t.Context(), file("away", "https://unknown.example/token"), false)
	require.NoError(t, err, "a host that does not resolve here may do so where the worker is")
}

func TestAddConnector_Refusals(t *testing.T) {
	t.Parallel()
	r, c := operator(t, false)
	for says, content := range map[string][]byte{
		"not at a public address":                     file("own", "https://inside.example/token"),
		"lead to the internet, never inside":          file("own", "https://metadata.example/token"),
		"must be https":                               file("own", "http://as.example/token"),
		"that is for \"worker --dev\"":                file("own", "https://127.0.0.1/token"),
		"is a built-in connector":                     file("sandbox", "https://as.example/token"),
		"unknown field \"tokn\"":                      []byte(`{"tokn":{}}`),
		"Not a connector":                             []byte(`<html>`),
		"there is something after it":                 append(file("own", "https://as.example/token"), "{}"...),
		"longer than":                                 []byte(strings.Repeat(" ", 256<<10+1)),
		"id \"../x\"":                                 file("../x", "https://as.example/token"),
		"Discovery needs the connector's \"issuer\"":  []byte(`{"id":"own","name":"Own","discovery":true}`),
		"must not hold a user":                        file("own", "https://u:p@as.example/token"),
		"a port of its own: that is for":              file("own", "https://as.example:8443/token"),
		"gives no authorization server metadata":      []byte(`{"id":"own","name":"Own","discovery":true,"issuer":"https://127.0.0.1:1"}`),
		"list the provider's domains, or say \"app\"": []byte(`{"id":"own","name":"Own","grants":["client_credentials"],"inputs":[{"name":"h","label":"Host","example":"a.example","pattern":"^[a-z.]+$"}],"token":{"url":"https://{h}/t","auth":"client_secret_post"}}`),
		"a status alone proves nothing":               []byte(`{"id":"own","name":"Own","grants":["client_credentials"],"token":{"url":"https://as.example/t","auth":"client_secret_post"},"reply":{"errors":[{"status":403,"means":"invalid_grant"}]}}`),
		"metadata is kept and shown in clear":         []byte(`{"id":"own","name":"Own","grants":["client_credentials"],"token":{"url":"https://as.example/t","auth":"client_secret_post"},"metadata":["id_token"]}`),
	} {
		_, err := c.AddConnector(t.Context(), content, true)
		require.Equal(t, connections.CodeConnectorInvalid, connections.CodeOf(err), says)
		require.ErrorContains(t, err, says)
	}
	all, err := r.Vault.ConnectorDocuments(t.Context())
	require.NoError(t, err)
	require.Empty(t, all, "nothing is stored")
}

func TestAddConnector_Replace(t *testing.T) {
	t.Parallel()
	_, c := operator(t, false)
	add := func(url string, replace bool) error {
		_, err := c.AddConnector(t.Context(), file("own", url), replace)
		return err
	}
	require.NoError(t, add("https://as.example/token", false))
	require.ErrorContains(t, add("https://as.example/token2", false), "give --replace")
	require.NoError(t, add("https://as.example/token2", true))
	require.NoError(t, add("https://other.example/token", true), "no secret is stored yet")
	_, err := c.PutIntegration(t.Context(), connections.IntegrationRequest{Connector: "own", ClientID: "id", ClientSecret: secret.New("s")})
	require.NoError(t, err)
	require.ErrorContains(t, add("https://evil.example/token", true), "secrets are stored for it")
	require.NoError(t, add("https://other.example/better", true), "the same host")

	require.ErrorContains(t, c.RemoveConnector(t.Context(), "own"), "is in use")
	require.ErrorContains(t, c.RemoveConnector(t.Context(), "sandbox"), "built-in")
	require.Equal(t, connections.CodeUnknownConnector, connections.CodeOf(c.RemoveConnector(t.Context(), "nothing")))
	_, err = c.AddConnector(t.Context(), file("unused", "https://as.example/token"), false)
	require.NoError(t, err)
	require.NoError(t, c.RemoveConnector(t.Context(), "unused"))
	_, err = c.Connector(t.Context(), "unused")
	require.Equal(t, connections.CodeUnknownConnector, connections.CodeOf(err))
}

func TestAddConnector_OnThisMachine(t *testing.T) {
	t.Parallel()
	_, c := operator(t, true)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("/.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"token_endpoint":%q,"authorization_endpoint":%q,"grant_types_supported":["authorization_code"],
"token_endpoint_auth_methods_supported":["client_secret_post"],"authorization_response_iss_parameter_supported":true}`,
			server.URL, server.URL+"/token", server.URL+"/authorize")
	})
	added, err := c.AddConnector(t.Context(), fmt.Appendf(nil, `{"id":"own","name":"Own","issuer":%q,"discovery":true}`, server.URL), false)
	require.NoError(t, err)
	require.Equal(t, server.URL+"/token", added.Token.URL)
	require.Equal(t, connector.AuthPost, added.Token.Auth)
	require.True(t, added.Authorize.IssRequired)
	require.Equal(t, "S256", added.Authorize.PKCE)
	require.False(t, added.Discovery, "a server that changes its mind needs an operator")

	_, err = c.AddConnector(t.Context(), fmt.Appendf(nil, `{"id":"other","name":"Own","issuer":%q,"discovery":true}`, server.URL+"/"), false)
	require.ErrorContains(t, err, "names another issuer")
	_, err = c.AddConnector(t.Context(), file("other", "http://10.0.0.1/token"), false)
	require.ErrorContains(t, err, "must be https", "on this machine, not on the next")
}
