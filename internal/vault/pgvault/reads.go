package pgvault

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"
)

// MarkRead implements vault.Reads. It is one statement, which locks the marks in order of id, so that no two processes
// wait for each other. A mark that raises nothing writes nothing.
func (a *Access) MarkRead(ctx context.Context, marks map[string]time.Time) error {
	ids, times := make([]string, 0, len(marks)), make([]time.Time, 0, len(marks))
	for id, at := range marks {
		if spellable(id) && !at.IsZero() {
			ids, times = append(ids, id), append(times, at)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	for {
		err := a.markRead(ctx, ids, times)
		if hasCode(err, codeForeignKeyViolation) {
			continue // a connection was deleted just now: the next time it is passed over
		}
		return failure("mark as read", err)
	}
}

func (a *Access) markRead(ctx context.Context, ids []string, times []time.Time) error {
	_, err := a.pool.Exec(ctx, `
		INSERT INTO reads AS r (connection_id, at)
		SELECT c.id, mark.at FROM unnest($1::text[], $2::timestamptz[]) AS mark (id, at)
		JOIN connections AS c ON c.id = mark.id
		WHERE c.status <> 'disconnected'
		ORDER BY c.id
		ON CONFLICT (connection_id) DO UPDATE SET at = excluded.at WHERE r.at < excluded.at`, ids, times)
	return err
}

// spellable reports whether Postgres can store an id; others belong to no row.
func spellable(id string) bool { return utf8.ValidString(id) && !strings.Contains(id, "\x00") }

// LastRead implements vault.Reads. A mark that came while its connection was being erased is no mark.
func (s *Store) LastRead(ctx context.Context, connectionID string) (at time.Time, err error) {
	err = s.pool.QueryRow(ctx, `
		SELECT r.at FROM connections AS c
		LEFT JOIN reads AS r ON r.connection_id = c.id AND c.status <> 'disconnected'
		WHERE c.id = $1`, connectionID).Scan((*instant)(&at))
	return at, lookupFailure("read last read", err)
}
