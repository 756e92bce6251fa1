-- +goose Up

-- The keys of the REST API: of a key's text only its hash is kept.
CREATE TABLE api_keys (
    id         TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    owner      TEXT NOT NULL,
    scopes     TEXT,
    hash       BLOB NOT NULL,
    old_hash   BLOB,
    old_until  INTEGER,
    created_at INTEGER,
    expires_at INTEGER,
    rotated_at INTEGER,
    revoked_at INTEGER,
    used_at    INTEGER
) STRICT, WITHOUT ROWID;

-- What was asked under which Idempotency-Key, as hashes, and what it was answered, sealed; none while it is being
-- answered.
CREATE TABLE api_requests (
    key_id      TEXT NOT NULL,
    hash        BLOB NOT NULL,
    request     BLOB NOT NULL,
    claim       TEXT NOT NULL,
    lease_until INTEGER NOT NULL,
    response    BLOB,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (key_id, hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX api_requests_expiry ON api_requests (expires_at);

-- +goose Down

DROP TABLE api_requests;
DROP TABLE api_keys;
