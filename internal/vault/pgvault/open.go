package pgvault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options say how to open a vault.
type Options struct {
	// MaxConns bounds the pool; 0 means pgx's default.
	MaxConns int32
	// Migrate brings the schema up to date first. Without it an old schema is an error.
	Migrate bool
}

// The bounds of every wait on the database.
const (
	connectTimeout   = 5 * time.Second
	openTimeout      = 10 * time.Second
	statementTimeout = "10s"
	lockTimeout      = "5s"
	idleInTxTimeout  = "30s"
)

// applicationName is what operators see in pg_stat_activity.
const applicationName = "connections"

// Open connects to the vault. Its errors are sentences for the operator; none contains the URL's password.
func Open(ctx context.Context, databaseURL string, options Options) (*Store, error) {
	config, err := options.parse(databaseURL)
	if err != nil {
		return nil, err
	}
	access, err := connect(ctx, config)
	if err != nil {
		return nil, err
	}
	store := newStore(access)
	if err := store.prepareSchema(ctx, databaseURL, options.Migrate); err != nil {
		_ = store.Close()
		return nil, err
	}
	return store, nil
}

// connect makes the pool and one connection of it.
func connect(ctx context.Context, config *pgxpool.Config) (*Access, error) {
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, openFailure(&config.ConnConfig.Config, err)
	}
	pingCtx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := pool.Ping(pingCtx); err != nil {
		pool.Close()
		return nil, openFailure(&config.ConnConfig.Config, err)
	}
	return newAccess(pool), nil
}

// parse reads the URL and applies the options.
func (o Options) parse(databaseURL string) (*pgxpool.Config, error) {
	config, err := parse(databaseURL)
	if err == nil && o.MaxConns > 0 {
		config.MaxConns = o.MaxConns
	}
	return config, err
}

// parse reads the URL and sets the bounds that it leaves open.
func parse(databaseURL string) (*pgxpool.Config, error) {
	if databaseURL == "" {
		return nil, errors.New("there is no database URL: set DATABASE_URL, as in " +
			"postgres://user:password@host:5432/database")
	}
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		// The parser's own error may quote the URL.
		return nil, errors.New("the database URL cannot be read: DATABASE_URL must look like " +
			"postgres://user:password@host:5432/database, with special characters in the password percent-encoded")
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	for name, value := range map[string]string{
		"application_name":                    applicationName,
		"statement_timeout":                   statementTimeout,
		"lock_timeout":                        lockTimeout,
		"idle_in_transaction_session_timeout": idleInTxTimeout,
	} {
		if _, set := config.ConnConfig.RuntimeParams[name]; !set {
			config.ConnConfig.RuntimeParams[name] = value
		}
	}
	return config, nil
}

// openError is a sentence; the driver's error is for errors.Is and errors.As only.
type openError struct {
	sentence string
	err      error
}

func (e *openError) Error() string { return e.sentence }
func (e *openError) Unwrap() error { return e.err }

// openFailure says what an operator can do about a failed connect.
func openFailure(config *pgconn.Config, err error) error {
	address := net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))
	var sentence string
	switch {
	case hasCode(err, codeInvalidPassword), hasCode(err, codeInvalidUser):
		sentence = fmt.Sprintf("the database at %s refused the user %q: check the user and the password in DATABASE_URL",
			address, config.User)
	case hasCode(err, codeUnknownDatabase):
		sentence = fmt.Sprintf("there is no database %q at %s: create it, or correct DATABASE_URL", config.Database, address)
	default:
		sentence = fmt.Sprintf("cannot reach the database at %s: check DATABASE_URL and that Postgres is running", address)
		if cause := describe(err); cause != "" {
			sentence += " (" + cause + ")"
		}
	}
	return &openError{sentence: sentence, err: err}
}
