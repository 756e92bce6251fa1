package sqlitevault

import (
	"context"
	"database/sql"
	"time"

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
	rows, err := s.read.QueryContext(ctx, `
		SELECT `+requestColumns+` FROM auth_requests
		WHERE consumed_at > coalesce(?1, consumed_at - 1) AND consumed_at <= ?2 AND code IS NOT NULL AND outcome = '' AND held = ?4
		ORDER BY consumed_at, id LIMIT ?3`,
		instant(after), instant(upTo), vault.ConnectionFilter{Limit: limit}.PageSize(), held)
	list, err := collect(rows, err, scanRequest)
	return list, failure("list unfinished authorization requests", err)
}

// DeleteConsents implements vault.Reconciliation.
func (s *Store) DeleteConsents(ctx context.Context, expiredBy time.Time, limit int) (links, requests int64, err error) {
	err = s.inTx(ctx, "delete consents", func(tx *sql.Tx) error {
		for _, part := range []struct {
			statement string
			deleted   *int64
		}{
			{`DELETE FROM links WHERE hash IN (SELECT hash FROM links WHERE expires_at <= ?1 LIMIT ?2)`, &links},
			{`DELETE FROM auth_requests WHERE id IN (SELECT id FROM auth_requests WHERE expires_at <= ?1 LIMIT ?2)`, &requests},
		} {
			result, err := tx.ExecContext(ctx, part.statement, instant(expiredBy), limit)
			if err != nil {
				return err
			}
			if *part.deleted, err = result.RowsAffected(); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `
			DELETE FROM connect_sessions WHERE id IN (SELECT id FROM connect_sessions WHERE expires_at <= ?1 LIMIT ?2)`,
			instant(expiredBy), limit)
		return err
	})
	return links, requests, err
}
