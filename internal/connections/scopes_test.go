package connections_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// TestScopes_Drift: what was asked for, granted and is configured, and the sentence that says what to do.
func TestScopes_Drift(t *testing.T) {
	t.Parallel()
	list := func(scopes ...string) []string { return scopes }
	const missing = "Not everything asked for was granted, contacts.write is missing."
	for name, c := range map[string]struct {
		app, chosen, asked, granted []string
		status                      workflows.ConnectionStatus
		grant                       workflows.Grant
		configured, missing         []string
		message                     string
	}{
		"all as it should be": {
			app: list("openid", "contacts.read"), asked: list("openid", "contacts.read"), granted: list("contacts.read", "openid"),
			configured: list("openid", "contacts.read"), message: "Connected.",
		},
		"the connector's defaults": {
			asked: list("contacts.read"), granted: list("contacts.read"),
			configured: list("openid", "profile", "email", "offline_access", "contacts.read"),
			message:    "Connected. More is configured now than was asked for: reconnect to ask for openid profile email offline_access too.",
		},
		"not granted": {
			app: list("contacts.read", "contacts.write"), asked: list("contacts.read", "contacts.write"), granted: list("contacts.read"),
			configured: list("contacts.read", "contacts.write"), missing: list("contacts.write"),
			message: "Connected. " + missing + " Reconnect and agree to it at the provider, or do without.",
		},
		"not asked for": {
			app: list("contacts.read", "contacts.write"), asked: list("contacts.read"), granted: list("contacts.read"),
			configured: list("contacts.read", "contacts.write"),
			message:    "Connected. More is configured now than was asked for: reconnect to ask for contacts.write too.",
		},
		"both": {
			app: list("contacts.read", "contacts.write", "files.read"), asked: list("contacts.read", "contacts.write"), granted: list("contacts.read"),
			configured: list("contacts.read", "contacts.write", "files.read"), missing: list("contacts.write"),
			message: "Connected. " + missing + " Reconnect and agree to it at the provider, or do without. More is configured now than was asked for: reconnect to ask for files.read too.",
		},
		"less is configured than was granted": {
			app: list("contacts.read"), asked: list("contacts.read", "contacts.write"), granted: list("contacts.read", "contacts.write"),
			configured: list("contacts.read"), message: "Connected.",
		},
		"chosen when it was made": {
			app: list("contacts.read", "contacts.write"), chosen: list("contacts.read"), asked: list("contacts.read"), granted: list("contacts.read"),
			configured: list("contacts.read"), message: "Connected.",
		},
		"paused: what matters comes first": {
			app: list("contacts.read", "contacts.write"), asked: list("contacts.read", "contacts.write"), granted: list("contacts.read"),
			status: workflows.StatusPaused, configured: list("contacts.read", "contacts.write"), missing: list("contacts.write"),
			message: workflows.ReasonPausedByRequest.Sentence(),
		},
		"nobody to consent": {
			app: list("contacts.read", "contacts.write"), asked: list("contacts.read", "contacts.write"), granted: list("contacts.read"),
			grant: workflows.GrantClientCredentials, configured: list("contacts.read", "contacts.write"), missing: list("contacts.write"),
			message: "Connected. " + missing + " Allow it for the OAuth app at the provider, or do without.",
		},
		"nobody to ask for more": {
			app: list("contacts.read", "contacts.write"), asked: list("contacts.read"), granted: list("contacts.read"),
			grant: workflows.GrantClientCredentials, configured: list("contacts.read", "contacts.write"), message: "Connected.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := connectionstest.New(t, connectionstest.Options{Scopes: c.app})
			if c.grant == "" {
				c.grant = workflows.GrantAuthorizationCode
			}
			if c.status == "" {
				c.status = workflows.StatusActive
			}
			require.NoError(t, r.Vault.CreateConnection(t.Context(), vault.Connection{
				ID: "con_1", Owner: "acme", Connector: "sandbox", IntegrationID: connections.PlatformIntegrationID("sandbox", ""),
				Grant: string(c.grant), Status: string(c.status), Reason: map[bool]string{true: "paused_by_request"}[c.status == workflows.StatusPaused],
				RequestedScopes: c.asked, ChosenScopes: c.chosen, CreatedAt: time.Now(),
			}))
			_, err := r.Vault.CommitTokens(t.Context(), vault.TokenCommit{
				ConnectionID: "con_1", AccessToken: []byte("a"), RefreshToken: []byte("r"), TokenType: "Bearer",
				IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour), GrantedScopes: c.granted,
			})
			require.NoError(t, err)
			want := func(view connections.View) {
				require.Equal(t, c.asked, view.RequestedScopes)
				require.Equal(t, c.configured, view.ConfiguredScopes)
				require.ElementsMatch(t, c.missing, view.MissingScopes)
				require.Equal(t, c.message, view.Message)
			}
			view, err := r.Client.Status(t.Context(), "con_1")
			require.NoError(t, err)
			want(view)
			views, err := r.Client.List(t.Context(), vault.ConnectionFilter{})
			require.NoError(t, err)
			require.Len(t, views, 1)
			want(views[0])
		})
	}
}

