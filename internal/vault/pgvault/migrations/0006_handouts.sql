-- +goose Up

-- Who was handed which connection's access token: counts by the hour. Nothing that a count changes is in an index, and
-- pages keep room, so that it is a HOT update. The rows go with their connection's.
CREATE TABLE handouts (
    connection_id text COLLATE "C" NOT NULL REFERENCES connections ON DELETE CASCADE,
    hour          timestamptz NOT NULL,
    who           text COLLATE "C" NOT NULL,
    tier          text COLLATE "C" NOT NULL,
    count         bigint NOT NULL,
    first_at      timestamptz NOT NULL,
    last_at       timestamptz NOT NULL,
    PRIMARY KEY (connection_id, hour, who, tier)
) WITH (fillfactor = 70);

CREATE INDEX handouts_hour ON handouts (hour);

-- Those who are audited can add to the audit and do nothing else with it, so it is not the table that they may write.
-- What the function names is found where it was made, before a caller's temporary tables.

-- +goose StatementBegin
CREATE FUNCTION connections_record_handouts(
    ids text[], hours timestamptz[], askers text[], tiers text[], counts bigint[],
    firsts timestamptz[], lasts timestamptz[]
) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO handouts AS h (connection_id, hour, who, tier, count, first_at, last_at)
    SELECT c.id, new.hour, new.who, new.tier, new.count, new.first_at, new.last_at
    FROM unnest($1, $2, $3, $4, $5, $6, $7) AS new (id, hour, who, tier, count, first_at, last_at)
    JOIN connections AS c ON c.id = new.id
    WHERE new.count > 0
    ORDER BY c.id, new.hour, new.who, new.tier
    ON CONFLICT (connection_id, hour, who, tier) DO UPDATE SET
        count = h.count + excluded.count,
        first_at = least(h.first_at, excluded.first_at), last_at = greatest(h.last_at, excluded.last_at)
$$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION connections_record_handouts SET search_path = %I, pg_temp', current_schema());
    REVOKE ALL ON FUNCTION connections_record_handouts FROM PUBLIC;
END $$;
-- +goose StatementEnd

-- +goose Down

DROP FUNCTION connections_record_handouts;
DROP TABLE handouts;
