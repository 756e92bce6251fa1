package pgvault

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/acme/connections/internal/vault"
)

// CreateEndpoint implements vault.Webhooks.
func (s *Store) CreateEndpoint(ctx context.Context, e vault.Endpoint) error {
	e = e.Normalize()
	_, err := s.pool.Exec(ctx, `
		INSERT INTO webhook_endpoints (id, owner, url, types, secrets, version, created_at, disabled_at, disabled_reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		e.ID, e.Owner, e.URL, e.Types, e.Secrets, e.Version, instant(e.CreatedAt), instant(e.DisabledAt), e.DisabledReason)
	return failure("create endpoint", err)
}

// Endpoint implements vault.Webhooks.
func (s *Store) Endpoint(ctx context.Context, id string) (vault.Endpoint, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+endpointColumns+` FROM webhook_endpoints WHERE id = $1`, id)
	if err != nil {
		return vault.Endpoint{}, lookupFailure("read endpoint", err)
	}
	e, err := pgx.CollectExactlyOneRow(rows, scanEndpoint)
	return e, lookupFailure("read endpoint", err)
}

// ListEndpoints implements vault.Webhooks.
func (s *Store) ListEndpoints(ctx context.Context, f vault.EndpointFilter) ([]vault.Endpoint, error) {
	var owners []string
	for _, owner := range f.Owners {
		if spellable(owner) {
			owners = append(owners, owner)
		}
	}
	rows, err := s.pool.Query(ctx, `
		SELECT `+endpointColumns+` FROM webhook_endpoints
		WHERE id > $1 AND ($2 OR owner = ANY($3)) AND (NOT $4 OR disabled_at IS NULL)
		ORDER BY id LIMIT $5`, f.After, len(f.Owners) == 0, owners, f.Enabled, f.PageSize())
	if err != nil {
		return nil, failure("list endpoints", err)
	}
	list, err := pgx.CollectRows(rows, scanEndpoint)
	return list, failure("list endpoints", err)
}

// SetEndpointSecrets implements vault.Webhooks.
func (s *Store) SetEndpointSecrets(ctx context.Context, id string, version int64, secrets []vault.EndpointSecret) error {
	tag, err := s.pool.Exec(ctx, `
		UPDATE webhook_endpoints SET secrets = $3, version = version + 1 WHERE id = $1 AND version = $2`,
		id, version, vault.NormalizeSecrets(secrets))
	if err == nil && tag.RowsAffected() == 0 {
		if _, err := s.Endpoint(ctx, id); err != nil {
			return err
		}
		return vault.ErrConflict
	}
	return lookupFailure("set secrets", err)
}

// DisableEndpoint implements vault.Webhooks.
func (s *Store) DisableEndpoint(ctx context.Context, id, reason string, at time.Time) error {
	tag, err := s.pool.Exec(ctx, `
		UPDATE webhook_endpoints SET
			disabled_reason = CASE WHEN disabled_at IS NULL THEN $2 ELSE disabled_reason END,
			disabled_at = coalesce(disabled_at, $3)
		WHERE id = $1`, id, reason, instant(at))
	if err == nil && tag.RowsAffected() == 0 {
		return vault.ErrNotFound
	}
	return lookupFailure("disable endpoint", err)
}

// DeleteEndpoint implements vault.Webhooks.
func (s *Store) DeleteEndpoint(ctx context.Context, id string) error {
	tag, err := s.pool.Exec(ctx, `DELETE FROM webhook_endpoints WHERE id = $1`, id)
	if err == nil && tag.RowsAffected() == 0 {
		return vault.ErrNotFound
	}
	return lookupFailure("delete endpoint", err)
}

// PutDeadLetter implements vault.Webhooks.
func (s *Store) PutDeadLetter(ctx context.Context, d vault.DeadLetter) error {
	d = d.Normalize()
	_, err := s.pool.Exec(ctx, `
		INSERT INTO dead_letters (event_id, endpoint_id, attempts, status_code, reason, at)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (event_id, endpoint_id) DO UPDATE SET
			attempts = excluded.attempts, status_code = excluded.status_code, reason = excluded.reason, at = excluded.at`,
		d.EventID, d.EndpointID, d.Attempts, d.StatusCode, d.Reason, instant(d.At))
	return lookupFailure("put dead letter", err)
}

// DeleteDeadLetter implements vault.Webhooks.
func (s *Store) DeleteDeadLetter(ctx context.Context, eventID, endpointID string) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM dead_letters WHERE event_id = $1 AND endpoint_id = $2`, eventID, endpointID)
	return failure("delete dead letter", err)
}

// ListDeadLetters implements vault.Webhooks.
func (s *Store) ListDeadLetters(ctx context.Context, f vault.DeadLetterFilter) ([]vault.DeadLetter, error) {
	if !spellable(f.Owner) || !spellable(f.EndpointID) {
		return nil, nil
	}
	rows, err := s.pool.Query(ctx, `
		SELECT d.event_id, d.endpoint_id, d.attempts, d.status_code, d.reason, d.at, e.type, e.connection_id, e.owner
		FROM dead_letters AS d JOIN events AS e ON e.id = d.event_id
		WHERE ($1 = '' OR e.owner = $1) AND ($2 = '' OR d.endpoint_id = $2)
		ORDER BY d.at DESC, d.event_id DESC, d.endpoint_id LIMIT $3`, f.Owner, f.EndpointID, f.PageSize())
	if err != nil {
		return nil, failure("list dead letters", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d vault.DeadLetter, err error) {
		err = row.Scan(&d.EventID, &d.EndpointID, &d.Attempts, &d.StatusCode, &d.Reason, (*instant)(&d.At),
			&d.Type, &d.ConnectionID, &d.Owner)
		return d, err
	})
	return list, failure("list dead letters", err)
}
