// Package pgvault is the vault in Postgres, for more than one host.
package pgvault

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/acme/connections/internal/vault"
)

// Store is a vault in a Postgres database. Open makes one.
type Store struct {
	pool       *pgxpool.Pool
	background *vault.Background
	announcer  *announcer
}

var _ vault.Store = (*Store)(nil)

func newStore(pool *pgxpool.Pool) *Store {
	background := vault.NewBackground()
	return &Store{pool: pool, background: background, announcer: newAnnouncer(pool, background)}
}

// Ping implements vault.Store.
func (s *Store) Ping(ctx context.Context) error {
	return failure("ping", s.pool.Ping(ctx))
}

// Close implements vault.Store.
func (s *Store) Close() error {
	s.background.Close()
	s.pool.Close()
	return nil
}
