package pgvault

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/acme/connections/internal/vault"
)

// statusDisconnected is the one status that the vault knows: it never changes again, and takes no tokens.
const statusDisconnected = "disconnected"

// CreateConnection implements vault.Connections.
func (s *Store) CreateConnection(ctx context.Context, c vault.Connection) error {
	c = c.Normalize()
	_, err := s.pool.Exec(ctx, `
		INSERT INTO connections (id, owner, connector, integration_id, grant_type, end_user, tags, inputs, metadata,
			requested_scopes, granted_scopes, status, reason, status_seq, status_at, generation, failures, token_type,
			created_at, updated_at, policy, chosen_scopes)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, 0, '', $16, clock_timestamp(), $17, $18)`,
		c.ID, c.Owner, c.Connector, c.IntegrationID, c.Grant, c.EndUser, c.Tags, c.Inputs, c.Metadata,
		c.RequestedScopes, c.GrantedScopes, c.Status, c.Reason, c.StatusSeq, instant(c.StatusAt), instant(c.CreatedAt),
		c.Policy, c.ChosenScopes)
	return failure("create connection", err)
}

// ImportConnection implements vault.Connections.
func (s *Store) ImportConnection(ctx context.Context, c vault.Connection) error {
	c = c.Normalize()
	_, err := s.pool.Exec(ctx, `
		INSERT INTO connections (id, owner, connector, integration_id, grant_type, end_user, tags, inputs, metadata,
			requested_scopes, granted_scopes, status, reason, status_seq, status_at, generation, failures, token_type,
			created_at, updated_at, policy, chosen_scopes, consented_at, issued_at, expires_at, access_token, refresh_token)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 1, 0, $16, $17, clock_timestamp(), $18, $19,
			$20, $21, $22, $23, $24)`,
		c.ID, c.Owner, c.Connector, c.IntegrationID, c.Grant, c.EndUser, c.Tags, c.Inputs, c.Metadata,
		c.RequestedScopes, c.GrantedScopes, c.Status, c.Reason, c.StatusSeq, instant(c.StatusAt), c.TokenType,
		instant(c.CreatedAt), c.Policy, c.ChosenScopes, instant(c.ConsentedAt), instant(c.IssuedAt), instant(c.ExpiresAt),
		c.AccessToken, c.RefreshToken)
	return failure("import connection", err)
}

// Connection implements vault.Connections.
func (s *Store) Connection(ctx context.Context, id string) (vault.Connection, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+connectionColumns+` FROM connections WHERE id = $1`, id)
	if err != nil {
		return vault.Connection{}, lookupFailure("read connection", err)
	}
	c, err := pgx.CollectExactlyOneRow(rows, scanConnection)
	return c, lookupFailure("read connection", err)
}

// ListConnections implements vault.Connections.
func (s *Store) ListConnections(ctx context.Context, f vault.ConnectionFilter) ([]vault.Connection, error) {
	var where strings.Builder
	args := []any{f.After}
	for _, filter := range []struct{ column, value string }{
		{"owner", f.Owner},
		{"end_user", f.EndUser},
		{"connector", f.Connector},
		{"status", f.Status},
		{"integration_id", f.IntegrationID},
	} {
		if filter.value != "" {
			args = append(args, filter.value)
			_, _ = fmt.Fprintf(&where, " AND %s = $%d", filter.column, len(args))
		}
	}
	if f.Living {
		where.WriteString(" AND status NOT IN ('disconnected', 'expired')")
	}
	if len(f.Tags) > 0 {
		args = append(args, f.Tags)
		_, _ = fmt.Fprintf(&where, " AND tags @> $%d::jsonb", len(args))
	}
	args = append(args, f.PageSize())
	query := fmt.Sprintf(`SELECT %s FROM connections WHERE id > $1%s ORDER BY id LIMIT $%d`,
		listedColumns, where.String(), len(args))
	rows, err := s.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, failure("list connections", err)
	}
	list, err := pgx.CollectRows(rows, scanConnection)
	return list, failure("list connections", err)
}

