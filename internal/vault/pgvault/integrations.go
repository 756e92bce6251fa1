package pgvault

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/acme/connections/internal/vault"
)

// PutIntegration implements vault.Integrations.
func (s *Store) PutIntegration(ctx context.Context, i vault.Integration) error {
	i = i.Normalize()
	_, err := s.pool.Exec(ctx, `
		INSERT INTO integrations (id, owner, connector, client_id, secrets, scopes, policy, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())
		ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, connector = excluded.connector,
			client_id = excluded.client_id, secrets = excluded.secrets, scopes = excluded.scopes,
			policy = excluded.policy, updated_at = excluded.updated_at`,
		i.ID, i.Owner, i.Connector, i.ClientID, i.Secrets, i.Scopes, i.Policy)
	return failure("put integration", err)
}

// Integration implements vault.Integrations.
func (s *Store) Integration(ctx context.Context, id string) (vault.Integration, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+integrationColumns+` FROM integrations WHERE id = $1`, id)
	if err != nil {
		return vault.Integration{}, lookupFailure("read integration", err)
	}
	i, err := pgx.CollectExactlyOneRow(rows, scanIntegration)
	return i, lookupFailure("read integration", err)
}

// ListIntegrations implements vault.Integrations.
func (s *Store) ListIntegrations(ctx context.Context, owner string) ([]vault.Integration, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT `+integrationColumns+` FROM integrations WHERE owner = $1 ORDER BY id`, owner)
	if err != nil {
		return nil, failure("list integrations", err)
	}
	list, err := pgx.CollectRows(rows, scanIntegration)
	return list, failure("list integrations", err)
}

// DeleteIntegration implements vault.Integrations.
func (s *Store) DeleteIntegration(ctx context.Context, id, besides string) error {
	tag, err := s.pool.Exec(ctx, `
		DELETE FROM integrations WHERE id = $1 AND NOT EXISTS (
			SELECT FROM connections AS c WHERE c.integration_id = $1 AND c.id <> $2 AND c.status <> 'disconnected')`, id, besides)
	if err != nil || tag.RowsAffected() == 1 {
		return lookupFailure("delete integration", err)
	}
	if _, err := s.Integration(ctx, id); err != nil {
		return err
	}
	return vault.ErrConflict
}
