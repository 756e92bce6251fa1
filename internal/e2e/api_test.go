package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/api/apiclient"
	"github.com/acme/connections/internal/vault/pgtest"
)

// apiKey makes a key by the command line.
func (s *system) apiKey(args ...string) string {
	s.t.Helper()
	r := s.starter(append([]string{"api-keys", "create", "-o", "json"}, args...)...)
	require.Zero(s.t, r.exit, r.stdout+r.stderr)
	var made struct{ Key string }
	require.NoError(s.t, json.Unmarshal([]byte(r.stdout), &made))
	return made.Key
}

// apiClient is the generated client with a key.
func (s *system) apiClient(key string) *apiclient.ClientWithResponses {
	s.t.Helper()
	c, err := apiclient.NewClientWithResponses(s.dev.BaseURL, apiclient.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+key)
		return nil
	}))
	require.NoError(s.t, err)
	return c
}

// A client generated from the OpenAPI document drives a connection through its life: by a connect session and by a
// connect link, on both vaults.
func TestGeneratedClient(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]func(*testing.T) []string{
		"sqlite":   func(*testing.T) []string { return nil },
		"postgres": func(t *testing.T) []string { return []string{"DATABASE_URL=" + pgtest.URL(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, env(t)...)
			c := s.apiClient(s.apiKey("--owner", "acme", "--scope", "connections:read,connections:write,tokens:read,connect:write"))
			once, owner := "one", "acme"
			for range 2 {
				created, err := c.CreateConnectionWithResponse(t.Context(), &apiclient.CreateConnectionParams{IdempotencyKey: &once},
					apiclient.NewConnection{Connector: "sandbox", Tags: &map[string]string{"team": "sales"}})
				require.NoError(t, err)
				require.NotNil(t, created.JSON201, string(created.Body))
				if created.HTTPResponse.Header.Get("Idempotency-Replayed") == "false" {
					newBrowser(t).consent(*created.JSON201.ConnectUrl)
				}
			}
			list, err := c.ListConnectionsWithResponse(t.Context(), &apiclient.ListConnectionsParams{Tag: &[]string{"team:sales"}, Owner: &owner})
			require.NoError(t, err)
			require.NotNil(t, list.JSON200, string(list.Body))
			require.Len(t, list.JSON200.Connections, 1)
			s.useAndDisconnect(c, list.JSON200.Connections[0].Id)

			session, err := c.CreateConnectSessionWithResponse(t.Context(), nil, apiclient.NewConnectSession{Connectors: &[]string{"sandbox"}})
			require.NoError(t, err)
			require.NotNil(t, session.JSON201, string(session.Body))
			newBrowser(t).consent(session.JSON201.Url)
			state, err := c.GetConnectSessionWithResponse(t.Context(), session.JSON201.Id)
			require.NoError(t, err)
			require.NotNil(t, state.JSON200, string(state.Body))
			s.useAndDisconnect(c, state.JSON200.ConnectionId)
			s.replayAll()
		})
	}
}

// useAndDisconnect goes on from a consent that was given just now.
func (s *system) useAndDisconnect(c *apiclient.ClientWithResponses, id string) {
	t := s.t
	t.Helper()
	s.await(id, active)
	token, err := c.GetTokenWithResponse(t.Context(), id, nil)
	require.NoError(t, err)
	require.NotNil(t, token.JSON200, string(token.Body))
	require.Equal(t, s.token(id), token.JSON200.AccessToken)
	require.Equal(t, http.StatusOK, s.call(s.dev.Sandbox.Userinfo, token.JSON200.AccessToken))
	gone, err := c.DisconnectConnectionWithResponse(t.Context(), id)
	require.NoError(t, err)
	require.NotNil(t, gone.JSON200, string(gone.Body))
	require.Contains(t, []string{"disconnecting", "disconnected"}, string(gone.JSON200.Status))
	refused, err := c.GetTokenWithResponse(t.Context(), id, nil)
	require.NoError(t, err)
	require.NotNil(t, refused.ApplicationproblemJSON409, string(refused.Body))
	require.Equal(t, "disconnected", refused.ApplicationproblemJSON409.Code)
}

// Of the command line's keys none is shown twice, and one that is revoked is refused at once.
func TestAPIKeys(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	key := s.apiKey("--name", "billing", "--scope", "connections:read")
	id := key[:strings.LastIndex(key, "_")]
	ask := func(key string) int {
		response, err := s.apiClient(key).ListConnections(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	require.Equal(t, http.StatusOK, ask(key))
	list := s.starter("api-keys", "list", "-o", "json")
	require.Contains(t, list.stdout, id)
	require.NotContains(t, list.stdout, key)
	rotated := s.starter("api-keys", "rotate", id, "--grace", "0s", "-o", "json")
	require.Zero(t, rotated.exit, rotated.stderr)
	var second struct{ Key string }
	require.NoError(t, json.Unmarshal([]byte(rotated.stdout), &second))
	require.Equal(t, http.StatusUnauthorized, ask(key))
	require.Equal(t, http.StatusOK, ask(second.Key))
	require.Zero(t, s.starter("api-keys", "revoke", id).exit)
	require.Equal(t, http.StatusUnauthorized, ask(second.Key))
	require.Equal(t, 2, s.starter("api-keys", "create", "--scope", "everything").exit)
	require.Equal(t, 1, s.starter("api-keys", "revoke", "ck_none").exit)
	require.NotContains(t, s.log.String(), key)

	// The pages and the API do not answer for each other.
	for path, contentType := range map[string]string{"/v1/nothing": "application/problem+json", "/nothing": "text/html; charset=utf-8"} {
		address, err := url.JoinPath(s.dev.BaseURL, path)
		require.NoError(t, err)
		response, err := http.Get(address)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusNotFound, response.StatusCode)
		require.Equal(t, contentType, response.Header.Get("Content-Type"))
	}
}
