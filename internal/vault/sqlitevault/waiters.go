package sqlitevault

import (
	"context"
	"database/sql"
	"time"
)

// PutWaiter implements vault.Waiters.
func (s *Store) PutWaiter(ctx context.Context, connectionID, key string, life time.Duration) error {
	return s.inTx(ctx, "note waiter", func(tx *sql.Tx) error {
		now := clock()
		if _, err := tx.ExecContext(ctx, `DELETE FROM waiters WHERE connection_id = ? AND until <= ?`, connectionID, instant(now)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO waiters (connection_id, key, until)
			SELECT id, ?2, ?3 FROM connections WHERE id = ?1 AND status <> 'disconnected'
			ON CONFLICT (connection_id, key) DO UPDATE SET until = excluded.until`, connectionID, key, instant(now.Add(life)))
		return err
	})
}

// DeleteWaiter implements vault.Waiters.
func (s *Store) DeleteWaiter(ctx context.Context, connectionID, key string) error {
	_, err := s.exec(ctx, `DELETE FROM waiters WHERE connection_id = ? AND key = ?`, connectionID, key)
	return failure("take back waiter", err)
}

// CountWaiters implements vault.Waiters.
func (s *Store) CountWaiters(ctx context.Context, connectionID string) (n int, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT count(*) FROM waiters WHERE connection_id = ? AND until > ?`,
		connectionID, instant(clock())).Scan(&n)
	return n, failure("count waiters", err)
}
