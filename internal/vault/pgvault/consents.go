package pgvault

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/acme/connections/internal/vault"
)

// CreateLink implements vault.Consents. It waits for an Erase of the connection, so that none is left behind.
func (s *Store) CreateLink(ctx context.Context, l vault.Link) error {
	l = l.Normalize()
	tag, err := s.pool.Exec(ctx, `
		INSERT INTO links (hash, connection_id, created_at, expires_at, consumed_at, browser_hash, any_account, session_id)
		SELECT $1, id, $3, $4, $5, $6, $7, $8 FROM connections WHERE id = $2 AND status <> 'disconnected' FOR SHARE`,
		l.Hash, l.ConnectionID, instant(l.CreatedAt), instant(l.ExpiresAt), instant(l.ConsumedAt), l.BrowserHash,
		l.AnyAccount, l.SessionID)
	if err == nil && tag.RowsAffected() == 0 {
		return vault.ErrNotFound
	}
	return failure("create link", err)
}

// Link implements vault.Consents.
func (s *Store) Link(ctx context.Context, hash []byte) (vault.Link, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+linkColumns+` FROM links WHERE hash = $1`, hash)
	if err != nil {
		return vault.Link{}, failure("read link", err)
	}
	l, err := pgx.CollectExactlyOneRow(rows, scanLink)
	return l, failure("read link", err)
}

// StartConsent implements vault.Consents.
func (s *Store) StartConsent(ctx context.Context, linkHash []byte, r vault.AuthRequest) error {
	r = r.Normalize()
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return startConsent(ctx, tx, linkHash, r) })
	return failure("start consent", err)
}

func startConsent(ctx context.Context, tx pgx.Tx, linkHash []byte, r vault.AuthRequest) error {
	rows, err := tx.Query(ctx, `SELECT `+linkColumns+` FROM links WHERE hash = $1 FOR UPDATE`, linkHash)
	if err != nil {
		return err
	}
	link, err := pgx.CollectExactlyOneRow(rows, scanLink)
	if err != nil {
		return err
	}
	if err := link.Admits(r); err != nil {
		return err
	}
	batch := &pgx.Batch{}
	batch.Queue(`
		UPDATE links SET consumed_at = $2, browser_hash = $3
		WHERE hash = $1 AND consumed_at IS NULL`, linkHash, instant(r.CreatedAt), r.BrowserHash)
	batch.Queue(`
		INSERT INTO auth_requests (id, state_hash, connection_id, link_hash, issuer, redirect_uri, scopes, browser_hash,
			verifier, code, created_at, expires_at, consumed_at, outcome)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NULL, $10, $11, NULL, '')`,
		r.ID, r.StateHash, link.ConnectionID, linkHash, r.Issuer, r.RedirectURI, r.Scopes, r.BrowserHash,
		r.Verifier, instant(r.CreatedAt), instant(r.ExpiresAt))
	return tx.SendBatch(ctx, batch).Close()
}

// AuthRequestByState implements vault.Consents.
func (s *Store) AuthRequestByState(ctx context.Context, stateHash []byte) (vault.AuthRequest, error) {
	return s.authRequest(ctx, `SELECT `+requestColumns+` FROM auth_requests WHERE state_hash = $1`, stateHash)
}

// AuthRequest implements vault.Consents.
func (s *Store) AuthRequest(ctx context.Context, id string) (vault.AuthRequest, error) {
	return s.authRequest(ctx, `SELECT `+requestColumns+` FROM auth_requests WHERE id = $1`, id)
}

func (s *Store) authRequest(ctx context.Context, query string, key any) (vault.AuthRequest, error) {
	rows, err := s.pool.Query(ctx, query, key)
	if err != nil {
		return vault.AuthRequest{}, lookupFailure("read authorization request", err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanRequest)
	return r, lookupFailure("read authorization request", err)
}

// ConsumeAuthRequest implements vault.Consents.
func (s *Store) ConsumeAuthRequest(ctx context.Context, c vault.Consumption) error {
	c = c.Normalize()
	tag, err := s.pool.Exec(ctx, `
		UPDATE auth_requests
		SET consumed_at = $2, code = $3, outcome = $4, captured = $5, inputs = $6, granted_scopes = $7,
			held = $8
		WHERE id = $1 AND consumed_at IS NULL AND expires_at > $2`,
		c.RequestID, instant(c.At), c.Code, c.Outcome, c.Captured, c.Inputs, c.GrantedScopes, c.Held)
	if err != nil || tag.RowsAffected() == 1 {
		return lookupFailure("consume authorization request", err)
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
	tag, err := s.pool.Exec(ctx, `
		UPDATE auth_requests
		SET held = false, outcome = $2, code = CASE WHEN $2 = '' THEN code END, verifier = CASE WHEN $2 = '' THEN verifier END
		WHERE id = $1 AND held AND outcome = '' AND consumed_at > $3`, id, outcome, instant(answeredAfter))
	if err != nil || tag.RowsAffected() == 1 {
		return lookupFailure("release authorization request", err)
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
	tag, err := s.pool.Exec(ctx, `
		UPDATE auth_requests
		SET outcome = CASE WHEN outcome = '' THEN $2 ELSE outcome END, code = NULL, verifier = NULL, held = false
		WHERE id = $1`, id, outcome)
	if err == nil && tag.RowsAffected() == 0 {
		return vault.ErrNotFound
	}
	return lookupFailure("finish authorization request", err)
}
