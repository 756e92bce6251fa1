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

func testDeleteIntegration(f *fixture) {
	for _, id := range []string{"one", "two"} {
		f.NoError(f.PutIntegration(f.ctx, vault.Integration{ID: id, Owner: "acme", Connector: "slack"}))
	}
	for id, status := range map[string]string{"a": "pending", "b": "active", "gone": "disconnected"} {
		f.NoError(f.CreateConnection(f.ctx, vault.Connection{ID: id, Owner: "acme", Status: status, IntegrationID: "one"}))
	}
	f.ErrorIs(f.DeleteIntegration(f.ctx, "one", ""), vault.ErrConflict)
	f.ErrorIs(f.DeleteIntegration(f.ctx, "one", "a"), vault.ErrConflict, "the other one uses it")
	_, err := f.Integration(f.ctx, "one")
	f.NoError(err)
	f.NoError(f.SetIntegration(f.ctx, "b", "two"))
	f.NoError(f.DeleteIntegration(f.ctx, "one", "a"))
	_, err = f.Integration(f.ctx, "one")
	f.ErrorIs(err, vault.ErrNotFound)
	_, err = f.Integration(f.ctx, "two")
	f.NoError(err)
	for _, strange := range []string{"one", "none", "a\x00b", "\xff"} {
		f.ErrorIs(f.DeleteIntegration(f.ctx, strange, ""), vault.ErrNotFound)
	}
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
