-- +goose Up

-- Who is parked until a person has mended a connection. An entry that has lapsed counts for nothing, and goes with the
-- next one that is written for the connection.
CREATE TABLE waiters (
    connection_id TEXT NOT NULL REFERENCES connections ON DELETE CASCADE,
    key           TEXT NOT NULL,
    until         INTEGER NOT NULL,
    PRIMARY KEY (connection_id, key)
) STRICT, WITHOUT ROWID;

-- +goose Down

DROP TABLE waiters;
