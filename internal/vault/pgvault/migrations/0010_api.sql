-- +goose Up

-- The keys of the REST API: of a key's text only its hash is kept. A request costs one SELECT by primary key; last uses
-- come in batches, and change no index.
CREATE TABLE api_keys (
    id         text COLLATE "C" PRIMARY KEY,
    name       text NOT NULL,
    owner      text COLLATE "C" NOT NULL,
    scopes     text[],
    hash       bytea NOT NULL,
    old_hash   bytea,
    old_until  timestamptz,
    created_at timestamptz,
    expires_at timestamptz,
    rotated_at timestamptz,
    revoked_at timestamptz,
    used_at    timestamptz
) WITH (fillfactor = 70);

-- What was asked under which Idempotency-Key, as hashes, and what it was answered, sealed; none while it is being
-- answered.
CREATE TABLE api_requests (
    key_id      text COLLATE "C" NOT NULL,
    hash        bytea NOT NULL,
    request     bytea NOT NULL,
    claim       text NOT NULL,
    lease_until timestamptz NOT NULL,
    response    bytea,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (key_id, hash)
);

CREATE INDEX api_requests_expiry ON api_requests (expires_at);

-- +goose Down

DROP TABLE api_requests;
DROP TABLE api_keys;
