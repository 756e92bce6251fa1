-- +goose Up

-- One row holds all that a token read needs: one SELECT by primary key. No index covers a column that a refresh
-- changes, and pages keep room, so that a refresh is a HOT update. Sealed bytes do not compress: do not try.
CREATE TABLE connections (
    id               text COLLATE "C" PRIMARY KEY,
    owner            text COLLATE "C" NOT NULL,
    connector        text NOT NULL,
    integration_id   text NOT NULL,
    grant_type       text NOT NULL,
    end_user         text NOT NULL,
    tags             jsonb,
    inputs           jsonb,
    metadata         jsonb,
    requested_scopes text[],
    granted_scopes   text[],
    status           text NOT NULL,
    reason           text NOT NULL,
    status_seq       bigint NOT NULL,
    status_at        timestamptz,
    generation       bigint NOT NULL,
    failures         bigint NOT NULL,
    token_type       text NOT NULL,
    issued_at        timestamptz,
    expires_at       timestamptz,
    access_token     bytea,
    refresh_token    bytea,
    created_at       timestamptz,
    updated_at       timestamptz NOT NULL,
    tombstone_until  timestamptz
) WITH (fillfactor = 70);

ALTER TABLE connections
    ALTER COLUMN access_token SET STORAGE EXTERNAL,
    ALTER COLUMN refresh_token SET STORAGE EXTERNAL;

CREATE INDEX connections_owner ON connections (owner, id);
CREATE INDEX connections_tombstone ON connections (tombstone_until) WHERE tombstone_until IS NOT NULL;

CREATE TABLE attempts (
    id            text COLLATE "C" PRIMARY KEY,
    -- The order in which attempts of one connection began, whatever clocks did.
    seq           bigint GENERATED ALWAYS AS IDENTITY,
    connection_id text COLLATE "C" NOT NULL REFERENCES connections ON DELETE CASCADE,
    kind          text NOT NULL,
    generation    bigint NOT NULL,
    request_id    text NOT NULL,
    state         text NOT NULL,
    reason        text NOT NULL DEFAULT '',
    reply         bytea,
    begun_at      timestamptz NOT NULL,
    sent_at       timestamptz,
    ended_at      timestamptz,
    lease_until   timestamptz NOT NULL,
    CONSTRAINT attempts_ended CHECK ((ended_at IS NULL) = (state IN ('begun', 'sent', 'replied')))
) WITH (fillfactor = 80);

ALTER TABLE attempts ALTER COLUMN reply SET STORAGE EXTERNAL;

-- At most one open attempt per connection. The predicate is on ended_at, not on state, so that only an attempt's end
-- touches the index.
CREATE UNIQUE INDEX attempts_single_flight ON attempts (connection_id) WHERE ended_at IS NULL;
CREATE INDEX attempts_of_connection ON attempts (connection_id, seq);

CREATE TABLE links (
    hash          bytea PRIMARY KEY,
    connection_id text COLLATE "C" NOT NULL REFERENCES connections ON DELETE CASCADE,
    created_at    timestamptz,
    expires_at    timestamptz,
    consumed_at   timestamptz,
    browser_hash  bytea
);

CREATE INDEX links_of_connection ON links (connection_id);

CREATE TABLE auth_requests (
    id            text COLLATE "C" PRIMARY KEY,
    state_hash    bytea NOT NULL UNIQUE,
    connection_id text COLLATE "C" NOT NULL REFERENCES connections ON DELETE CASCADE,
    link_hash     bytea NOT NULL,
    issuer        text NOT NULL,
    redirect_uri  text NOT NULL,
    scopes        text[],
    browser_hash  bytea,
    verifier      bytea,
    code          bytea,
    created_at    timestamptz,
    expires_at    timestamptz,
    consumed_at   timestamptz,
    outcome       text NOT NULL
);

CREATE INDEX auth_requests_of_connection ON auth_requests (connection_id);

CREATE TABLE integrations (
    id         text COLLATE "C" PRIMARY KEY,
    owner      text COLLATE "C" NOT NULL,
    connector  text NOT NULL,
    client_id  text NOT NULL,
    secrets    bytea[],
    scopes     text[],
    updated_at timestamptz NOT NULL
);

CREATE INDEX integrations_owner ON integrations (owner, id);

CREATE TABLE key_checks (
    keyset text COLLATE "C" PRIMARY KEY,
    sealed bytea NOT NULL
);

-- +goose Down

DROP TABLE key_checks;
DROP TABLE integrations;
DROP TABLE auth_requests;
DROP TABLE links;
DROP TABLE attempts;
DROP TABLE connections;
