-- +goose Up

-- What connections went through, for those who are to be told: the outbox. A row is written in the transaction that
-- changes a connection's status, and outlives the connection. It holds no secret, and no text of a provider's.
CREATE TABLE events (
    sequence      INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT NOT NULL UNIQUE,
    type          TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    connector     TEXT NOT NULL,
    owner         TEXT NOT NULL,
    status        TEXT NOT NULL,
    reason        TEXT NOT NULL,
    at            INTEGER NOT NULL,
    claimed_until INTEGER,
    dispatched_at INTEGER
) STRICT;

CREATE INDEX events_of_connection ON events (connection_id, sequence);
CREATE INDEX events_owner ON events (owner, sequence);
CREATE INDEX events_at ON events (at);
CREATE INDEX events_undispatched ON events (sequence) WHERE dispatched_at IS NULL;

-- A trigger and not a part of our statements, so that nothing escapes it. A refresh writes neither column, so that it
-- does not pay for this.
--
-- What people were told last is what a status is compared with, and not the status before: who pauses and resumes a
-- degraded connection causes no second event, and one that recovers during a pause has recovered. The end of a connection
-- that never had a token, and of which nobody was told anything, is no event.

-- +goose StatementBegin
CREATE TRIGGER connections_event AFTER UPDATE OF status, reason ON connections
WHEN OLD.status <> NEW.status OR OLD.reason <> NEW.reason
BEGIN
    INSERT INTO events (id, type, connection_id, connector, owner, status, reason, at)
    SELECT
        'evt_' || printf('%012x', CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)) || lower(hex(randomblob(10))),
        new_event.type, NEW.id, NEW.connector, NEW.owner, NEW.status, NEW.reason,
        coalesce(NEW.status_at, CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER))
    FROM (
        SELECT 1 AS place, CASE
            WHEN OLD.status = NEW.status THEN NULL
            WHEN NEW.status = 'degraded' AND told.status <> 'degraded' THEN 'connection.degraded'
            WHEN NEW.status = 'needs_reauth' AND told.status <> 'needs_reauth' THEN 'connection.needs_reauth'
            WHEN NEW.status = 'active' AND told.status IN ('degraded', 'needs_reauth') THEN 'connection.recovered'
            WHEN NEW.status = 'active' AND told.status IN ('pending', 'expired') THEN 'connection.activated'
            WHEN NEW.status = 'disconnected' AND (NEW.generation > 0 OR EXISTS (SELECT 1 FROM events AS e WHERE e.connection_id = NEW.id))
                THEN 'connection.disconnected'
        END AS type
        FROM (
            SELECT coalesce((
                SELECT CASE e.type
                    WHEN 'connection.degraded' THEN 'degraded'
                    WHEN 'connection.needs_reauth' THEN 'needs_reauth'
                    WHEN 'connection.disconnected' THEN 'pending'
                    ELSE 'active'
                END
                FROM events AS e
                WHERE e.connection_id = NEW.id AND e.type <> 'connection.expiring_soon'
                ORDER BY e.sequence DESC LIMIT 1
            ), OLD.status) AS status
        ) AS told
        UNION ALL
        SELECT 2, 'connection.expiring_soon'
        WHERE NEW.status = 'active' AND NEW.reason GLOB 'grant_ends_*' AND NOT EXISTS (
            SELECT 1 FROM events AS e
            WHERE e.connection_id = NEW.id AND e.type = 'connection.expiring_soon' AND e.reason = NEW.reason
                AND e.at >= coalesce(NEW.consented_at, e.at)
        )
    ) AS new_event
    WHERE new_event.type IS NOT NULL
    ORDER BY new_event.place;
END;
-- +goose StatementEnd

-- Who is told. The secrets are a JSON list of sealed ones.
CREATE TABLE webhook_endpoints (
    id              TEXT PRIMARY KEY,
    owner           TEXT NOT NULL,
    url             TEXT NOT NULL,
    types           TEXT,
    secrets         TEXT,
    version         INTEGER NOT NULL,
    created_at      INTEGER,
    disabled_at     INTEGER,
    disabled_reason TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX webhook_endpoints_owner ON webhook_endpoints (owner, id);

-- What they could not be told.
CREATE TABLE dead_letters (
    event_id    TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    endpoint_id TEXT NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    attempts    INTEGER NOT NULL,
    status_code INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (event_id, endpoint_id)
) STRICT;

CREATE INDEX dead_letters_of_endpoint ON dead_letters (endpoint_id);

-- +goose Down

DROP TABLE dead_letters;
DROP TABLE webhook_endpoints;
DROP TRIGGER connections_event;
DROP TABLE events;
