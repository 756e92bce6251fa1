package pgvault

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	versionTable = "connections_schema_version"
	// lockID is the advisory lock of this schema's migrations.
	lockID = 0x636f6e6e656374
	// A start waits lockProbeSeconds × lockProbes for another process's migration.
	lockProbeSeconds = 1
	lockProbes       = 120
)

// Migrate brings the schema up to date. Processes that start at the same time wait for each other.
func Migrate(ctx context.Context, databaseURL string) error {
	config, err := parse(databaseURL)
	if err != nil {
		return err
	}
	db := migrationDB(config)
	defer func() { _ = db.Close() }()
	if err := db.PingContext(ctx); err != nil {
		return openFailure(&config.ConnConfig.Config, err)
	}
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("cannot bring the database's schema up to date; nothing of the failed step was kept: %w",
			failure("migrate", err))
	}
	return nil
}

// migrationDB connects without statement timeouts: a migration may take its time.
func migrationDB(config *pgxpool.Config) *sql.DB {
	connConfig := config.ConnConfig.Copy()
	for _, name := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		delete(connConfig.RuntimeParams, name)
	}
	return stdlib.OpenDB(*connConfig)
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("pgvault: embedded migrations: %w", err)
	}
	locker, err := lock.NewPostgresSessionLocker(
		lock.WithLockID(lockID), lock.WithLockTimeout(lockProbeSeconds, lockProbes))
	if err != nil {
		return nil, fmt.Errorf("pgvault: migration lock: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithSessionLocker(locker), goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("pgvault: embedded migrations: %w", err)
	}
	return provider, nil
}

// prepareSchema compares the database's version with that of this program, and migrates if it is older and may be.
func (s *Store) prepareSchema(ctx context.Context, databaseURL string, mayMigrate bool) error {
	wanted, err := newestMigration()
	if err != nil {
		return err
	}
	found, err := s.schemaVersion(ctx)
	switch {
	case err != nil:
		return failure("read the schema's version", err)
	case found < wanted && mayMigrate:
		return Migrate(ctx, databaseURL)
	case found < wanted:
		return fmt.Errorf("the database's schema is at version %d and this program needs %d: "+
			"migrate the database before starting", found, wanted)
	case found > wanted:
		return fmt.Errorf("the database's schema is at version %d and this program knows only %d: "+
			"start the newer program", found, wanted)
	default:
		return nil
	}
}

// schemaVersion is 0 for a database that was never migrated. goose keeps one row per applied migration.
func (s *Store) schemaVersion(ctx context.Context) (version int64, err error) {
	err = s.pool.QueryRow(ctx,
		`SELECT coalesce(max(version_id), 0) FROM `+versionTable+` WHERE is_applied`).Scan(&version)
	if hasCode(err, codeUndefinedTable) {
		return 0, nil
	}
	return version, err
}

// newestMigration is the version that this program was built with.
func newestMigration() (int64, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("pgvault: no embedded migrations: %w", err)
	}
	version, err := goose.NumericComponent(names[len(names)-1])
	if err != nil {
		return 0, fmt.Errorf("pgvault: embedded migrations: %w", err)
	}
	return version, nil
}
