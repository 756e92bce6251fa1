package sqlitevault

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/acme/connections/internal/vault"
)

// CommitTokens implements vault.Tokens.
func (s *Store) CommitTokens(ctx context.Context, t vault.TokenCommit) (generation int64, err error) {
	t = t.Normalize()
	err = s.inTx(ctx, "commit tokens", func(tx *sql.Tx) error {
		now := clock()
		err := tx.QueryRowContext(ctx, `
			UPDATE connections SET
				generation = generation + 1, failures = 0, access_token = ?3, refresh_token = ?4, token_type = ?5,
				issued_at = ?6, expires_at = ?7, granted_scopes = ?8,
				metadata = CASE WHEN ?9 IS NULL THEN metadata ELSE json_patch(coalesce(metadata, '{}'), ?9) END,
				inputs = CASE WHEN ?11 IS NULL THEN inputs ELSE json_patch(coalesce(inputs, '{}'), ?11) END,
				consented_at = coalesce(?12, consented_at), requested_scopes = coalesce(?13, requested_scopes),
				updated_at = ?10
			WHERE id = ?1 AND generation = ?2 AND status NOT IN ('disconnecting', 'disconnected', 'expired')
			RETURNING generation`,
			t.ConnectionID, t.FromGeneration, t.AccessToken, t.RefreshToken, t.TokenType, instant(t.IssuedAt),
			instant(t.ExpiresAt), doc(&t.GrantedScopes), doc(&t.Metadata), instant(now), doc(&t.Inputs),
			instant(t.ConsentedAt), doc(&t.RequestedScopes)).Scan(&generation)
		if errors.Is(err, sql.ErrNoRows) {
			var one int
			if err := tx.QueryRowContext(ctx, `SELECT 1 FROM connections WHERE id = ?`, t.ConnectionID).Scan(&one); err != nil {
				return err
			}
			return vault.ErrConflict
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			UPDATE attempts SET state = 'done', reason = '', reply = NULL, ended_at = ?
			WHERE id = ? AND connection_id = ?`, instant(now), t.AttemptID, t.ConnectionID)
		if err != nil {
			return err
		}
		if err := eraseOlder(ctx, tx, t.ConnectionID, t.AttemptID); err != nil {
			return err
		}
		return prune(ctx, tx, t.ConnectionID, now)
	})
	return generation, err
}

// eraseOlder takes away the replies of failed attempts that were kept until a newer attempt of the connection ended.
func eraseOlder(ctx context.Context, tx *sql.Tx, connectionID, endedID string) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE attempts SET reply = NULL
		WHERE connection_id = ?1 AND seq < (SELECT seq FROM attempts WHERE id = ?2 AND connection_id = ?1)
			AND state = 'failed' AND reply IS NOT NULL`, connectionID, endedID)
	return err
}

// prune deletes the attempts that nothing can need any more: all but the newest five and all older than 30 days, but
// never an open one, a doubt about the current generation, or one whose authorization request may come again.
func prune(ctx context.Context, tx *sql.Tx, connectionID string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `
		DELETE FROM attempts
		WHERE connection_id = ?1
			AND ended_at IS NOT NULL
			AND (seq < (SELECT seq FROM attempts WHERE connection_id = ?1 ORDER BY seq DESC LIMIT 1 OFFSET 4)
				OR begun_at < ?2)
			AND NOT (state = 'in_doubt'
				AND generation = (SELECT generation FROM connections WHERE id = ?1))
			AND (request_id = '' OR begun_at < ?3)`,
		connectionID, instant(now.AddDate(0, 0, -30)), instant(now.AddDate(0, 0, -1)))
	return err
}
