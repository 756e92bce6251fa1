package connections_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
)

// withAuth adds a connector whose clients authenticate in the given way.
func withAuth(t *testing.T, r *connectionstest.Rig, id, auth string, mods ...func(*connector.Connector)) {
	t.Helper()
	c := connector.Connector{
		ID: id, Name: "Own", Grants: []string{connector.AuthorizationCode}, Scopes: connector.Scopes{Separator: " "},
		Authorize: &connector.Authorize{URL: "https://as.example/authorize", PKCE: "S256"},
		Token:     connector.TokenCall{URL: "https://as.example/token", Auth: auth},
	}
	for _, mod := range mods {
		mod(&c)
	}
	require.NoError(t, r.Catalogue.Add(c))
}

// keyPair is a private key and a certificate for it, in PEM.
func keyPair(t *testing.T) (key, certificate string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}))
}

func TestPutIntegration_TakesWhatTheConnectorNeeds(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	key, certificate := keyPair(t)
	other, _ := keyPair(t)
	withAuth(t, r, "key", connector.AuthPrivateKeyJWT)
	withAuth(t, r, "tls", connector.AuthTLS)
	withAuth(t, r, "both", connector.AuthPost, func(c *connector.Connector) { c.Token.Certificate = true })
	withAuth(t, r, "asserts", connector.AuthNone, func(c *connector.Connector) {
		c.Grants = []string{connector.ClientCredentials}
		c.ClientCredentials = &connector.ClientCredentialsCall{Assertion: map[string]string{"sub": "{client_id}"}}
	})
	for name, c := range map[string]struct {
		connector, text, refusal string
	}{
		"key":                          {"key", key, ""},
		"key after a certificate":      {"key", certificate + key, ""},
		"key of a certificate alone":   {"key", certificate, "give the private key, as PEM or JWK"},
		"no key":                       {"key", "", "give the private key, as PEM or JWK"},
		"certificate with its key":     {"tls", certificate + key, ""},
		"key before the certificate":   {"tls", key + certificate, ""},
		"certificate of another key":   {"tls", certificate + other, "give a PEM file with the certificate and its private key"},
		"certificate alone":            {"tls", certificate, "give a PEM file with the certificate and its private key"},
		"key alone":                    {"tls", key, "give a PEM file with the certificate and its private key"},
		"secret and certificate":       {"both", "secret\n" + certificate + key, ""},
		"secret without certificate":   {"both", "secret", "give one file as --client-secret-file, with the secret and"},
		"certificate without secret":   {"both", certificate + key, "give one file as --client-secret-file, with the secret and"},
		"key of a grant":               {"asserts", key, ""},
		"no key of a grant":            {"asserts", "secret", "give the private key, as PEM or JWK"},
		"nothing":                      {"tls", "", "give a PEM file with the certificate and its private key"},
		"any secret where any will do": {"sandbox", "any", ""},
	} {
		_, err := r.Client.PutIntegration(t.Context(), connections.IntegrationRequest{
			ID: "test", Connector: c.connector, ClientID: "id", ClientSecret: secret.New(c.text),
		})
		if c.refusal == "" {
			require.NoError(t, err, name)
			continue
		}
		require.Equal(t, "invalid_request", connections.CodeOf(err), name)
		require.ErrorContains(t, err, c.refusal, name)
		require.NotContains(t, err.Error(), "BEGIN")
	}
	// The same holds for an app that comes with a connection.
	_, err := r.Client.Create(t.Context(), connections.CreateRequest{Connector: "key", Owner: "acme", ClientID: "id", ClientSecret: secret.New("a secret")})
	require.ErrorContains(t, err, "Own takes signed assertions")
	rows, err := r.Vault.ListConnections(t.Context(), vault.ConnectionFilter{})
	require.NoError(t, err)
	require.Empty(t, rows)
}

