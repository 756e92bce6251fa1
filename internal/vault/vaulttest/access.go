package vaulttest

import (
	"time"

	"github.com/acme/connections/internal/vault"
)

func testAccessRow(f *fixture) {
	for _, strange := range []string{"", "none", "a\x00b", "\xff\xfe"} {
		_, err := f.AccessRow(f.ctx, strange)
		f.ErrorIs(err, vault.ErrNotFound)
	}
	id := f.connection("active")
	same := func() {
		f.t.Helper()
		c := f.row(id)
		row, err := f.AccessRow(f.ctx, id)
		f.NoError(err)
		f.Equal(vault.AccessRow{
			ID: c.ID, Owner: c.Owner, Connector: c.Connector, Status: c.Status, Reason: c.Reason,
			Generation: c.Generation, Failures: c.Failures, TokenType: c.TokenType,
			IssuedAt: c.IssuedAt, ExpiresAt: c.ExpiresAt, GrantedScopes: c.GrantedScopes, Metadata: c.Metadata,
			AccessToken: c.AccessToken,
		}, row)
	}
	same()
	_, err := f.CommitTokens(f.ctx, vault.TokenCommit{
		ConnectionID: id, AccessToken: []byte("sealed\x00access"), RefreshToken: []byte("sealed refresh"), TokenType: "Bearer",
		IssuedAt: epoch(), ExpiresAt: epoch().Add(time.Hour), GrantedScopes: []string{"a", "b c"},
		Metadata: map[string]string{"instance_url": "https://example.com", "": "ü"},
	})
	f.NoError(err)
	same()
	f.NoError(f.RaiseFailures(f.ctx, id))
	f.NoError(f.SetStatus(f.ctx, vault.StatusChange{ID: id, Status: "degraded", Reason: "provider_unavailable", Seq: 1}))
	same()
	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Seq: 2}, epoch()))
	same()
}
