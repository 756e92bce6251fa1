package pgvault

import (
	"errors"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/acme/connections/internal/vault"
)

// SQLSTATE codes that mean something to this package.
const (
	codeUniqueViolation       = "23505"
	codeForeignKeyViolation   = "23503"
	codeNotInRepertoire       = "22021"
	codeUndefinedTable        = "42P01"
	codeUndefinedColumn       = "42703"
	codeInsufficientPrivilege = "42501"
	codeInvalidPassword       = "28P01"
	codeInvalidUser           = "28000"
	codeUnknownDatabase       = "3D000"
)

// failure turns an error of the driver into one of the contract.
func failure(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return vault.ErrNotFound
	case hasCode(err, codeUniqueViolation):
		return vault.ErrExists
	case hasCode(err, codeForeignKeyViolation):
		return vault.ErrNotFound
	default:
		return vault.NewEngineError(op, err, describe)
	}
}

// lookupFailure is failure for reads by an id that a stranger may have made up: an id that Postgres cannot even spell
// belongs to no row.
func lookupFailure(op string, err error) error {
	if hasCode(err, codeNotInRepertoire) {
		return vault.ErrNotFound
	}
	return failure(op, err)
}

func hasCode(err error, code string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == code
}

// describe names an error without the values that its message may quote.
func describe(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return "SQLSTATE " + pgErr.Code
	}
	var opErr *net.OpError
	if errors.As(err, &opErr) {
		return opErr.Op + ": " + opErr.Err.Error()
	}
	var connectErr *pgconn.ConnectError
	if errors.As(err, &connectErr) {
		return "no connection to the database"
	}
	return ""
}
