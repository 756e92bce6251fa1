package sqlitevault

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/vault"
)

func TestMigrateUpDownUp(t *testing.T) {
	t.Parallel()
	store := open(t, filepath.Join(t.TempDir(), "vault.db"))
	provider, err := newProvider(store.write)
	require.NoError(t, err)
	_, err = provider.DownTo(t.Context(), 0)
	require.NoError(t, err)
	var tables int
	require.NoError(t, store.read.QueryRowContext(t.Context(),
		`SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT IN (?, 'sqlite_sequence')`,
		versionTable).Scan(&tables))
	require.Zero(t, tables)
	require.NoError(t, migrate(t.Context(), store.write))
	require.NoError(t, store.CreateConnection(t.Context(), vault.Connection{ID: "c"}))
}

// first is a vault as the program of the first schema left it.
const first = `
	INSERT INTO connections (id, owner, connector, integration_id, grant_type, end_user, inputs, status, reason,
		status_seq, generation, failures, token_type, access_token, updated_at)
	VALUES ('c', 'acme', 'slack', 'i', 'authorization_code', '', '{"host": "h"}', 'active', '', 1, 1, 1, 'Bearer',
		CAST('access' AS BLOB), 1);
	INSERT INTO attempts (id, connection_id, kind, generation, request_id, state, begun_at, ended_at, lease_until)
	VALUES ('a', 'c', 'refresh', 1, '', 'failed', 1, 1, 1);
	INSERT INTO links (hash, connection_id) VALUES (CAST('link' AS BLOB), 'c');
	INSERT INTO auth_requests (id, state_hash, connection_id, link_hash, issuer, redirect_uri, scopes, code, expires_at,
		consumed_at, outcome)
	VALUES ('answered', CAST('s1' AS BLOB), 'c', CAST('link' AS BLOB), '', 'http://localhost', '["a","b"]',
			CAST('code' AS BLOB), 1772323200000000, 1769904000000000, ''),
		('waiting', CAST('s2' AS BLOB), 'c', CAST('link' AS BLOB), '', 'http://localhost', NULL,
			NULL, 1772323200000000, NULL, '');
	INSERT INTO integrations (id, owner, connector, client_id, updated_at) VALUES ('i', '', 'slack', 'client', 1)`

func TestMigrateFromTheFirst(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vault.db")
	require.NoError(t, createPrivate(path))
	old, err := connect(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, old.Close()) })
	provider, err := newProvider(old.write)
	require.NoError(t, err)
	_, err = provider.UpTo(t.Context(), 1)
	require.NoError(t, err)
	_, err = old.write.ExecContext(t.Context(), first)
	require.NoError(t, err)

	at := func(month time.Month) time.Time { return time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC) }
	answered := vault.AuthRequest{
		ID: "answered", StateHash: []byte("s1"), ConnectionID: "c", LinkHash: []byte("link"),
		RedirectURI: "http://localhost", Scopes: []string{"a", "b"}, Code: []byte("code"), ExpiresAt: at(3), ConsumedAt: at(2),
	}
	for range 2 {
		store, err := Open(t.Context(), path)
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
		require.NoError(t, old.write.QueryRowContext(t.Context(), `
			SELECT count(*) FROM sqlite_schema AS s, pragma_table_info(s.name) AS c
			WHERE s.name IN ('connectors', 'breakers', 'breaker_failures', 'reads')
				OR c.name IN ('policy', 'consented_at')
				OR (s.name = 'auth_requests' AND c.name IN ('captured', 'inputs', 'granted_scopes'))`).Scan(&left))
		require.Zero(t, left)
		_, err = old.write.ExecContext(t.Context(), `UPDATE auth_requests SET consumed_at = NULL WHERE id = 'waiting'`)
		require.NoError(t, err)
	}
}
