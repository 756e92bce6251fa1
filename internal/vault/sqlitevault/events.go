package sqlitevault

import (
	"context"
	"database/sql"
	"time"

	"github.com/acme/connections/internal/vault"
)

// Event implements vault.Events.
func (s *Store) Event(ctx context.Context, id string) (vault.Event, error) {
	e, err := scanEvent(s.read.QueryRowContext(ctx, `SELECT `+eventColumns+` FROM events WHERE id = ?`, id))
	return e, failure("read event", err)
}

// ListEvents implements vault.Events.
func (s *Store) ListEvents(ctx context.Context, f vault.EventFilter) ([]vault.Event, error) {
	order := "ASC"
	if f.Newest {
		order = "DESC"
	}
	rows, err := s.read.QueryContext(ctx, `
		SELECT `+eventColumns+` FROM events
		WHERE sequence > ?1 AND (?2 = '' OR owner = ?2) AND (?3 = '' OR connection_id = ?3) AND (?4 = '' OR type = ?4)
		ORDER BY sequence `+order+` LIMIT ?5`,
		f.After, f.Owner, f.ConnectionID, string(f.Type), f.PageSize())
	page, err := collect(rows, err, scanEvent)
	return f.InOrder(page), failure("list events", err)
}

// ClaimEvents implements vault.Events. It takes the writers' lock only if there is something to claim.
func (s *Store) ClaimEvents(ctx context.Context, limit int, lease time.Duration) (page []vault.Event, err error) {
	var some bool
	err = s.read.QueryRowContext(ctx, `
		SELECT EXISTS (SELECT 1 FROM events WHERE dispatched_at IS NULL AND (claimed_until IS NULL OR claimed_until <= ?))`,
		instant(clock())).Scan(&some)
	if err != nil || !some {
		return nil, failure("claim events", err)
	}
	err = s.inTx(ctx, "claim events", func(tx *sql.Tx) error {
		now := clock()
		rows, err := tx.QueryContext(ctx, `
			SELECT `+eventColumns+` FROM events
			WHERE dispatched_at IS NULL AND (claimed_until IS NULL OR claimed_until <= ?1)
			ORDER BY sequence LIMIT ?2`, instant(now), limit)
		if page, err = collect(rows, err, scanEvent); err != nil {
			return err
		}
		for _, e := range page {
			_, err := tx.ExecContext(ctx, `UPDATE events SET claimed_until = ?1 WHERE sequence = ?2`,
				instant(now.Add(lease)), e.Sequence)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// MarkDispatched implements vault.Events.
func (s *Store) MarkDispatched(ctx context.Context, ids []string) error {
	return s.inTx(ctx, "mark events", func(tx *sql.Tx) error {
		for _, id := range ids {
			_, err := tx.ExecContext(ctx, `
				UPDATE events SET dispatched_at = ?1, claimed_until = NULL WHERE id = ?2 AND dispatched_at IS NULL`,
				instant(clock()), id)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// DeleteEvents implements vault.Events.
func (s *Store) DeleteEvents(ctx context.Context, before time.Time) (int64, error) {
	deleted, err := s.exec(ctx, `DELETE FROM events WHERE at < ?`, instant(before))
	return deleted, failure("delete events", err)
}
