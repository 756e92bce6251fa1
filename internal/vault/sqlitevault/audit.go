package sqlitevault

import (
	"context"
	"database/sql"
	"time"

	"github.com/acme/connections/internal/vault"
)

// RecordHandouts implements vault.Audit.
func (s *Store) RecordHandouts(ctx context.Context, handouts []vault.Handout) error {
	handouts = vault.MergeHandouts(handouts)
	if len(handouts) == 0 {
		return nil
	}
	return s.inTx(ctx, "record hand-outs", func(tx *sql.Tx) error {
		add, err := tx.PrepareContext(ctx, `
			INSERT INTO handouts AS h (connection_id, hour, who, tier, count, first_at, last_at)
			SELECT id, ?2, ?3, ?4, ?5, ?6, ?7 FROM connections WHERE id = ?1
			ON CONFLICT (connection_id, hour, who, tier) DO UPDATE SET
				count = h.count + excluded.count,
				first_at = min(h.first_at, excluded.first_at), last_at = max(h.last_at, excluded.last_at)`)
		if err != nil {
			return err
		}
		defer func() { _ = add.Close() }()
		for _, h := range handouts {
			_, err := add.ExecContext(ctx,
				h.ConnectionID, instant(h.Hour()), h.Who, h.Tier, h.Count, instant(h.First), instant(h.Last))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Handouts implements vault.Audit.
func (s *Store) Handouts(ctx context.Context, connectionID string, limit int) ([]vault.Handout, error) {
	rows, err := s.read.QueryContext(ctx, `
		SELECT h.connection_id, h.who, h.tier, c.owner, h.count, h.first_at, h.last_at
		FROM handouts AS h JOIN connections AS c ON c.id = h.connection_id
		WHERE h.connection_id = ?
		ORDER BY h.hour DESC, h.last_at DESC, h.who, h.tier LIMIT ?`,
		connectionID, vault.ConnectionFilter{Limit: limit}.PageSize())
	list, err := collect(rows, err, func(r row) (h vault.Handout, err error) {
		err = r.Scan(&h.ConnectionID, &h.Who, &h.Tier, &h.Owner, &h.Count, (*instant)(&h.First), (*instant)(&h.Last))
		return h, err
	})
	return list, failure("read hand-outs", err)
}

// DeleteHandouts implements vault.Audit.
func (s *Store) DeleteHandouts(ctx context.Context, before time.Time) (int64, error) {
	deleted, err := s.exec(ctx, `DELETE FROM handouts WHERE hour < ?1 AND last_at < ?1`, instant(before))
	return deleted, failure("delete hand-outs", err)
}
