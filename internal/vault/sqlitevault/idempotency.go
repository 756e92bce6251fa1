package sqlitevault

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/acme/connections/internal/vault"
)

// BeginRequest implements vault.Idempotency.
func (s *Store) BeginRequest(ctx context.Context, r vault.RequestStart) (begun vault.RequestBegun, err error) {
	err = s.inTx(ctx, "begin request", func(tx *sql.Tx) error {
		now := clock()
		var (
			request, sealed    []byte
			leased, expiration time.Time
		)
		err := tx.QueryRowContext(ctx, `
			SELECT request, response, lease_until, expires_at FROM api_requests WHERE key_id = ? AND hash = ?`,
			r.KeyID, r.Hash).Scan(&request, &sealed, (*instant)(&leased), (*instant)(&expiration))
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err == nil && expiration.After(r.At) {
			begun = r.RequestFound(request, sealed)
			if begun.Outcome != vault.RequestRunning || leased.After(now) {
				return nil
			}
		}
		begun = vault.RequestBegun{Outcome: vault.RequestStarted}
		_, err = tx.ExecContext(ctx, `
			INSERT OR REPLACE INTO api_requests (key_id, hash, request, claim, lease_until, expires_at) VALUES (?, ?, ?, ?, ?, ?)`,
			r.KeyID, r.Hash, r.Request, r.Claim, instant(now.Add(r.Lease)), instant(r.ExpiresAt))
		return err
	})
	if err != nil {
		return vault.RequestBegun{}, err
	}
	return begun, nil
}

// FinishRequest implements vault.Idempotency.
func (s *Store) FinishRequest(ctx context.Context, r vault.RequestStart, sealed []byte) error {
	changed, err := s.exec(ctx, `UPDATE api_requests SET response = ?4 WHERE key_id = ?1 AND hash = ?2 AND claim = ?3`,
		r.KeyID, r.Hash, r.Claim, sealed)
	if err == nil && changed == 0 {
		return vault.ErrConflict
	}
	return failure("finish request", err)
}

// DropRequest implements vault.Idempotency.
func (s *Store) DropRequest(ctx context.Context, r vault.RequestStart) error {
	_, err := s.exec(ctx, `
		DELETE FROM api_requests WHERE key_id = ? AND hash = ? AND claim = ? AND response IS NULL`, r.KeyID, r.Hash, r.Claim)
	return failure("drop request", err)
}

// DeleteRequests implements vault.Idempotency.
func (s *Store) DeleteRequests(ctx context.Context, expiredBy time.Time, limit int) (int64, error) {
	deleted, err := s.exec(ctx, `
		DELETE FROM api_requests WHERE (key_id, hash) IN (
			SELECT key_id, hash FROM api_requests WHERE expires_at <= ? LIMIT ?)`, instant(expiredBy), limit)
	return deleted, failure("delete requests", err)
}
