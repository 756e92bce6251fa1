package pgvault

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/acme/connections/internal/vault"
)

const apiKeyColumns = `k.id, k.name, k.owner, k.scopes, k.hash, k.old_hash, k.old_until, k.created_at, k.expires_at,
	k.rotated_at, k.revoked_at, k.used_at`

func apiKeyFields(k *vault.APIKey) []any {
	return []any{
		&k.ID, &k.Name, &k.Owner, &k.Scopes, &k.Hash, &k.OldHash, (*instant)(&k.OldUntil), (*instant)(&k.CreatedAt),
		(*instant)(&k.ExpiresAt), (*instant)(&k.RotatedAt), (*instant)(&k.RevokedAt), (*instant)(&k.UsedAt),
	}
}

// CreateAPIKey implements vault.APIKeys.
func (s *Store) CreateAPIKey(ctx context.Context, k vault.APIKey) error {
	k = k.Normalize()
	_, err := s.pool.Exec(ctx, `
		INSERT INTO api_keys (id, name, owner, scopes, hash, old_hash, old_until, created_at, expires_at, rotated_at, revoked_at, used_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		k.ID, k.Name, k.Owner, k.Scopes, k.Hash, k.OldHash, instant(k.OldUntil), instant(k.CreatedAt),
		instant(k.ExpiresAt), instant(k.RotatedAt), instant(k.RevokedAt), instant(k.UsedAt))
	return failure("create API key", err)
}

// APIKey implements vault.APIKeys.
func (s *Store) APIKey(ctx context.Context, id string) (vault.APIKey, error) {
	var k vault.APIKey
	err := s.pool.QueryRow(ctx, `SELECT `+apiKeyColumns+` FROM api_keys AS k WHERE k.id = $1`, id).Scan(apiKeyFields(&k)...)
	if err != nil {
		return vault.APIKey{}, lookupFailure("read API key", err)
	}
	return k, nil
}

// APIKeyAccess implements vault.APIKeys.
func (s *Store) APIKeyAccess(ctx context.Context, id, connectionID string) (vault.APIKey, vault.AccessRow, error) {
	if !spellable(connectionID) {
		connectionID = ""
	}
	var (
		k    = vault.APIKey{ID: id}
		r    vault.AccessRow
		null joinedRow
	)
	err := s.pool.QueryRow(ctx, `
		SELECT k.owner, k.scopes, k.hash, k.old_hash, k.old_until, k.expires_at, k.revoked_at, c.id, c.owner, c.connector, c.status, c.reason, c.generation, c.failures, c.token_type,
			c.issued_at, c.expires_at, c.granted_scopes, c.metadata, c.access_token
		FROM api_keys AS k LEFT JOIN connections AS c ON c.id = $2 AND k.owner IN ('', c.owner)
		WHERE k.id = $1`, id, connectionID).Scan(&k.Owner, &k.Scopes, &k.Hash, &k.OldHash, (*instant)(&k.OldUntil),
		(*instant)(&k.ExpiresAt), (*instant)(&k.RevokedAt), &null.id, &null.owner, &null.connector, &null.status,
		&null.reason, &null.generation, &null.failures, &null.tokenType, (*instant)(&r.IssuedAt), (*instant)(&r.ExpiresAt),
		&r.GrantedScopes, &r.Metadata, &r.AccessToken)
	if err != nil {
		return vault.APIKey{}, vault.AccessRow{}, lookupFailure("read API key and access token", err)
	}
	r.ID, r.Owner, r.Connector, r.Status = null.id.String, null.owner.String, null.connector.String, null.status.String
	r.Reason, r.TokenType = null.reason.String, null.tokenType.String
	r.Generation, r.Failures = null.generation.Int64, null.failures.Int64
	return k, r, nil
}

// joinedRow is what may be missing of a joined connection although its columns are never null.
type joinedRow struct {
	id, owner, connector, status, reason, tokenType pgtype.Text
	generation, failures                            pgtype.Int8
}

// ListAPIKeys implements vault.APIKeys.
func (s *Store) ListAPIKeys(ctx context.Context) ([]vault.APIKey, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+apiKeyColumns+` FROM api_keys AS k ORDER BY k.created_at, k.id`)
	if err != nil {
		return nil, failure("list API keys", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (k vault.APIKey, err error) {
		return k, row.Scan(apiKeyFields(&k)...)
	})
	return list, failure("list API keys", err)
}

// RotateAPIKey implements vault.APIKeys.
func (s *Store) RotateAPIKey(ctx context.Context, id string, hash []byte, at, oldUntil time.Time) error {
	tag, err := s.pool.Exec(ctx, `
		UPDATE api_keys SET old_hash = hash, old_until = $4, hash = $2, rotated_at = $3
		WHERE id = $1 AND revoked_at IS NULL`, id, hash, instant(at), instant(oldUntil))
	if err != nil || tag.RowsAffected() > 0 {
		return lookupFailure("rotate API key", err)
	}
	if _, err := s.APIKey(ctx, id); err != nil {
		return err
	}
	return vault.ErrConflict
}

// RevokeAPIKey implements vault.APIKeys.
func (s *Store) RevokeAPIKey(ctx context.Context, id string, at time.Time) error {
	tag, err := s.pool.Exec(ctx, `UPDATE api_keys SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1`, id, instant(at))
	if err == nil && tag.RowsAffected() == 0 {
		return vault.ErrNotFound
	}
	return lookupFailure("revoke API key", err)
}

// MarkAPIKeysUsed implements vault.APIKeys. It locks the rows in one order for all processes.
func (s *Store) MarkAPIKeysUsed(ctx context.Context, marks map[string]time.Time) error {
	ids, times := make([]string, 0, len(marks)), make([]time.Time, 0, len(marks))
	for id, at := range marks {
		if spellable(id) {
			ids, times = append(ids, id), append(times, at)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	_, err := s.pool.Exec(ctx, `
		UPDATE api_keys AS k SET used_at = locked.at
		FROM (
			SELECT held.id, mark.at FROM api_keys AS held
			JOIN unnest($1::text[], $2::timestamptz[]) AS mark (id, at) ON mark.id = held.id
			WHERE held.used_at IS NULL OR held.used_at < mark.at
			ORDER BY held.id FOR UPDATE OF held
		) AS locked WHERE k.id = locked.id`, ids, times)
	return failure("mark API keys used", err)
}
