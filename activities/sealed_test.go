package activities_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/workflows"
)

// sealed is the token of a connection as workflow code has it.
func (c *caller) sealed(id string) workflows.AccessToken {
	c.t.Helper()
	row, err := c.Vault.AccessRow(c.t.Context(), id)
	require.NoError(c.t, err)
	return workflows.AccessToken{
		Generation: row.Generation, Sealed: row.AccessToken, Type: row.TokenType, ExpiresAt: &row.ExpiresAt, Scopes: row.GrantedScopes,
	}
}

// TestOpenSealed: an activity opens what workflow code handed to it, and no other owner's.
func TestOpenSealed(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	id := c.active()
	sealed := c.sealed(id)
	here, err := c.Token(t.Context(), id)
	require.NoError(t, err)
	unscoped := open(t, c.Rig, activities.Config{})
	for _, tokens := range []*activities.Tokens{c.Tokens, unscoped} {
		opened, err := tokens.OpenSealed(t.Context(), id, sealed)
		require.NoError(t, err)
		require.Equal(t, here.Reveal(), opened.Reveal())
		require.Equal(t, here.Type(), opened.Type())
		require.Equal(t, here.Generation(), opened.Generation())
		require.Equal(t, here.Scopes(), opened.Scopes())
		require.WithinDuration(t, here.ExpiresAt(), opened.ExpiresAt(), 0)
	}

	others, err := c.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "somebody else", Grant: workflows.GrantClientCredentials})
	require.NoError(t, err)
	c.AwaitStatus(others.ID, workflows.StatusActive)
	var missing *activities.NotFound
	_, err = c.OpenSealed(t.Context(), others.ID, c.sealed(others.ID))
	require.ErrorAs(t, err, &missing)
	_, err = unscoped.OpenSealed(t.Context(), others.ID, c.sealed(others.ID))
	require.NoError(t, err)
	var away *activities.TemporarilyUnavailable
	_, err = unscoped.OpenSealed(t.Context(), others.ID, sealed)
	require.ErrorAs(t, err, &away, "it is bound to its connection")
	_, err = c.OpenSealed(t.Context(), id, workflows.AccessToken{})
	require.ErrorAs(t, err, &missing)

	ring, err := keyring.LoadOrCreate(keyring.Access, filepath.Join(t.TempDir(), "other.json"))
	require.NoError(t, err)
	stranger := activities.NewTokens(activities.Config{Temporal: c.Temporal}, c.Vault, ring, c.Catalogue)
	t.Cleanup(func() { require.NoError(t, stranger.Close()) })
	_, err = stranger.OpenSealed(t.Context(), id, sealed)
	require.ErrorAs(t, err, &away)

	_, err = c.Client.Pause(t.Context(), id)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		var paused *activities.Paused
		_, err := c.OpenSealed(t.Context(), id, sealed)
		return errors.As(err, &paused)
	}, 5*time.Second, 10*time.Millisecond)
}
