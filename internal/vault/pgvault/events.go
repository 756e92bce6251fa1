package pgvault

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/acme/connections/internal/vault"
)

// eventsPage is how many rows DeleteEvents takes at once, so that each statement is short.
const eventsPage = 10_000

// Event implements vault.Events.
func (s *Store) Event(ctx context.Context, id string) (vault.Event, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+eventColumns+` FROM events WHERE id = $1`, id)
	if err != nil {
		return vault.Event{}, lookupFailure("read event", err)
	}
	e, err := pgx.CollectExactlyOneRow(rows, scanEvent)
	return e, lookupFailure("read event", err)
}

// ListEvents implements vault.Events.
func (s *Store) ListEvents(ctx context.Context, f vault.EventFilter) ([]vault.Event, error) {
	if !spellable(f.Owner) || !spellable(f.ConnectionID) || !spellable(string(f.Type)) {
		return nil, nil
	}
	order := "ASC"
	if f.Newest {
		order = "DESC"
	}
	rows, err := s.pool.Query(ctx, `
		SELECT `+eventColumns+` FROM events
		WHERE sequence > $1 AND ($2 = '' OR owner = $2) AND ($3 = '' OR connection_id = $3) AND ($4 = '' OR type = $4)
		ORDER BY sequence `+order+` LIMIT $5`,
		f.After, f.Owner, f.ConnectionID, string(f.Type), f.PageSize())
	if err != nil {
		return nil, failure("list events", err)
	}
	page, err := pgx.CollectRows(rows, scanEvent)
	return f.InOrder(page), failure("list events", err)
}

// ClaimEvents implements vault.Events.
func (s *Store) ClaimEvents(ctx context.Context, limit int, lease time.Duration) ([]vault.Event, error) {
	rows, err := s.pool.Query(ctx, `
		WITH claimed AS (
			UPDATE events SET claimed_until = clock_timestamp() + $2::bigint * interval '1 microsecond'
			WHERE sequence IN (
				SELECT sequence FROM events
				WHERE dispatched_at IS NULL AND (claimed_until IS NULL OR claimed_until <= clock_timestamp())
				ORDER BY sequence LIMIT $1 FOR UPDATE SKIP LOCKED)
			RETURNING `+eventColumns+`)
		SELECT * FROM claimed ORDER BY sequence`, limit, lease.Microseconds())
	if err != nil {
		return nil, failure("claim events", err)
	}
	page, err := pgx.CollectRows(rows, scanEvent)
	return page, failure("claim events", err)
}

// MarkDispatched implements vault.Events.
func (s *Store) MarkDispatched(ctx context.Context, ids []string) error {
	_, err := s.pool.Exec(ctx, `
		UPDATE events SET dispatched_at = clock_timestamp(), claimed_until = NULL
		WHERE id = ANY($1) AND dispatched_at IS NULL`, ids)
	return failure("mark events", err)
}

// DeleteEvents implements vault.Events.
func (s *Store) DeleteEvents(ctx context.Context, before time.Time) (deleted int64, err error) {
	for {
		tag, err := s.pool.Exec(ctx, `
			DELETE FROM events WHERE sequence IN (
				SELECT sequence FROM events WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`, instant(before), eventsPage)
		deleted += tag.RowsAffected()
		if err != nil || tag.RowsAffected() < eventsPage {
			return deleted, failure("delete events", err)
		}
	}
}
