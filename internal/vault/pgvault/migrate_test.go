package pgvault

import (
	"database/sql"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
)

// steps are the migrations, to be taken one by one.
func steps(t *testing.T, databaseURL string) (*goose.Provider, *sql.DB) {
	t.Helper()
	config, err := pgx.ParseConfig(databaseURL)
	require.NoError(t, err)
	db, err := sql.Open("pgx", config.ConnString())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	provider, err := newProvider(db)
	require.NoError(t, err)
	return provider, db
}

func TestMigrateUpDownUp(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	store := open(t, databaseURL)
	require.NoError(t, store.CreateConnection(t.Context(), vault.Connection{ID: "c"}))

	provider, db := steps(t, databaseURL)
	_, err := provider.DownTo(t.Context(), 0)
	require.NoError(t, err)
	var tables int
	require.NoError(t, db.QueryRowContext(t.Context(),
		`SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> $1`, versionTable).Scan(&tables))
	require.Zero(t, tables)

	_, err = provider.Up(t.Context())
	require.NoError(t, err)
	require.NoError(t, store.CreateConnection(t.Context(), vault.Connection{ID: "c"}))
}

func TestMigrateConcurrently(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	errs := make([]error, 4)
	var running sync.WaitGroup
	for i := range errs {
		running.Go(func() { errs[i] = Migrate(t.Context(), databaseURL) })
	}
	running.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	open(t, databaseURL)
}

// first is a vault as the program of the first schema left it.
const first = `
	INSERT INTO connections (id, owner, connector, integration_id, grant_type, end_user, inputs, status, reason,
		status_seq, generation, failures, token_type, access_token, updated_at)
	VALUES ('c', 'acme', 'slack', 'i', 'authorization_code', '', '{"host": "h"}', 'active', '', 1, 1, 1, 'Bearer',
		'access', now());
	INSERT INTO attempts (id, connection_id, kind, generation, request_id, state, begun_at, ended_at, lease_until)
	VALUES ('a', 'c', 'refresh', 1, '', 'failed', now(), now(), now());
	INSERT INTO links (hash, connection_id) VALUES ('link', 'c');
	INSERT INTO auth_requests (id, state_hash, connection_id, link_hash, issuer, redirect_uri, scopes, code, expires_at,
		consumed_at, outcome)
	VALUES ('answered', 's1', 'c', 'link', '', 'http://localhost', '{a,b}', 'code', '2026-03-01Z', '2026-02-01Z', ''),
		('waiting', 's2', 'c', 'link', '', 'http://localhost', NULL, NULL, '2026-03-01Z', NULL, '');
	INSERT INTO integrations (id, owner, connector, client_id, updated_at) VALUES ('i', '', 'slack', 'client', now())`

func TestMigrateFromTheFirst(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	provider, db := steps(t, databaseURL)
	_, err := provider.UpTo(t.Context(), 1)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), first)
	require.NoError(t, err)
	_, err = Open(t.Context(), databaseURL, Options{})
	require.ErrorContains(t, err, "the database's schema is at version 1 and this program needs")

	at := func(month time.Month) time.Time { return time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC) }
	answered := vault.AuthRequest{
		ID: "answered", StateHash: []byte("s1"), ConnectionID: "c", LinkHash: []byte("link"),
		RedirectURI: "http://localhost", Scopes: []string{"a", "b"}, Code: []byte("code"), ExpiresAt: at(3), ConsumedAt: at(2),
	}
	for range 2 {
		store, err := Open(t.Context(), databaseURL, Options{Migrate: true})
		require.NoError(t, err)
		c, err := store.Connection(t.Context(), "c")
		require.NoError(t, err)
		require.Equal(t, map[string]string{"host": "h"}, c.Inputs)
		require.Equal(t, []byte("access"), c.AccessToken)
		r, err := store.AuthRequest(t.Context(), "answered")
		require.NoError(t, err)
		require.Equal(t, answered, r)
		a, err := store.Attempt(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, vault.AttemptFailed, a.State)
		_, err = store.LastRefusal(t.Context(), "c")
		require.ErrorIs(t, err, vault.ErrNotFound)
		list, err := store.ListIntegrations(t.Context(), "")
		require.NoError(t, err)
		require.Len(t, list, 1)

		require.Empty(t, c.Policy)
		require.Zero(t, c.ConsentedAt)
		require.Empty(t, list[0].Policy)
		require.NoError(t, store.MarkRead(t.Context(), map[string]time.Time{"c": at(2)}))
		_, _, err = store.CountFailure(t.Context(), vault.BreakerFailure{IntegrationID: "i", ConnectionID: "c", At: at(2)})
		require.NoError(t, err)

		documents, err := store.ConnectorDocuments(t.Context())
		require.NoError(t, err)
		require.Empty(t, documents)
		require.NoError(t, store.PutConnector(t.Context(), "own", []byte("{}")))
		captured := map[string]string{"team": "t"}
		require.NoError(t, store.ConsumeAuthRequest(t.Context(), vault.Consumption{
			RequestID: "waiting", At: at(2), Captured: captured,
		}))
		r, err = store.AuthRequestByState(t.Context(), []byte("s2"))
		require.NoError(t, err)
		require.Equal(t, captured, r.Captured)
		require.NoError(t, store.Close())

		_, err = provider.DownTo(t.Context(), 1)
		require.NoError(t, err)
		var left int
		require.NoError(t, db.QueryRowContext(t.Context(), `
			SELECT count(*) FROM information_schema.columns
			WHERE table_schema = 'public' AND (table_name IN ('connectors', 'breakers', 'breaker_failures', 'reads')
				OR column_name IN ('policy', 'consented_at')
				OR table_name = 'auth_requests' AND column_name IN ('captured', 'inputs', 'granted_scopes'))`).Scan(&left))
		require.Zero(t, left)
		_, err = db.ExecContext(t.Context(), `UPDATE auth_requests SET consumed_at = NULL WHERE id = 'waiting'`)
		require.NoError(t, err)
	}
}
