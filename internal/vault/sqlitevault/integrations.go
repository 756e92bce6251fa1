package sqlitevault

import (
	"context"

	"github.com/acme/connections/internal/vault"
)

// PutIntegration implements vault.Integrations.
func (s *Store) PutIntegration(ctx context.Context, i vault.Integration) error {
	i = i.Normalize()
	_, err := s.exec(ctx, `
		INSERT INTO integrations (id, owner, connector, client_id, secrets, scopes, policy, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, connector = excluded.connector,
			client_id = excluded.client_id, secrets = excluded.secrets, scopes = excluded.scopes,
			policy = excluded.policy, updated_at = excluded.updated_at`,
		i.ID, i.Owner, i.Connector, i.ClientID, doc(&i.Secrets), doc(&i.Scopes), i.Policy,
		instant(clock()))
	return failure("put integration", err)
}

// Integration implements vault.Integrations.
func (s *Store) Integration(ctx context.Context, id string) (vault.Integration, error) {
	i, err := scanIntegration(s.read.QueryRowContext(ctx,
		`SELECT `+integrationColumns+` FROM integrations WHERE id = ?`, id))
	return i, failure("read integration", err)
}

// ListIntegrations implements vault.Integrations.
func (s *Store) ListIntegrations(ctx context.Context, owner string) ([]vault.Integration, error) {
	rows, err := s.read.QueryContext(ctx,
		`SELECT `+integrationColumns+` FROM integrations WHERE owner = ? ORDER BY id`, owner)
	list, err := collect(rows, err, scanIntegration)
	return list, failure("list integrations", err)
}

// DeleteIntegration implements vault.Integrations.
func (s *Store) DeleteIntegration(ctx context.Context, id, besides string) error {
	deleted, err := s.exec(ctx, `
		DELETE FROM integrations WHERE id = ?1 AND NOT EXISTS (
			SELECT 1 FROM connections AS c WHERE c.integration_id = ?1 AND c.id <> ?2 AND c.status <> 'disconnected')`, id, besides)
	if err != nil || deleted == 1 {
		return failure("delete integration", err)
	}
	if _, err := s.Integration(ctx, id); err != nil {
		return err
	}
	return vault.ErrConflict
}
