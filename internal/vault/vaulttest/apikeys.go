package vaulttest

import (
	"time"

	"github.com/acme/connections/internal/vault"
)

func (f *fixture) apiKey(owner string) vault.APIKey {
	f.t.Helper()
	k := vault.APIKey{
		ID: f.id("ck"), Name: "a key", Owner: owner, Scopes: []string{"tokens:read", "connections:read"},
		Hash: []byte("hash\x00"), CreatedAt: epoch(), ExpiresAt: epoch().Add(time.Hour),
	}
	f.NoError(f.CreateAPIKey(f.ctx, k))
	return k
}

func testAPIKeys(f *fixture) {
	given := f.apiKey("acme")
	f.ErrorIs(f.CreateAPIKey(f.ctx, given), vault.ErrExists)
	got, err := f.APIKey(f.ctx, given.ID)
	f.NoError(err)
	f.Equal(given, got)

	f.NoError(f.RotateAPIKey(f.ctx, given.ID, []byte("second"), epoch(), epoch().Add(time.Minute)))
	f.NoError(f.RotateAPIKey(f.ctx, given.ID, []byte("third"), epoch().Add(time.Second), epoch().Add(2*time.Minute)))
	got, err = f.APIKey(f.ctx, given.ID)
	f.NoError(err)
	f.Equal([]byte("third"), got.Hash)
	f.Equal([]byte("second"), got.OldHash)
	f.Equal(epoch().Add(2*time.Minute), got.OldUntil)
	f.Equal(epoch().Add(time.Second), got.RotatedAt)

	f.NoError(f.RevokeAPIKey(f.ctx, given.ID, epoch()))
	f.NoError(f.RevokeAPIKey(f.ctx, given.ID, epoch().Add(time.Hour)))
	got, err = f.APIKey(f.ctx, given.ID)
	f.NoError(err)
	f.Equal(epoch(), got.RevokedAt, "the first time stays")
	f.ErrorIs(f.RotateAPIKey(f.ctx, given.ID, []byte("fourth"), epoch(), epoch()), vault.ErrConflict)

	platform := vault.APIKey{ID: "ck-0", Hash: []byte("h"), CreatedAt: epoch().Add(-time.Hour)}
	f.NoError(f.CreateAPIKey(f.ctx, platform))
	list, err := f.ListAPIKeys(f.ctx)
	f.NoError(err)
	f.Len(list, 2)
	f.Equal(platform, list[0], "the oldest first")
}

func testAPIKeyNotFound(f *fixture) {
	for _, id := range []string{"none", "", "\x00", "\xff"} {
		_, err := f.APIKey(f.ctx, id)
		f.ErrorIs(err, vault.ErrNotFound)
		_, _, err = f.APIKeyAccess(f.ctx, id, "none")
		f.ErrorIs(err, vault.ErrNotFound)
		f.ErrorIs(f.RotateAPIKey(f.ctx, id, []byte("h"), epoch(), epoch()), vault.ErrNotFound)
		f.ErrorIs(f.RevokeAPIKey(f.ctx, id, epoch()), vault.ErrNotFound)
	}
}

// admission is what APIKeyAccess reads of a key.
func admission(k vault.APIKey) vault.APIKey {
	return vault.APIKey{
		ID: k.ID, Owner: k.Owner, Scopes: k.Scopes, Hash: k.Hash, OldHash: k.OldHash, OldUntil: k.OldUntil,
		ExpiresAt: k.ExpiresAt, RevokedAt: k.RevokedAt,
	}
}

func testAPIKeyAccess(f *fixture) {
	id := f.connection("active")
	f.commit(id, "")
	row, err := f.AccessRow(f.ctx, id)
	f.NoError(err)
	for _, owner := range []string{"acme", ""} {
		key := f.apiKey(owner)
		got, access, err := f.APIKeyAccess(f.ctx, key.ID, id)
		f.NoError(err)
		f.Equal(admission(key), got)
		f.Equal(row, access)
		f.NoError(f.RotateAPIKey(f.ctx, key.ID, []byte("second"), epoch(), epoch()))
		f.NoError(f.RevokeAPIKey(f.ctx, key.ID, epoch()))
		key, err = f.APIKey(f.ctx, key.ID)
		f.NoError(err)
		got, _, err = f.APIKeyAccess(f.ctx, key.ID, id)
		f.NoError(err)
		f.Equal(admission(key), got)
	}
	for owner, connection := range map[string]string{"acme": "none", "other": id, "acm": id, "Acme": id, " ": "\x00"} {
		key := f.apiKey(owner)
		got, access, err := f.APIKeyAccess(f.ctx, key.ID, connection)
		f.NoError(err)
		f.Equal(admission(key), got)
		f.Equal(vault.AccessRow{}, access, "%q", owner)
	}
}

func testAPIKeysUsed(f *fixture) {
	a, b := f.apiKey("acme").ID, f.apiKey("").ID
	used := func(id string) time.Time {
		k, err := f.APIKey(f.ctx, id)
		f.NoError(err)
		return k.UsedAt
	}
	f.NoError(f.MarkAPIKeysUsed(f.ctx, map[string]time.Time{a: epoch(), b: epoch(), "none": epoch(), "\x00": epoch()}))
	f.NoError(f.MarkAPIKeysUsed(f.ctx, map[string]time.Time{a: epoch().Add(-time.Hour), b: epoch().Add(time.Hour)}))
	f.NoError(f.MarkAPIKeysUsed(f.ctx, nil))
	f.Equal(epoch(), used(a), "never lowered")
	f.Equal(epoch().Add(time.Hour), used(b))
}
