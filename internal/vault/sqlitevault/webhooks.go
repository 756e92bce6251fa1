package sqlitevault

import (
	"context"
	"database/sql"
	"time"

	"github.com/acme/connections/internal/vault"
)

// CreateEndpoint implements vault.Webhooks.
func (s *Store) CreateEndpoint(ctx context.Context, e vault.Endpoint) error {
	e = e.Normalize()
	_, err := s.exec(ctx, `
		INSERT INTO webhook_endpoints (id, owner, url, types, secrets, version, created_at, disabled_at, disabled_reason)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.ID, e.Owner, e.URL, doc(&e.Types), doc(&e.Secrets), e.Version, instant(e.CreatedAt), instant(e.DisabledAt),
		e.DisabledReason)
	return failure("create endpoint", err)
}

// Endpoint implements vault.Webhooks.
func (s *Store) Endpoint(ctx context.Context, id string) (vault.Endpoint, error) {
	e, err := scanEndpoint(s.read.QueryRowContext(ctx,
		`SELECT `+endpointColumns+` FROM webhook_endpoints WHERE id = ?`, id))
	return e, failure("read endpoint", err)
}

// ListEndpoints implements vault.Webhooks.
func (s *Store) ListEndpoints(ctx context.Context, f vault.EndpointFilter) ([]vault.Endpoint, error) {
	owners := f.Owners
	rows, err := s.read.QueryContext(ctx, `
		SELECT `+endpointColumns+` FROM webhook_endpoints
		WHERE id > ?1 AND (?2 OR owner IN (SELECT value FROM json_each(?3))) AND (NOT ?4 OR disabled_at IS NULL)
		ORDER BY id LIMIT ?5`, f.After, len(owners) == 0, doc(&owners), f.Enabled, f.PageSize())
	list, err := collect(rows, err, scanEndpoint)
	return list, failure("list endpoints", err)
}

// SetEndpointSecrets implements vault.Webhooks.
func (s *Store) SetEndpointSecrets(ctx context.Context, id string, version int64, secrets []vault.EndpointSecret) error {
	secrets = vault.NormalizeSecrets(secrets)
	return s.inTx(ctx, "set secrets", func(tx *sql.Tx) error {
		var now int64
		err := tx.QueryRowContext(ctx, `SELECT version FROM webhook_endpoints WHERE id = ?`, id).Scan(&now)
		if err != nil {
			return err
		}
		if now != version {
			return vault.ErrConflict
		}
		_, err = tx.ExecContext(ctx, `UPDATE webhook_endpoints SET secrets = ?, version = version + 1 WHERE id = ?`,
			doc(&secrets), id)
		return err
	})
}

// DisableEndpoint implements vault.Webhooks.
func (s *Store) DisableEndpoint(ctx context.Context, id, reason string, at time.Time) error {
	changed, err := s.exec(ctx, `
		UPDATE webhook_endpoints SET
			disabled_reason = CASE WHEN disabled_at IS NULL THEN ?2 ELSE disabled_reason END,
			disabled_at = coalesce(disabled_at, ?3)
		WHERE id = ?1`, id, reason, instant(at))
	if err == nil && changed == 0 {
		return vault.ErrNotFound
	}
	return failure("disable endpoint", err)
}

// DeleteEndpoint implements vault.Webhooks.
func (s *Store) DeleteEndpoint(ctx context.Context, id string) error {
	changed, err := s.exec(ctx, `DELETE FROM webhook_endpoints WHERE id = ?`, id)
	if err == nil && changed == 0 {
		return vault.ErrNotFound
	}
	return failure("delete endpoint", err)
}

// PutDeadLetter implements vault.Webhooks.
func (s *Store) PutDeadLetter(ctx context.Context, d vault.DeadLetter) error {
	d = d.Normalize()
	_, err := s.exec(ctx, `
		INSERT INTO dead_letters (event_id, endpoint_id, attempts, status_code, reason, at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (event_id, endpoint_id) DO UPDATE SET
			attempts = excluded.attempts, status_code = excluded.status_code, reason = excluded.reason, at = excluded.at`,
		d.EventID, d.EndpointID, d.Attempts, d.StatusCode, d.Reason, instant(d.At))
	return failure("put dead letter", err)
}

// DeleteDeadLetter implements vault.Webhooks.
func (s *Store) DeleteDeadLetter(ctx context.Context, eventID, endpointID string) error {
	_, err := s.exec(ctx, `DELETE FROM dead_letters WHERE event_id = ? AND endpoint_id = ?`, eventID, endpointID)
	return failure("delete dead letter", err)
}

// ListDeadLetters implements vault.Webhooks.
func (s *Store) ListDeadLetters(ctx context.Context, f vault.DeadLetterFilter) ([]vault.DeadLetter, error) {
	rows, err := s.read.QueryContext(ctx, `
		SELECT d.event_id, d.endpoint_id, d.attempts, d.status_code, d.reason, d.at, e.type, e.connection_id, e.owner
		FROM dead_letters AS d JOIN events AS e ON e.id = d.event_id
		WHERE (?1 = '' OR e.owner = ?1) AND (?2 = '' OR d.endpoint_id = ?2)
		ORDER BY d.at DESC, d.event_id DESC, d.endpoint_id LIMIT ?3`, f.Owner, f.EndpointID, f.PageSize())
	list, err := collect(rows, err, func(r row) (d vault.DeadLetter, err error) {
		err = r.Scan(&d.EventID, &d.EndpointID, &d.Attempts, &d.StatusCode, &d.Reason, (*instant)(&d.At),
			&d.Type, &d.ConnectionID, &d.Owner)
		return d, err
	})
	return list, failure("list dead letters", err)
}
