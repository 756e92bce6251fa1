package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/api"
	"github.com/acme/connections/workflows"
)

func TestConnectionsHappy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	key := r.key("")
	created := made[api.Connection](r, r.ask(key, "POST", "/v1/connections", map[string]any{
		"connector": "sandbox", "owner": "acme", "grant": "client_credentials", "tags": map[string]string{"team": "sales"}, "end_user": "ada",
	}), http.StatusCreated)
	require.Equal(t, "acme", created.Owner)
	require.Equal(t, map[string]string{"team": "sales"}, created.Tags)
	require.Equal(t, "ada", created.EndUser)
	require.NotNil(t, created.CreatedAt)
	require.Nil(t, created.ConnectURL)
	path := "/v1/connections/" + created.ID
	r.AwaitStatus(created.ID, workflows.StatusActive)

	got := made[api.Connection](r, r.ask(key, "GET", path, nil), http.StatusOK)
	require.Equal(t, "active", got.Status)
	require.EqualValues(t, 1, got.Generation)
	require.NotNil(t, got.ExpiresAt)

	token := made[api.Token](r, r.ask(key, "GET", path+"/token", nil), http.StatusOK)
	require.Equal(t, r.token(created.ID), token.AccessToken)
	require.Equal(t, "Bearer", token.TokenType)
	require.EqualValues(t, 1, token.Generation)

	require.EqualValues(t, 2, made[api.Connection](r, r.ask(key, "POST", path+"/refresh", nil), http.StatusOK).Generation)
	require.Equal(t, "paused", made[api.Connection](r, r.ask(key, "POST", path+"/pause", nil), http.StatusOK).Status)
	r.refused(r.ask(key, "GET", path+"/token", nil), http.StatusConflict, "paused")
	require.Equal(t, "active", made[api.Connection](r, r.ask(key, "POST", path+"/resume", nil), http.StatusOK).Status)
	made[api.Connection](r, r.ask(key, "POST", path+"/reconnect", nil), http.StatusOK)
	made[api.Connection](r, r.ask(key, "POST", path+"/disconnect", nil), http.StatusOK)
	r.AwaitStatus(created.ID, workflows.StatusDisconnected)
	r.refused(r.ask(key, "GET", path+"/token", nil), http.StatusConflict, "disconnected")
	r.refused(r.ask(key, "POST", path+"/refresh", nil), http.StatusConflict, "disconnected")
	require.Equal(t, "disconnected", made[api.Connection](r, r.ask(key, "GET", path, nil), http.StatusOK).Status)
}

func TestConsentByLink(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	key := r.key("acme")
	created := made[api.Connection](r, r.ask(key, "POST", "/v1/connections", map[string]any{"connector": "sandbox"}), http.StatusCreated)
	require.Equal(t, "acme", created.Owner, "the key's")
	require.Equal(t, "pending", created.Status)
	require.NotNil(t, created.ConnectURL)
	require.True(t, strings.HasPrefix(*created.ConnectURL, r.base+"/connect/"))
	r.refused(r.ask(key, "GET", "/v1/connections/"+created.ID+"/token", nil), http.StatusConflict, "not_ready")
	again := made[api.Connection](r, r.ask(key, "POST", "/v1/connections/"+created.ID+"/reconnect", map[string]any{"allow_account_change": true}), http.StatusOK)
	require.NotNil(t, again.ConnectURL)
	require.NotEqual(t, *created.ConnectURL, *again.ConnectURL)
}