// TestPutIntegration_SecretsStayWithTheirConnector: under the same id, too.
func TestPutIntegration_SecretsStayWithTheirConnector(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	withAuth(t, r, "other", connector.AuthPost)
	put := func(connectorID, text string) vault.Integration {
		app, err := r.Client.PutIntegration(t.Context(), connections.IntegrationRequest{
			ID: "app", Connector: connectorID, ClientID: "id", ClientSecret: secret.New(text),
		})
		require.NoError(t, err)
		return app
	}
	put("sandbox", "one")
	require.Equal(t, []string{"two", "one"}, secretsOf(t, r, put("sandbox", "two")))
	require.Equal(t, []string{"one", "two"}, secretsOf(t, r, put("sandbox", "one")), "one that comes back is not tried twice")
	require.Equal(t, []string{"three"}, secretsOf(t, r, put("other", "three")))
}

// TestCreate_PublicClient has a client id, and no secret at all.
func TestCreate_PublicClient(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	withAuth(t, r, "public", connector.AuthNone)
	create := func(connectorID string) (connections.Created, error) {
		return r.Client.Create(t.Context(), connections.CreateRequest{Connector: connectorID, Owner: "acme", ClientID: "id"})
	}
	for range 2 {
		created, err := create("public")
		require.NoError(t, err)
		require.NotEmpty(t, created.ConnectURL)
		app := appOf(t, r, created.ID)
		require.Equal(t, "acme", app.Owner)
		require.Equal(t, "id", app.ClientID)
		require.Nil(t, app.Secrets)
	}
	_, err := create("sandbox")
	require.ErrorContains(t, err, "There is a client id without a client secret")

	_, err = r.Client.PutIntegration(t.Context(), connections.IntegrationRequest{Connector: "public", ClientID: "platform's"})
	require.NoError(t, err)
	created, err := r.Client.Create(t.Context(), connections.CreateRequest{Connector: "public", Owner: "acme"})
	require.NoError(t, err)
	require.Equal(t, "platform's", appOf(t, r, created.ID).ClientID)
}

// TestCreate_InputsByDefault: what nobody enters is what the connector says, and it is stored.
func TestCreate_InputsByDefault(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	catalogued(t, r, "zoho-crm")
	_, err := r.Client.PutIntegration(t.Context(), connections.IntegrationRequest{Connector: "zoho-crm", ClientID: "id", ClientSecret: secret.New("s")})
	require.NoError(t, err)
	for entered, want := range map[string]string{"": "com", "eu": "eu", "EU": "eu", "com.au": "com.au"} {
		request := connections.CreateRequest{Connector: "zoho-crm", Owner: "acme"}
		if entered != "" {
			request.Inputs = map[string]string{"data_center": entered}
		}
		created, err := r.Client.Create(t.Context(), request)
		require.NoError(t, err)
		row, err := r.Client.Row(t.Context(), created.ID)
		require.NoError(t, err)
		require.Equal(t, map[string]string{"data_center": want}, row.Inputs)
	}
	created, err := r.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme"})
	require.NoError(t, err)
	row, err := r.Client.Row(t.Context(), created.ID)
	require.NoError(t, err)
	require.Nil(t, row.Inputs)
}

// TestCreate_CustomersOwnAppIsTaken where only that may be used, and another owner has no part in it.
func TestCreate_CustomersOwnAppIsTaken(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	catalogued(t, r, "keycloak")
	request := connections.CreateRequest{
		Connector: "keycloak", Owner: "acme", Inputs: map[string]string{"host": "id.example.com", "realm": "master"},
		ClientID: "own", ClientSecret: secret.New("s"),
	}
	created, err := r.Client.Create(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, "acme", appOf(t, r, created.ID).Owner)
	request.ClientID, request.ClientSecret = "", secret.String{}
	_, err = r.Client.Create(t.Context(), request)
	require.ErrorContains(t, err, "where the platform's OAuth app must not be used", "each connection brings it")
	_, err = r.Client.PutIntegration(t.Context(), connections.IntegrationRequest{Connector: "keycloak", Owner: "acme", ClientID: "own", ClientSecret: secret.New("s2")})
	require.NoError(t, err)
	require.Equal(t, []string{"s2", "s"}, secretsOf(t, r, appOf(t, r, created.ID)))
}
