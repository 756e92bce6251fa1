package pgvault

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
)

const (
	benchConnections = 2000
	benchClients     = 32
	// sealedSize is about what a JWT of 1.2 KB takes, sealed.
	sealedSize = 1300
)

// benchStore holds connections 0 to benchConnections-1, each with tokens.
func benchStore(b *testing.B, databaseURL string) *Store {
	b.Helper()
	store, err := Open(b.Context(), databaseURL, Options{MaxConns: benchClients, Migrate: true})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	_, err = store.pool.Exec(b.Context(), `
		INSERT INTO connections (id, owner, connector, integration_id, grant_type, end_user, metadata, granted_scopes, status,
			reason, status_seq, generation, failures, token_type, issued_at, expires_at, access_token, refresh_token, updated_at)
		SELECT n::text, 'acme', 'sandbox', 'i', 'authorization_code', '', '{"instance_url": "https://example.com"}',
			'{read,write}', 'active', '', 1, 1, 0, 'Bearer', now(), now() + interval '1 hour',
			convert_to(repeat('x', $2), 'UTF8'), convert_to(repeat('x', $2), 'UTF8'), now()
		FROM generate_series(0, $1 - 1) AS n`, benchConnections, sealedSize)
	require.NoError(b, err)
	_, err = store.pool.Exec(b.Context(), `VACUUM ANALYZE connections`)
	require.NoError(b, err)
	return store
}

// bareRow is the floor: the same columns by pgx, into the types that pgx reads fastest.
func bareRow(b *testing.B, store *Store, id string) error {
	var row struct {
		id, owner, connector, status, reason, tokenType string
		generation, failures                            int64
		issuedAt, expiresAt                             pgtype.Timestamptz
		scopes                                          []string
		metadata                                        map[string]string
		accessToken                                     []byte
	}
	return store.pool.QueryRow(b.Context(), `SELECT `+accessColumns+` FROM connections WHERE id = $1`, id).Scan(
		&row.id, &row.owner, &row.connector, &row.status, &row.reason, &row.generation, &row.failures, &row.tokenType,
		&row.issuedAt, &row.expiresAt, &row.scopes, &row.metadata, &row.accessToken)
}

func accessRow(b *testing.B, store *Store, id string) error {
	_, err := store.AccessRow(b.Context(), id)
	return err
}

type read = func(b *testing.B, store *Store, id string) error

// BenchmarkAccessRow reads a row that no cache has, beside the floor: in turns, so that what the machine does meanwhile
// happens to both. "x-floor" is the ratio of the medians.
func BenchmarkAccessRow(b *testing.B) {
	store := benchStore(b, pgtest.URL(b))
	reads := []read{bareRow, accessRow}
	for _, read := range reads {
		require.NoError(b, read(b, store, "0"))
	}
	took := [2][]time.Duration{}
	for i := 0; b.Loop(); i++ {
		id := strconv.Itoa(i % benchConnections)
		for n := range reads {
			which := (i + n) % len(reads)
			begun := time.Now()
			require.NoError(b, reads[which](b, store, id))
			took[which] = append(took[which], time.Since(begun))
		}
	}
	report(b, took, 0.5, "p50")
}

// BenchmarkAccessRowCrowd is that with 32 clients, and looks at the slowest hundredth too.
func BenchmarkAccessRowCrowd(b *testing.B) {
	store := benchStore(b, pgtest.URL(b))
	reads := []read{bareRow, accessRow}
	for _, read := range reads {
		crowd(b, store, read)
	}
	took := [2][]time.Duration{}
	for i := 0; b.Loop(); i++ {
		for n := range reads {
			which := (i + n) % len(reads)
			took[which] = append(took[which], crowd(b, store, reads[which])...)
		}
	}
	report(b, took, 0.5, "p50")
	report(b, took, 0.99, "p99")
}

