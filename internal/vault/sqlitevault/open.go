package sqlitevault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/acme/connections/internal/vault"
)

const (
	// busyMilliseconds is how long a writer waits for another process.
	busyMilliseconds = "busy_timeout(5000)"
	readers          = 4
)

// Open opens the vault in a file, making it if it is not there, and brings its schema up to date. Its errors are
// sentences for the operator.
func Open(ctx context.Context, path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("the vault's path cannot be resolved: %w", err)
	}
	if err := createPrivate(path); err != nil {
		return nil, err
	}
	store, err := connect(path)
	if err != nil {
		return nil, failure("open", err)
	}
	if err := migrate(ctx, store.write); err != nil {
		_ = store.Close()
		return nil, openFailure(path, err)
	}
	if err := store.Ping(ctx); err != nil {
		_ = store.Close()
		return nil, openFailure(path, err)
	}
	return store, nil
}

// createPrivate makes an empty file that only its owner may read; SQLite gives its companions the same mode. A file
// that exists is not opened here: closing it would drop the locks of every Store that this process has on it.
func createPrivate(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) //nolint:gosec // the operator names it
	if err == nil {
		return file.Close()
	}
	info, statErr := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the vault's directory %s does not exist: create it, or name another", filepath.Dir(path))
	case statErr == nil && info.IsDir():
		return fmt.Errorf("the vault's path %s is a directory: name a file in it", path)
	case errors.Is(err, fs.ErrExist):
		return nil
	default:
		return fmt.Errorf("the vault's file cannot be made: %w", err)
	}
}

// connect makes both pools. The journal's mode is a property of the file, so only the writer sets it.
func connect(path string) (*Store, error) {
	write, err := sql.Open("sqlite", dataSource(path, url.Values{
		"_txlock": {"immediate"},
		"_pragma": {
			busyMilliseconds, "journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(1)", "secure_delete(1)",
		},
	}))
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	read, err := sql.Open("sqlite", dataSource(path, url.Values{
		"_pragma": {busyMilliseconds, "query_only(1)"},
	}))
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	store := &Store{write: write, read: read, background: vault.NewBackground()}
	store.watchers = vault.NewWatchers(store.background, store.poll)
	return store, nil
}

func dataSource(path string, options url.Values) string {
	return (&url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: options.Encode()}).String()
}

// openError is a sentence; the driver's error is for errors.Is and errors.As only.
type openError struct {
	sentence string
	err      error
}

func (e *openError) Error() string { return e.sentence }
func (e *openError) Unwrap() error { return e.err }

// openFailure says what an operator can do about a file that does not open.
func openFailure(path string, err error) error {
	switch {
	case hasCode(err, sqlite3.SQLITE_NOTADB), hasCode(err, sqlite3.SQLITE_CORRUPT):
		return &openError{fmt.Sprintf("%s is not a vault, or is damaged: name another file, or restore a copy", path), err}
	case isBusy(err):
		return &openError{fmt.Sprintf("%s is locked by another process: stop it, or wait for it to finish", path), err}
	default:
		return err
	}
}
