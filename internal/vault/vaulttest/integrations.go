package vaulttest

import (
	"time"

	"github.com/acme/connections/internal/vault"
)

func testIntegrations(f *fixture) {
	given := vault.Integration{
		ID: "b", Owner: "", Connector: "slack", ClientID: "client", Secrets: [][]byte{[]byte("new\x00"), []byte("old")},
		Scopes: []string{"x", "y"}, Policy: vault.PolicyAlwaysFresh,
	}
	read := func(id string) vault.Integration {
		f.t.Helper()
		i, err := f.Integration(f.ctx, id)
		f.NoError(err)
		f.WithinDuration(time.Now(), i.UpdatedAt, time.Minute)
		i.UpdatedAt = time.Time{}
		return i
	}
	f.NoError(f.PutIntegration(f.ctx, given))
	f.Equal(given, read("b"))

	given.Secrets, given.Scopes, given.ClientID, given.Policy = nil, []string{}, "public", ""
	f.NoError(f.PutIntegration(f.ctx, given))
	given.Scopes = nil
	f.Equal(given, read("b"))

	f.NoError(f.PutIntegration(f.ctx, vault.Integration{ID: "a"}))
	f.NoError(f.PutIntegration(f.ctx, vault.Integration{ID: "c", Owner: "acme"}))
	for owner, want := range map[string][]string{"": {"a", "b"}, "acme": {"c"}, "nobody": nil} {
		list, err := f.ListIntegrations(f.ctx, owner)
		f.NoError(err)
		var ids []string
		for _, i := range list {
			ids = append(ids, i.ID)
		}
		f.Equal(want, ids)
	}
	_, err := f.Integration(f.ctx, "none")
	f.ErrorIs(err, vault.ErrNotFound)
}

func testKeyCheck(f *fixture) {
	stored, err := f.KeyCheck(f.ctx, "vault", []byte("first"))
	f.NoError(err)
	f.Equal([]byte("first"), stored)
	stored, err = f.KeyCheck(f.ctx, "vault", []byte("second"))
	f.NoError(err)
	f.Equal([]byte("first"), stored)
	stored, err = f.KeyCheck(f.ctx, "access", []byte("second"))
	f.NoError(err)
	f.Equal([]byte("second"), stored)
}
