package pgvault

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/acme/connections/internal/vault"
)

// Breaker implements vault.Breakers.
func (s *Store) Breaker(ctx context.Context, integrationID string) (vault.Breaker, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+breakerColumns+` FROM breakers WHERE integration_id = $1`, integrationID)
	if err != nil {
		return vault.Breaker{}, lookupFailure("read breaker", err)
	}
	b, err := pgx.CollectExactlyOneRow(rows, scanBreaker)
	return b, lookupFailure("read breaker", err)
}

// OpenBreakers implements vault.Breakers.
func (s *Store) OpenBreakers(ctx context.Context) ([]vault.Breaker, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+breakerColumns+` FROM breakers WHERE open ORDER BY integration_id`)
	if err != nil {
		return nil, failure("list breakers", err)
	}
	list, err := pgx.CollectRows(rows, scanBreaker)
	return list, failure("list breakers", err)
}

// CountFailure implements vault.Breakers. Locks are taken in this order everywhere: the connection's row, the
// breaker's, and then those of failures.
func (s *Store) CountFailure(ctx context.Context, f vault.BreakerFailure) (b vault.Breaker, opened bool, err error) {
	f = f.Normalize()
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		b, opened, err = countFailure(ctx, tx, f)
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		if b, err = s.Breaker(ctx, f.IntegrationID); errors.Is(err, vault.ErrNotFound) {
			err = nil
		}
		return b, false, err
	case err != nil:
		return vault.Breaker{}, false, failure("count failure", err)
	default:
		return b, opened, nil
	}
}

// countFailure gives pgx.ErrNoRows if the connection is not there.
func countFailure(ctx context.Context, tx pgx.Tx, f vault.BreakerFailure) (b vault.Breaker, opened bool, err error) {
	if b, err = lockBreaker(ctx, tx, f); err != nil {
		return vault.Breaker{}, false, err
	}
	failing, err := countFailing(ctx, tx, f)
	if err != nil || b.Open || !f.Cause.Opens(failing) {
		return b, false, err
	}
	b, err = openBreaker(ctx, tx, f)
	return b, err == nil, err
}

// lockBreaker locks the integration's breaker, making it if it is not there, and tells it of the failure: pgx.ErrNoRows
// if the connection is not there. The connection's lock keeps an Erase from leaving the failure behind.
func lockBreaker(ctx context.Context, tx pgx.Tx, f vault.BreakerFailure) (vault.Breaker, error) {
	rows, err := tx.Query(ctx, `
		WITH c AS (SELECT FROM connections WHERE id = $4 AND status <> 'disconnected' FOR SHARE)
		INSERT INTO breakers AS b (integration_id, open, cause, reason, opens)
		SELECT $1, false, $2, $3, 0 FROM c
		ON CONFLICT (integration_id) DO UPDATE SET
			cause = CASE WHEN b.open THEN b.cause ELSE excluded.cause END,
			reason = CASE WHEN b.open THEN b.reason ELSE excluded.reason END
		RETURNING `+breakerColumns, f.IntegrationID, string(f.Cause), f.Reason, f.ConnectionID)
	if err != nil {
		return vault.Breaker{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanBreaker)
}

// countFailing writes the failure under the breaker's lock, forgets old ones while the breaker is closed, and counts
// the connections that fail alike.
func countFailing(ctx context.Context, tx pgx.Tx, f vault.BreakerFailure) (failing int, err error) {
	batch := &pgx.Batch{}
	batch.Queue(`
		INSERT INTO breaker_failures AS f (integration_id, connection_id, cause, reason, at)
		VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (integration_id, connection_id) DO UPDATE SET
			cause = excluded.cause, reason = excluded.reason, at = excluded.at
		WHERE f.at <= excluded.at`,
		f.IntegrationID, f.ConnectionID, string(f.Cause), f.Reason, instant(f.At))
	batch.Queue(`
		DELETE FROM breaker_failures AS f USING breakers AS b
		WHERE f.integration_id = $1 AND f.at < $2 AND b.integration_id = $1 AND NOT b.open`,
		f.IntegrationID, instant(f.At.Add(-vault.BreakerWindow)))
	batch.Queue(`
		SELECT count(*) FROM breaker_failures
		WHERE integration_id = $1 AND cause = $2 AND at BETWEEN $3 AND $4`,
		f.IntegrationID, string(f.Cause), instant(f.At.Add(-vault.BreakerWindow)),
		instant(f.At.Add(vault.BreakerWindow))).
		QueryRow(func(row pgx.Row) error { return row.Scan(&failing) })
	return failing, tx.SendBatch(ctx, batch).Close()
}

func openBreaker(ctx context.Context, tx pgx.Tx, f vault.BreakerFailure) (vault.Breaker, error) {
	rows, err := tx.Query(ctx, `
		UPDATE breakers SET open = true, opened_at = $2, next_probe_at = $3, opens = opens + 1
		WHERE integration_id = $1
		RETURNING `+breakerColumns, f.IntegrationID, instant(f.At), instant(f.At.Add(f.ProbeAfter)))
	if err != nil {
		return vault.Breaker{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanBreaker)
}

// CountSuccess implements vault.Breakers. What was counted goes with the row.
func (s *Store) CountSuccess(ctx context.Context, integrationID string) (closed bool, err error) {
	err = s.pool.QueryRow(ctx, `DELETE FROM breakers WHERE integration_id = $1 RETURNING open`, integrationID).
		Scan(&closed)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return closed, failure("count success", err)
}

// ClaimProbe implements vault.Breakers.
func (s *Store) ClaimProbe(
	ctx context.Context, integrationID string, at time.Time, interval time.Duration,
) (bool, error) {
	tag, err := s.pool.Exec(ctx, `
		UPDATE breakers SET next_probe_at = $3 WHERE integration_id = $1 AND open AND next_probe_at <= $2`,
		integrationID, instant(at), instant(at.Add(interval)))
	return tag.RowsAffected() == 1, failure("claim probe", err)
}

// FailingConnections implements vault.Breakers.
func (s *Store) FailingConnections(ctx context.Context, integrationID string, limit int) ([]string, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT connection_id FROM breaker_failures WHERE integration_id = $1 ORDER BY at, connection_id LIMIT $2`,
		integrationID, vault.ConnectionFilter{Limit: limit}.PageSize())
	if err != nil {
		return nil, failure("list failing connections", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return ids, failure("list failing connections", err)
}