// SetStatus implements vault.Connections.
func (s *Store) SetStatus(ctx context.Context, change vault.StatusChange) error {
	change = change.Normalize()
	tag, err := s.pool.Exec(ctx, `
		UPDATE connections
		SET status = $2, reason = $3, status_seq = $4, status_at = $5, updated_at = clock_timestamp()
		WHERE id = $1 AND status_seq < $4 AND status <> 'disconnected'`,
		change.ID, change.Status, change.Reason, change.Seq, instant(change.At))
	if err != nil || tag.RowsAffected() == 1 {
		return failure("set status", err)
	}
	return s.mustExist(ctx, "set status", change.ID)
}

// mustExist tells a row that did not qualify from one that is not there.
func (s *Store) mustExist(ctx context.Context, op, id string) error {
	var one int
	return lookupFailure(op, s.pool.QueryRow(ctx, `SELECT 1 FROM connections WHERE id = $1`, id).Scan(&one))
}

// SetIntegration implements vault.Connections.
func (s *Store) SetIntegration(ctx context.Context, id, integrationID string) error {
	tag, err := s.pool.Exec(ctx, `
		UPDATE connections SET integration_id = $2, updated_at = clock_timestamp() WHERE id = $1`, id, integrationID)
	if err == nil && tag.RowsAffected() == 0 {
		return vault.ErrNotFound
	}
	return failure("set integration", err)
}

// SetPolicy implements vault.Connections.
func (s *Store) SetPolicy(ctx context.Context, id, policy string) error {
	tag, err := s.pool.Exec(ctx, `
		UPDATE connections SET policy = $2, updated_at = clock_timestamp() WHERE id = $1`, id, policy)
	if err == nil && tag.RowsAffected() == 0 {
		return vault.ErrNotFound
	}
	return failure("set policy", err)
}

// Erase implements vault.Connections.
//
// The row is locked first. Links go before requests: a consent that is just being started holds its link's lock, so
// deleting the link waits for it, and the request that it wrote is then visible to the next statement.
func (s *Store) Erase(ctx context.Context, change vault.StatusChange, tombstoneUntil time.Time) error {
	change = change.Normalize()
	batch := &pgx.Batch{}
	batch.Queue(`
		UPDATE connections SET
			access_token = NULL, refresh_token = NULL, token_type = '', issued_at = NULL, expires_at = NULL,
			tombstone_until = CASE WHEN $2 THEN coalesce(tombstone_until, $3) ELSE tombstone_until END,
			updated_at = clock_timestamp()
		WHERE id = $1
		RETURNING id`,
		change.ID, change.Status == statusDisconnected, instant(tombstoneUntil)).
		QueryRow(func(row pgx.Row) error { return row.Scan(new(string)) })
	batch.Queue(`
		UPDATE connections SET status = $2, reason = $3, status_seq = greatest(status_seq, $4), status_at = $5
		WHERE id = $1 AND status <> 'disconnected' AND ($2 = 'disconnected' OR status_seq < $4)`,
		change.ID, change.Status, change.Reason, change.Seq, instant(change.At))
	batch.Queue(`DELETE FROM attempts WHERE connection_id = $1`, change.ID)
	batch.Queue(`DELETE FROM links WHERE connection_id = $1`, change.ID)
	batch.Queue(`DELETE FROM auth_requests WHERE connection_id = $1`, change.ID)
	batch.Queue(`DELETE FROM reads WHERE connection_id = $1`, change.ID)
	batch.Queue(`DELETE FROM breaker_failures WHERE connection_id = $1`, change.ID)
	return failure("erase", s.pool.SendBatch(ctx, batch).Close())
}

// DeleteTombstones implements vault.Connections.
func (s *Store) DeleteTombstones(ctx context.Context, now time.Time) (int64, error) {
	tag, err := s.pool.Exec(ctx, `DELETE FROM connections WHERE tombstone_until <= $1`, instant(now))
	return tag.RowsAffected(), failure("delete tombstones", err)
}
