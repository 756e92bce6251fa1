package pgvault

import (
	"context"
	"errors"
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
	start = start.Normalize()
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

// beginClear begins the attempt if every attempt that is kept ended clearly and is about something else, the breaker
// lets it pass, and the connection was read lately enough. Its two statements travel together and are one implicit
// transaction; the second has its own snapshot, taken under the lock. The outcome stays empty if there is more to look
// at.
func (s *Store) beginClear(ctx context.Context, start vault.AttemptStart) (vault.Begun, error) {
	var begun vault.Begun
	batch := &pgx.Batch{}
	batch.Queue(lockConnection, start.ConnectionID).Query(func(rows pgx.Rows) (err error) {
		begun.Connection, err = pgx.CollectExactlyOneRow(rows, scanConnection)
		return err
	})
	insert, args := insertClear(start)
	batch.Queue(insert, args...).QueryRow(func(row pgx.Row) error {
		var breaker []byte
		err := row.Scan(append(attemptFields(&begun.Attempt), &breaker)...)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err == nil {
			begun.Outcome = vault.BeginStarted
			begun.Breaker, err = readBreaker(breaker)
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

// insertClear is the statement that begins an attempt if nothing at all is in the way. A condition that does not apply
// is not in its text, so that it costs nothing, and so that every plan of the text is good for all arguments.
func insertClear(start vault.AttemptStart) (query string, args []any) {
	var conditions string
	args = startArgs(start)
	if !start.PassesBreaker() {
		conditions += `
			AND NOT EXISTS (SELECT FROM breakers AS b WHERE b.integration_id = c.integration_id AND b.open)`
	}
	if !start.UnreadSince.IsZero() {
		conditions += `
			AND (EXISTS (SELECT FROM reads AS r WHERE r.connection_id = $2 AND r.at >= $7)
				OR coalesce(nullif(c.policy, ''), (SELECT i.policy FROM integrations AS i WHERE i.id = c.integration_id)) = 'always_fresh')`
		args = append(args, instant(start.UnreadSince))
	}
	return `
		INSERT INTO attempts (id, connection_id, kind, generation, request_id, state, begun_at, lease_until)
		SELECT $1, c.id, $3, c.generation, $4, 'begun', now.at, now.at + $5 * interval '1 microsecond'
		FROM connections AS c, clock_timestamp() AS now (at)
		WHERE c.id = $2 AND c.status <> 'disconnected' AND ($6::bigint = -1 OR c.generation = $6)
			AND NOT EXISTS (
				SELECT FROM attempts AS a
				WHERE a.connection_id = $2 AND (
					a.ended_at IS NULL
					OR (a.state = 'in_doubt' AND a.generation = c.generation)
					OR ($4 <> '' AND a.request_id = $4)))` + conditions + `
		RETURNING ` + attemptColumns + `, (
			SELECT to_json(b) FROM breakers AS b
			WHERE b.integration_id = (SELECT c.integration_id FROM connections AS c WHERE c.id = $2))`, args
}

// startArgs are $1 to $6 of an insert.
func startArgs(start vault.AttemptStart) []any {
	return []any{
		start.ID, start.ConnectionID, start.Kind, start.RequestID, start.Lease.Microseconds(), start.Generation,
	}
}

// beginDecided reads all that is kept, asks vault.Decide, and writes what it says.
func beginDecided(ctx context.Context, tx pgx.Tx, start vault.AttemptStart) (vault.Begun, error) {
	found, err := findForBegin(ctx, tx, start)
	if err != nil {
		return vault.Begun{}, err
	}
	if found.Connection.Status == statusDisconnected {
		return vault.Begun{}, vault.ErrConflict
	}

	decision := vault.Decide(found, start)
	begun := decision.Begun(found)
	writes := &pgx.Batch{}
	for _, a := range decision.Lapsed {
		writes.Queue(`UPDATE attempts SET state = $2, reason = $3, ended_at = $4 WHERE id = $1`,
			a.ID, string(a.State), a.Reason, instant(a.EndedAt))
	}
	if decision.Outcome == vault.BeginStarted {
		writes.Queue(`
			INSERT INTO attempts (id, connection_id, kind, generation, request_id, state, begun_at, lease_until)
			VALUES ($1, $2, $3, $6, $4, 'begun', $7, $7::timestamptz + $5 * interval '1 microsecond')
			RETURNING `+attemptColumns, insertArgs(start, begun.Connection.Generation, found.Now)...).
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

// findForBegin locks the connection, and then reads what vault.Decide needs: each statement has its own snapshot.
func findForBegin(ctx context.Context, tx pgx.Tx, start vault.AttemptStart) (vault.Found, error) {
	var found vault.Found
	reads := &pgx.Batch{}
	reads.Queue(lockConnection, start.ConnectionID).Query(func(rows pgx.Rows) (err error) {
		found.Connection, err = pgx.CollectExactlyOneRow(rows, scanConnection)
		return err
	})
	reads.Queue(`SELECT `+attemptColumns+` FROM attempts WHERE connection_id = $1 ORDER BY seq DESC FOR UPDATE`,
		start.ConnectionID).Query(func(rows pgx.Rows) (err error) {
		found.Attempts, err = pgx.CollectRows(rows, scanAttempt)
		return err
	})
	reads.Queue(`
		SELECT clock_timestamp(), (SELECT at FROM reads WHERE connection_id = c.id), (
			SELECT to_json(b) FROM breakers AS b WHERE b.integration_id = c.integration_id),
			coalesce((SELECT i.policy FROM integrations AS i WHERE i.id = c.integration_id), '')
		FROM connections AS c WHERE c.id = $1`, start.ConnectionID).QueryRow(func(row pgx.Row) error {
		var breaker []byte
		err := row.Scan((*instant)(&found.Now), (*instant)(&found.LastRead), &breaker, &found.Policy)
		if err == nil {
			found.Breaker, err = readBreaker(breaker)
		}
		return err
	})
	return found, tx.SendBatch(ctx, reads).Close()
}

// insertArgs are startArgs with the generation that the row has, and $7, the time.
func insertArgs(start vault.AttemptStart, generation int64, now time.Time) []any {
	start.Generation = generation
	return append(startArgs(start), instant(now))
}
