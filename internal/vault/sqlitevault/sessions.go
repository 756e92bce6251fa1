package sqlitevault

import (
	"context"
	"database/sql"

	"github.com/acme/connections/internal/vault"
)

// CreateSession implements vault.Sessions.
func (s *Store) CreateSession(ctx context.Context, n vault.Session) error {
	n = n.Normalize()
	_, err := s.exec(ctx, `
		INSERT INTO connect_sessions (`+sessionColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		n.ID, n.Hash, n.Kind, n.Owner, n.EndUser, doc(&n.Connectors), doc(&n.Tags), n.ReturnURL, n.ConfirmUser,
		n.ConnectionID, n.Popup, instant(n.CreatedAt), instant(n.ExpiresAt), instant(n.ConsumedAt), n.BrowserHash,
		n.Uses)
	return failure("create session", err)
}

// Session implements vault.Sessions.
func (s *Store) Session(ctx context.Context, hash []byte) (vault.Session, error) {
	found, err := scanSession(s.read.QueryRowContext(ctx, `SELECT `+sessionColumns+` FROM connect_sessions WHERE hash = ?`, hash))
	return found, failure("read session", err)
}

// SessionByID implements vault.Sessions.
func (s *Store) SessionByID(ctx context.Context, id string) (vault.Session, error) {
	found, err := scanSession(s.read.QueryRowContext(ctx, `SELECT `+sessionColumns+` FROM connect_sessions WHERE id = ?`, id))
	return found, failure("read session", err)
}

// OpenSession implements vault.Sessions.
func (s *Store) OpenSession(ctx context.Context, o vault.SessionOpening) error {
	return s.inTx(ctx, "open session", func(tx *sql.Tx) error {
		found, err := scanSession(tx.QueryRowContext(ctx, `SELECT `+sessionColumns+` FROM connect_sessions WHERE id = ?`, o.SessionID))
		if err != nil {
			return err
		}
		if err := found.Admits(o.BrowserHash, o.At); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO session_openings (session_id, assertion_hash, browser_hash, opened_at) VALUES (?, ?, ?, ?)`,
			o.SessionID, o.AssertionHash, o.BrowserHash, instant(o.At))
		return err
	})
}

// SessionOpened implements vault.Sessions.
func (s *Store) SessionOpened(ctx context.Context, id string, browserHash []byte) (bool, error) {
	var opened bool
	err := s.read.QueryRowContext(ctx, `
		SELECT EXISTS (SELECT 1 FROM session_openings WHERE session_id = ? AND browser_hash = ?)`, id, browserHash).Scan(&opened)
	return opened, failure("read openings", err)
}

// UseSession implements vault.Sessions.
func (s *Store) UseSession(ctx context.Context, u vault.SessionUse) (vault.Session, error) {
	u = u.Normalize()
	var used vault.Session
	err := s.inTx(ctx, "use session", func(tx *sql.Tx) error {
		found, err := scanSession(tx.QueryRowContext(ctx, `SELECT `+sessionColumns+` FROM connect_sessions WHERE hash = ?`, u.Hash))
		if err != nil {
			return err
		}
		if err := found.AdmitsUse(u); err != nil {
			return err
		}
		used = found.Use(u)
		_, err = tx.ExecContext(ctx, `
			UPDATE connect_sessions SET consumed_at = ?2, browser_hash = ?3, connection_id = ?4, popup = ?5, uses = ?6 WHERE hash = ?1`,
			u.Hash, instant(used.ConsumedAt), used.BrowserHash, used.ConnectionID, used.Popup, used.Uses)
		return err
	})
	if err != nil {
		return vault.Session{}, err
	}
	return used, nil
}
