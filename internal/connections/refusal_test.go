package connections_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/vault"
)

// TestLastRefusal: an operator reads what the provider said, and neither a credential nor a control character.
func TestLastRefusal(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	created, err := r.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme"})
	require.NoError(t, err)
	_, err = r.Client.LastRefusal(t.Context(), created.ID)
	require.Equal(t, connections.CodeNoRefusal, connections.CodeOf(err))
	_, err = r.Client.LastRefusal(t.Context(), "con_unknown")
	require.Equal(t, "not_found", connections.CodeOf(err))

	refuse := func(body string) connections.Refusal {
		id := uuid.NewString()
		_, err := r.Vault.BeginAttempt(t.Context(), vault.AttemptStart{
			ID: id, ConnectionID: created.ID, Kind: "refresh", Generation: vault.AttemptAnyGeneration, Lease: time.Minute, Settle: true,
		})
		require.NoError(t, err)
		require.NoError(t, r.Vault.MarkSent(t.Context(), id))
		content, err := json.Marshal(oauth.Raw{Status: 400, Body: []byte(body)})
		require.NoError(t, err)
		sealed, err := r.Keys.Vault.Seal(keyring.Reply(id), content)
		require.NoError(t, err)
		require.NoError(t, r.Vault.SaveReply(t.Context(), id, sealed))
		_, err = r.Vault.FailAttempt(t.Context(), id, vault.AttemptFailed, "grant_rejected")
		require.NoError(t, err)
		refusal, err := r.Client.LastRefusal(t.Context(), created.ID)
		require.NoError(t, err)
		require.Equal(t, 400, refusal.Status)
		require.Equal(t, "grant_rejected", refusal.Reason)
		return refusal
	}
	require.Equal(t, map[string]string{
		"error": "invalid_grant", "error_description": `revoked\nby \x1b[31m<b>you</b>`, "details.code_number": "190", "ok": "false",
	}, refuse(`{"error":"invalid_grant","error_description":"revoked\nby \u001b[31m<b>you</b>","ok":false,
"refresh_token":"rt","client_secret":"cs","code":"c","details":{"access_token":"at","code_number":190}}`).Said)
	page := refuse("<html>" + strings.Repeat("\x00é", 1000)).Said["text"]
	require.True(t, strings.HasPrefix(page, `<html>\x00é`))
	require.Less(t, len(page), 1000)
	require.Empty(t, refuse("").Said)
	many := refuse(`{"a":{"b":{"c":{"d":{"e":"too deep"}}}},` + strings.Repeat(`"x":1,`, 3) + `"y":"` + strings.Repeat("y", 5000) + `"}`).Said
	require.Len(t, many["y"], 300)
	require.NotContains(t, many, "a.b.c.d.e")
}
