package sqlitevault

import (
	"context"
	"errors"

	"github.com/acme/connections/internal/vault"
)

// PutConnector implements vault.Connectors.
func (s *Store) PutConnector(ctx context.Context, id string, document []byte) error {
	_, err := s.exec(ctx, `
		INSERT INTO connectors (id, document, updated_at) VALUES (?, nullif(?, x''), ?)
		ON CONFLICT (id) DO UPDATE SET document = excluded.document, updated_at = excluded.updated_at`,
		id, document, instant(clock()))
	return failure("put connector", err)
}

// DeleteConnector implements vault.Connectors.
func (s *Store) DeleteConnector(ctx context.Context, id string) error {
	deleted, err := s.exec(ctx, `DELETE FROM connectors WHERE id = ?`, id)
	if err == nil && deleted == 0 {
		return vault.ErrNotFound
	}
	return failure("delete connector", err)
}

// ConnectorDocument implements vault.Connectors.
func (s *Store) ConnectorDocument(ctx context.Context, id string) (document []byte, ok bool, err error) {
	err = failure("read connector",
		s.read.QueryRowContext(ctx, `SELECT document FROM connectors WHERE id = ?`, id).Scan(&document))
	if errors.Is(err, vault.ErrNotFound) {
		return nil, false, nil
	}
	return document, err == nil, err
}

// ConnectorDocuments implements vault.Connectors.
func (s *Store) ConnectorDocuments(ctx context.Context) (map[string][]byte, error) {
	type connector struct {
		id       string
		document []byte
	}
	rows, err := s.read.QueryContext(ctx, `SELECT id, document FROM connectors`)
	list, err := collect(rows, err, func(r row) (c connector, err error) {
		err = r.Scan(&c.id, &c.document)
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
