-- +goose Up

-- Who was handed which connection's access token: counts by the hour. The rows go with their connection's.
CREATE TABLE handouts (
    connection_id TEXT NOT NULL REFERENCES connections ON DELETE CASCADE,
    hour          INTEGER NOT NULL,
    who           TEXT NOT NULL,
    tier          TEXT NOT NULL,
    count         INTEGER NOT NULL,
    first_at      INTEGER NOT NULL,
    last_at       INTEGER NOT NULL,
    PRIMARY KEY (connection_id, hour, who, tier)
) STRICT, WITHOUT ROWID;

CREATE INDEX handouts_hour ON handouts (hour);

-- +goose Down

DROP TABLE handouts;
