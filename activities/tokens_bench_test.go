package activities_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/sqlitevault"
)

// many is how many connections the "Many" benchmarks read.
const many = 1000

// newVault makes a vault with n connections that have a token, and Tokens on it, with their read marks and counts.
func newVault(b testing.TB, n int) (*activities.Tokens, []string) {
	b.Helper()
	dir := b.TempDir()
	store, err := sqlitevault.Open(b.Context(), filepath.Join(dir, "vault.db"))
	require.NoError(b, err)
	access, err := keyring.LoadOrCreate(keyring.Access, filepath.Join(dir, "access.json"))
	require.NoError(b, err)
	ids := make([]string, n)
	for i := range ids {
		ids[i] = seed(b, store, access, i)
	}
	tokens := activities.NewTokens(activities.Config{Owner: "acme", Caller: "bench"}, store, access, &connector.Catalogue{})
	b.Cleanup(func() {
		require.NoError(b, tokens.Close())
		require.NoError(b, store.Close())
	})
	return tokens, ids
}

// seed writes one active connection with a token that lives for an hour.
func seed(b testing.TB, store vault.Store, access *keyring.Ring, i int) string {
	b.Helper()
	id := fmt.Sprintf("con_06eg2v%020d", i)
	ctx := b.Context()
	require.NoError(b, store.CreateConnection(ctx, vault.Connection{
		ID: id, Owner: "acme", Connector: "sandbox", Grant: "client_credentials", Status: "active", StatusSeq: 1, StatusAt: time.Now(),
	}))
	_, err := store.BeginAttempt(ctx, vault.AttemptStart{ID: "att_" + id, ConnectionID: id, Kind: "refresh", Lease: time.Minute})
	require.NoError(b, err)
	sealed, err := access.Seal(keyring.AccessToken(id, 1), []byte("an-access-token-of-a-usual-length-"+id))
	require.NoError(b, err)
	_, err = store.CommitTokens(ctx, vault.TokenCommit{
		ConnectionID: id, AttemptID: "att_" + id, AccessToken: sealed, TokenType: "Bearer",
		IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour), GrantedScopes: []string{"contacts.read"},
	})
	require.NoError(b, err)
	return id
}

// reuse is the floor: the token source that everybody uses, on a token that lives.
func reuse() oauth2.TokenSource {
	token := &oauth2.Token{AccessToken: "an-access-token", TokenType: "Bearer", Expiry: time.Now().Add(time.Hour)}
	return oauth2.ReuseTokenSource(token, oauth2.StaticTokenSource(token))
}

func BenchmarkReuseTokenSource(b *testing.B) {
	source := reuse()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := source.Token(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTokenWarm(b *testing.B) {
	tokens, ids := newVault(b, 1)
	_, err := tokens.Token(b.Context(), ids[0])
	require.NoError(b, err)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tokens.Token(ctx, ids[0]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTokenSourceWarm(b *testing.B) {
	tokens, ids := newVault(b, 1)
	source := tokens.TokenSource(b.Context(), ids[0])
	_, err := source.Token()
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := source.Token(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReuseTokenSourceParallel(b *testing.B) {
	source := reuse()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := source.Token(); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkTokenWarmParallel(b *testing.B) {
	tokens, ids := newVault(b, 1)
	_, err := tokens.Token(b.Context(), ids[0])
	require.NoError(b, err)
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := tokens.Token(ctx, ids[0]); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkReuseTokenSourceParallelMany finds each source in a list by its index, at no cost to speak of.
func BenchmarkReuseTokenSourceParallelMany(b *testing.B) {
	sources := make([]oauth2.TokenSource, many)
	for i := range sources {
		sources[i] = reuse()
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := rand.IntN(many); pb.Next(); i = (i + 1) % many {
			if _, err := sources[i].Token(); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkTokenWarmParallelMany finds each connection by its id.
func BenchmarkTokenWarmParallelMany(b *testing.B) {
	tokens, ids := newVault(b, many)
	for _, id := range ids {
		_, err := tokens.Token(b.Context(), id)
		require.NoError(b, err)
	}
	ctx := b.Context()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := rand.IntN(many); pb.Next(); i = (i + 1) % many {
			if _, err := tokens.Token(ctx, ids[i]); err != nil {
				b.Error(err)
			}
		}
	})
}
