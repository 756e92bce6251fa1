package pgvault

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/acme/connections/internal/vault"
)

// PutConnector implements vault.Connectors.
func (s *Store) PutConnector(ctx context.Context, id string, document []byte) error {
	_, err := s.pool.Exec(ctx, `
		INSERT INTO connectors (id, document, updated_at) VALUES ($1, nullif($2::bytea, ''), clock_timestamp())
		ON CONFLICT (id) DO UPDATE SET document = excluded.document, updated_at = excluded.updated_at`, id, document)
	return failure("put connector", err)
}

// DeleteConnector implements vault.Connectors.
func (s *Store) DeleteConnector(ctx context.Context, id string) error {
	tag, err := s.pool.Exec(ctx, `DELETE FROM connectors WHERE id = $1`, id)
	if err == nil && tag.RowsAffected() == 0 {
		return vault.ErrNotFound
	}
	return lookupFailure("delete connector", err)
}

// ConnectorDocument implements vault.Access.
func (a *Access) ConnectorDocument(ctx context.Context, id string) (document []byte, ok bool, err error) {
	err = lookupFailure("read connector",
		a.pool.QueryRow(ctx, `SELECT document FROM connectors WHERE id = $1`, id).Scan(&document))
	if errors.Is(err, vault.ErrNotFound) {
		return nil, false, nil
	}
	return document, err == nil, err
}

// ConnectorDocuments implements vault.Access.
func (a *Access) ConnectorDocuments(ctx context.Context) (map[string][]byte, error) {
	type connector struct {
		id       string
		document []byte
	}
	rows, err := a.pool.Query(ctx, `SELECT id, document FROM connectors`)
	if err != nil {
		return nil, failure("list connectors", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c connector, err error) {
		err = row.Scan(&c.id, &c.document)
		return c, err
	})
	if err != nil || len(list) == 0 {
		return nil, failure("list connectors", err)
	}
	documents := make(map[string][]byte, len(list))
	for _, c := range list {
		documents[c.id] = c.document
	}
	return documents, nil
}
