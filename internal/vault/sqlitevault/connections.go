package sqlitevault

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/acme/connections/internal/vault"
)

// statusDisconnected is the one status that the vault knows: it never changes again, and takes no tokens.
const statusDisconnected = "disconnected"

// CreateConnection implements vault.Connections.
func (s *Store) CreateConnection(ctx context.Context, c vault.Connection) error {
	c = c.Normalize()
	_, err := s.exec(ctx, `
		INSERT INTO connections (id, owner, connector, integration_id, grant_type, end_user, tags, inputs, metadata,
			requested_scopes, granted_scopes, status, reason, status_seq, status_at, generation, failures, token_type,
			created_at, updated_at, policy, chosen_scopes)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, '', ?, ?, ?, ?)`,
		c.ID, c.Owner, c.Connector, c.IntegrationID, c.Grant, c.EndUser, doc(&c.Tags), doc(&c.Inputs),
		doc(&c.Metadata), doc(&c.RequestedScopes), doc(&c.GrantedScopes), c.Status, c.Reason, c.StatusSeq,
		instant(c.StatusAt), instant(c.CreatedAt), instant(clock()), c.Policy, doc(&c.ChosenScopes))
	return failure("create connection", err)
}

// ImportConnection implements vault.Connections.
func (s *Store) ImportConnection(ctx context.Context, c vault.Connection) error {
	c = c.Normalize()
	_, err := s.exec(ctx, `
		INSERT INTO connections (id, owner, connector, integration_id, grant_type, end_user, tags, inputs, metadata,
			requested_scopes, granted_scopes, status, reason, status_seq, status_at, generation, failures, token_type,
			created_at, updated_at, policy, chosen_scopes, consented_at, issued_at, expires_at, access_token, refresh_token)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.ID, c.Owner, c.Connector, c.IntegrationID, c.Grant, c.EndUser, doc(&c.Tags), doc(&c.Inputs),
		doc(&c.Metadata), doc(&c.RequestedScopes), doc(&c.GrantedScopes), c.Status, c.Reason, c.StatusSeq,
		instant(c.StatusAt), c.TokenType, instant(c.CreatedAt), instant(clock()), c.Policy, doc(&c.ChosenScopes),
		instant(c.ConsentedAt), instant(c.IssuedAt), instant(c.ExpiresAt), c.AccessToken, c.RefreshToken)
	return failure("import connection", err)
}

// Connection implements vault.Connections.
func (s *Store) Connection(ctx context.Context, id string) (vault.Connection, error) {
	c, err := scanConnection(s.read.QueryRowContext(ctx,
		`SELECT `+connectionColumns+` FROM connections WHERE id = ?`, id))
	return c, failure("read connection", err)
}

// ListConnections implements vault.Connections.
func (s *Store) ListConnections(ctx context.Context, f vault.ConnectionFilter) ([]vault.Connection, error) {
	var where strings.Builder
	args := []any{f.After}
	for _, filter := range []struct{ condition, value string }{
		{" AND owner = ?", f.Owner},
		{" AND end_user = ?", f.EndUser},
		{" AND connector = ?", f.Connector},
		{" AND status = ?", f.Status},
		{" AND integration_id = ?", f.IntegrationID},
	} {
		if filter.value != "" {
			args = append(args, filter.value)
			where.WriteString(filter.condition)
		}
	}
	if f.Living {
		where.WriteString(" AND status NOT IN ('disconnected', 'expired')")
	}
	for name, value := range f.Tags {
		args = append(args, name, value)
		where.WriteString(" AND EXISTS (SELECT 1 FROM json_each(connections.tags) AS tag WHERE tag.key = ? AND tag.value = ?)")
	}
	args = append(args, f.PageSize())
	rows, err := s.read.QueryContext(ctx,
		`SELECT `+listedColumns+` FROM connections WHERE id > ?`+where.String()+` ORDER BY id LIMIT ?`, //nolint:gosec // the conditions are constants
		args...)
	list, err := collect(rows, err, scanConnection)
	return list, failure("list connections", err)
}

// SetStatus implements vault.Connections.
func (s *Store) SetStatus(ctx context.Context, change vault.StatusChange) error {
	change = change.Normalize()
	changed, err := s.exec(ctx, `
		UPDATE connections SET status = ?, reason = ?, status_seq = ?, status_at = ?, updated_at = ?
		WHERE id = ? AND status_seq < ? AND status <> 'disconnected'`,
		change.Status, change.Reason, change.Seq, instant(change.At), instant(clock()), change.ID, change.Seq)
	if err != nil || changed == 1 {
		return failure("set status", err)
	}
	return s.mustExist(ctx, "set status", change.ID)
}

// mustExist tells a row that did not qualify from one that is not there.
func (s *Store) mustExist(ctx context.Context, op, id string) error {
	var one int
	return failure(op, s.read.QueryRowContext(ctx, `SELECT 1 FROM connections WHERE id = ?`, id).Scan(&one))
}

// SetIntegration implements vault.Connections.
func (s *Store) SetIntegration(ctx context.Context, id, integrationID string) error {
	changed, err := s.exec(ctx, `UPDATE connections SET integration_id = ?, updated_at = ? WHERE id = ?`,
		integrationID, instant(clock()), id)
	if err == nil && changed == 0 {
		return vault.ErrNotFound
	}
	return failure("set integration", err)
}

// SetPolicy implements vault.Connections.
func (s *Store) SetPolicy(ctx context.Context, id, policy string) error {
	changed, err := s.exec(ctx, `UPDATE connections SET policy = ?, updated_at = ? WHERE id = ?`,
		policy, instant(clock()), id)
	if err == nil && changed == 0 {
		return vault.ErrNotFound
	}
	return failure("set policy", err)
}

// Erase implements vault.Connections.
func (s *Store) Erase(ctx context.Context, change vault.StatusChange, tombstoneUntil time.Time) error {
	change = change.Normalize()
	return s.inTx(ctx, "erase", func(tx *sql.Tx) error {
		var id string
		err := tx.QueryRowContext(ctx, `
			UPDATE connections SET
				access_token = NULL, refresh_token = NULL, token_type = '', issued_at = NULL, expires_at = NULL,
				tombstone_until = CASE WHEN ?2 = 'disconnected' THEN coalesce(tombstone_until, ?3)
					ELSE tombstone_until END,
				updated_at = ?4
			WHERE id = ?1
			RETURNING id`,
			change.ID, change.Status, instant(tombstoneUntil), instant(clock())).Scan(&id)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			UPDATE connections SET status = ?2, reason = ?3, status_seq = max(status_seq, ?4), status_at = ?5
			WHERE id = ?1 AND status <> 'disconnected' AND (?2 = 'disconnected' OR status_seq < ?4)`,
			id, change.Status, change.Reason, change.Seq, instant(change.At))
		if err != nil {
			return err
		}
		for _, statement := range []string{
			`DELETE FROM attempts WHERE connection_id = ?`,
			`DELETE FROM links WHERE connection_id = ?`,
			`DELETE FROM auth_requests WHERE connection_id = ?`,
			`DELETE FROM reads WHERE connection_id = ?`,
			`DELETE FROM breaker_failures WHERE connection_id = ?`,
		} {
			if _, err := tx.ExecContext(ctx, statement, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// DeleteTombstones implements vault.Connections.
func (s *Store) DeleteTombstones(ctx context.Context, now time.Time) (int64, error) {
	deleted, err := s.exec(ctx, `DELETE FROM connections WHERE tombstone_until <= ?`, instant(now))
	return deleted, failure("delete tombstones", err)
}
