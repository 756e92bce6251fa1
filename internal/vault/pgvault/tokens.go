package pgvault

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/acme/connections/internal/vault"
)

// prunable are the attempts that nothing can need any more: all but the newest five and all older than 30 days, but
// never an open one, a doubt about the current generation, or one whose authorization request may come again.
// The statement around it names the attempts "a" and the connection's row "c".
const prunable = `
	a.connection_id = c.id
	AND a.ended_at IS NOT NULL
	AND (a.seq < (SELECT newest.seq FROM attempts AS newest WHERE newest.connection_id = c.id
			ORDER BY newest.seq DESC OFFSET 4 LIMIT 1)
		OR a.begun_at < clock_timestamp() - interval '30 days')
	AND NOT (a.state = 'in_doubt' AND a.generation = c.generation)
	AND (a.request_id = '' OR a.begun_at < clock_timestamp() - interval '1 day')`

// eraseOlder takes away the replies of failed attempts that were kept until a newer attempt of the connection ended.
// The statement around it names that attempt's row "ended".
const eraseOlder = `
	UPDATE attempts AS a SET reply = NULL FROM ended
	WHERE a.connection_id = ended.connection_id AND a.seq < ended.seq AND a.state = 'failed' AND a.reply IS NOT NULL`

// CommitTokens implements vault.Tokens. It is one statement: the connection's row is locked by its own update before
// the attempts, which are joined to it. No row may be changed twice in one statement, so what is deleted is left out of
// what is erased. The set that comes with a consent is announced by a trigger, any other after the commit.
func (s *Store) CommitTokens(ctx context.Context, t vault.TokenCommit) (int64, error) {
	t = t.Normalize()
	var generation int64
	err := s.pool.QueryRow(ctx, `
		WITH c AS (
			UPDATE connections SET
				generation = generation + 1, failures = 0, access_token = $3, refresh_token = $4, token_type = $5,
				issued_at = $6, expires_at = $7, granted_scopes = $8,
				metadata = CASE WHEN $9::jsonb IS NULL THEN metadata ELSE coalesce(metadata, '{}') || $9::jsonb END,
				inputs = CASE WHEN $11::jsonb IS NULL THEN inputs ELSE coalesce(inputs, '{}') || $11::jsonb END,
				consented_at = coalesce($12, consented_at), requested_scopes = coalesce($13, requested_scopes),
				updated_at = clock_timestamp()
			WHERE id = $1 AND generation = $2 AND status NOT IN ('disconnecting', 'disconnected', 'expired')
			RETURNING id, generation
		), ended AS (
			UPDATE attempts AS a SET state = 'done', reason = '', reply = NULL, ended_at = clock_timestamp()
			FROM c WHERE a.id = $10 AND a.connection_id = c.id
			RETURNING a.connection_id, a.seq
		), pruned AS (
			DELETE FROM attempts AS a USING c WHERE a.id <> $10 AND `+prunable+`
			RETURNING a.id
		), erased AS (`+eraseOlder+` AND a.id NOT IN (SELECT id FROM pruned)
		)
		SELECT generation FROM c`,
		t.ConnectionID, t.FromGeneration, t.AccessToken, t.RefreshToken, t.TokenType, instant(t.IssuedAt),
		instant(t.ExpiresAt), t.GrantedScopes, t.Metadata, t.AttemptID, t.Inputs,
		instant(t.ConsentedAt), t.RequestedScopes).Scan(&generation)
	if !errors.Is(err, pgx.ErrNoRows) {
		if err == nil && t.ConsentedAt.IsZero() {
			s.announcer.add(ctx, t.ConnectionID)
		}
		return generation, failure("commit tokens", err)
	}
	if err := s.mustExist(ctx, "commit tokens", t.ConnectionID); err != nil {
		return 0, err
	}
	return 0, vault.ErrConflict
}
