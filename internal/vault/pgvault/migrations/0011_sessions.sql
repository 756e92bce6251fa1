-- +goose Up

-- A connect session: a single-use link, found by the hash of its secret, that leads to a connection. The connection may
-- not exist yet, or no more.
CREATE TABLE connect_sessions (
    id            text COLLATE "C" PRIMARY KEY,
    hash          bytea NOT NULL UNIQUE,
    kind          text NOT NULL,
    owner         text NOT NULL,
    end_user      text NOT NULL,
    connectors    text[],
    tags          jsonb,
    return_url    text NOT NULL,
    confirm_user  boolean NOT NULL,
    connection_id text COLLATE "C" NOT NULL,
    popup         boolean NOT NULL,
    created_at    timestamptz,
    expires_at    timestamptz,
    consumed_at   timestamptz,
    browser_hash  bytea,
    uses          bigint NOT NULL DEFAULT 0
);

CREATE INDEX connect_sessions_by_expiry ON connect_sessions (expires_at);

-- The end user's assertions that were shown for a session: each works once, and lets one browser in.
CREATE TABLE session_openings (
    session_id     text COLLATE "C" NOT NULL REFERENCES connect_sessions ON DELETE CASCADE,
    assertion_hash bytea NOT NULL,
    browser_hash   bytea NOT NULL,
    opened_at      timestamptz,
    PRIMARY KEY (session_id, assertion_hash)
);

-- The connections of one person, as the page "Your connections" lists them.
CREATE INDEX connections_end_user ON connections (owner, end_user, id);

ALTER TABLE links ADD COLUMN session_id text COLLATE "C" NOT NULL DEFAULT '';

-- An answer that is held is not used until the person has confirmed it.
ALTER TABLE auth_requests ADD COLUMN held boolean NOT NULL DEFAULT false;

-- +goose Down

ALTER TABLE auth_requests DROP COLUMN held;
ALTER TABLE links DROP COLUMN session_id;
DROP INDEX connections_end_user;
DROP TABLE session_openings;
DROP TABLE connect_sessions;
