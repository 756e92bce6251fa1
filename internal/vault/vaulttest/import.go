package vaulttest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/acme/connections/internal/vault"
)

// imported is a row as an import brings it, in the form in which stores return it but for UpdatedAt.
func imported(id string) vault.Connection {
	return vault.Connection{
		ID: id, Owner: "acme", Connector: "salesforce", IntegrationID: "i", Grant: "authorization_code", EndUser: "u",
		Tags: map[string]string{"external_id": "7"}, Inputs: map[string]string{"subdomain": "b"},
		Metadata:        map[string]string{"instance_url": "https://example.com"},
		RequestedScopes: []string{"b", "a"}, GrantedScopes: []string{"a"}, ChosenScopes: []string{"b"},
		Policy: vault.PolicyAlwaysFresh, Status: "active", StatusSeq: 1, StatusAt: epoch(), CreatedAt: epoch(),
		ConsentedAt: epoch().Add(-24 * time.Hour), Generation: 1, TokenType: "Bearer", IssuedAt: epoch().Add(-time.Hour),
		ExpiresAt: epoch().Add(time.Hour), AccessToken: []byte("a\x00\xff"), RefreshToken: []byte("r"),
	}
}

func testImport(f *fixture) {
	given := imported("c")
	odd := given
	odd.Generation, odd.Failures = 7, 3
	odd.IssuedAt = odd.IssuedAt.Add(time.Nanosecond).In(time.FixedZone("UTC+1", 3600))
	f.NoError(f.ImportConnection(f.ctx, odd))
	got := f.row("c")
	f.WithinDuration(time.Now(), got.UpdatedAt, time.Minute)
	want := given
	want.UpdatedAt = got.UpdatedAt
	f.Equal(want, got)

	// Its tokens are as any others: read, replaced, erased.
	row, err := f.AccessRow(f.ctx, "c")
	f.NoError(err)
	f.Equal(given.AccessToken, row.AccessToken)
	attempt := f.begin(f.refresh("c"), vault.BeginStarted).Attempt.ID
	f.Equal(int64(2), f.commit("c", attempt))
	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: "c", Status: "disconnected", Seq: 2, At: epoch()}, epoch()))
	f.Nil(f.row("c").AccessToken)

	bare := vault.Connection{ID: "bare", Status: "active", AccessToken: []byte("a")}
	f.NoError(f.ImportConnection(f.ctx, bare))
	got = f.row("bare")
	f.Equal(int64(1), got.Generation)
	f.Nil(got.RefreshToken)
	f.True(got.ExpiresAt.IsZero())
	f.True(got.ConsentedAt.IsZero())
	f.Nil(got.GrantedScopes)
}

func testImportExists(f *fixture) {
	given := imported("c")
	f.NoError(f.ImportConnection(f.ctx, given))
	before := f.row("c")
	given.Owner, given.AccessToken = "other", []byte("other")
	f.ErrorIs(f.ImportConnection(f.ctx, given), vault.ErrExists)
	f.Equal(before, f.row("c"))
	f.ErrorIs(f.CreateConnection(f.ctx, vault.Connection{ID: "c"}), vault.ErrExists)

	pending := f.connection("pending")
	f.ErrorIs(f.ImportConnection(f.ctx, imported(pending)), vault.ErrExists)
	f.Zero(f.row(pending).Generation)
}

// One of many importers that race for an id makes the row.
func testImportRace(f *fixture) {
	const racers = 8
	var made atomic.Int64
	var racing sync.WaitGroup
	for range racers {
		racing.Go(func() {
			err := f.ImportConnection(f.ctx, imported("c"))
			if err == nil {
				made.Add(1)
				return
			}
			f.ErrorIs(err, vault.ErrExists)
		})
	}
	racing.Wait()
	f.Equal(int64(1), made.Load())
	f.Equal(int64(1), f.row("c").Generation)
}
