package connections_test

import (
	"context"
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

func TestCreateRefusesWithAdvice(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	canary := secret.New("canary-client-secret")
	many := make(map[string]string)
	for i := range 101 {
		many[strings.Repeat("x", i+1)] = ""
	}
	for name, c := range map[string]struct {
		change func(*connections.CreateRequest)
		code   string
		text   string
	}{
		"unknown connector":     {func(r *connections.CreateRequest) { r.Connector = "sandbx" }, connections.CodeUnknownConnector, "did you mean sandbox?"},
		"no connector":          {func(r *connections.CreateRequest) { r.Connector = "" }, connections.CodeUnknownConnector, "\"starter connectors\" lists them all"},
		"unknown grant":         {func(r *connections.CreateRequest) { r.Grant = "password" }, "invalid_request", "It offers: authorization_code, client_credentials."},
		"no owner":              {func(r *connections.CreateRequest) { r.Owner = "" }, "invalid_request", "The owner must be 1 to 200 printable characters"},
		"long owner":            {func(r *connections.CreateRequest) { r.Owner = strings.Repeat("o", 201) }, "invalid_request", "The owner must be"},
		"newline in owner":      {func(r *connections.CreateRequest) { r.Owner = "a\nb" }, "invalid_request", "The owner must be"},
		"delete in owner":       {func(r *connections.CreateRequest) { r.Owner = "a\x7fb" }, "invalid_request", "The owner must be"},
		"turned owner":          {func(r *connections.CreateRequest) { r.Owner = "evil\u202Ecni emcA" }, "invalid_request", "The owner must be"},
		"owner no text":         {func(r *connections.CreateRequest) { r.Owner = "a\xff" }, "invalid_request", "The owner must be"},
		"long end user":         {func(r *connections.CreateRequest) { r.EndUser = strings.Repeat("u", 201) }, "invalid_request", "The end user's id must be"},
		"tag without name":      {func(r *connections.CreateRequest) { r.Tags = map[string]string{"": "x"} }, "invalid_request", "100 tags"},
		"too many tags":         {func(r *connections.CreateRequest) { r.Tags = many }, "invalid_request", "100 tags"},
		"empty scope":           {func(r *connections.CreateRequest) { r.Scopes = []string{"a", ""} }, "invalid_request", "A scope is empty"},
		"two scopes in one":     {func(r *connections.CreateRequest) { r.Scopes = []string{"a b"} }, "invalid_request", "A scope"},
		"too many scopes":       {func(r *connections.CreateRequest) { r.Scopes = make([]string, 101) }, "invalid_request", "more than 100 scopes"},
		"secret without id":     {func(r *connections.CreateRequest) { r.ClientSecret = canary }, "invalid_request", "Give both, or neither"},
		"id without secret":     {func(r *connections.CreateRequest) { r.ClientID = "own" }, "invalid_request", "Give both, or neither"},
		"long id of own app":    {func(r *connections.CreateRequest) { r.ClientID, r.ClientSecret = strings.Repeat("i", 201), canary }, "invalid_request", "too long"},
		"no app of platform's":  {func(r *connections.CreateRequest) { r.Connector = "other" }, "integration_missing", "starter integrations set other"},
		"where to register it":  {func(r *connections.CreateRequest) { r.Connector = "other" }, "integration_missing", "Redirect URI to register: http://127.0.0.1:9/callback"},
		"grant with no such id": {func(r *connections.CreateRequest) { r.Connector, r.Grant = "other", "client_credentials" }, "invalid_request", "does not offer"},
	} {
		request := connections.CreateRequest{Connector: "sandbox", Owner: "acme"}
		c.change(&request)
		_, err := withOther(t, r).Create(t.Context(), request)
		require.ErrorContains(t, err, c.text, name)
		require.Equal(t, c.code, connections.CodeOf(err), name)
		require.NotContains(t, err.Error(), canary.Reveal(), name)
	}
	rows, err := r.Vault.ListConnections(t.Context(), vault.ConnectionFilter{})
	require.NoError(t, err)
	require.Empty(t, rows)
}

// withOther is a client that knows a second connector, for which the platform has no app.
func withOther(t *testing.T, r *connectionstest.Rig) *connections.Client {
	t.Helper()
	conn, err := r.Catalogue.Get(t.Context(), "sandbox")
	require.NoError(t, err)
	other := conn
	other.ID, other.Name, other.Grants, other.ClientCredentials = "other", "Other", []string{connector.AuthorizationCode}, nil
	catalogue := &connector.Catalogue{}
	require.NoError(t, catalogue.Add(conn))
	require.NoError(t, catalogue.Add(other))
	config := r.Client.Config
	config.Catalogue = catalogue
	return connections.New(config)
}

func TestCreate(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	seen := map[string]bool{}
	for range 5 {
		created, err := r.Client.Create(t.Context(), connections.CreateRequest{
			Connector: "sandbox", Owner: "acme", EndUser: "u-1", Tags: map[string]string{"plan": "pro"},
		})
		require.NoError(t, err)
		require.True(t, workflows.ValidID(created.ID))
		require.Regexp(t, "^con_[0-9a-v]{26}$", created.ID)
		require.False(t, seen[created.ID])
		seen[created.ID] = true
		require.Regexp(t, "^http://127.0.0.1:9/connect/[A-Za-z0-9_-]{43}$", created.ConnectURL)
		view, err := r.Client.Status(t.Context(), created.ID)
		require.NoError(t, err)
		require.Equal(t, "pending", view.Status)
		require.Equal(t, "awaiting_consent", view.Reason)
		require.Nil(t, view.ConnectURL, "a link is told once")
		row, err := r.Client.Row(t.Context(), created.ID)
		require.NoError(t, err)
		require.Equal(t, map[string]string{"plan": "pro"}, row.Tags)
		require.Equal(t, "u-1", row.EndUser)
	}
}

func TestCreateWithoutTemporal(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	client := r.NewClient(connectionstest.LazyTemporal(t, "127.0.0.1:9"), "http://127.0.0.1:9")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := client.Create(ctx, connections.CreateRequest{Connector: "sandbox", Owner: "acme", ClientID: "own", ClientSecret: secret.New("canary")})
	require.Equal(t, connections.CodeTemporalUnavailable, connections.CodeOf(err), err)
	require.ErrorContains(t, err, "TEMPORAL_ADDRESS")
	rows, err := r.Vault.ListConnections(t.Context(), vault.ConnectionFilter{})
	require.NoError(t, err)
	require.Empty(t, rows)
	apps, err := r.Vault.ListIntegrations(t.Context(), "acme")
	require.NoError(t, err)
	require.Empty(t, apps)
}
