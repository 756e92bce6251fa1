package sqlitevault

import (
	"context"
	"database/sql"
	"time"

	"github.com/acme/connections/internal/vault"
)

// CreateLink implements vault.Consents.
func (s *Store) CreateLink(ctx context.Context, l vault.Link) error {
	l = l.Normalize()
	created, err := s.exec(ctx, `
		INSERT INTO links (hash, connection_id, created_at, expires_at, consumed_at, browser_hash, any_account, session_id)
		SELECT ?1, id, ?3, ?4, ?5, ?6, ?7, ?8 FROM connections WHERE id = ?2 AND status <> 'disconnected'`,
		l.Hash, l.ConnectionID, instant(l.CreatedAt), instant(l.ExpiresAt), instant(l.ConsumedAt), l.BrowserHash,
		l.AnyAccount, l.SessionID)
	if err == nil && created == 0 {
		return vault.ErrNotFound
	}
	return failure("create link", err)
}

// Link implements vault.Consents.
func (s *Store) Link(ctx context.Context, hash []byte) (vault.Link, error) {
	l, err := scanLink(s.read.QueryRowContext(ctx, `SELECT `+linkColumns+` FROM links WHERE hash = ?`, hash))
	return l, failure("read link", err)
}

// StartConsent implements vault.Consents.
func (s *Store) StartConsent(ctx context.Context, linkHash []byte, r vault.AuthRequest) error {
	r = r.Normalize()
	return s.inTx(ctx, "start consent", func(tx *sql.Tx) error {
		link, err := scanLink(tx.QueryRowContext(ctx, `SELECT `+linkColumns+` FROM links WHERE hash = ?`, linkHash))
		if err != nil {
			return err
		}
		if err := link.Admits(r); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			UPDATE links SET consumed_at = ?, browser_hash = ? WHERE hash = ? AND consumed_at IS NULL`,
			instant(r.CreatedAt), r.BrowserHash, linkHash)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO auth_requests (id, state_hash, connection_id, link_hash, issuer, redirect_uri, scopes,
				browser_hash, verifier, code, created_at, expires_at, consumed_at, outcome)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, NULL, '')`,
			r.ID, r.StateHash, link.ConnectionID, linkHash, r.Issuer, r.RedirectURI, doc(&r.Scopes), r.BrowserHash,
			r.Verifier, instant(r.CreatedAt), instant(r.ExpiresAt))
		return err
	})
}

// AuthRequestByState implements vault.Consents.
func (s *Store) AuthRequestByState(ctx context.Context, stateHash []byte) (vault.AuthRequest, error) {
	return s.authRequest(ctx, `SELECT `+requestColumns+` FROM auth_requests WHERE state_hash = ?`, stateHash)
}

// AuthRequest implements vault.Consents.
func (s *Store) AuthRequest(ctx context.Context, id string) (vault.AuthRequest, error) {
	return s.authRequest(ctx, `SELECT `+requestColumns+` FROM auth_requests WHERE id = ?`, id)
}

func (s *Store) authRequest(ctx context.Context, query string, key any) (vault.AuthRequest, error) {
	r, err := scanRequest(s.read.QueryRowContext(ctx, query, key))
	return r, failure("read authorization request", err)
}

// ConsumeAuthRequest implements vault.Consents.
func (s *Store) ConsumeAuthRequest(ctx context.Context, c vault.Consumption) error {
	c = c.Normalize()
	changed, err := s.exec(ctx, `
		UPDATE auth_requests
		SET consumed_at = ?2, code = ?3, outcome = ?4, captured = ?5, inputs = ?6, granted_scopes = ?7,
			held = ?8
		WHERE id = ?1 AND consumed_at IS NULL AND expires_at > ?2`,
		c.RequestID, instant(c.At), c.Code, c.Outcome, doc(&c.Captured), doc(&c.Inputs), doc(&c.GrantedScopes),
		c.Held)
	if err != nil || changed == 1 {
		return failure("consume authorization request", err)
	}
	r, err := s.AuthRequest(ctx, c.RequestID)
	switch {
	case err != nil:
		return err
	case !r.ConsumedAt.IsZero():
		return vault.ErrConsumed
	default:
		return vault.ErrExpired
	}
}

// ReleaseAuthRequest implements vault.Consents.
func (s *Store) ReleaseAuthRequest(ctx context.Context, id, outcome string, answeredAfter time.Time) error {
	changed, err := s.exec(ctx, `
		UPDATE auth_requests
		SET held = 0, outcome = ?2, code = CASE WHEN ?2 = '' THEN code END, verifier = CASE WHEN ?2 = '' THEN verifier END
		WHERE id = ?1 AND held AND outcome = '' AND consumed_at > ?3`, id, outcome, instant(answeredAfter))
	if err != nil || changed == 1 {
		return failure("release authorization request", err)
	}
	r, err := s.AuthRequest(ctx, id)
	switch {
	case err != nil:
		return err
	case !r.Held || r.Outcome != "":
		return vault.ErrConsumed
	default:
		return vault.ErrExpired
	}
}

// FinishAuthRequest implements vault.Consents.
func (s *Store) FinishAuthRequest(ctx context.Context, id, outcome string) error {
	changed, err := s.exec(ctx, `
		UPDATE auth_requests
		SET outcome = CASE WHEN outcome = '' THEN ?2 ELSE outcome END, code = NULL, verifier = NULL, held = 0
		WHERE id = ?1`, id, outcome)
	if err == nil && changed == 0 {
		return vault.ErrNotFound
	}
	return failure("finish authorization request", err)
}
