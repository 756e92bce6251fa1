package sqlitevault

import (
	"context"
	"database/sql"
	"time"
)

// MarkRead implements vault.Reads.
func (s *Store) MarkRead(ctx context.Context, marks map[string]time.Time) error {
	if len(marks) == 0 {
		return nil
	}
	return s.inTx(ctx, "mark as read", func(tx *sql.Tx) error {
		mark, err := tx.PrepareContext(ctx, `
			INSERT INTO reads (connection_id, at)
			SELECT id, ?2 FROM connections WHERE id = ?1 AND status <> 'disconnected'
			ON CONFLICT (connection_id) DO UPDATE SET at = excluded.at WHERE at < excluded.at`)
		if err != nil {
			return err
		}
		defer func() { _ = mark.Close() }()
		for id, at := range marks {
			if at.IsZero() {
				continue
			}
			if _, err := mark.ExecContext(ctx, id, instant(at)); err != nil {
				return err
			}
		}
		return nil
	})
}

// LastRead implements vault.Reads.
func (s *Store) LastRead(ctx context.Context, connectionID string) (at time.Time, err error) {
	err = s.read.QueryRowContext(ctx, `
		SELECT r.at FROM connections AS c LEFT JOIN reads AS r ON r.connection_id = c.id WHERE c.id = ?`, connectionID).
		Scan((*instant)(&at))
	return at, failure("read last read", err)
}
