package keyring_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/secret"
)

func newRing(t *testing.T, name string) *keyring.Ring {
	t.Helper()
	ring, err := keyring.LoadOrCreate(name, filepath.Join(t.TempDir(), name+".json"))
	require.NoError(t, err)
	return ring
}

func TestSealedValueOpensOnlyWhereItBelongs(t *testing.T) {
	t.Parallel()
	ring := newRing(t, keyring.Vault)
	field := keyring.Field{Kind: "connection", ID: "c1", Name: "refresh_token", Generation: 7}
	sealed, err := ring.Seal(field, []byte("canary"))
	require.NoError(t, err)
	require.NotContains(t, string(sealed), "canary")

	opened, err := ring.Open(field, sealed)
	require.NoError(t, err)
	require.Equal(t, "canary", string(opened))

	moved := []keyring.Field{
		{Kind: "integration", ID: "c1", Name: "refresh_token", Generation: 7},
		{Kind: "connection", ID: "c2", Name: "refresh_token", Generation: 7},
		{Kind: "connection", ID: "c1", Name: "access_token", Generation: 7},
		{Kind: "connection", ID: "c1", Name: "refresh_token", Generation: 8},
		{Kind: "connectionc1", ID: "", Name: "refresh_token", Generation: 7},
		{Kind: "connection", ID: "c1refresh", Name: "_token", Generation: 7},
	}
	for _, other := range moved {
		_, err := ring.Open(other, sealed)
		require.ErrorIs(t, err, keyring.ErrOpen, "%+v", other)
	}
	_, err = newRing(t, keyring.Vault).Open(field, sealed)
	require.ErrorIs(t, err, keyring.ErrOpen, "another keyset")
}

func TestSealedValueDoesNotSurviveTampering(t *testing.T) {
	t.Parallel()
	ring := newRing(t, keyring.Access)
	field := keyring.Field{Kind: "connection", ID: "c1", Name: "access_token", Generation: 1}
	sealed, err := ring.Seal(field, []byte("canary"))
	require.NoError(t, err)
	for i := range sealed {
		changed := append([]byte(nil), sealed...)
		changed[i] ^= 1
		_, err := ring.Open(field, changed)
		require.ErrorIs(t, err, keyring.ErrOpen, "byte %d", i)
		_, err = ring.Open(field, sealed[:i])
		require.ErrorIs(t, err, keyring.ErrOpen, "cut at %d", i)
	}
}

func TestEmptySecretsStayEmpty(t *testing.T) {
	t.Parallel()
	ring := newRing(t, keyring.Vault)
	sealed, err := ring.SealString(keyring.Field{}, secret.String{})
	require.NoError(t, err)
	require.Nil(t, sealed)
	opened, err := ring.OpenString(keyring.Field{}, nil)
	require.NoError(t, err)
	require.True(t, opened.Empty())
}

func TestCreateNeverOverwrites(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "vault.json")
	require.NoError(t, keyring.Create(path))
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.ErrorContains(t, keyring.Create(path), "not overwritten")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1)
}

func TestLoadSaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := keyring.Load(keyring.Vault, filepath.Join(dir, "none.json"))
	require.ErrorContains(t, err, "keyset create")
	bad := filepath.Join(dir, "bad.json")
	require.NoError(t, os.WriteFile(bad, []byte(`{"canary":1}`), 0o600))
	_, err = keyring.Load(keyring.Vault, bad)
	require.ErrorContains(t, err, "not a Tink keyset")
	require.NotContains(t, err.Error(), "canary")
}

type checks map[string][]byte

func (c checks) KeyCheck(_ context.Context, name string, offered []byte) ([]byte, error) {
	if c[name] == nil {
		c[name] = offered
	}
	return c[name], nil
}

func TestCheckTellsAWrongKeyset(t *testing.T) {
	t.Parallel()
	store, right := checks{}, newRing(t, keyring.Vault)
	require.NoError(t, keyring.Check(t.Context(), right, store))
	require.NoError(t, keyring.Check(t.Context(), right, store))
	require.ErrorContains(t, keyring.Check(t.Context(), newRing(t, keyring.Vault), store), "not the one that sealed this vault")
}
