package pgvault

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/acme/connections/internal/vault"
)

// lockConnection reads a connection under the lock that every change of its attempts takes first.
const lockConnection = `SELECT ` + connectionColumns + ` FROM connections WHERE id = $1 FOR NO KEY UPDATE`

// BeginAttempt implements vault.Attempts.
//
// Nearly always nothing is in the way, and one round trip is enough: see beginClear. Whenever it finds anything that
// might be an obstacle, the rule in vault.Decide decides.
func (s *Store) BeginAttempt(ctx context.Context, start vault.AttemptStart) (vault.Begun, error) {
	begun, err := s.beginClear(ctx, start)
	if err != nil || begun.Outcome != "" {
		return begun, failure("begin attempt", err)
	}
	if begun.Connection.Status == statusDisconnected {
		return vault.Begun{}, vault.ErrConflict
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		begun, err = beginDecided(ctx, tx, start)
		return err
	})
	return begun, failure("begin attempt", err)
}

// beginClear begins the attempt if every attempt that is kept ended clearly and is about something else. Its two
// statements travel together and are one implicit transaction; the second has its own snapshot, taken under the lock.
// The outcome stays empty if there is more to look at.
func (s *Store) beginClear(ctx context.Context, start vault.AttemptStart) (vault.Begun, error) {
	var begun vault.Begun
	batch := &pgx.Batch{}
	batch.Queue(lockConnection, start.ConnectionID).Query(func(rows pgx.Rows) (err error) {
		begun.Connection, err = pgx.CollectExactlyOneRow(rows, scanConnection)
		return err
	})
	batch.Queue(`
		INSERT INTO attempts (id, connection_id, kind, generation, request_id, state, begun_at, lease_until)
		SELECT $1, c.id, $3, c.generation, $4, 'begun', now.at, now.at + $5 * interval '1 microsecond'
		FROM connections AS c, clock_timestamp() AS now (at)
		WHERE c.id = $2 AND c.status <> 'disconnected' AND ($6::bigint = -1 OR c.generation = $6)
			AND NOT EXISTS (
				SELECT FROM attempts AS a
				WHERE a.connection_id = $2 AND (
					a.ended_at IS NULL
					OR (a.state = 'in_doubt' AND a.generation = c.generation)
					OR ($4 <> '' AND a.request_id = $4)))
		RETURNING `+attemptColumns, startArgs(start)...).Query(func(rows pgx.Rows) error {
		started, err := pgx.CollectRows(rows, scanAttempt)
		if len(started) == 1 {
			begun.Outcome, begun.Attempt = vault.BeginStarted, started[0]
		}
		return err
	})
	if err := s.pool.SendBatch(ctx, batch).Close(); err != nil {
		return vault.Begun{}, err
	}
	if start.Generation != vault.AttemptAnyGeneration && start.Generation != begun.Connection.Generation {
		begun.Outcome = vault.BeginNewer
	}
	return begun, nil
}

// startArgs are $1 to $6 of an insert.
func startArgs(start vault.AttemptStart) []any {
	return []any{
		start.ID, start.ConnectionID, start.Kind, start.RequestID, start.Lease.Microseconds(), start.Generation,
	}
}

// beginDecided reads all that is kept, asks vault.Decide, and writes what it says.
func beginDecided(ctx context.Context, tx pgx.Tx, start vault.AttemptStart) (vault.Begun, error) {
	var (
		begun    vault.Begun
		attempts []vault.Attempt
		now      time.Time
	)
	reads := &pgx.Batch{}
	reads.Queue(lockConnection, start.ConnectionID).Query(func(rows pgx.Rows) (err error) {
		begun.Connection, err = pgx.CollectExactlyOneRow(rows, scanConnection)
		return err
	})
	reads.Queue(`SELECT `+attemptColumns+` FROM attempts WHERE connection_id = $1 ORDER BY seq DESC FOR UPDATE`,
		start.ConnectionID).Query(func(rows pgx.Rows) (err error) {
		attempts, err = pgx.CollectRows(rows, scanAttempt)
		return err
	})
	reads.Queue(`SELECT clock_timestamp()`).QueryRow(func(row pgx.Row) error { return row.Scan((*instant)(&now)) })
	if err := tx.SendBatch(ctx, reads).Close(); err != nil {
		return vault.Begun{}, err
	}
	if begun.Connection.Status == statusDisconnected {
		return vault.Begun{}, vault.ErrConflict
	}

	decision := vault.Decide(begun.Connection, attempts, start, now)
	begun.Outcome, begun.Attempt = decision.Outcome, decision.InTheWay
	writes := &pgx.Batch{}
	for _, a := range decision.Lapsed {
		writes.Queue(`UPDATE attempts SET state = $2, reason = $3, ended_at = $4 WHERE id = $1`,
			a.ID, string(a.State), a.Reason, instant(a.EndedAt))
	}
	if decision.Outcome == vault.BeginStarted {
		writes.Queue(`
			INSERT INTO attempts (id, connection_id, kind, generation, request_id, state, begun_at, lease_until)
			VALUES ($1, $2, $3, $6, $4, 'begun', $7, $7::timestamptz + $5 * interval '1 microsecond')
			RETURNING `+attemptColumns, insertArgs(start, begun.Connection.Generation, now)...).
			Query(func(rows pgx.Rows) (err error) {
				begun.Attempt, err = pgx.CollectExactlyOneRow(rows, scanAttempt)
				return err
			})
	}
	writes.Queue(`DELETE FROM attempts AS a USING connections AS c WHERE c.id = $1 AND`+prunable, start.ConnectionID)
	if err := tx.SendBatch(ctx, writes).Close(); err != nil {
		return vault.Begun{}, err
	}
	return begun, nil
}

// insertArgs are startArgs with the generation that the row has, and $7, the time.
func insertArgs(start vault.AttemptStart, generation int64, now time.Time) []any {
	start.Generation = generation
	return append(startArgs(start), instant(now))
}
