-- +goose Up

-- What failed at each integration, while it is not well. Its counted failures go with it.
CREATE TABLE breakers (
    integration_id text COLLATE "C" PRIMARY KEY,
    open           boolean NOT NULL,
    cause          text NOT NULL,
    reason         text NOT NULL,
    opened_at      timestamptz,
    next_probe_at  timestamptz,
    opens          bigint NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE breaker_failures (
    integration_id text COLLATE "C" NOT NULL REFERENCES breakers ON DELETE CASCADE,
    connection_id  text COLLATE "C" NOT NULL REFERENCES connections ON DELETE CASCADE,
    cause          text NOT NULL,
    reason         text NOT NULL,
    at             timestamptz NOT NULL,
    PRIMARY KEY (integration_id, connection_id)
);

CREATE INDEX breaker_failures_of_connection ON breaker_failures (connection_id);

-- When each connection was last read, apart from its row, so that a mark copies no sealed token. Nothing that a mark
-- changes is in an index, and pages keep room, so that it is a HOT update.
CREATE TABLE reads (
    connection_id text COLLATE "C" PRIMARY KEY REFERENCES connections ON DELETE CASCADE,
    at            timestamptz NOT NULL
) WITH (fillfactor = 70);

ALTER TABLE connections
    ADD COLUMN policy       text NOT NULL DEFAULT '',
    ADD COLUMN consented_at timestamptz;

ALTER TABLE integrations
    ADD COLUMN policy text NOT NULL DEFAULT '';

-- +goose Down

ALTER TABLE integrations
    DROP COLUMN policy;

ALTER TABLE connections
    DROP COLUMN policy,
    DROP COLUMN consented_at;

DROP TABLE reads;
DROP TABLE breaker_failures;
DROP TABLE breakers;
