// Package sqlitevault is the vault in a SQLite file, for one host: the default of --dev.
package sqlitevault

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/acme/connections/internal/vault"
)

// Store is a vault in a SQLite file. Several may have the same file open, also in several processes of one host.
// Open makes one.
type Store struct {
	// write has one connection, so that writers of this process queue in Go and not in SQLite's busy handler.
	write *sql.DB
	read  *sql.DB

	background *vault.Background
	watchers   *vault.Watchers
}

var _ vault.Store = (*Store)(nil)

// Ping implements vault.Store.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return failure("ping", s.read.QueryRowContext(ctx, `SELECT 1 FROM sqlite_schema LIMIT 1`).Scan(&one))
}

// Close implements vault.Store.
func (s *Store) Close() error {
	s.background.Close()
	return failure("close", errors.Join(s.read.Close(), s.write.Close()))
}

// clock is the store's own clock: all processes that share a file share their host's.
func clock() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// inTx runs a function in a write transaction. It begins immediately, so what it reads stays true until it commits.
func (s *Store) inTx(ctx context.Context, op string, run func(tx *sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return failure(op, err)
	}
	if err := run(tx); err != nil {
		_ = tx.Rollback()
		return failure(op, err)
	}
	return failure(op, tx.Commit())
}

// exec runs one statement and reports how many rows it changed.
func (s *Store) exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := s.write.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// row is what *sql.Row and *sql.Rows have in common.
type row interface{ Scan(dest ...any) error }

// collect reads all rows of a query.
func collect[T any](rows *sql.Rows, err error, scan func(row) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []T
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, rows.Err()
}
