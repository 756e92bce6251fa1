package sqlitevault

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/acme/connections/internal/vault"
)

// Breaker implements vault.Breakers.
func (s *Store) Breaker(ctx context.Context, integrationID string) (vault.Breaker, error) {
	b, err := readBreaker(ctx, s.read, integrationID)
	return b, failure("read breaker", err)
}

// querier is what a pool and a transaction have in common.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func readBreaker(ctx context.Context, q querier, integrationID string) (vault.Breaker, error) {
	return scanBreaker(q.QueryRowContext(ctx,
		`SELECT `+breakerColumns+` FROM breakers WHERE integration_id = ?`, integrationID))
}

// OpenBreakers implements vault.Breakers.
func (s *Store) OpenBreakers(ctx context.Context) ([]vault.Breaker, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT `+breakerColumns+` FROM breakers WHERE open ORDER BY integration_id`)
	list, err := collect(rows, err, scanBreaker)
	return list, failure("list breakers", err)
}

// CountFailure implements vault.Breakers.
func (s *Store) CountFailure(ctx context.Context, f vault.BreakerFailure) (b vault.Breaker, opened bool, err error) {
	f = f.Normalize()
	err = s.inTx(ctx, "count failure", func(tx *sql.Tx) error {
		b, opened, err = countFailure(ctx, tx, f)
		return err
	})
	switch {
	case errors.Is(err, vault.ErrNotFound):
		if b, err = s.Breaker(ctx, f.IntegrationID); errors.Is(err, vault.ErrNotFound) {
			err = nil
		}
		return b, false, err
	case err != nil:
		return vault.Breaker{}, false, err
	default:
		return b, opened, nil
	}
}

// countFailure gives sql.ErrNoRows if the connection is not there.
func countFailure(ctx context.Context, tx *sql.Tx, f vault.BreakerFailure) (b vault.Breaker, opened bool, err error) {
	if b, err = tellBreaker(ctx, tx, f); err != nil {
		return vault.Breaker{}, false, err
	}
	failing, err := countFailing(ctx, tx, f)
	if err != nil || b.Open || !f.Cause.Opens(failing) {
		return b, false, err
	}
	b, err = scanBreaker(tx.QueryRowContext(ctx, `
		UPDATE breakers SET open = 1, opened_at = ?2, next_probe_at = ?3, opens = opens + 1
		WHERE integration_id = ?1
		RETURNING `+breakerColumns, f.IntegrationID, instant(f.At), instant(f.At.Add(f.ProbeAfter))))
	return b, err == nil, err
}

// tellBreaker tells the integration's breaker of the failure, making it if it is not there: sql.ErrNoRows if the
// connection is not there.
func tellBreaker(ctx context.Context, tx *sql.Tx, f vault.BreakerFailure) (vault.Breaker, error) {
	return scanBreaker(tx.QueryRowContext(ctx, `
		INSERT INTO breakers (integration_id, open, cause, reason, opens)
		SELECT ?1, 0, ?2, ?3, 0 FROM connections WHERE id = ?4 AND status <> 'disconnected'
		ON CONFLICT (integration_id) DO UPDATE SET
			cause = CASE WHEN open THEN cause ELSE excluded.cause END,
			reason = CASE WHEN open THEN reason ELSE excluded.reason END
		RETURNING `+breakerColumns, f.IntegrationID, string(f.Cause), f.Reason, f.ConnectionID))
}

// countFailing writes the failure, forgets old ones while the breaker is closed, and counts the connections that fail
// alike.
func countFailing(ctx context.Context, tx *sql.Tx, f vault.BreakerFailure) (failing int, err error) {
	_, err = tx.ExecContext(ctx, `
		INSERT INTO breaker_failures (integration_id, connection_id, cause, reason, at)
		VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (integration_id, connection_id) DO UPDATE SET
			cause = excluded.cause, reason = excluded.reason, at = excluded.at
		WHERE at <= excluded.at`,
		f.IntegrationID, f.ConnectionID, string(f.Cause), f.Reason, instant(f.At))
	if err != nil {
		return 0, err
	}
	oldest := instant(f.At.Add(-vault.BreakerWindow))
	_, err = tx.ExecContext(ctx, `
		DELETE FROM breaker_failures
		WHERE integration_id = ?1 AND at < ?2
			AND (SELECT NOT open FROM breakers WHERE integration_id = ?1)`, f.IntegrationID, oldest)
	if err != nil {
		return 0, err
	}
	err = tx.QueryRowContext(ctx, `
		SELECT count(*) FROM breaker_failures
		WHERE integration_id = ? AND cause = ? AND at BETWEEN ? AND ?`,
		f.IntegrationID, string(f.Cause), oldest, instant(f.At.Add(vault.BreakerWindow))).Scan(&failing)
	return failing, err
}

// CountSuccess implements vault.Breakers. What was counted goes with the row.
func (s *Store) CountSuccess(ctx context.Context, integrationID string) (closed bool, err error) {
	err = s.write.QueryRowContext(ctx, `DELETE FROM breakers WHERE integration_id = ? RETURNING open`, integrationID).
		Scan(&closed)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return closed, failure("count success", err)
}

// ClaimProbe implements vault.Breakers.
func (s *Store) ClaimProbe(
	ctx context.Context, integrationID string, at time.Time, interval time.Duration,
) (bool, error) {
	changed, err := s.exec(ctx, `
		UPDATE breakers SET next_probe_at = ? WHERE integration_id = ? AND open AND next_probe_at <= ?`,
		instant(at.Add(interval)), integrationID, instant(at))
	return changed == 1, failure("claim probe", err)
}

// FailingConnections implements vault.Breakers.
func (s *Store) FailingConnections(ctx context.Context, integrationID string, limit int) ([]string, error) {
	rows, err := s.read.QueryContext(ctx, `
		SELECT connection_id FROM breaker_failures WHERE integration_id = ? ORDER BY at, connection_id LIMIT ?`,
		integrationID, vault.ConnectionFilter{Limit: limit}.PageSize())
	ids, err := collect(rows, err, scanText)
	return ids, failure("list failing connections", err)
}
