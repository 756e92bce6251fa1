package pgvault

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/acme/connections/internal/vault"
)

// CreateSession implements vault.Sessions.
func (s *Store) CreateSession(ctx context.Context, n vault.Session) error {
	n = n.Normalize()
	_, err := s.pool.Exec(ctx, `
		INSERT INTO connect_sessions (`+sessionColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		n.ID, n.Hash, n.Kind, n.Owner, n.EndUser, n.Connectors, n.Tags, n.ReturnURL, n.ConfirmUser, n.ConnectionID, n.Popup,
		instant(n.CreatedAt), instant(n.ExpiresAt), instant(n.ConsumedAt), n.BrowserHash, n.Uses)
	return failure("create session", err)
}

// Session implements vault.Sessions.
func (s *Store) Session(ctx context.Context, hash []byte) (vault.Session, error) {
	return s.session(ctx, s.pool, `SELECT `+sessionColumns+` FROM connect_sessions WHERE hash = $1`, hash)
}

// SessionByID implements vault.Sessions.
func (s *Store) SessionByID(ctx context.Context, id string) (vault.Session, error) {
	return s.session(ctx, s.pool, `SELECT `+sessionColumns+` FROM connect_sessions WHERE id = $1`, id)
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func (s *Store) session(ctx context.Context, from querier, query string, key any) (vault.Session, error) {
	rows, err := from.Query(ctx, query, key)
	if err != nil {
		return vault.Session{}, lookupFailure("read session", err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, scanSession)
	return found, lookupFailure("read session", err)
}

// OpenSession implements vault.Sessions.
func (s *Store) OpenSession(ctx context.Context, o vault.SessionOpening) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		found, err := s.session(ctx, tx, `SELECT `+sessionColumns+` FROM connect_sessions WHERE id = $1 FOR UPDATE`, o.SessionID)
		if err != nil {
			return err
		}
		if err := found.Admits(o.BrowserHash, o.At); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO session_openings (session_id, assertion_hash, browser_hash, opened_at) VALUES ($1, $2, $3, $4)`,
			o.SessionID, o.AssertionHash, o.BrowserHash, instant(o.At))
		return failure("open session", err)
	})
	return failure("open session", err)
}

// SessionOpened implements vault.Sessions.
func (s *Store) SessionOpened(ctx context.Context, id string, browserHash []byte) (bool, error) {
	var opened bool
	err := s.pool.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM session_openings WHERE session_id = $1 AND browser_hash = $2)`, id, browserHash).Scan(&opened)
	return opened, failure("read openings", err)
}

// UseSession implements vault.Sessions.
func (s *Store) UseSession(ctx context.Context, u vault.SessionUse) (vault.Session, error) {
	u = u.Normalize()
	var used vault.Session
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		found, err := s.session(ctx, tx, `SELECT `+sessionColumns+` FROM connect_sessions WHERE hash = $1 FOR UPDATE`, u.Hash)
		if err != nil {
			return err
		}
		if err := found.AdmitsUse(u); err != nil {
			return err
		}
		used = found.Use(u)
		_, err = tx.Exec(ctx, `
			UPDATE connect_sessions SET consumed_at = $2, browser_hash = $3, connection_id = $4, popup = $5, uses = $6 WHERE hash = $1`,
			u.Hash, instant(used.ConsumedAt), used.BrowserHash, used.ConnectionID, used.Popup, used.Uses)
		return failure("use session", err)
	})
	return used, failure("use session", err)
}
