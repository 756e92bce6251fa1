-- +goose Up

-- Callers also read the connectors that operators have added: how an API wants its Authorization is in there, and no
-- secret is. Replacing the function keeps its owner and its rights.

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION connections_grant_access() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'connections_access') THEN
        RETURN false;
    END IF;
    IF NOT has_schema_privilege('connections_access', current_schema(), 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO connections_access', current_schema());
    END IF;
    GRANT SELECT (id, owner, connector, status, reason, generation, failures, token_type, issued_at, expires_at,
        granted_scopes, metadata, access_token) ON connections TO connections_access;
    GRANT SELECT (id, document) ON connectors TO connections_access;
    GRANT SELECT, INSERT, UPDATE ON reads TO connections_access;
    GRANT EXECUTE ON FUNCTION connections_record_handouts TO connections_access;
    RETURN true;
END $$;
-- +goose StatementEnd

SELECT connections_grant_access();

-- +goose Down

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION connections_grant_access() RETURNS boolean LANGUAGE plpgsql AS $$
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

-- +goose StatementBegin
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'connections_access') THEN
        REVOKE ALL (id, document) ON connectors FROM connections_access;
    END IF;
END $$;
-- +goose StatementEnd
