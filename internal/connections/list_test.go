package connections_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/vault"
)

func TestListPages(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	var want []string
	for i := range 7 {
		id := fmt.Sprintf("con_%02d", i)
		require.NoError(t, r.Vault.CreateConnection(t.Context(), vault.Connection{
			ID: id, Owner: "acme", Connector: "sandbox", Status: "pending", CreatedAt: time.Now(),
		}))
		want = append(want, id)
	}
	var got []string
	filter := vault.ConnectionFilter{Owner: "acme", Limit: 3}
	for {
		page, err := r.Client.List(t.Context(), filter)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page), 3)
		if len(page) == 0 {
			break
		}
		for _, view := range page {
			require.NotNil(t, view.Scopes)
			got = append(got, view.ID)
		}
		filter.After = page[len(page)-1].ID
	}
	require.Equal(t, want, got)
	none, err := r.Client.List(t.Context(), vault.ConnectionFilter{Owner: "nobody"})
	require.NoError(t, err)
	require.NotNil(t, none, "an empty array, not null")
	require.Empty(t, none)
}

func TestVaultAway(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	require.NoError(t, r.Vault.Close())
	_, err := r.Client.List(t.Context(), vault.ConnectionFilter{})
	requireCode(t, err, "vault_unavailable")
	require.ErrorContains(t, err, "DATABASE_URL")
	_, err = r.Client.Status(t.Context(), "con_1")
	requireCode(t, err, "vault_unavailable")
	_, err = r.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme"})
	requireCode(t, err, "vault_unavailable")
}
