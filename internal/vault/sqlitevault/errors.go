package sqlitevault

import (
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/acme/connections/internal/vault"
)

// failure turns an error of the driver into one of the contract.
func failure(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return vault.ErrNotFound
	case hasCode(err, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY), hasCode(err, sqlite3.SQLITE_CONSTRAINT_UNIQUE):
		return vault.ErrExists
	case hasCode(err, sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY):
		return vault.ErrNotFound
	default:
		return vault.NewEngineError(op, err, describe)
	}
}

// hasCode compares the extended code.
func hasCode(err error, code int) bool {
	var sqliteErr *sqlite.Error
	return errors.As(err, &sqliteErr) && sqliteErr.Code() == code
}

// isBusy reports whether another process had the lock for too long. The low byte is the primary code.
func isBusy(err error) bool {
	var sqliteErr *sqlite.Error
	return errors.As(err, &sqliteErr) && sqliteErr.Code()&0xff == sqlite3.SQLITE_BUSY
}

// describe names an error without the values that its message may quote.
func describe(err error) string {
	var sqliteErr *sqlite.Error
	if !errors.As(err, &sqliteErr) {
		return ""
	}
	code := sqliteErr.Code()
	if name, ok := sqlite.ErrorCodeString[code]; ok {
		return name
	}
	if name, ok := sqlite.ErrorCodeString[code&0xff]; ok {
		return fmt.Sprintf("%s (%d)", name, code)
	}
	return fmt.Sprintf("SQLite error %d", code)
}
