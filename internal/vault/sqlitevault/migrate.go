package sqlitevault

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/acme/connections/internal/vault"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	versionTable = "schema_version"
	// Of several processes that make a new file at once, all but one fail at a step, which leaves nothing behind,
	// and look again.
	migrateTries = 20
	migratePause = 100 * time.Millisecond
)

// migrate brings the file's schema up to date.
func migrate(ctx context.Context, db *sql.DB) error {
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		err = migrateOnce(ctx, db, provider)
		if err == nil || try == migrateTries || !worthAnotherTry(err) {
			return err
		}
		pause := time.NewTimer(migratePause)
		select {
		case <-ctx.Done():
			pause.Stop()
			return failure("migrate", ctx.Err())
		case <-pause.C:
		}
	}
}

// worthAnotherTry reports whether an error may come from another process having been first.
func worthAnotherTry(err error) bool {
	return isBusy(err) || hasCode(err, sqlite3.SQLITE_ERROR) || errors.Is(err, vault.ErrExists)
}

func migrateOnce(ctx context.Context, db *sql.DB, provider *goose.Provider) error {
	found, err := schemaVersion(ctx, db)
	if err != nil {
		return failure("read the schema's version", err)
	}
	sources := provider.ListSources()
	wanted := sources[len(sources)-1].Version
	switch {
	case found == wanted:
		return nil
	case found > wanted:
		return fmt.Errorf("the vault's schema is at version %d and this program knows only %d: start the newer program",
			found, wanted)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("cannot bring the vault's schema up to date; nothing of the failed step was kept: %w",
			failure("migrate", err))
	}
	return nil
}

// schemaVersion is 0 for a new file.
func schemaVersion(ctx context.Context, db *sql.DB) (version int64, err error) {
	var tables int
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE name = ?`, versionTable).Scan(&tables)
	if err != nil || tables == 0 {
		return 0, err
	}
	err = db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM `+versionTable).Scan(&version)
	return version, err
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("sqlitevault: embedded migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files,
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("sqlitevault: embedded migrations: %w", err)
	}
	return provider, nil
}
