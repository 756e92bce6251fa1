package e2e_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/sandbox"
)

// audit keeps every state that an attempt and a connection ever had in the vault: the vault itself forgets attempts that
// nobody can need any more. It is written by triggers, in the transactions of those who change the rows, so that it is as
// true as the rows are.
type audit struct {
	t    *testing.T
	pool *pgxpool.Pool
	keys keyring.Keys
}

const auditSchema = `
CREATE SCHEMA audit;
CREATE TABLE audit.attempts (
	n bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
	id text, connection_id text, kind text, generation bigint, state text, reason text, replied boolean);
CREATE FUNCTION audit.note_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit.attempts (id, connection_id, kind, generation, state, reason, replied)
	VALUES (NEW.id, NEW.connection_id, NEW.kind, NEW.generation, NEW.state, NEW.reason, NEW.reply IS NOT NULL);
	RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON attempts FOR EACH ROW EXECUTE FUNCTION audit.note_attempt();
CREATE TABLE audit.connections (
	n bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
	id text, generation bigint, refresh_token bytea, status text, reason text);
CREATE FUNCTION audit.note_connection() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit.connections (id, generation, refresh_token, status, reason)
	VALUES (NEW.id, NEW.generation, NEW.refresh_token, NEW.status, NEW.reason);
	RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON connections FOR EACH ROW EXECUTE FUNCTION audit.note_connection();`

// newAudit begins the audit of a database that has the vault's schema.
func newAudit(t *testing.T, url string, keys keyring.Keys) *audit {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	_, err = pool.Exec(t.Context(), auditSchema)
	require.NoError(t, err)
	return &audit{t: t, pool: pool, keys: keys}
}

// now is the database's clock, which all of its times are by.
func (a *audit) now() time.Time {
	a.t.Helper()
	var at time.Time
	require.NoError(a.t, a.pool.QueryRow(a.t.Context(), `SELECT clock_timestamp()`).Scan(&at))
	return at
}

// spendable names the refresh token of one generation of one connection.
type spendable struct {
	connection string
	generation int64
}

// call is what the vault knew of one attempt, over all its states.
type call struct {
	id string
	of spendable
	// sent, doubted, replied and ended are when it came so far; zero if it did not.
	begun, sent, doubted, replied, ended time.Time
	state, reason                        string
}

// calls are all attempts to refresh, in the order in which they began.
func (a *audit) calls() []*call {
	a.t.Helper()
	rows, err := a.pool.Query(a.t.Context(), `
		SELECT id, connection_id, generation, state, reason, replied, at FROM audit.attempts WHERE kind = 'refresh' ORDER BY n`)
	require.NoError(a.t, err)
	var (
		all  []*call
		byID = make(map[string]*call)

		id, connection, state, reason string
		generation                    int64
		replied                       bool
		at                            time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &connection, &generation, &state, &reason, &replied, &at}, func() error {
		c := byID[id]
		if c == nil {
			c = &call{id: id, of: spendable{connection, generation}, begun: at}
			byID[id], all = c, append(all, c)
		}
		first(&c.sent, at, state == "sent")
		first(&c.doubted, at, state == "in_doubt")
		first(&c.replied, at, replied)
		first(&c.ended, at, state != "begun" && state != "sent" && state != "replied")
		c.state, c.reason = state, reason
		return nil
	})
	require.NoError(a.t, err)
	return all
}

// first notes a time, if it is the first.
func first(field *time.Time, at time.Time, is bool) {
	if is && field.IsZero() {
		*field = at
	}
}

// refreshTokens are all that the vault ever had, by their hash at the provider.
func (a *audit) refreshTokens() map[string]spendable {
	a.t.Helper()
	rows, err := a.pool.Query(a.t.Context(), `
		SELECT DISTINCT id, generation, refresh_token FROM audit.connections WHERE refresh_token IS NOT NULL`)
	require.NoError(a.t, err)
	tokens, known := make(map[string]spendable), make(map[spendable]bool)
	var (
		of     spendable
		sealed []byte
	)
	_, err = pgx.ForEachRow(rows, []any{&of.connection, &of.generation, &sealed}, func() error {
		text, err := a.keys.Vault.OpenString(keyring.RefreshToken(of.connection, of.generation), sealed)
		if err == nil {
			require.False(a.t, known[of], "generation %d of %s was written twice", of.generation, of.connection)
			known[of] = true
			tokens[sandbox.TokenHash(text.Reveal())] = of
		}
		return err
	})
	require.NoError(a.t, err)
	return tokens
}

// committed is how many token sets came of refreshes.
func (a *audit) committed() int {
	a.t.Helper()
	var n int
	require.NoError(a.t, a.pool.QueryRow(a.t.Context(), `
		SELECT count(DISTINCT (id, generation)) FROM audit.connections WHERE generation > 1`).Scan(&n))
	return n
}

// ever counts connections that had a reason at some time.
func (a *audit) ever(reason string) int {
	a.t.Helper()
	var n int
	require.NoError(a.t, a.pool.QueryRow(a.t.Context(), `
		SELECT count(DISTINCT id) FROM audit.connections WHERE reason = $1`, reason).Scan(&n))
	return n
}

// story tells what became of a connection, for people.
func (a *audit) story(id string) string {
	a.t.Helper()
	rows, err := a.pool.Query(a.t.Context(), `
		SELECT at, 'attempt ' || left(id, 8) || ' of generation ' || generation || ': ' || state || ' ' || reason
			|| CASE WHEN replied THEN ' (replied)' ELSE '' END AS what FROM audit.attempts WHERE connection_id = $1
		UNION ALL SELECT at, 'generation ' || generation || ', ' || status || ' ' || reason FROM audit.connections WHERE id = $1
		ORDER BY at`, id)
	require.NoError(a.t, err)
	story := "connection " + id
	var (
		at   time.Time
		what string
	)
	_, err = pgx.ForEachRow(rows, []any{&at, &what}, func() error {
		story += "\n" + at.Format("15:04:05.000 ") + what
		return nil
	})
	require.NoError(a.t, err)
	return story
}

// presentations are what the provider saw of each refresh token, by token, oldest first.
func (f *fleet) presentations() map[string][]sandbox.Presentation {
	f.t.Helper()
	all, err := f.provider.Presentations(context.WithoutCancel(f.t.Context()))
	require.NoError(f.t, err)
	byToken := make(map[string][]sandbox.Presentation)
	for _, p := range all {
		byToken[p.Hash] = append(byToken[p.Hash], p)
	}
	return byToken
}
