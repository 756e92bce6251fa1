package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/api"
	"github.com/acme/connections/internal/apikey"
)

const (
	clients          = 32
	benchConnections = 500
	// benchRound is how many requests each client makes in one turn.
	benchRound = 100
)

// bareRow is what the bare handler answers.
type bareRow struct {
	ID, Owner, Connector, Status, Reason, TokenType string
	Generation, Failures                            int64
	IssuedAt, ExpiresAt                             pgtype.Timestamptz
	Scopes                                          []string
	Metadata                                        map[string]string
	AccessToken                                     []byte
}

// bareHandler does the same SELECT of the connection's row, and nothing else: no key, no limit, no seal to open.
func bareHandler(pool *pgxpool.Pool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/connections/{id}/token", func(w http.ResponseWriter, r *http.Request) {
		var row bareRow
		err := pool.QueryRow(r.Context(), `
			SELECT id, owner, connector, status, reason, generation, failures, token_type, issued_at, expires_at,
				granted_scopes, metadata, access_token FROM connections WHERE id = $1`, r.PathValue("id")).Scan(
			&row.ID, &row.Owner, &row.Connector, &row.Status, &row.Reason, &row.Generation, &row.Failures, &row.TokenType,
			&row.IssuedAt, &row.ExpiresAt, &row.Scopes, &row.Metadata, &row.AccessToken)
		if err != nil {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(row)
	})
	return mux
}

// BenchmarkTokenEndpoint reads tokens by the API with 32 clients at once, in turns with a bare handler that does the
// same SELECT, so that what the machine does meanwhile happens to both. Each request presents an API key, which is read
// and checked each time. "ratio" is the API's throughput divided by the bare handler's: at least 0.7.
func BenchmarkTokenEndpoint(b *testing.B) {
	p := newPostgresRig(b, func(c *api.Config) { c.Reads = 1e6 })
	ids := make([]string, benchConnections)
	for i := range ids {
		ids[i] = p.seed("acme", i)
	}
	keys := make([]string, 8)
	for i := range keys {
		_, keys[i] = p.newKey([]string{"acme", ""}[i%2], apikey.ScopeTokensRead)
	}
	config, err := pgxpool.ParseConfig(p.url)
	require.NoError(b, err)
	config.MaxConns = clients
	pool, err := pgxpool.NewWithConfig(b.Context(), config)
	require.NoError(b, err)
	b.Cleanup(pool.Close)
	bases := []string{serveBare(b, bareHandler(pool)), p.base}
	client := newClient(b)

	var took [2][]time.Duration
	var spent [2]time.Duration
	round := func(which int) ([]time.Duration, time.Duration) {
		each := make([]time.Duration, clients*benchRound)
		begun := time.Now()
		var running sync.WaitGroup
		for c := range clients {
			running.Go(func() {
				for i := range benchRound {
					n := c*benchRound + i
					at := time.Now()
					readToken(b, client, bases[which], ids[(n*7)%len(ids)], keys[c%len(keys)])
					each[n] = time.Since(at)
				}
			})
		}
		running.Wait()
		return each, time.Since(begun)
	}
	for which := range bases {
		round(which) // warms up
	}
	for i := 0; b.Loop(); i++ {
		for n := range bases {
			which := (i + n) % len(bases)
			each, all := round(which)
			took[which], spent[which] = append(took[which], each...), spent[which]+all
		}
	}
	rate := func(which int) float64 { return float64(len(took[which])) / spent[which].Seconds() }
	at := func(which int, quantile float64) float64 {
		slices.Sort(took[which])
		return float64(took[which][int(float64(len(took[which])-1)*quantile)]) / float64(time.Millisecond)
	}
	b.ReportMetric(rate(0), "bare-req/s")
	b.ReportMetric(rate(1), "api-req/s")
	b.ReportMetric(rate(1)/rate(0), "ratio")
	b.ReportMetric(at(0, 0.99), "bare-p99-ms")
	b.ReportMetric(at(1, 0.99), "api-p99-ms")
	b.ReportMetric(at(1, 0.5), "api-p50-ms")
}

func readToken(b *testing.B, client *http.Client, base, id, key string) {
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, base+"/v1/connections/"+id+"/token", nil)
	if err != nil {
		b.Error(err)
		return
	}
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := client.Do(request)
	if err != nil {
		b.Error(err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
		b.Error(err, response.StatusCode)
	}
}
