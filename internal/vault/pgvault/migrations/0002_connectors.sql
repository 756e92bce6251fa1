-- +goose Up

-- Connectors that operators have added, byte for byte as they came: nothing here looks into one.
CREATE TABLE connectors (
    id         text COLLATE "C" PRIMARY KEY,
    document   bytea,
    updated_at timestamptz NOT NULL
);

-- What the answer to an authorization request told beside its code.
ALTER TABLE auth_requests
    ADD COLUMN captured       jsonb,
    ADD COLUMN inputs         jsonb,
    ADD COLUMN granted_scopes text[];

-- +goose Down

ALTER TABLE auth_requests
    DROP COLUMN captured,
    DROP COLUMN inputs,
    DROP COLUMN granted_scopes;

DROP TABLE connectors;
