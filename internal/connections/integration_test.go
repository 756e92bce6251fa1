package connections_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// TestOwnAppWithAnotherSecret: a typing error must not cut off the connections that live by the right secret.
func TestOwnAppWithAnotherSecret(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	own := r.Sandbox.Clients().Machine
	request := connections.CreateRequest{
		Connector: "sandbox", Owner: "acme", Grant: workflows.GrantClientCredentials, ClientID: own.ID, ClientSecret: own.Secret,
	}
	first, err := r.Client.Create(t.Context(), request)
	require.NoError(t, err)
	before := appOf(t, r, first.ID)
	same, err := r.Client.Create(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, before.ID, appOf(t, r, same.ID).ID)

	request.ClientSecret = secret.New("mistyped")
	second, err := r.Client.Create(t.Context(), request)
	require.NoError(t, err)
	require.NotEqual(t, before.ID, appOf(t, r, second.ID).ID)
	require.Equal(t, before, appOf(t, r, first.ID))

	request.Owner, request.ClientSecret = "someone else", own.Secret
	third, err := r.Client.Create(t.Context(), request)
	require.NoError(t, err)
	require.NotEqual(t, before.ID, appOf(t, r, third.ID).ID, "owners share no app")
	r.AwaitStatus(first.ID, workflows.StatusActive)
	r.Await(second.ID, func(row vault.Connection) bool { return row.Reason == "client_rejected" })
}

func appOf(t *testing.T, r *connectionstest.Rig, id string) vault.Integration {
	t.Helper()
	row, err := r.Client.Row(t.Context(), id)
	require.NoError(t, err)
	app, err := r.Vault.Integration(t.Context(), row.IntegrationID)
	require.NoError(t, err)
	return app
}

func TestPutIntegrationKeepsTheLastSecrets(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	put := func(id, text string) vault.Integration {
		app, err := r.Client.PutIntegration(t.Context(), connections.IntegrationRequest{
			ID: "rotated", Connector: "sandbox", ClientID: id, ClientSecret: secret.New(text),
		})
		require.NoError(t, err)
		return app
	}
	for _, text := range []string{"one", "two", "two", "three", "four"} {
		put("app", text)
	}
	require.Equal(t, []string{"four", "three", "two"}, secretsOf(t, r, put("app", "four")))
	require.Equal(t, []string{"five"}, secretsOf(t, r, put("other app", "five")), "another app's secrets are of no use")
}

func secretsOf(t *testing.T, r *connectionstest.Rig, app vault.Integration) []string {
	t.Helper()
	var all []string
	for _, sealed := range app.Secrets {
		text, err := r.Keys.Vault.OpenString(keyring.ClientSecret(app.ID), sealed)
		require.NoError(t, err)
		all = append(all, text.Reveal())
	}
	return all
}
