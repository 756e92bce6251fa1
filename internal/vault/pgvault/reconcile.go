package pgvault

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/acme/connections/internal/vault"
)

// ListUnfinishedRequests implements vault.Reconciliation.
func (s *Store) ListUnfinishedRequests(ctx context.Context, after, upTo time.Time, limit int) ([]vault.AuthRequest, error) {
	return s.unfinished(ctx, false, after, upTo, limit)
}

// ListHeldRequests implements vault.Reconciliation.
func (s *Store) ListHeldRequests(ctx context.Context, after, upTo time.Time, limit int) ([]vault.AuthRequest, error) {
	return s.unfinished(ctx, true, after, upTo, limit)
}

func (s *Store) unfinished(ctx context.Context, held bool, after, upTo time.Time, limit int) ([]vault.AuthRequest, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT `+requestColumns+` FROM auth_requests
		WHERE consumed_at > coalesce($1, '-infinity'::timestamptz) AND consumed_at <= $2
			AND code IS NOT NULL AND outcome = '' AND held = $4
		ORDER BY consumed_at, id LIMIT $3`,
		instant(after), instant(upTo), vault.ConnectionFilter{Limit: limit}.PageSize(), held)
	if err != nil {
		return nil, failure("list unfinished authorization requests", err)
	}
	list, err := pgx.CollectRows(rows, scanRequest)
	return list, failure("list unfinished authorization requests", err)
}

// DeleteConsents implements vault.Reconciliation. Rows that a consent in progress has locked are left for another time.
func (s *Store) DeleteConsents(ctx context.Context, expiredBy time.Time, limit int) (links, requests int64, err error) {
	for _, part := range []struct {
		statement string
		deleted   *int64
	}{
		{`DELETE FROM links WHERE hash IN (
			SELECT hash FROM links WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`, &links},
		{`DELETE FROM auth_requests WHERE id IN (
			SELECT id FROM auth_requests WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`, &requests},
	} {
		tag, err := s.pool.Exec(ctx, part.statement, instant(expiredBy), limit)
		if err != nil {
			return links, requests, failure("delete consents", err)
		}
		*part.deleted = tag.RowsAffected()
	}
	_, err = s.pool.Exec(ctx, `
		DELETE FROM connect_sessions WHERE id IN (
			SELECT id FROM connect_sessions WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`, instant(expiredBy), limit)
	return links, requests, failure("delete sessions", err)
}
