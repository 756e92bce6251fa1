-- +goose Up

-- What callers may do who use access tokens and nothing else: the columns that vault.AccessRow names, read marks, and
-- adding to the audit. LISTEN needs no right. This grants it to the role "connections_access", if there is one, and may
-- be called again after that role has been created.

-- +goose StatementBegin
CREATE FUNCTION connections_grant_access() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'connections_access') THEN
        RETURN false;
    END IF;
    IF NOT has_schema_privilege('connections_access', current_schema(), 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO connections_access', current_schema());
    END IF;
    GRANT SELECT (id, owner, connector, status, reason, generation, failures, token_type, issued_at, expires_at,
        granted_scopes, metadata, access_token) ON connections TO connections_access;
    GRANT SELECT, INSERT, UPDATE ON reads TO connections_access;
    GRANT EXECUTE ON FUNCTION connections_record_handouts TO connections_access;
    RETURN true;
END $$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION connections_grant_access FROM PUBLIC;

-- The role is the server's, not the database's: another database's migration may have created it, or may be about to.
-- Where the migrating user may create no roles, an operator who may does
--     CREATE ROLE connections_access NOLOGIN;
-- and, unless that was before this migration, the migrating user then does
--     SELECT connections_grant_access();

-- +goose StatementBegin
DO $$
BEGIN
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'connections_access') THEN
            CREATE ROLE connections_access NOLOGIN;
        END IF;
    EXCEPTION
        WHEN duplicate_object OR unique_violation THEN
            NULL;
        WHEN insufficient_privilege THEN
            RAISE NOTICE 'the role "connections_access" was not created: % may create no roles', current_user;
    END;
    PERFORM connections_grant_access();
END $$;
-- +goose StatementEnd

-- +goose Down

-- The role stays: other databases may use it.

-- +goose StatementBegin
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'connections_access') THEN
        REVOKE ALL ON connections, reads FROM connections_access;
        REVOKE ALL ON FUNCTION connections_record_handouts FROM connections_access;
    END IF;
END $$;
-- +goose StatementEnd

DROP FUNCTION connections_grant_access;
