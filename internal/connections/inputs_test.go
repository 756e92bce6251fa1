package connections_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// catalogued adds built-in connectors to the rig's own.
func catalogued(t *testing.T, r *connectionstest.Rig, ids ...string) {
	t.Helper()
	all, err := connector.Load()
	require.NoError(t, err)
	for _, id := range ids {
		c, err := all.Get(t.Context(), id)
		require.NoError(t, err)
		require.NoError(t, r.Catalogue.Add(c))
	}
}

// TestCreate_InputsNeverLeaveThePattern: whatever is entered, the secret goes to the provider or nowhere.
func TestCreate_InputsNeverLeaveThePattern(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	catalogued(t, r, "shopify", "keycloak")
	_, err := r.Client.PutIntegration(t.Context(), connections.IntegrationRequest{Connector: "shopify", ClientID: "id", ClientSecret: secret.New("s")})
	require.NoError(t, err)
	create := func(id string, inputs map[string]string) error {
		q := connections.CreateRequest{Connector: id, Owner: "acme", Grant: workflows.GrantAuthorizationCode, Inputs: inputs}
		if id == "keycloak" {
			q.ClientID, q.ClientSecret = "own", secret.New("own")
		}
		_, err := r.Client.Create(t.Context(), q)
		return err
	}
	for _, shop := range []string{
		"evil.com/", "evil.com", "my-store.myshopify.com@evil.com", "my-store#", "my-store?", "a/../..", "..", "%2e", "my store", "-x",
		"ｍｙ-store", "my․store", "my-store\n", "my-store\x00", "\u202emy-store", strings.Repeat("a", 254), "evil.com\\", "a:b@evil.com",
	} {
		err := create("shopify", map[string]string{"shop": shop})
		require.Equal(t, string(workflows.ReasonInvalid), connections.CodeOf(err), "%q", shop)
		require.ErrorContains(t, err, "it must look like \"my-store\"")
	}
	for _, host := range []string{"127.0.0.1", "10.0.0.1", "localhost", "2130706433", "0x7f.1", "id.example.com:22", "intranet", "id.example.com/../x"} {
		err := create("keycloak", map[string]string{"host": host, "realm": "master"})
		require.Equal(t, string(workflows.ReasonInvalid), connections.CodeOf(err), "%q", host)
	}
	require.ErrorContains(t, create("shopify", nil), "needs \"shop\" (Shop name), for example \"my-store\"")
	require.ErrorContains(t, create("shopify", map[string]string{"shop": ""}), "needs \"shop\"")
	require.ErrorContains(t, create("shopify", map[string]string{"shop": "x", "host": "y"}), "has no input \"host\"")
	require.ErrorContains(t, create("sandbox", map[string]string{"shop": "x"}), "It has none")
	rows, err := r.Vault.ListConnections(t.Context(), vault.ConnectionFilter{})
	require.NoError(t, err)
	require.Empty(t, rows, "nothing is half-made")

	created, err := r.Client.Create(t.Context(), connections.CreateRequest{Connector: "shopify", Owner: "acme", Inputs: map[string]string{"shop": "My-Store"}})
	require.NoError(t, err)
	row, err := r.Vault.Connection(t.Context(), created.ID)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"shop": "my-store"}, row.Inputs)
}

func TestCreate_CustomersOwnAppOnly(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	catalogued(t, r, "keycloak")
	_, err := r.Client.Create(t.Context(), connections.CreateRequest{Connector: "keycloak", Owner: "acme", Inputs: map[string]string{"host": "id.example.com", "realm": "master"}})
	require.ErrorContains(t, err, "Redirect URI to register: "+r.Client.RedirectURI())
	_, err = r.Client.PutIntegration(t.Context(), connections.IntegrationRequest{Connector: "keycloak", ClientID: "id", ClientSecret: secret.New("s")})
	require.ErrorContains(t, err, "the platform can have no OAuth app for it")
}

func TestCreate_ScopesThatAreAlwaysAskedFor(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{Connector: func(c *connector.Connector) { c.Scopes.Always = []string{"offline_access"} }})
	created, err := r.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme", Scopes: []string{"openid"}})
	require.NoError(t, err)
	row, err := r.Vault.Connection(t.Context(), created.ID)
	require.NoError(t, err)
	require.Equal(t, []string{"openid", "offline_access"}, row.RequestedScopes)
	created, err = r.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme", Grant: workflows.GrantClientCredentials})
	require.NoError(t, err)
	row, err = r.Vault.Connection(t.Context(), created.ID)
	require.NoError(t, err)
	require.NotContains(t, row.RequestedScopes, "offline_access", "there is nobody to be offline")
}

func TestPutIntegration_KeysAndCertificates(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	for auth, says := range map[string]string{connector.AuthPrivateKeyJWT: "give the private key", connector.AuthTLS: "a PEM file with the certificate"} {
		require.NoError(t, r.Catalogue.Add(connector.Connector{
			ID: auth[:3], Name: "Key", Grants: []string{connector.ClientCredentials}, Scopes: connector.Scopes{Separator: " "},
			Token: connector.TokenCall{URL: "https://as.example/token", Auth: auth},
		}))
		for _, text := range []string{"a secret", "{}", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"} {
			_, err := r.Client.PutIntegration(t.Context(), connections.IntegrationRequest{Connector: auth[:3], ClientID: "id", ClientSecret: secret.New(text)})
			require.ErrorContains(t, err, says)
		}
	}
}

func TestPutIntegration_Only(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	put := func(text string, only bool) vault.Integration {
		i, err := r.Client.PutIntegration(t.Context(), connections.IntegrationRequest{
			ID: "only", Connector: "sandbox", ClientID: "app", ClientSecret: secret.New(text), Only: only,
		})
		require.NoError(t, err)
		return i
	}
	put("one", false)
	require.Equal(t, []string{"two", "one"}, secretsOf(t, r, put("two", false)))
	require.Equal(t, []string{"two"}, secretsOf(t, r, put("two", true)))
}
