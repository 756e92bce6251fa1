package pgvault

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/acme/connections/internal/vault"
)

// Access is what callers need of a vault in a Postgres database, with the rights of the role "connections_access" or
// more. OpenAccess makes one.
type Access struct {
	pool       *pgxpool.Pool
	background *vault.Background
	watchers   *vault.Watchers
}

var _ vault.Access = (*Access)(nil)

func newAccess(pool *pgxpool.Pool) *Access {
	a := &Access{pool: pool, background: vault.NewBackground()}
	a.watchers = vault.NewWatchers(a.background, a.listenAll)
	return a
}

// accessColumns are what the role "connections_access" may read of a connection, in the order in which AccessRow reads
// them.
const accessColumns = `id, owner, connector, status, reason, generation, failures, token_type, issued_at, expires_at,
	granted_scopes, metadata, access_token`

// OpenAccess connects to a vault as a caller. It migrates nothing and needs no right beyond those of the role
// "connections_access". Of the options only MaxConns counts. Its errors are sentences for the operator; none contains
// the URL's password.
func OpenAccess(ctx context.Context, databaseURL string, options Options) (*Access, error) {
	config, err := options.parse(databaseURL)
	if err != nil {
		return nil, err
	}
	access, err := connect(ctx, config)
	if err != nil {
		return nil, err
	}
	_, err = access.AccessRow(ctx, "")
	if err == nil || errors.Is(err, vault.ErrNotFound) {
		return access, nil
	}
	_ = access.Close()
	if hasCode(err, codeInsufficientPrivilege) || hasCode(err, codeUndefinedTable) || hasCode(err, codeUndefinedColumn) {
		return nil, &openError{sentence: fmt.Sprintf("the user %q can read no access tokens in the database %q: "+
			"migrate the database, and make the user a member of the role connections_access",
			config.ConnConfig.User, config.ConnConfig.Database), err: err}
	}
	return nil, openFailure(&config.ConnConfig.Config, err)
}

// AccessRow implements vault.Access.
func (a *Access) AccessRow(ctx context.Context, id string) (vault.AccessRow, error) {
	var r vault.AccessRow
	err := a.pool.QueryRow(ctx, `SELECT `+accessColumns+` FROM connections WHERE id = $1`, id).Scan(&r.ID, &r.Owner,
		&r.Connector, &r.Status, &r.Reason, &r.Generation, &r.Failures, &r.TokenType, (*instant)(&r.IssuedAt),
		(*instant)(&r.ExpiresAt), &r.GrantedScopes, &r.Metadata, &r.AccessToken)
	if err != nil {
		return vault.AccessRow{}, lookupFailure("read access token", err)
	}
	return r, nil
}

// Ping implements vault.Store.
func (a *Access) Ping(ctx context.Context) error {
	return failure("ping", a.pool.Ping(ctx))
}

// Close implements vault.Store. It ends the watchers first.
func (a *Access) Close() error {
	a.background.Close()
	a.pool.Close()
	return nil
}
