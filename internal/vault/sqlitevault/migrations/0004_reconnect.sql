-- +goose Up

-- The scopes that were chosen for a connection when it was made; NULL for those of its integration.
ALTER TABLE connections ADD COLUMN chosen_scopes TEXT;

-- Whether the consent that a link opens may come from another account than the one connected.
ALTER TABLE links ADD COLUMN any_account INTEGER NOT NULL DEFAULT 0;

-- +goose Down

ALTER TABLE links DROP COLUMN any_account;
ALTER TABLE connections DROP COLUMN chosen_scopes;
