package sqlitevault

import (
	"context"
	"database/sql"
	"time"

	"github.com/acme/connections/internal/vault"
)

const apiKeyColumns = `k.id, k.name, k.owner, k.scopes, k.hash, k.old_hash, k.old_until, k.created_at, k.expires_at,
	k.rotated_at, k.revoked_at, k.used_at`

func apiKeyFields(k *vault.APIKey) []any {
	return []any{
		&k.ID, &k.Name, &k.Owner, doc(&k.Scopes), &k.Hash, &k.OldHash, (*instant)(&k.OldUntil), (*instant)(&k.CreatedAt),
		(*instant)(&k.ExpiresAt), (*instant)(&k.RotatedAt), (*instant)(&k.RevokedAt), (*instant)(&k.UsedAt),
	}
}

func scanAPIKey(r row) (k vault.APIKey, err error) {
	err = r.Scan(apiKeyFields(&k)...)
	return k, err
}

// CreateAPIKey implements vault.APIKeys.
func (s *Store) CreateAPIKey(ctx context.Context, k vault.APIKey) error {
	k = k.Normalize()
	_, err := s.exec(ctx, `
		INSERT INTO api_keys (id, name, owner, scopes, hash, old_hash, old_until, created_at, expires_at, rotated_at, revoked_at, used_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		k.ID, k.Name, k.Owner, doc(&k.Scopes), k.Hash, k.OldHash, instant(k.OldUntil), instant(k.CreatedAt),
		instant(k.ExpiresAt), instant(k.RotatedAt), instant(k.RevokedAt), instant(k.UsedAt))
	return failure("create API key", err)
}

// APIKey implements vault.APIKeys.
func (s *Store) APIKey(ctx context.Context, id string) (vault.APIKey, error) {
	k, err := scanAPIKey(s.read.QueryRowContext(ctx, `SELECT `+apiKeyColumns+` FROM api_keys AS k WHERE k.id = ?`, id))
	return k, failure("read API key", err)
}

// APIKeyAccess implements vault.APIKeys.
func (s *Store) APIKeyAccess(ctx context.Context, id, connectionID string) (vault.APIKey, vault.AccessRow, error) {
	var (
		k                                               = vault.APIKey{ID: id}
		r                                               vault.AccessRow
		rowID, owner, connector, status, reason, typeOf sql.NullString
		generation, failures                            sql.NullInt64
	)
	err := s.read.QueryRowContext(ctx, `
		SELECT k.owner, k.scopes, k.hash, k.old_hash, k.old_until, k.expires_at, k.revoked_at, c.id, c.owner, c.connector, c.status, c.reason, c.generation, c.failures, c.token_type,
			c.issued_at, c.expires_at, c.granted_scopes, c.metadata, c.access_token
		FROM api_keys AS k LEFT JOIN connections AS c ON c.id = ?2 AND k.owner IN ('', c.owner)
		WHERE k.id = ?1`, id, connectionID).Scan(&k.Owner, doc(&k.Scopes), &k.Hash, &k.OldHash, (*instant)(&k.OldUntil),
		(*instant)(&k.ExpiresAt), (*instant)(&k.RevokedAt), &rowID, &owner, &connector, &status, &reason, &generation, &failures,
		&typeOf, (*instant)(&r.IssuedAt), (*instant)(&r.ExpiresAt), doc(&r.GrantedScopes), doc(&r.Metadata), &r.AccessToken)
	if err != nil {
		return vault.APIKey{}, vault.AccessRow{}, failure("read API key and access token", err)
	}
	r.ID, r.Owner, r.Connector, r.Status, r.Reason = rowID.String, owner.String, connector.String, status.String, reason.String
	r.TokenType, r.Generation, r.Failures = typeOf.String, generation.Int64, failures.Int64
	return k, r, nil
}

// ListAPIKeys implements vault.APIKeys.
func (s *Store) ListAPIKeys(ctx context.Context) ([]vault.APIKey, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT `+apiKeyColumns+` FROM api_keys AS k ORDER BY k.created_at, k.id`)
	list, err := collect(rows, err, scanAPIKey)
	return list, failure("list API keys", err)
}

// RotateAPIKey implements vault.APIKeys.
func (s *Store) RotateAPIKey(ctx context.Context, id string, hash []byte, at, oldUntil time.Time) error {
	changed, err := s.exec(ctx, `
		UPDATE api_keys SET old_hash = hash, old_until = ?4, hash = ?2, rotated_at = ?3
		WHERE id = ?1 AND revoked_at IS NULL`, id, hash, instant(at), instant(oldUntil))
	if err != nil || changed > 0 {
		return failure("rotate API key", err)
	}
	if _, err := s.APIKey(ctx, id); err != nil {
		return err
	}
	return vault.ErrConflict
}

// RevokeAPIKey implements vault.APIKeys.
func (s *Store) RevokeAPIKey(ctx context.Context, id string, at time.Time) error {
	changed, err := s.exec(ctx, `UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1`, id, instant(at))
	if err == nil && changed == 0 {
		return vault.ErrNotFound
	}
	return failure("revoke API key", err)
}

// MarkAPIKeysUsed implements vault.APIKeys.
func (s *Store) MarkAPIKeysUsed(ctx context.Context, marks map[string]time.Time) error {
	if len(marks) == 0 {
		return nil
	}
	return s.inTx(ctx, "mark API keys used", func(tx *sql.Tx) error {
		for id, at := range marks {
			if _, err := tx.ExecContext(ctx, `
				UPDATE api_keys SET used_at = ?2 WHERE id = ?1 AND (used_at IS NULL OR used_at < ?2)`, id, instant(at)); err != nil {
				return err
			}
		}
		return nil
	})
}
