package pgvault

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/internal/vault/vaulttest"
)

// TestAccessRole is a caller with the database role for callers: it can do all of vault.Access, and nothing else.
func TestAccessRole(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	store := open(t, databaseURL)
	ctx := t.Context()
	require.NoError(t, store.CreateConnection(ctx, vault.Connection{
		ID: "c", Owner: "acme", Status: "active", Inputs: map[string]string{"host": "secret"},
	}))
	_, err := store.CommitTokens(ctx, vault.TokenCommit{
		ConnectionID: "c", AccessToken: []byte("sealed access"), RefreshToken: []byte("sealed refresh"),
	})
	require.NoError(t, err)
	require.NoError(t, store.PutIntegration(ctx, vault.Integration{ID: "i", Secrets: [][]byte{[]byte("sealed secret")}}))
	require.NoError(t, store.PutConnector(ctx, "own", []byte(`{"id":"own"}`)))

	callerURL := pgtest.Login(t, databaseURL, "IN ROLE connections_access")
	caller, err := OpenAccess(ctx, callerURL, Options{MaxConns: 2})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, caller.Close()) })
	require.NoError(t, caller.Ping(ctx))
	row, err := caller.AccessRow(ctx, "c")
	require.NoError(t, err)
	require.Equal(t, []byte("sealed access"), row.AccessToken)
	document, ok, err := caller.ConnectorDocument(ctx, "own")
	require.NoError(t, err)
	require.Equal(t, []any{[]byte(`{"id":"own"}`), true}, []any{document, ok})
	_, ok, err = caller.ConnectorDocument(ctx, "none")
	require.NoError(t, err)
	require.False(t, ok)
	documents, err := caller.ConnectorDocuments(ctx)
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{"own": []byte(`{"id":"own"}`)}, documents)
	now := time.Now().UTC().Truncate(time.Microsecond)
	for _, when := range []time.Time{now, now.Add(time.Second)} {
		require.NoError(t, caller.MarkRead(ctx, map[string]time.Time{"c": when}))
		require.NoError(t, caller.RecordHandouts(ctx, []vault.Handout{{ConnectionID: "c", Who: "w", Count: 2, First: now}}))
	}
	handouts, err := store.Handouts(ctx, "c", 0)
	require.NoError(t, err)
	require.Equal(t, []vault.Handout{{ConnectionID: "c", Who: "w", Owner: "acme", Count: 4, First: now, Last: now}}, handouts)
	last, err := store.LastRead(ctx, "c")
	require.NoError(t, err)
	require.Equal(t, now.Add(time.Second), last)
	w := watch(t, caller)
	require.NoError(t, store.SetStatus(ctx, vault.StatusChange{ID: "c", Status: "paused", Seq: 1}))
	for event := ""; event != "c"; event = nextEvent(t, w) {
		require.NotEqual(t, vaulttest.EventLost, event)
	}

	conn, err := pgx.Connect(ctx, callerURL)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(ctx))) }()
	for _, refused := range []string{
		`SELECT refresh_token FROM connections`,
		`SELECT inputs FROM connections`,
		`SELECT end_user FROM connections`,
		`SELECT * FROM connections`,
		`SELECT connections FROM connections`,
		`COPY connections TO STDOUT`,
		`UPDATE connections SET status = 'active'`,
		`UPDATE connections SET access_token = refresh_token`,
		`INSERT INTO connections (id) VALUES ('d')`,
		`DELETE FROM connections`,
		`TRUNCATE connections CASCADE`,
		`SELECT FROM integrations`,
		`SELECT FROM auth_requests`,
		`SELECT FROM attempts`,
		`SELECT FROM links`,
		`SELECT updated_at FROM connectors`,
		`SELECT * FROM connectors`,
		`SELECT connectors FROM connectors`,
		`SELECT FROM connectors FOR UPDATE`,
		`INSERT INTO connectors (id, document, updated_at) VALUES ('x', '{}', now())`,
		`UPDATE connectors SET document = '{}'`,
		`DELETE FROM connectors`,
		`TRUNCATE connectors`,
		`SELECT FROM waiters`,
		`DELETE FROM waiters`,
		`SELECT FROM key_checks`,
		`SELECT FROM breakers`,
		`SELECT FROM breaker_failures`,
		`SELECT FROM ` + versionTable,
		`SELECT FROM handouts`,
		`INSERT INTO handouts SELECT 'c', now(), '', '', 1, now(), now()`,
		`UPDATE handouts SET count = 0`,
		`DELETE FROM handouts`,
		`DELETE FROM reads`,
		`SELECT connections_grant_access()`,
		`CREATE TRIGGER own AFTER INSERT ON reads EXECUTE FUNCTION connections_announce()`,
		`SELECT pg_read_file('PG_VERSION')`,
		`SET ROLE ` + pgx.Identifier{store.pool.Config().ConnConfig.User}.Sanitize(),
	} {
		_, err := conn.Exec(ctx, refused)
		require.Error(t, err, refused)
		require.True(t, hasCode(err, codeInsufficientPrivilege), "%s: %v", refused, err)
	}

	requireReach(t, store, callerURL)

	// A table of the caller's own does not take the audit's place.
	_, err = conn.Exec(ctx, `CREATE TEMP TABLE handouts (LIKE pg_class); CREATE TEMP TABLE connections (id text);
		SELECT connections_record_handouts('{c}', '{2026-01-01Z}', '{w}', '{""}', '{1}', '{2026-01-01Z}', '{2026-01-01Z}')`)
	require.NoError(t, err)
	handouts, err = store.Handouts(ctx, "c", 0)
	require.NoError(t, err)
	require.Len(t, handouts, 2)
	_, err = conn.Exec(ctx, `
		SELECT connections_record_handouts('{c}', '{2026-01-01Z}', '{w}', '{""}', '{-1}', '{2026-01-01Z}', '{2026-01-01Z}')`)
	require.NoError(t, err)
	again, err := store.Handouts(ctx, "c", 0)
	require.NoError(t, err)
	require.Equal(t, handouts, again, "nothing is taken away")
}

