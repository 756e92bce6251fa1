package tokens_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/tokens"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/internal/vault/pgvault"
)

const (
	coldConnections = 500
	coldClients     = 32
)

// coldBench is a Postgres vault with connections, an engine whose cache holds nearly none of them, and bare pgx.
type coldBench struct {
	engine *tokens.Engine
	pool   *pgxpool.Pool
	ids    []string
}

func newColdBench(b *testing.B) *coldBench {
	b.Helper()
	url := pgtest.URL(b)
	store, err := pgvault.Open(b.Context(), url, pgvault.Options{Migrate: true, MaxConns: coldClients})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	ring := newAccessRing(b)
	c := &coldBench{}
	for i := range coldConnections {
		c.ids = append(c.ids, seed(b, store, ring, i))
	}
	c.engine = tokens.New(tokens.Config{
		Vault: store, Access: ring, Owner: "acme", Caller: "bench", Limit: 1, Log: slog.New(slog.DiscardHandler),
	})
	b.Cleanup(func() { require.NoError(b, c.engine.Close()) })
	config, err := pgxpool.ParseConfig(url)
	require.NoError(b, err)
	config.MaxConns = coldClients
	c.pool, err = pgxpool.NewWithConfig(b.Context(), config)
	require.NoError(b, err)
	b.Cleanup(c.pool.Close)
	return c
}

// bare is the floor: the same row by its primary key, with pgx's own types and without opening anything.
func (c *coldBench) bare(ctx context.Context, id string) error {
	var row struct {
		id, owner, connector, status, reason, tokenType string
		generation, failures                            int64
		issuedAt, expiresAt                             pgtype.Timestamptz
		scopes                                          []string
		metadata                                        map[string]string
		accessToken                                     []byte
	}
	return c.pool.QueryRow(ctx, `
		SELECT id, owner, connector, status, reason, generation, failures, token_type, issued_at, expires_at,
			granted_scopes, metadata, access_token FROM connections WHERE id = $1`, id).Scan(
		&row.id, &row.owner, &row.connector, &row.status, &row.reason, &row.generation, &row.failures, &row.tokenType,
		&row.issuedAt, &row.expiresAt, &row.scopes, &row.metadata, &row.accessToken)
}

func (c *coldBench) token(ctx context.Context, id string) error {
	_, err := c.engine.Token(ctx, id, tokens.Need{})
	return err
}

// BenchmarkTokenCold reads tokens that are not cached, in turns with the floor, so that what the machine does meanwhile
// happens to both. "x-floor" is the ratio of the medians.
func BenchmarkTokenCold(b *testing.B) {
	c := newColdBench(b)
	reads := []func(context.Context, string) error{c.bare, c.token}
	var took [2][]time.Duration
	for i := 0; b.Loop(); i++ {
		id := c.ids[i%len(c.ids)]
		for n := range reads {
			which := (i + n) % len(reads)
			begun := time.Now()
			if err := reads[which](b.Context(), id); err != nil {
				b.Fatal(err)
			}
			took[which] = append(took[which], time.Since(begun))
		}
	}
	report(b, took, 0.5, "p50")
}

// BenchmarkTokenColdCrowd is that with 32 clients at once; it looks at the slowest hundredth too.
func BenchmarkTokenColdCrowd(b *testing.B) {
	c := newColdBench(b)
	reads := []func(context.Context, string) error{c.bare, c.token}
	var took [2][]time.Duration
	for i := 0; b.Loop(); i++ {
		for n := range reads {
			which := (i + n) % len(reads)
			took[which] = append(took[which], c.crowd(b, reads[which])...)
		}
	}
	report(b, took, 0.5, "p50")
	report(b, took, 0.99, "p99")
}

// crowd has every client read a few rows, and returns how long each read took.
func (c *coldBench) crowd(b *testing.B, read func(context.Context, string) error) []time.Duration {
	b.Helper()
	const each = 16
	took := make([]time.Duration, coldClients*each)
	var running sync.WaitGroup
	for client := range coldClients {
		running.Go(func() {
			for i := range each {
				n := client*each + i
				begun := time.Now()
				if err := read(b.Context(), c.ids[n%len(c.ids)]); err != nil {
					b.Error(err)
				}
				took[n] = time.Since(begun)
			}
		})
	}
	running.Wait()
	return took
}

// report gives a quantile of the floor and of the token, in µs, and their ratio.
func report(b *testing.B, took [2][]time.Duration, quantile float64, name string) {
	b.Helper()
	at := func(d []time.Duration) float64 {
		slices.Sort(d)
		return float64(d[int(float64(len(d)-1)*quantile)]) / float64(time.Microsecond)
	}
	floor, token := at(took[0]), at(took[1])
	b.ReportMetric(floor, "floor-"+name+"-µs")
	b.ReportMetric(token, "token-"+name+"-µs")
	b.ReportMetric(token/floor, "x-floor-"+name)
}

// anyVault has every connection that is asked for, with one sealed token of a usual length each: for the memory of a
// fleet that no test has the time to make.
type anyVault struct {
	vault.Access
	ring *keyring.Ring
}

// AccessRow implements vault.Access.
func (v anyVault) AccessRow(_ context.Context, id string) (vault.AccessRow, error) {
	sealed, err := v.ring.Seal(keyring.AccessToken(id, 1), make([]byte, 200))
	now := time.Now()
	return vault.AccessRow{
		ID: id, Owner: "acme", Connector: "sandbox", Status: "active", Generation: 1, TokenType: "Bearer",
		IssuedAt: now, ExpiresAt: now.Add(time.Hour), GrantedScopes: []string{"contacts.read"}, AccessToken: sealed,
	}, err
}

// MarkRead implements vault.Access.
func (anyVault) MarkRead(context.Context, map[string]time.Time) error { return nil }

// RecordHandouts implements vault.Access.
func (anyVault) RecordHandouts(context.Context, []vault.Handout) error { return nil }

// Watch implements vault.Access.
func (anyVault) Watch(ctx context.Context, w vault.Watch) error {
	w.Ready()
	<-ctx.Done()
	return nil
}

// BenchmarkCacheMemory fills caches of the default size with what a fleet of 100,000 and of 1,000,000 connections
// reads, and tells how much memory stays in use: all in all, and by cached token.
func BenchmarkCacheMemory(b *testing.B) {
	for _, fleet := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(fleet), func(b *testing.B) {
			for b.Loop() {
				ring := newAccessRing(b)
				before := heap()
				engine := tokens.New(tokens.Config{Vault: anyVault{ring: ring}, Access: ring, Log: slog.New(slog.DiscardHandler)})
				for i := range fleet {
					_, err := engine.Token(b.Context(), fmt.Sprintf("con_06eg2v%020d", i), tokens.Need{})
					require.NoError(b, err)
				}
				used := heap() - before
				require.LessOrEqual(b, engine.Len(), tokens.DefaultLimit)
				b.ReportMetric(used/(1<<20), "MB")
				b.ReportMetric(used/float64(engine.Len()), "B/token")
				_, err := engine.Token(b.Context(), fmt.Sprintf("con_06eg2v%020d", rand.IntN(fleet)), tokens.Need{})
				require.NoError(b, err)
				require.NoError(b, engine.Close())
			}
		})
	}
}

func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
