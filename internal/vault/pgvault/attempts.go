package pgvault

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/acme/connections/internal/vault"
)

// MarkSent implements vault.Attempts.
func (s *Store) MarkSent(ctx context.Context, attemptID string) error {
	tag, err := s.pool.Exec(ctx, `
		UPDATE attempts SET state = 'sent', sent_at = clock_timestamp() WHERE id = $1 AND state = 'begun'`, attemptID)
	if err == nil && tag.RowsAffected() == 0 {
		return vault.ErrConflict
	}
	return failure("mark attempt as sent", err)
}

// SaveReply implements vault.Attempts.
func (s *Store) SaveReply(ctx context.Context, attemptID string, sealed []byte) error {
	tag, err := s.pool.Exec(ctx, `
		UPDATE attempts SET reply = $2, state = CASE WHEN ended_at IS NULL THEN 'replied' ELSE state END
		WHERE id = $1`, attemptID, sealed)
	if err == nil && tag.RowsAffected() == 0 {
		return vault.ErrNotFound
	}
	return failure("save reply", err)
}

// FailAttempt implements vault.Attempts. Its statements run in one transaction and one round trip; the connection's
// row is locked before the attempt, as everywhere.
func (s *Store) FailAttempt(
	ctx context.Context, attemptID string, state vault.AttemptState, reason string,
) (int64, error) {
	switch state {
	case vault.AttemptFailed, vault.AttemptInDoubt, vault.AttemptSuperseded:
	default:
		return 0, fmt.Errorf("pgvault: %q is not a state in which an attempt fails", state)
	}
	var failures int64
	ended := true
	batch := &pgx.Batch{}
	batch.Queue(`
		SELECT c.id FROM connections AS c JOIN attempts AS a ON a.connection_id = c.id WHERE a.id = $1
		FOR NO KEY UPDATE OF c`, attemptID).
		QueryRow(func(row pgx.Row) error { return row.Scan(new(string)) })
	batch.Queue(`
		WITH ended AS (
			UPDATE attempts SET state = $2, reason = $3, reply = CASE WHEN $2 = 'failed' THEN reply END,
				ended_at = coalesce(ended_at, clock_timestamp())
			WHERE id = $1 AND (ended_at IS NULL OR (state = 'in_doubt' AND reply IS NOT NULL))
			RETURNING connection_id, seq
		), erased AS (`+eraseOlder+`
		)
		UPDATE connections SET failures = failures + 1, updated_at = clock_timestamp()
		FROM ended WHERE id = ended.connection_id
		RETURNING failures`, attemptID, string(state), reason).
		QueryRow(func(row pgx.Row) error {
			err := row.Scan(&failures)
			if errors.Is(err, pgx.ErrNoRows) {
				ended = false
				return nil
			}
			return err
		})
	batch.Queue(`
		DELETE FROM attempts AS a USING connections AS c
		WHERE c.id = (SELECT connection_id FROM attempts WHERE id = $1) AND a.id <> $1 AND`+prunable, attemptID)
	if err := s.pool.SendBatch(ctx, batch).Close(); err != nil {
		return 0, failure("fail attempt", err)
	}
	if !ended {
		return 0, vault.ErrConflict
	}
	return failures, nil
}

// RaiseFailures implements vault.Attempts.
func (s *Store) RaiseFailures(ctx context.Context, connectionID string) error {
	tag, err := s.pool.Exec(ctx, `
		UPDATE connections SET failures = failures + 1, updated_at = clock_timestamp() WHERE id = $1`, connectionID)
	if err == nil && tag.RowsAffected() == 0 {
		return vault.ErrNotFound
	}
	return failure("raise failures", err)
}

// Attempt implements vault.Attempts.
func (s *Store) Attempt(ctx context.Context, attemptID string) (vault.Attempt, error) {
	return s.attempt(ctx, `SELECT `+attemptColumns+` FROM attempts WHERE id = $1`, attemptID)
}

// LastRefusal implements vault.Attempts.
func (s *Store) LastRefusal(ctx context.Context, connectionID string) (vault.Attempt, error) {
	return s.attempt(ctx, `
		SELECT `+attemptColumns+` FROM attempts
		WHERE connection_id = $1 AND state = 'failed' AND reply IS NOT NULL
		ORDER BY seq DESC LIMIT 1`, connectionID)
}

func (s *Store) attempt(ctx context.Context, query, key string) (vault.Attempt, error) {
	rows, err := s.pool.Query(ctx, query, key)
	if err != nil {
		return vault.Attempt{}, lookupFailure("read attempt", err)
	}
	a, err := pgx.CollectExactlyOneRow(rows, scanAttempt)
	return a, lookupFailure("read attempt", err)
}
