-- +goose Up

-- The latest changes of connections, for the processes that poll them. A reader that finds the row after its own gone
-- has missed some.
CREATE TABLE changes (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    connection_id TEXT NOT NULL
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER connections_changed AFTER UPDATE ON connections
WHEN OLD.status <> NEW.status OR OLD.reason <> NEW.reason OR OLD.generation <> NEW.generation
    OR (OLD.access_token IS NOT NULL AND NEW.access_token IS NULL)
BEGIN
    INSERT INTO changes (connection_id) VALUES (OLD.id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER connections_deleted AFTER DELETE ON connections
BEGIN
    INSERT INTO changes (connection_id) VALUES (OLD.id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER changes_kept AFTER INSERT ON changes
BEGIN
    DELETE FROM changes WHERE seq <= NEW.seq - 10000;
END;
-- +goose StatementEnd

-- +goose Down

DROP TRIGGER connections_changed;
DROP TRIGGER connections_deleted;
DROP TABLE changes;
