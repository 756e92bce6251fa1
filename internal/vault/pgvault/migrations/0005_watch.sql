-- +goose Up

-- What every process on the vault must hear of is announced in the transaction that does it. These are triggers and not
-- parts of our statements, so that nothing escapes them: older programs during an upgrade, and operators, included.
--
-- A transaction that announces holds a lock of the whole database server from just before its commit until after it:
-- such commits go one by one, and share no flush. A new token set is therefore not here, unless a person consented to
-- it: the program announces that after its commit, many in one transaction that has nothing to flush.

-- +goose StatementBegin
CREATE FUNCTION connections_announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A payload is shorter than 8,000 bytes; an empty one stands for any connection.
    PERFORM pg_notify('connections_changed', CASE WHEN octet_length(OLD.id) < 8000 THEN OLD.id ELSE '' END);
    RETURN NULL;
END $$;
-- +goose StatementEnd

CREATE TRIGGER connections_changed AFTER UPDATE ON connections FOR EACH ROW
    WHEN (OLD.status <> NEW.status OR OLD.reason <> NEW.reason OR OLD.consented_at IS DISTINCT FROM NEW.consented_at
        OR (OLD.access_token IS NOT NULL AND NEW.access_token IS NULL))
    EXECUTE FUNCTION connections_announce();

CREATE TRIGGER connections_deleted AFTER DELETE ON connections FOR EACH ROW
    EXECUTE FUNCTION connections_announce();

-- +goose Down

DROP TRIGGER connections_changed ON connections;
DROP TRIGGER connections_deleted ON connections;
DROP FUNCTION connections_announce;
