-- +goose Up

-- Times are microseconds since 1970; maps and lists are JSON; what is absent is NULL.
CREATE TABLE connections (
    id               TEXT PRIMARY KEY,
    owner            TEXT NOT NULL,
    connector        TEXT NOT NULL,
    integration_id   TEXT NOT NULL,
    grant_type       TEXT NOT NULL,
    end_user         TEXT NOT NULL,
    tags             TEXT,
    inputs           TEXT,
    metadata         TEXT,
    requested_scopes TEXT,
    granted_scopes   TEXT,
    status           TEXT NOT NULL,
    reason           TEXT NOT NULL,
    status_seq       INTEGER NOT NULL,
    status_at        INTEGER,
    generation       INTEGER NOT NULL,
    failures         INTEGER NOT NULL,
    token_type       TEXT NOT NULL,
    issued_at        INTEGER,
    expires_at       INTEGER,
    access_token     BLOB,
    refresh_token    BLOB,
    created_at       INTEGER,
    updated_at       INTEGER NOT NULL,
    tombstone_until  INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX connections_owner ON connections (owner, id);
CREATE INDEX connections_tombstone ON connections (tombstone_until) WHERE tombstone_until IS NOT NULL;

CREATE TABLE attempts (
    -- The order in which attempts of one connection began, whatever clocks did.
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT NOT NULL UNIQUE,
    connection_id TEXT NOT NULL REFERENCES connections ON DELETE CASCADE,
    kind          TEXT NOT NULL,
    generation    INTEGER NOT NULL,
    request_id    TEXT NOT NULL,
    state         TEXT NOT NULL,
    reason        TEXT NOT NULL DEFAULT '',
    reply         BLOB,
    begun_at      INTEGER NOT NULL,
    sent_at       INTEGER,
    ended_at      INTEGER,
    lease_until   INTEGER NOT NULL,
    CHECK ((ended_at IS NULL) = (state IN ('begun', 'sent', 'replied')))
) STRICT;

-- At most one open attempt per connection.
CREATE UNIQUE INDEX attempts_single_flight ON attempts (connection_id) WHERE ended_at IS NULL;
CREATE INDEX attempts_of_connection ON attempts (connection_id, seq);

CREATE TABLE links (
    hash          BLOB PRIMARY KEY,
    connection_id TEXT NOT NULL REFERENCES connections ON DELETE CASCADE,
    created_at    INTEGER,
    expires_at    INTEGER,
    consumed_at   INTEGER,
    browser_hash  BLOB
) STRICT;

CREATE INDEX links_of_connection ON links (connection_id);

CREATE TABLE auth_requests (
    id            TEXT PRIMARY KEY,
    state_hash    BLOB NOT NULL UNIQUE,
    connection_id TEXT NOT NULL REFERENCES connections ON DELETE CASCADE,
    link_hash     BLOB NOT NULL,
    issuer        TEXT NOT NULL,
    redirect_uri  TEXT NOT NULL,
    scopes        TEXT,
    browser_hash  BLOB,
    verifier      BLOB,
    code          BLOB,
    created_at    INTEGER,
    expires_at    INTEGER,
    consumed_at   INTEGER,
    outcome       TEXT NOT NULL
) STRICT;

CREATE INDEX auth_requests_of_connection ON auth_requests (connection_id);

CREATE TABLE integrations (
    id         TEXT PRIMARY KEY,
    owner      TEXT NOT NULL,
    connector  TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    secrets    TEXT,
    scopes     TEXT,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX integrations_owner ON integrations (owner, id);

CREATE TABLE key_checks (
    keyset TEXT PRIMARY KEY,
    sealed BLOB NOT NULL
) STRICT;

-- +goose Down

DROP TABLE key_checks;
DROP TABLE integrations;
DROP TABLE auth_requests;
DROP TABLE links;
DROP TABLE attempts;
DROP TABLE connections;
