package pgvault

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/acme/connections/internal/vault"
)

// handoutsPage is how many rows DeleteHandouts takes at once, so that each statement is short.
const handoutsPage = 10_000

// RecordHandouts implements vault.Audit. It is one statement, which locks the rows in one order for all processes.
func (a *Access) RecordHandouts(ctx context.Context, handouts []vault.Handout) error {
	var ids, askers, tiers []string
	var counts []int64
	var hours, firsts, lasts []time.Time
	for _, h := range vault.MergeHandouts(handouts) {
		if !spellable(h.ConnectionID) {
			continue
		}
		ids, askers, tiers, counts = append(ids, h.ConnectionID), append(askers, h.Who), append(tiers, h.Tier), append(counts, h.Count)
		hours, firsts, lasts = append(hours, h.Hour()), append(firsts, h.First), append(lasts, h.Last)
	}
	if len(ids) == 0 {
		return nil
	}
	for {
		_, err := a.pool.Exec(ctx, `SELECT connections_record_handouts($1, $2, $3, $4, $5, $6, $7)`,
			ids, hours, askers, tiers, counts, firsts, lasts)
		if hasCode(err, codeForeignKeyViolation) {
			continue // a connection was deleted just now: the next time it is passed over
		}
		return failure("record hand-outs", err)
	}
}

// Handouts implements vault.Audit.
func (s *Store) Handouts(ctx context.Context, connectionID string, limit int) ([]vault.Handout, error) {
	if !spellable(connectionID) {
		return nil, nil
	}
	rows, err := s.pool.Query(ctx, `
		SELECT h.connection_id, h.who, h.tier, c.owner, h.count, h.first_at, h.last_at
		FROM handouts AS h JOIN connections AS c ON c.id = h.connection_id
		WHERE h.connection_id = $1
		ORDER BY h.hour DESC, h.last_at DESC, h.who, h.tier LIMIT $2`,
		connectionID, vault.ConnectionFilter{Limit: limit}.PageSize())
	if err != nil {
		return nil, failure("read hand-outs", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (h vault.Handout, err error) {
		err = row.Scan(&h.ConnectionID, &h.Who, &h.Tier, &h.Owner, &h.Count, (*instant)(&h.First), (*instant)(&h.Last))
		return h, err
	})
	return list, failure("read hand-outs", err)
}

// DeleteHandouts implements vault.Audit. Rows that are being added to are left for another time.
func (s *Store) DeleteHandouts(ctx context.Context, before time.Time) (deleted int64, err error) {
	for {
		tag, err := s.pool.Exec(ctx, `
			DELETE FROM handouts WHERE (connection_id, hour, who, tier) IN (
				SELECT connection_id, hour, who, tier FROM handouts WHERE hour < $1 AND last_at < $1
				LIMIT $2 FOR UPDATE SKIP LOCKED)`, instant(before), handoutsPage)
		deleted += tag.RowsAffected()
		if err != nil || tag.RowsAffected() < handoutsPage {
			return deleted, failure("delete hand-outs", err)
		}
	}
}
