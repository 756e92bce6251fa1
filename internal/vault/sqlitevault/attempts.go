package sqlitevault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/acme/connections/internal/vault"
)

// BeginAttempt implements vault.Attempts.
func (s *Store) BeginAttempt(ctx context.Context, start vault.AttemptStart) (begun vault.Begun, err error) {
	start = start.Normalize()
	err = s.inTx(ctx, "begin attempt", func(tx *sql.Tx) error {
		begun, err = begin(ctx, tx, start)
		return err
	})
	if err != nil {
		return vault.Begun{}, err
	}
	return begun, nil
}

func begin(ctx context.Context, tx *sql.Tx, start vault.AttemptStart) (vault.Begun, error) {
	found, err := findForBegin(ctx, tx, start)
	if err != nil {
		return vault.Begun{}, err
	}
	if found.Connection.Status == statusDisconnected {
		return vault.Begun{}, vault.ErrConflict
	}

	now := found.Now
	decision := vault.Decide(found, start)
	for _, a := range decision.Lapsed {
		_, err := tx.ExecContext(ctx, `UPDATE attempts SET state = ?, reason = ?, ended_at = ? WHERE id = ?`,
			string(a.State), a.Reason, instant(a.EndedAt), a.ID)
		if err != nil {
			return vault.Begun{}, err
		}
	}
	if len(decision.Lapsed) > 0 {
		if err := prune(ctx, tx, start.ConnectionID, now); err != nil {
			return vault.Begun{}, err
		}
	}
	begun := decision.Begun(found)
	if decision.Outcome != vault.BeginStarted {
		return begun, nil
	}
	begun.Attempt, err = scanAttempt(tx.QueryRowContext(ctx, `
		INSERT INTO attempts (id, connection_id, kind, generation, request_id, state, begun_at, lease_until)
		VALUES (?, ?, ?, ?, ?, 'begun', ?, ?)
		RETURNING `+attemptColumns,
		start.ID, start.ConnectionID, start.Kind, found.Connection.Generation, start.RequestID, instant(now),
		instant(now.Add(start.Lease))))
	return begun, err
}

// findForBegin reads what vault.Decide needs.
func findForBegin(ctx context.Context, tx *sql.Tx, start vault.AttemptStart) (found vault.Found, err error) {
	found.Connection, err = scanConnection(tx.QueryRowContext(ctx,
		`SELECT `+connectionColumns+` FROM connections WHERE id = ?`, start.ConnectionID))
	if err != nil {
		return vault.Found{}, err
	}
	rows, err := tx.QueryContext(ctx,
		`SELECT `+attemptColumns+` FROM attempts WHERE connection_id = ? ORDER BY seq DESC`, start.ConnectionID)
	found.Attempts, err = collect(rows, err, scanAttempt)
	if err != nil {
		return vault.Found{}, err
	}
	found.Breaker, err = readBreaker(ctx, tx, found.Connection.IntegrationID)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return vault.Found{}, err
	}
	if !start.UnreadSince.IsZero() {
		err = tx.QueryRowContext(ctx, `
			SELECT (SELECT at FROM reads WHERE connection_id = ?), coalesce((SELECT policy FROM integrations WHERE id = ?), '')`,
			start.ConnectionID, found.Connection.IntegrationID).Scan((*instant)(&found.LastRead), &found.Policy)
		if err != nil {
			return vault.Found{}, err
		}
	}
	found.Now = clock()
	return found, nil
}

// MarkSent implements vault.Attempts.
func (s *Store) MarkSent(ctx context.Context, attemptID string) error {
	changed, err := s.exec(ctx, `UPDATE attempts SET state = 'sent', sent_at = ? WHERE id = ? AND state = 'begun'`,
		instant(clock()), attemptID)
	if err == nil && changed == 0 {
		return vault.ErrConflict
	}
	return failure("mark attempt as sent", err)
}

// SaveReply implements vault.Attempts.
func (s *Store) SaveReply(ctx context.Context, attemptID string, sealed []byte) error {
	changed, err := s.exec(ctx, `
		UPDATE attempts SET reply = ?, state = CASE WHEN ended_at IS NULL THEN 'replied' ELSE state END
		WHERE id = ?`, sealed, attemptID)
	if err == nil && changed == 0 {
		return vault.ErrNotFound
	}
	return failure("save reply", err)
}

// FailAttempt implements vault.Attempts.
func (s *Store) FailAttempt(
	ctx context.Context, attemptID string, state vault.AttemptState, reason string,
) (failures int64, err error) {
	switch state {
	case vault.AttemptFailed, vault.AttemptInDoubt, vault.AttemptSuperseded:
	default:
		return 0, fmt.Errorf("sqlitevault: %q is not a state in which an attempt fails", state)
	}
	err = s.inTx(ctx, "fail attempt", func(tx *sql.Tx) error {
		failures, err = fail(ctx, tx, attemptID, state, reason)
		return err
	})
	return failures, err
}

func fail(
	ctx context.Context, tx *sql.Tx, attemptID string, state vault.AttemptState, reason string,
) (failures int64, err error) {
	now := clock()
	var connectionID string
	err = tx.QueryRowContext(ctx, `
		UPDATE attempts SET state = ?1, reason = ?2, reply = CASE WHEN ?1 = 'failed' THEN reply END,
			ended_at = coalesce(ended_at, ?3)
		WHERE id = ?4 AND (ended_at IS NULL OR (state = 'in_doubt' AND reply IS NOT NULL))
		RETURNING connection_id`, string(state), reason, instant(now), attemptID).Scan(&connectionID)
	if errors.Is(err, sql.ErrNoRows) {
		if err := tx.QueryRowContext(ctx,
			`SELECT connection_id FROM attempts WHERE id = ?`, attemptID).Scan(&connectionID); err != nil {
			return 0, err
		}
		return 0, vault.ErrConflict
	}
	if err != nil {
		return 0, err
	}
	err = tx.QueryRowContext(ctx, `
		UPDATE connections SET failures = failures + 1, updated_at = ? WHERE id = ? RETURNING failures`,
		instant(now), connectionID).Scan(&failures)
	if err != nil {
		return 0, err
	}
	if err := eraseOlder(ctx, tx, connectionID, attemptID); err != nil {
		return 0, err
	}
	return failures, prune(ctx, tx, connectionID, now)
}

// RaiseFailures implements vault.Attempts.
func (s *Store) RaiseFailures(ctx context.Context, connectionID string) error {
	changed, err := s.exec(ctx, `UPDATE connections SET failures = failures + 1, updated_at = ? WHERE id = ?`,
		instant(clock()), connectionID)
	if err == nil && changed == 0 {
		return vault.ErrNotFound
	}
	return failure("raise failures", err)
}

// Attempt implements vault.Attempts.
func (s *Store) Attempt(ctx context.Context, attemptID string) (vault.Attempt, error) {
	a, err := scanAttempt(s.read.QueryRowContext(ctx, `SELECT `+attemptColumns+` FROM attempts WHERE id = ?`, attemptID))
	return a, failure("read attempt", err)
}

// LastRefusal implements vault.Attempts.
func (s *Store) LastRefusal(ctx context.Context, connectionID string) (vault.Attempt, error) {
	a, err := scanAttempt(s.read.QueryRowContext(ctx, `
		SELECT `+attemptColumns+` FROM attempts
		WHERE connection_id = ? AND state = 'failed' AND reply IS NOT NULL
		ORDER BY seq DESC LIMIT 1`, connectionID))
	return a, failure("read attempt", err)
}