// crowd has every client read a few rows, and returns how long each read took.
func crowd(b *testing.B, store *Store, read read) []time.Duration {
	const each = 64
	took := make([]time.Duration, benchClients*each)
	var running sync.WaitGroup
	for client := range benchClients {
		running.Go(func() {
			for i := range each {
				n := client*each + i
				begun := time.Now()
				if err := read(b, store, strconv.Itoa(n%benchConnections)); err != nil {
					b.Error(err)
				}
				took[n] = time.Since(begun)
			}
		})
	}
	running.Wait()
	return took
}

// report prints a quantile of the floor, of ours, and their ratio.
func report(b *testing.B, took [2][]time.Duration, quantile float64, name string) {
	b.Helper()
	var at [2]time.Duration
	for which, durations := range took {
		slices.Sort(durations)
		at[which] = durations[int(float64(len(durations)-1)*quantile)]
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(at[0].Microseconds()), name+"-floor-µs")
	b.ReportMetric(float64(at[1].Microseconds()), name+"-µs")
	b.ReportMetric(float64(at[1])/float64(at[0]), name+"-x-floor")
}

// BenchmarkCommitTokens stores routine refreshes while a process watches, beside two others: commits that nothing
// announces, and commits that announce themselves, as those of a consent do. The server of the tests flushes nothing; one
// that does makes the last still slower, since each then waits for the flushes of all before it.
func BenchmarkCommitTokens(b *testing.B) {
	for _, way := range []struct {
		name                string
		announced, consents bool
	}{{"Unannounced", false, false}, {"Refresh", true, false}, {"Consent", true, true}} {
		for _, clients := range []int{1, benchClients} {
			b.Run(way.name+"/clients="+strconv.Itoa(clients), func(b *testing.B) {
				store := benchStore(b, pgtest.URL(b))
				if !way.announced {
					_, err := store.pool.Exec(b.Context(), `DROP TRIGGER connections_changed ON connections`)
					require.NoError(b, err)
					silent := vault.NewBackground()
					silent.Close()
					store.announcer = newAnnouncer(store.pool, silent)
				}
				go func() { _ = store.Watch(b.Context(), vault.Watch{}) }() // ends when the store is closed
				var left atomic.Int64
				left.Store(int64(b.N))
				b.ResetTimer()
				var running sync.WaitGroup
				for client := range clients {
					running.Go(func() { commitMany(b, store, &left, client, clients, way.consents) })
				}
				running.Wait()
			})
		}
	}
}

// commitMany commits token sets to every clients-th connection until none is left to commit.
func commitMany(b *testing.B, store *Store, left *atomic.Int64, client, clients int, consents bool) {
	set := vault.TokenCommit{
		AccessToken: make([]byte, sealedSize), RefreshToken: make([]byte, sealedSize), TokenType: "Bearer", FromGeneration: 1,
	}
	now := time.Now()
	for n := client; left.Add(-1) >= 0; n += clients {
		if n >= benchConnections {
			n = client
			set.FromGeneration++
		}
		set.ConnectionID = strconv.Itoa(n)
		if consents {
			set.ConsentedAt = now.Add(time.Duration(set.FromGeneration) * time.Second)
		}
		if _, err := store.CommitTokens(b.Context(), set); err != nil {
			b.Error(err)
		}
	}
}

// BenchmarkRecordHandouts adds a batch of a thousand connections to rows that are there, and to new ones.
func BenchmarkRecordHandouts(b *testing.B) {
	const batchSize = 1000
	for _, way := range []struct {
		name string
		step time.Duration
	}{{"SameHour", time.Second}, {"NewHour", time.Hour}} {
		b.Run(way.name, func(b *testing.B) {
			store := benchStore(b, pgtest.URL(b))
			first := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			batch := make([]vault.Handout, batchSize)
			for b.Loop() {
				for i := range batch {
					batch[i] = vault.Handout{ConnectionID: strconv.Itoa(i), Who: "payroll", Tier: "cache", Count: 7, First: first}
				}
				require.NoError(b, store.RecordHandouts(b.Context(), batch))
				first = first.Add(way.step)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*batchSize), "µs/row")
		})
	}
}
