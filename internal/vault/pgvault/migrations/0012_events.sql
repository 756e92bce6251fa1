-- +goose Up

-- What connections went through, for those who are to be told: the outbox. A row is written in the transaction that
-- changes a connection's status, and outlives the connection. It holds no secret, and no text of a provider's.
CREATE TABLE events (
    sequence      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id            text COLLATE "C" NOT NULL UNIQUE,
    type          text NOT NULL,
    connection_id text COLLATE "C" NOT NULL,
    connector     text NOT NULL,
    owner         text COLLATE "C" NOT NULL,
    status        text NOT NULL,
    reason        text NOT NULL,
    at            timestamptz NOT NULL,
    claimed_until timestamptz,
    dispatched_at timestamptz
);

CREATE INDEX events_of_connection ON events (connection_id, sequence);
CREATE INDEX events_owner ON events (owner, sequence);
CREATE INDEX events_at ON events (at);
CREATE INDEX events_undispatched ON events (sequence) WHERE dispatched_at IS NULL;

-- A trigger and not a part of our statements, so that nothing escapes it. It runs with the rights of whoever made it,
-- since not everyone who may change a connection may write events.
--
-- What people were told last is what a status is compared with, and not the status before: who pauses and resumes a
-- degraded connection causes no second event, and one that recovers during a pause has recovered. The end of a connection
-- that never had a token, and of which nobody was told anything, is no event.

-- +goose StatementBegin
CREATE FUNCTION connections_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO events (id, type, connection_id, connector, owner, status, reason, at)
    SELECT
        'evt_' || lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
            || substr(replace(gen_random_uuid()::text, '-', ''), 1, 12) || right(gen_random_uuid()::text, 8),
        new_event.type, NEW.id, NEW.connector, NEW.owner, NEW.status, NEW.reason, coalesce(NEW.status_at, clock_timestamp())
    FROM (
        SELECT 1 AS place, CASE
            WHEN OLD.status = NEW.status THEN NULL
            WHEN NEW.status = 'degraded' AND told.status <> 'degraded' THEN 'connection.degraded'
            WHEN NEW.status = 'needs_reauth' AND told.status <> 'needs_reauth' THEN 'connection.needs_reauth'
            WHEN NEW.status = 'active' AND told.status IN ('degraded', 'needs_reauth') THEN 'connection.recovered'
            WHEN NEW.status = 'active' AND told.status IN ('pending', 'expired') THEN 'connection.activated'
            WHEN NEW.status = 'disconnected' AND (NEW.generation > 0 OR EXISTS (SELECT FROM events AS e WHERE e.connection_id = NEW.id))
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
        WHERE NEW.status = 'active' AND NEW.reason LIKE 'grant\_ends\_%' AND NOT EXISTS (
            SELECT FROM events AS e
            WHERE e.connection_id = NEW.id AND e.type = 'connection.expiring_soon' AND e.reason = NEW.reason
                AND e.at >= coalesce(NEW.consented_at, '-infinity')
        )
    ) AS new_event
    WHERE new_event.type IS NOT NULL
    ORDER BY new_event.place;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION connections_event SET search_path = %I, pg_temp', current_schema());
    REVOKE ALL ON FUNCTION connections_event FROM PUBLIC;
END $$;
-- +goose StatementEnd

-- A refresh writes neither column, so that it does not pay for this.
CREATE TRIGGER connections_event AFTER UPDATE OF status, reason ON connections FOR EACH ROW
    WHEN (OLD.status <> NEW.status OR OLD.reason <> NEW.reason)
    EXECUTE FUNCTION connections_event();

-- Who is told. The secrets are a JSON list of sealed ones.
CREATE TABLE webhook_endpoints (
    id              text COLLATE "C" PRIMARY KEY,
    owner           text COLLATE "C" NOT NULL,
    url             text NOT NULL,
    types           text[],
    secrets         jsonb,
    version         bigint NOT NULL,
    created_at      timestamptz,
    disabled_at     timestamptz,
    disabled_reason text NOT NULL DEFAULT ''
);

CREATE INDEX webhook_endpoints_owner ON webhook_endpoints (owner, id);

-- What they could not be told.
CREATE TABLE dead_letters (
    event_id    text COLLATE "C" NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    endpoint_id text COLLATE "C" NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    attempts    bigint NOT NULL,
    status_code bigint NOT NULL,
    reason      text NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (event_id, endpoint_id)
);

CREATE INDEX dead_letters_of_endpoint ON dead_letters (endpoint_id);

-- +goose Down

DROP TABLE dead_letters;
DROP TABLE webhook_endpoints;
DROP TRIGGER connections_event ON connections;
DROP FUNCTION connections_event;
DROP TABLE events;
