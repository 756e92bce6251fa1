package sqlitevault

import (
	"context"

	"github.com/acme/connections/internal/vault"
)

// AccessRow implements vault.Access. A file knows no rights: whoever may read it may read all of it.
func (s *Store) AccessRow(ctx context.Context, id string) (vault.AccessRow, error) {
	var r vault.AccessRow
	err := s.read.QueryRowContext(ctx, `
		SELECT id, owner, connector, status, reason, generation, failures, token_type, issued_at, expires_at,
			granted_scopes, metadata, access_token
		FROM connections WHERE id = ?`, id).Scan(&r.ID, &r.Owner,
		&r.Connector, &r.Status, &r.Reason, &r.Generation, &r.Failures, &r.TokenType, (*instant)(&r.IssuedAt),
		(*instant)(&r.ExpiresAt), doc(&r.GrantedScopes), doc(&r.Metadata), &r.AccessToken)
	if err != nil {
		return vault.AccessRow{}, failure("read access token", err)
	}
	return r, nil
}
