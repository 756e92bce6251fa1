package activities_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/internal/vault/pgvault"
)

// ownConnector is one that an operator has added.
const ownConnector = `{
	"id": "own", "name": "Own", "grants": ["client_credentials"],
	"token": {"url": "https://auth.example.com/token", "auth": "client_secret_basic"},
	"api": {"header": "X-Own-Token", "scheme": "-", "headers": {"X-Own-Version": "7"}}
}`

// TestOpen_WithTheRoleForCallers alone: the connectors that operators have added say how their APIs are called.
func TestOpen_WithTheRoleForCallers(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	store, err := pgvault.Open(t.Context(), url, pgvault.Options{Migrate: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	require.NoError(t, store.PutConnector(t.Context(), "own", []byte(ownConnector)))
	keyset := filepath.Join(t.TempDir(), "access.json")
	ring, err := keyring.LoadOrCreate(keyring.Access, keyset)
	require.NoError(t, err)
	require.NoError(t, store.CreateConnection(t.Context(), vault.Connection{ID: "con_own", Owner: "acme", Connector: "own", Status: "active"}))
	sealed, err := ring.Seal(keyring.AccessToken("con_own", 1), []byte("the-token"))
	require.NoError(t, err)
	_, err = store.CommitTokens(t.Context(), vault.TokenCommit{
		ConnectionID: "con_own", AccessToken: sealed, IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
	})
	require.NoError(t, err)

	tokens, err := activities.Open(t.Context(), activities.Config{
		DatabaseURL: pgtest.Login(t, url, "IN ROLE connections_access"), AccessKeyset: keyset, DataDir: t.TempDir(), Owner: "acme",
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tokens.Close()) })
	called := make(chan http.Header, 1)
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { called <- r.Header }))
	t.Cleanup(api.Close)
	response, err := tokens.HTTPClient(t.Context(), "con_own").Get(api.URL)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	header := <-called
	require.Equal(t, []string{"the-token", "7", ""}, []string{header.Get("X-Own-Token"), header.Get("X-Own-Version"), header.Get("Authorization")})
}
