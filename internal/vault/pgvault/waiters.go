package pgvault

import (
	"context"
	"time"
)

// PutWaiter implements vault.Waiters.
func (s *Store) PutWaiter(ctx context.Context, connectionID, key string, life time.Duration) error {
	if !spellable(connectionID) || !spellable(key) {
		return nil
	}
	_, err := s.pool.Exec(ctx, `
		WITH lapsed AS (DELETE FROM waiters WHERE connection_id = $1 AND key <> $2 AND until <= clock_timestamp())
		INSERT INTO waiters (connection_id, key, until)
		SELECT id, $2, clock_timestamp() + $3 * interval '1 microsecond' FROM connections WHERE id = $1 AND status <> 'disconnected'
		ON CONFLICT (connection_id, key) DO UPDATE SET until = excluded.until`, connectionID, key, life.Microseconds())
	if hasCode(err, codeForeignKeyViolation) {
		return nil // the connection was deleted just now
	}
	return failure("note waiter", err)
}

// DeleteWaiter implements vault.Waiters.
func (s *Store) DeleteWaiter(ctx context.Context, connectionID, key string) error {
	if !spellable(connectionID) || !spellable(key) {
		return nil
	}
	_, err := s.pool.Exec(ctx, `DELETE FROM waiters WHERE connection_id = $1 AND key = $2`, connectionID, key)
	return failure("take back waiter", err)
}

// CountWaiters implements vault.Waiters.
func (s *Store) CountWaiters(ctx context.Context, connectionID string) (n int, err error) {
	if !spellable(connectionID) {
		return 0, nil
	}
	err = s.pool.QueryRow(ctx, `SELECT count(*) FROM waiters WHERE connection_id = $1 AND until > clock_timestamp()`, connectionID).Scan(&n)
	return n, failure("count waiters", err)
}