// TestScopes_OfTheContract: the arrays are arrays, whatever is known, and nothing is claimed of what has no grant.
func TestScopes_OfTheContract(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	for id, row := range map[string]vault.Connection{
		"con_1": {Connector: "gone", Status: "pending", RequestedScopes: []string{"a"}},
		"con_2": {Connector: "sandbox", IntegrationID: "gone", Status: "disconnected"},
		"con_3": {Connector: "sandbox", IntegrationID: connections.PlatformIntegrationID("sandbox", ""), Status: "pending"},
	} {
		row.ID, row.Owner, row.CreatedAt = id, "acme", time.Now()
		require.NoError(t, r.Vault.CreateConnection(t.Context(), row))
		view, err := r.Client.Status(t.Context(), id)
		require.NoError(t, err)
		content, err := json.Marshal(view)
		require.NoError(t, err)
		var fields map[string]any
		require.NoError(t, json.Unmarshal(content, &fields))
		for _, name := range []string{"scopes", "requested_scopes", "configured_scopes", "missing_scopes"} {
			require.IsType(t, []any{}, fields[name], "%s of %s", name, id)
		}
		require.Empty(t, view.MissingScopes)
	}
	view, err := r.Client.Status(t.Context(), "con_1")
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, view.ConfiguredScopes, "as it was asked for")
}

// TestScopes_Chosen are those of the connection, whatever becomes of the integration; those that are asked for always
// come with them.
func TestScopes_Chosen(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{Connector: func(c *connector.Connector) { c.Scopes.Always = []string{"offline_access"} }})
	for _, c := range []struct{ chosen, configured []string }{
		{[]string{"contacts.read"}, []string{"contacts.read", "offline_access"}},
		{nil, []string{"files.read", "offline_access"}},
	} {
		created, err := r.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme", Scopes: c.chosen})
		require.NoError(t, err)
		row, err := r.Client.Row(t.Context(), created.ID)
		require.NoError(t, err)
		require.Equal(t, c.chosen, row.ChosenScopes)
		_, err = r.Client.PutIntegration(t.Context(), connections.IntegrationRequest{
			Connector: "sandbox", ClientID: r.Sandbox.Clients().App.ID, ClientSecret: r.Sandbox.Clients().App.Secret, Scopes: []string{"files.read"},
		})
		require.NoError(t, err)
		view, err := r.Client.Status(t.Context(), created.ID)
		require.NoError(t, err)
		require.Equal(t, c.configured, view.ConfiguredScopes)
	}
}

// TestReconnect_AnyAccount is for consents: with client credentials there is none.
func TestReconnect_AnyAccount(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	created, err := r.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme", Grant: workflows.GrantClientCredentials})
	require.NoError(t, err)
	_, err = r.Client.ReconnectAnyAccount(t.Context(), created.ID)
	requireCode(t, err, string(workflows.ReasonInvalid))
	require.ErrorContains(t, err, "make a new connection")
}
