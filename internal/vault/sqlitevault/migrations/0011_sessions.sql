-- +goose Up

-- A connect session: a single-use link, found by the hash of its secret, that leads to a connection. The connection may
-- not exist yet, or no more.
CREATE TABLE connect_sessions (
    id            TEXT PRIMARY KEY,
    hash          BLOB NOT NULL UNIQUE,
    kind          TEXT NOT NULL,
    owner         TEXT NOT NULL,
    end_user      TEXT NOT NULL,
    connectors    TEXT,
    tags          TEXT,
    return_url    TEXT NOT NULL,
    confirm_user  INTEGER NOT NULL,
    connection_id TEXT NOT NULL,
    popup         INTEGER NOT NULL,
    created_at    INTEGER,
    expires_at    INTEGER,
    consumed_at   INTEGER,
    browser_hash  BLOB,
    uses          INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX connect_sessions_by_expiry ON connect_sessions (expires_at);

-- The end user's assertions that were shown for a session: each works once, and lets one browser in.
CREATE TABLE session_openings (
    session_id     TEXT NOT NULL REFERENCES connect_sessions ON DELETE CASCADE,
    assertion_hash BLOB NOT NULL,
    browser_hash   BLOB NOT NULL,
    opened_at      INTEGER,
    PRIMARY KEY (session_id, assertion_hash)
) STRICT;

-- The connections of one person, as the page "Your connections" lists them.
CREATE INDEX connections_end_user ON connections (owner, end_user, id);

ALTER TABLE links ADD COLUMN session_id TEXT NOT NULL DEFAULT '';

-- An answer that is held is not used until the person has confirmed it.
ALTER TABLE auth_requests ADD COLUMN held INTEGER NOT NULL DEFAULT 0;

-- +goose Down

ALTER TABLE auth_requests DROP COLUMN held;
ALTER TABLE links DROP COLUMN session_id;
DROP INDEX connections_end_user;
DROP TABLE session_openings;
DROP TABLE connect_sessions;
