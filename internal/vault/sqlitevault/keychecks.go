package sqlitevault

import "context"

// KeyCheck implements vault.KeyChecks. The update that changes nothing makes the loser of a race see the winner's row.
func (s *Store) KeyCheck(ctx context.Context, keyset string, offered []byte) ([]byte, error) {
	var stored []byte
	err := s.write.QueryRowContext(ctx, `
		INSERT INTO key_checks (keyset, sealed) VALUES (?, ?)
		ON CONFLICT (keyset) DO UPDATE SET sealed = key_checks.sealed
		RETURNING sealed`, keyset, offered).Scan(&stored)
	return stored, failure("check keys", err)
}
