package apikey_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/apikey"
	"github.com/acme/connections/internal/deptest"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/sqlitevault"
)

func TestImports(t *testing.T) {
	t.Parallel()
	deptest.MayReach(t, "internal/secret", "internal/vault")
}

func newStore(t *testing.T) *sqlitevault.Store {
	t.Helper()
	store, err := sqlitevault.Open(t.Context(), filepath.Join(t.TempDir(), "vault.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func TestLifeOfAKey(t *testing.T) {
	t.Parallel()
	store, now := newStore(t), time.Now()
	k, text, err := apikey.Create(t.Context(), store, apikey.Request{
		Name: "billing", Owner: "acme", Scopes: []string{apikey.ScopeTokensRead, apikey.ScopeConnectionsRead, apikey.ScopeTokensRead}, Life: time.Hour,
	}, now)
	require.NoError(t, err)
	require.Regexp(t, regexp.MustCompile(`^ck_[0-9a-v]{16}_[0-9a-v]{52}$`), text.Reveal())
	require.Equal(t, []string{apikey.ScopeConnectionsRead, apikey.ScopeTokensRead}, k.Scopes)
	stored, err := store.APIKey(t.Context(), k.ID)
	require.NoError(t, err)
	require.Equal(t, k, stored)
	id, ok := apikey.Parse(text.Reveal())
	require.True(t, ok)
	require.Equal(t, k.ID, id)
	require.True(t, apikey.Good(stored, text, now))
	require.False(t, apikey.Good(stored, text, now.Add(time.Hour)), "expired")

	rotated, second, err := apikey.Rotate(t.Context(), store, k.ID, time.Minute, now)
	require.NoError(t, err)
	require.True(t, apikey.Good(rotated, second, now))
	require.True(t, apikey.Good(rotated, text, now), "within the grace")
	require.False(t, apikey.Good(rotated, text, now.Add(time.Minute)))
	rotated, third, err := apikey.Rotate(t.Context(), store, k.ID, 0, now)
	require.NoError(t, err)
	require.True(t, apikey.Good(rotated, third, now))
	require.False(t, apikey.Good(rotated, second, now), "no grace")
	require.False(t, apikey.Good(rotated, text, now))

	require.NoError(t, store.RevokeAPIKey(t.Context(), k.ID, now))
	revoked, err := store.APIKey(t.Context(), k.ID)
	require.NoError(t, err)
	require.False(t, apikey.Good(revoked, third, now))
	_, _, err = apikey.Rotate(t.Context(), store, k.ID, 0, now)
	require.ErrorContains(t, err, "revoked")
	_, _, err = apikey.Rotate(t.Context(), store, "none", 0, now)
	require.ErrorIs(t, err, vault.ErrNotFound)
	require.False(t, apikey.Good(vault.APIKey{}, secret.New("x"), now))
	require.False(t, apikey.Good(vault.APIKey{OldUntil: now.Add(time.Hour)}, secret.String{}, now), "no hash fits nothing")
}

func TestRequestsRefused(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	scopes := []string{apikey.ScopeTokensRead}
	for want, r := range map[string]apikey.Request{
		"at least one":        {},
		"not known":           {Scopes: []string{"tokens:*"}},
		"the name of a key":   {Scopes: scopes, Name: "a\nb"},
		"the owner of a key":  {Scopes: scopes, Owner: strings.Repeat("x", 201)},
		"cannot have expired": {Scopes: scopes, Life: -1},
	} {
		_, _, err := apikey.Create(t.Context(), store, r, time.Now())
		require.ErrorContains(t, err, want)
	}
	_, _, err := apikey.Rotate(t.Context(), store, "none", -1, time.Now())
	require.ErrorContains(t, err, "negative")
	list, err := store.ListAPIKeys(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	good := "ck_" + strings.Repeat("0", 16) + "_" + strings.Repeat("v", 52)
	_, ok := apikey.Parse(good)
	require.True(t, ok)
	for _, bad := range []string{
		"", "ck_", good + "0", good[:len(good)-1], strings.ToUpper(good), "cl" + good[2:], strings.Replace(good, "_v", "-v", 1),
		strings.Replace(good, "0_", "__", 1), strings.Replace(good, "v", "w", 1), strings.Replace(good, "0", "\x00", 1),
	} {
		_, ok := apikey.Parse(bad)
		require.False(t, ok, "%q", bad)
	}
}
