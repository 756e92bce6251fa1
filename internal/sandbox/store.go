package sandbox

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// schemaVersion is written to the file; a file of another version is refused rather than guessed at.
const schemaVersion = 2

// Times are Unix milliseconds; 0 means never. Lists are JSON arrays. Tokens and codes are SHA-256 hashes.
const schema = `
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS clients (
	id TEXT PRIMARY KEY, name TEXT NOT NULL, secret_hash TEXT NOT NULL, secret TEXT NOT NULL,
	redirect_uris TEXT NOT NULL, grants TEXT NOT NULL, scopes TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS users (
	id TEXT PRIMARY KEY, username TEXT NOT NULL UNIQUE, name TEXT NOT NULL, email TEXT NOT NULL,
	salt BLOB NOT NULL, password_hash BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS auth_requests (
	id TEXT PRIMARY KEY, client_id TEXT NOT NULL, redirect_uri TEXT NOT NULL, state TEXT NOT NULL, nonce TEXT NOT NULL,
	scopes TEXT NOT NULL, challenge TEXT NOT NULL, session_hash TEXT NOT NULL, expires INTEGER NOT NULL,
	user_id TEXT NOT NULL DEFAULT '', auth_time INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0,
	code_hash TEXT UNIQUE, code_expires INTEGER NOT NULL DEFAULT 0, family TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE IF NOT EXISTS families (
	id TEXT PRIMARY KEY, client_id TEXT NOT NULL, user_id TEXT NOT NULL, scopes TEXT NOT NULL,
	auth_time INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS access_tokens (
	hash TEXT PRIMARY KEY, family TEXT NOT NULL, client_id TEXT NOT NULL, user_id TEXT NOT NULL, scopes TEXT NOT NULL,
	issued INTEGER NOT NULL, expires INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS access_tokens_expires ON access_tokens (expires);
CREATE INDEX IF NOT EXISTS access_tokens_family ON access_tokens (family);
CREATE TABLE IF NOT EXISTS refresh_tokens (
	hash TEXT PRIMARY KEY, family TEXT NOT NULL, issued INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0,
	parent TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS refresh_tokens_family ON refresh_tokens (family);
CREATE INDEX IF NOT EXISTS refresh_tokens_issued ON refresh_tokens (issued);
CREATE TABLE IF NOT EXISTS presentations (
	id INTEGER PRIMARY KEY, hash TEXT NOT NULL, at INTEGER NOT NULL, outcome TEXT NOT NULL,
	family TEXT NOT NULL DEFAULT '', committed INTEGER NOT NULL DEFAULT 0, successor TEXT NOT NULL DEFAULT ''
) STRICT;
`

// fromVersion1 precedes schema on a file of version 1.
const fromVersion1 = `
DROP INDEX refresh_tokens_expires;
ALTER TABLE refresh_tokens DROP COLUMN expires;
ALTER TABLE refresh_tokens ADD COLUMN parent TEXT NOT NULL DEFAULT '';
ALTER TABLE presentations ADD COLUMN family TEXT NOT NULL DEFAULT '';
ALTER TABLE presentations ADD COLUMN committed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE presentations ADD COLUMN successor TEXT NOT NULL DEFAULT '';
`

// store is the SQLite state. One connection serialises everything, which is also what makes rotation atomic.
// Inside a transaction only the transaction may be used: asking the pool for a second connection would wait forever.
type store struct {
	db        *sql.DB
	now       func() time.Time
	behaviour atomic.Pointer[Behaviour]
}

func openStore(ctx context.Context, file string, now func() time.Time) (*store, error) {
	dsn, err := dataSource(file)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("sandbox: open state: %w", err)
	}
	db.SetMaxOpenConns(1)
	s := &store{db: db, now: now}
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox: prepare state: %w", err), db.Close())
	}
	return s, nil
}

// dataSource names the database, creating the file first so that only its owner can read it.
func dataSource(file string) (string, error) {
	if file == "" {
		return ":memory:", nil
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return "", fmt.Errorf("sandbox: state file: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("sandbox: state file: %w", err)
	}
	if err := f.Close(); err != nil {
		return "", fmt.Errorf("sandbox: state file: %w", err)
	}
	pragmas := url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)"},
		"_txlock": {"immediate"},
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: pragmas.Encode()}).String(), nil
}

func (s *store) migrate(ctx context.Context) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		var version int
		if err := tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
			return err
		}
		switch version {
		case 0, schemaVersion:
		case 1:
			if _, err := tx.ExecContext(ctx, fromVersion1); err != nil {
				return err
			}
		default:
			return fmt.Errorf("state file has version %d, this program needs %d: remove the file to start afresh", version, schemaVersion)
		}
		if _, err := tx.ExecContext(ctx, schema); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d`, schemaVersion))
		return err
	})
}

// tx runs fn in one transaction: an error rolls it back.
func (s *store) tx(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func (s *store) close() error { return s.db.Close() }

// millis is the clock's time as stored.
func (s *store) millis() int64 { return s.now().UnixMilli() }

// prune drops what can no longer matter. It runs at Open; a sandbox between two starts stays small enough.
func (s *store) prune(ctx context.Context) error {
	now := s.now()
	old := now.Add(-7 * 24 * time.Hour).UnixMilli()
	for _, q := range []struct {
		query  string
		before int64
	}{
		{`DELETE FROM access_tokens WHERE expires < ?`, now.UnixMilli()},
		{`DELETE FROM auth_requests WHERE expires < ?`, old},
		{`DELETE FROM presentations WHERE at < ?`, old},
		{`DELETE FROM refresh_tokens WHERE issued < ?`, now.Add(-s.rules().RefreshTokenIdle - 7*24*time.Hour).UnixMilli()},
		{`DELETE FROM families WHERE auth_time < ? AND id NOT IN (SELECT family FROM refresh_tokens)
			AND id NOT IN (SELECT family FROM access_tokens)`, old},
	} {
		if _, err := s.db.ExecContext(ctx, q.query, q.before); err != nil {
			return fmt.Errorf("sandbox: prune state: %w", err)
		}
	}
	return nil
}

// randomText returns a fresh 256-bit value in URL-safe text.
func randomText() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// hashOf is how tokens, codes, sessions and client secrets are stored: they are random, so a plain hash is enough.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
