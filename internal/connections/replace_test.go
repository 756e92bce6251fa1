package connections_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// hosted is a connector that leads to hosts of every kind.
func hosted() connector.Connector {
	return connector.Connector{
		ID: "own", Name: "Own", Category: "crm", Grants: []string{connector.AuthorizationCode}, Scopes: connector.Scopes{Separator: " "},
		Inputs:    []connector.Input{{Name: "shop", Label: "Shop", Example: "my.shop.example", Pattern: "^[a-z.]+$"}},
		App:       connector.AppCustomer,
		Authorize: &connector.Authorize{URL: "https://{shop}/authorize", PKCE: "S256"},
		Token:     connector.TokenCall{URL: "https://{shop}/token", Auth: connector.AuthPost},
		Refresh:   connector.Refresh{URL: "https://{shop}/refresh"},
		Upgrade:   &connector.Upgrade{URL: "https://{shop}/upgrade", TokenParam: "access_token"},
		Revoke:    &connector.Revoke{URL: "https://{shop}/revoke"},
		Steps:     []connector.Step{{Name: "who", URL: "https://{shop}/me", Metadata: []connector.Capture{{Path: "id"}}}},
	}
}

func document(t *testing.T, change func(*connector.Connector)) []byte {
	t.Helper()
	c := hosted()
	change(&c)
	content, err := json.Marshal(c)
	require.NoError(t, err)
	return content
}

// TestAddConnector_SecretsDoNotFollow a connector to where they were not stored for, whatever of it changes.
func TestAddConnector_SecretsDoNotFollow(t *testing.T) {
	t.Parallel()
	r, c := operator(t, false)
	_, err := c.AddConnector(t.Context(), document(t, func(*connector.Connector) {}), false)
	require.NoError(t, err)
	elsewhere := map[string]func(*connector.Connector){
		"token":         func(c *connector.Connector) { c.Token.URL = "https://as.example/token" },
		"token, typed":  func(c *connector.Connector) { c.Token.URL = "https://{shop}.evil.example/token" },
		"token, query":  func(c *connector.Connector) { c.Token.URL = "https://{shop}.evil.example?x={shop}" },
		"refresh":       func(c *connector.Connector) { c.Refresh.URL = "https://{shop}.evil.example/refresh" },
		"authorize":     func(c *connector.Connector) { c.Authorize.URL = "https://x.{shop}/authorize" },
		"upgrade":       func(c *connector.Connector) { c.Upgrade.URL = "https://as.example/upgrade" },
		"revoke":        func(c *connector.Connector) { c.Revoke.URL = "https://{shop}.evil.example/revoke" },
		"step":          func(c *connector.Connector) { c.Steps[0].URL = "https://{shop}.evil.example/me" },
		"introspection": func(c *connector.Connector) { c.IntrospectURL = "https://{shop}.evil.example/introspect" },
		"told later": func(c *connector.Connector) {
			c.Metadata, c.Hosts, c.Refresh.URL = []connector.Capture{{Path: "h"}}, []string{"shop.example"}, "https://{metadata.h}/t"
		},
		"another input": func(c *connector.Connector) { c.Inputs[0].Name = "host"; replaceAll(c, "{host}") },
		"domains":       func(c *connector.Connector) { c.Hosts = []string{"evil.example", "shop.example"} },
	}
	for name, change := range elsewhere {
		_, err := c.AddConnector(t.Context(), document(t, change), true)
		require.NoError(t, err, "%s: nothing is stored for it yet", name)
		_, err = c.AddConnector(t.Context(), document(t, func(*connector.Connector) {}), true)
		require.NoError(t, err)
	}

	created, err := c.Create(t.Context(), connections.CreateRequest{
		Connector: "own", Owner: "acme", Inputs: map[string]string{"shop": "my.shop.example"}, ClientID: "id", ClientSecret: secret.New("s"),
	})
	require.NoError(t, err)
	stored, _, err := r.Vault.ConnectorDocument(t.Context(), "own")
	require.NoError(t, err)
	for name, change := range elsewhere {
		_, err := c.AddConnector(t.Context(), document(t, change), true)
		require.ErrorContains(t, err, "would lead to other hosts", name)
	}
	now, _, err := r.Vault.ConnectorDocument(t.Context(), "own")
	require.NoError(t, err)
	require.Equal(t, stored, now)
	require.ErrorContains(t, c.RemoveConnector(t.Context(), "own"), "in use")

	for name, change := range map[string]func(*connector.Connector){
		"nothing":        func(*connector.Connector) {},
		"another path":   func(c *connector.Connector) { c.Token.URL = "https://{shop}/v2/token" },
		"one call less":  func(c *connector.Connector) { c.Revoke = nil },
		"other settings": func(c *connector.Connector) { c.Name, c.Token.Auth = "Better", connector.AuthBasic },
	} {
		_, err := c.AddConnector(t.Context(), document(t, change), true)
		require.NoError(t, err, name)
	}

	// Once the last connection is gone, so is the reason.
	change := vault.StatusChange{ID: created.ID, Status: string(workflows.StatusDisconnected), Seq: 99, At: time.Now()}
	require.NoError(t, r.Vault.Erase(t.Context(), change, time.Now().Add(-time.Second)))
	_, err = r.Vault.DeleteTombstones(t.Context(), time.Now())
	require.NoError(t, err)
	require.NoError(t, c.RemoveConnector(t.Context(), "own"))
	_, there, err := r.Vault.ConnectorDocument(t.Context(), "own")
	require.NoError(t, err)
	require.False(t, there)
}

// replaceAll gives every URL another host.
func replaceAll(c *connector.Connector, host string) {
	for _, address := range []*string{&c.Token.URL, &c.Refresh.URL, &c.Authorize.URL, &c.Upgrade.URL, &c.Revoke.URL, &c.Steps[0].URL} {
		*address = "https://" + host + "/x"
	}
}

// TestAddConnector_ADocumentThatCannotBeRead is replaced: it has led nowhere.
func TestAddConnector_ADocumentThatCannotBeRead(t *testing.T) {
	t.Parallel()
	r, c := operator(t, false)
	require.NoError(t, r.Vault.PutConnector(t.Context(), "own", []byte("{")))
	_, err := c.AddConnector(t.Context(), document(t, func(*connector.Connector) {}), false)
	require.ErrorContains(t, err, "give --replace")
	_, err = c.AddConnector(t.Context(), document(t, func(*connector.Connector) {}), true)
	require.NoError(t, err)
}
