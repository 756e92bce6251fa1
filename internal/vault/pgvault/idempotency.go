package pgvault

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/acme/connections/internal/vault"
)

// BeginRequest implements vault.Idempotency.
func (s *Store) BeginRequest(ctx context.Context, r vault.RequestStart) (vault.RequestBegun, error) {
	for {
		tag, err := s.pool.Exec(ctx, `
			INSERT INTO api_requests AS held (key_id, hash, request, claim, lease_until, expires_at)
			VALUES ($1, $2, $3, $4, clock_timestamp() + $5 * interval '1 microsecond', $6)
			ON CONFLICT (key_id, hash) DO UPDATE SET request = excluded.request, claim = excluded.claim,
				lease_until = excluded.lease_until, response = NULL, expires_at = excluded.expires_at
			WHERE held.expires_at <= $7
				OR (held.response IS NULL AND held.lease_until <= clock_timestamp() AND held.request = excluded.request)`,
			r.KeyID, r.Hash, r.Request, r.Claim, r.Lease.Microseconds(), instant(r.ExpiresAt), instant(r.At))
		if err != nil {
			return vault.RequestBegun{}, failure("begin request", err)
		}
		if tag.RowsAffected() > 0 {
			return vault.RequestBegun{Outcome: vault.RequestStarted}, nil
		}
		var request, sealed []byte
		err = s.pool.QueryRow(ctx, `SELECT request, response FROM api_requests WHERE key_id = $1 AND hash = $2`,
			r.KeyID, r.Hash).Scan(&request, &sealed)
		if errors.Is(err, pgx.ErrNoRows) {
			continue // it was dropped just now
		}
		if err != nil {
			return vault.RequestBegun{}, failure("begin request", err)
		}
		return r.RequestFound(request, sealed), nil
	}
}

// FinishRequest implements vault.Idempotency.
func (s *Store) FinishRequest(ctx context.Context, r vault.RequestStart, sealed []byte) error {
	tag, err := s.pool.Exec(ctx, `UPDATE api_requests SET response = $4 WHERE key_id = $1 AND hash = $2 AND claim = $3`,
		r.KeyID, r.Hash, r.Claim, sealed)
	if err == nil && tag.RowsAffected() == 0 {
		return vault.ErrConflict
	}
	return failure("finish request", err)
}

// DropRequest implements vault.Idempotency.
func (s *Store) DropRequest(ctx context.Context, r vault.RequestStart) error {
	_, err := s.pool.Exec(ctx, `
		DELETE FROM api_requests WHERE key_id = $1 AND hash = $2 AND claim = $3 AND response IS NULL`, r.KeyID, r.Hash, r.Claim)
	return failure("drop request", err)
}

// DeleteRequests implements vault.Idempotency. Rows that are being written are left for another time.
func (s *Store) DeleteRequests(ctx context.Context, expiredBy time.Time, limit int) (int64, error) {
	tag, err := s.pool.Exec(ctx, `
		DELETE FROM api_requests WHERE (key_id, hash) IN (
			SELECT key_id, hash FROM api_requests WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`,
		instant(expiredBy), limit)
	return tag.RowsAffected(), failure("delete requests", err)
}