// requireReach: whatever tables and functions there are, the role reaches these and no others.
func requireReach(t *testing.T, store *Store, callerURL string) {
	t.Helper()
	u, err := url.Parse(callerURL)
	require.NoError(t, err)
	var columns, tables, functions []string
	require.NoError(t, store.pool.QueryRow(t.Context(), `
		SELECT
			(SELECT array_agg(c.table_name || '.' || c.column_name || ' ' || p.what)
				FROM information_schema.columns AS c, unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) AS p (what)
				WHERE c.table_schema = current_schema() AND c.table_name <> 'reads'
				AND has_column_privilege($1, format('%I.%I', c.table_schema, c.table_name), c.column_name, p.what)),
			(SELECT array_agg(c.relname || ' ' || p.what)
				FROM pg_class AS c, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS p (what)
				WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
				AND has_table_privilege($1, c.oid, p.what)),
			(SELECT array_agg(f.proname::text) FROM pg_proc AS f
				WHERE f.pronamespace = current_schema()::regnamespace AND has_function_privilege($1, f.oid, 'EXECUTE')
				AND f.prorettype <> 'trigger'::regtype)`, u.User.Username()).Scan(&columns, &tables, &functions))
	require.ElementsMatch(t, []string{
		"connections.access_token SELECT", "connections.connector SELECT", "connections.expires_at SELECT",
		"connections.failures SELECT", "connections.generation SELECT", "connections.granted_scopes SELECT",
		"connections.id SELECT", "connections.issued_at SELECT", "connections.metadata SELECT", "connections.owner SELECT",
		"connections.reason SELECT", "connections.status SELECT", "connections.token_type SELECT",
		"connectors.document SELECT", "connectors.id SELECT",
	}, columns)
	require.ElementsMatch(t, []string{"reads INSERT", "reads SELECT", "reads UPDATE"}, tables)
	require.Equal(t, []string{"connections_record_handouts"}, functions)
}

func TestAccessOfOthers(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	_, err := OpenAccess(t.Context(), databaseURL, Options{})
	require.ErrorContains(t, err, "migrate the database, and make the user a member of the role connections_access")
	open(t, databaseURL)
	_, err = OpenAccess(t.Context(), pgtest.Login(t, databaseURL, ""), Options{})
	require.ErrorContains(t, err, "make the user a member of the role connections_access")
	_, err = OpenAccess(t.Context(), "", Options{})
	require.ErrorContains(t, err, "set DATABASE_URL")
	access, err := OpenAccess(t.Context(), databaseURL, Options{MaxConns: 1})
	require.NoError(t, err)
	require.NoError(t, access.Close())
}

// TestMigrateWithoutTheRightToCreateRoles: the migration does not fail where the role has to come from someone else.
func TestMigrateWithoutTheRightToCreateRoles(t *testing.T) {
	t.Parallel()
	cluster, err := pgtest.StartCluster(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cluster.Stop()) })
	byHand(t, cluster.URL(), `CREATE ROLE migrator LOGIN; GRANT CREATE ON SCHEMA public TO migrator`)
	u, err := url.Parse(cluster.URL())
	require.NoError(t, err)
	u.User = url.User("migrator")
	store := open(t, u.String())
	require.NoError(t, store.CreateConnection(t.Context(), vault.Connection{ID: "c"}))
	provider, _ := steps(t, u.String())
	_, err = provider.DownTo(t.Context(), 0)
	require.NoError(t, err)
	require.NoError(t, Migrate(t.Context(), u.String()))
	require.NoError(t, store.CreateConnection(t.Context(), vault.Connection{ID: "c"}))

	byHand(t, u.String(), `SELECT connections_grant_access()`)
	byHand(t, cluster.URL(), `CREATE ROLE connections_access NOLOGIN; CREATE ROLE caller LOGIN IN ROLE connections_access`)
	caller := *u
	caller.User = url.User("caller")
	_, err = OpenAccess(t.Context(), caller.String(), Options{})
	require.ErrorContains(t, err, "make the user a member of the role connections_access")
	byHand(t, u.String(), `SELECT connections_grant_access()`)
	access, err := OpenAccess(t.Context(), caller.String(), Options{})
	require.NoError(t, err)
	row, err := access.AccessRow(t.Context(), "c")
	require.NoError(t, err)
	require.Equal(t, "c", row.ID)
	require.NoError(t, access.Close())
}
