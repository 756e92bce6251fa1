package pgvault

import (
	"net"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
)

func TestOpenSentences(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := listener.Addr().String()
	require.NoError(t, listener.Close())
	server, err := url.Parse(pgtest.URL(t))
	require.NoError(t, err)
	missing := *server
	missing.Path, missing.User = "/no_such_database", url.UserPassword(server.User.Username(), "hunter2")
	stranger := *server
	stranger.User = url.UserPassword("no_such_user", "hunter2")

	for name, test := range map[string]struct{ url, want string }{
		"none":        {"", "set DATABASE_URL"},
		"unreadable":  {"postgres://user:hunter2@host:port/db", "DATABASE_URL must look like"},
		"odd percent": {"postgres://user:hunter2%zz@host/db", "DATABASE_URL must look like"},
		"nobody there": {
			"postgres://user:hunter2@" + closed + "/db?connect_timeout=2",
			"cannot reach the database at " + closed + ": check DATABASE_URL and that Postgres is running",
		},
		"no such database": {missing.String(), `there is no database "no_such_database" at`},
		"no such user":     {stranger.String(), `refused the user "no_such_user"`},
	} {
		for _, migrate := range []bool{false, true} {
			_, err := Open(t.Context(), test.url, Options{Migrate: migrate})
			require.ErrorContains(t, err, test.want, name)
			require.NotContains(t, err.Error(), "hunter2", name)
		}
		err := Migrate(t.Context(), test.url)
		require.ErrorContains(t, err, test.want, name)
		require.NotContains(t, err.Error(), "hunter2", name)
	}
}

func TestOpenChecksTheSchema(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	_, err := Open(t.Context(), databaseURL, Options{})
	require.ErrorContains(t, err, "migrate the database before starting")

	require.NoError(t, Migrate(t.Context(), databaseURL))
	store, err := Open(t.Context(), databaseURL, Options{})
	require.NoError(t, err)
	var name, timeout string
	require.NoError(t, store.pool.QueryRow(t.Context(),
		`SELECT current_setting('application_name'), current_setting('statement_timeout')`).Scan(&name, &timeout))
	require.Equal(t, "connections", name)
	require.Equal(t, "10s", timeout)

	_, err = store.pool.Exec(t.Context(), `INSERT INTO `+versionTable+` (version_id, is_applied) VALUES (9999, true)`)
	require.NoError(t, err)
	require.NoError(t, store.Close())
	_, err = Open(t.Context(), databaseURL, Options{Migrate: true})
	require.ErrorContains(t, err, "start the newer program")
}

func TestErrorsTellNoValues(t *testing.T) {
	t.Parallel()
	store := open(t, pgtest.URL(t))
	err := store.CreateConnection(t.Context(), vault.Connection{ID: "secret\x00value"})
	require.EqualError(t, err, "vault: create connection: SQLSTATE 22021")
	_, err = store.pool.Exec(t.Context(), `SELECT $1::int`, "secret value")
	require.Error(t, err)
	require.NotContains(t, failure("read", err).Error(), "secret")
}

// TestRefreshStaysHot holds the property that the schema is made for: a refresh touches no index of connections, and
// the only indexes of attempts that it touches are those of an attempt's beginning and end. A read mark, or a counted hand-out, touches none.
func TestRefreshStaysHot(t *testing.T) {
	t.Parallel()
	store := open(t, pgtest.URL(t))
	var changed int
	require.NoError(t, store.pool.QueryRow(t.Context(), `
		SELECT count(*) FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
		WHERE (i.indrelid = 'connections'::regclass
				AND a.attname IN ('generation', 'failures', 'access_token', 'refresh_token', 'token_type', 'issued_at',
					'expires_at', 'granted_scopes', 'metadata', 'inputs', 'consented_at', 'requested_scopes', 'updated_at'))
			OR (i.indrelid = 'reads'::regclass AND a.attname = 'at')
			OR (i.indrelid = 'handouts'::regclass AND a.attname IN ('count', 'first_at', 'last_at'))
			OR (i.indrelid = 'attempts'::regclass AND (
				a.attname IN ('state', 'reason', 'reply', 'sent_at', 'ended_at')
				OR pg_get_expr(i.indpred, i.indrelid) <> '(ended_at IS NULL)'))`).Scan(&changed))
	require.Zero(t, changed)
}
