package vault

import (
	"context"
	"time"
)

// APIKeys keeps the keys of the REST API: of each key's text, only a hash.
type APIKeys interface {
	// CreateAPIKey inserts a key (ErrExists).
	CreateAPIKey(ctx context.Context, k APIKey) error
	// APIKey reads a key: one lookup by primary key (ErrNotFound).
	APIKey(ctx context.Context, id string) (APIKey, error)
	// APIKeyAccess is APIKey and AccessRow in one lookup, for a key that reads a token. Of the key it reads what says
	// whether it is good and what it may do, and leaves the rest out: name, and all times but the ends. The row is the
	// zero AccessRow if there is no such connection, or if it belongs to another owner than the key does: nobody can tell
	// which.
	APIKeyAccess(ctx context.Context, id, connectionID string) (APIKey, AccessRow, error)
	// ListAPIKeys returns all keys, the oldest first.
	ListAPIKeys(ctx context.Context) ([]APIKey, error)
	// RotateAPIKey gives a key a new hash; the one that it had stays good until oldUntil, and the one before that no
	// longer (ErrNotFound; ErrConflict if the key is revoked).
	RotateAPIKey(ctx context.Context, id string, hash []byte, at, oldUntil time.Time) error
	// RevokeAPIKey ends a key for good. Revoking twice is no error, and changes nothing (ErrNotFound).
	RevokeAPIKey(ctx context.Context, id string, at time.Time) error
	// MarkAPIKeysUsed raises the last use of each key to the given time; it never lowers one. Ids without a row are
	// passed over.
	MarkAPIKeysUsed(ctx context.Context, marks map[string]time.Time) error
}

// APIKey is a key of the REST API.
type APIKey struct {
	ID string
	// Name says to people what the key is for.
	Name string
	// Owner limits the key to one customer; empty for the whole platform.
	Owner string
	// Scopes are what the key may do.
	Scopes []string
	// Hash is SHA-256 of the key's text. OldHash, of the text before the last rotation, is good until OldUntil.
	Hash     []byte
	OldHash  []byte
	OldUntil time.Time

	CreatedAt time.Time
	// ExpiresAt is zero for a key without an end.
	ExpiresAt time.Time
	RotatedAt time.Time
	RevokedAt time.Time
	// UsedAt is when the key was last used, to about ten seconds; zero if never.
	UsedAt time.Time
}

// Normalize returns the key in the form in which it is stored.
func (k APIKey) Normalize() APIKey {
	k.Name, k.Scopes = cleanText(k.Name), cleanList(k.Scopes)
	k.Hash, k.OldHash, k.OldUntil = cleanBytes(k.Hash), cleanBytes(k.OldHash), cleanTime(k.OldUntil)
	k.CreatedAt, k.ExpiresAt, k.RotatedAt = cleanTime(k.CreatedAt), cleanTime(k.ExpiresAt), cleanTime(k.RotatedAt)
	k.RevokedAt, k.UsedAt = cleanTime(k.RevokedAt), cleanTime(k.UsedAt)
	return k
}
