-- +goose Up

-- Connectors that operators have added, byte for byte as they came: nothing here looks into one.
CREATE TABLE connectors (
    id         TEXT PRIMARY KEY,
    document   BLOB,
    updated_at INTEGER NOT NULL
) STRICT;

-- What the answer to an authorization request told beside its code.
ALTER TABLE auth_requests ADD COLUMN captured TEXT;
ALTER TABLE auth_requests ADD COLUMN inputs TEXT;
ALTER TABLE auth_requests ADD COLUMN granted_scopes TEXT;

-- +goose Down

ALTER TABLE auth_requests DROP COLUMN captured;
ALTER TABLE auth_requests DROP COLUMN inputs;
ALTER TABLE auth_requests DROP COLUMN granted_scopes;

DROP TABLE connectors;
