// Package pgvault is the vault in Postgres, for more than one host.
package pgvault

import "github.com/acme/connections/internal/vault"

// Store is a vault in a Postgres database. Open makes one.
type Store struct {
	*Access
	announcer *announcer
}

var _ vault.Store = (*Store)(nil)

func newStore(access *Access) *Store {
	return &Store{Access: access, announcer: newAnnouncer(access.pool, access.background)}
}
