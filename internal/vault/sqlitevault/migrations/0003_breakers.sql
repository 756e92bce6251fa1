-- +goose Up

-- What failed at each integration, while it is not well. Its counted failures go with it.
CREATE TABLE breakers (
    integration_id TEXT PRIMARY KEY,
    open           INTEGER NOT NULL,
    cause          TEXT NOT NULL,
    reason         TEXT NOT NULL,
    opened_at      INTEGER,
    next_probe_at  INTEGER,
    opens          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE breaker_failures (
    integration_id TEXT NOT NULL REFERENCES breakers ON DELETE CASCADE,
    connection_id  TEXT NOT NULL REFERENCES connections ON DELETE CASCADE,
    cause          TEXT NOT NULL,
    reason         TEXT NOT NULL,
    at             INTEGER NOT NULL,
    PRIMARY KEY (integration_id, connection_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX breaker_failures_of_connection ON breaker_failures (connection_id);

-- When each connection was last read, apart from its row, so that a mark copies no sealed token.
CREATE TABLE reads (
    connection_id TEXT PRIMARY KEY REFERENCES connections ON DELETE CASCADE,
    at            INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE connections ADD COLUMN policy TEXT NOT NULL DEFAULT '';
ALTER TABLE connections ADD COLUMN consented_at INTEGER;

ALTER TABLE integrations ADD COLUMN policy TEXT NOT NULL DEFAULT '';

-- +goose Down

ALTER TABLE integrations DROP COLUMN policy;

ALTER TABLE connections DROP COLUMN policy;
ALTER TABLE connections DROP COLUMN consented_at;

DROP TABLE reads;
DROP TABLE breaker_failures;
DROP TABLE breakers;
