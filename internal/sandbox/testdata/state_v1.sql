-- The schema of version 1, as programs of that version wrote it.
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
CREATE TABLE IF NOT EXISTS refresh_tokens (
	hash TEXT PRIMARY KEY, family TEXT NOT NULL, issued INTEGER NOT NULL, expires INTEGER NOT NULL,
	used INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS refresh_tokens_family ON refresh_tokens (family);
CREATE INDEX IF NOT EXISTS refresh_tokens_expires ON refresh_tokens (expires);
CREATE TABLE IF NOT EXISTS presentations (
	id INTEGER PRIMARY KEY, hash TEXT NOT NULL, at INTEGER NOT NULL, outcome TEXT NOT NULL
) STRICT;
PRAGMA user_version = 1;
