package activities

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"go.temporal.io/sdk/client"
	"golang.org/x/oauth2"

	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/tokens"
	"github.com/acme/connections/internal/vault"
)

// Config says where the tokens are and who asks for them. Of the zero value all is found in the environment
// (DATABASE_URL, CONNECTIONS_ACCESS_KEYSET_FILE, TEMPORAL_*) or in the data directory of "go run ./worker --dev".
type Config struct {
	// DatabaseURL is the vault's Postgres, for the role "connections_access" or any that may read more.
	DatabaseURL string
	// AccessKeyset is the file of the keyset "access". It opens access tokens and nothing else: neither refresh tokens
	// nor client secrets.
	AccessKeyset string
	// DataDir is the data directory of "worker --dev"; ".connections" if empty.
	DataDir string
	// Temporal renews tokens that are too old, and answers while Postgres is down. If nil, a client of the server that
	// the environment names connects when it is first needed, and is closed with the Tokens.
	Temporal client.Client
	// Owner limits what can be read to one owner's connections: those of others are [NotFound]. Empty for all.
	Owner string
	// Caller is who asks, as the audit names it: a service, a team.
	Caller string
	// MinLife is the least life that a token must have left; ten seconds if zero. More than half of its whole life is not
	// asked of any token.
	MinLife time.Duration
	// MaxCached bounds the tokens that the process holds in memory; 100,000 if zero.
	MaxCached int
	// ConnectURL gets a link for the person whose consent is needed, for [NeedsReauthorization]; "" if there is none to be
	// had. Without it that error has none: a connect link is a secret that the vault keeps a hash of, and who has only
	// the keyset "access" and the role "connections_access" cannot make one. Ask a service of the platform's that may
	// ("starter reconnect ID -o json" prints one as connect_url). It has five seconds, and is called for each such error:
	// links live for an hour, so give the same one for as long.
	ConnectURL func(ctx context.Context, connectionID string) string
	// Log is slog.Default if nil. No token is ever written to it.
	Log *slog.Logger
}

// defaultMinLife is what package oauth2 takes off the expiry, too.
const defaultMinLife = 10 * time.Second

// Tokens hands out access tokens of connections to the code that calls providers' APIs. One per process is enough; it
// is safe for concurrent use. [Open] it once, and Close it at the end.
type Tokens struct {
	engine    *tokens.Engine
	access    *keyring.Ring
	catalogue *connector.Catalogue
	need      tokens.Need
	link      func(ctx context.Context, connectionID string) string
	scoped    bool // to Config.Owner
	base      *http.Transport
	release   []func() error
}

// Open opens the vault and reads the keyset. Temporal need not be there. Its errors are sentences that say what to do.
func Open(ctx context.Context, c Config) (*Tokens, error) {
	if c.DataDir == "" {
		c.DataDir = config.DefaultDataDir
	}
	settings, err := config.Load(c.DataDir)
	if err != nil {
		return nil, err
	}
	if c.DatabaseURL != "" {
		settings.DatabaseURL = c.DatabaseURL
	}
	if c.AccessKeyset != "" {
		settings.AccessKeyset = c.AccessKeyset
	}
	if settings.AccessKeyset == "" {
		return nil, fmt.Errorf("no keyset %q: set %s to its file, or Config.AccessKeyset", keyring.Access, config.EnvAccessKeyset)
	}
	ring, err := keyring.Load(keyring.Access, settings.AccessKeyset)
	if err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	var release []func() error
	if c.Temporal == nil {
		if c.Temporal, err = settings.LazyTemporal(c.Log); err != nil {
			return nil, err
		}
		release = append(release, func() error { c.Temporal.Close(); return nil })
	}
	access, err := settings.OpenAccess(ctx)
	if err != nil {
		return nil, errors.Join(err, releaseAll(release))
	}
	release = append(release, access.Close)
	catalogue, err := settings.OpenCatalogue(access)
	if err != nil {
		return nil, errors.Join(err, releaseAll(release))
	}
	return newTokens(c, access, ring, catalogue, release), nil
}

// newTokens makes Tokens of open parts; release lists what to close after them.
func newTokens(c Config, access vault.Access, ring *keyring.Ring, catalogue *connector.Catalogue, release []func() error) *Tokens {
	if c.MinLife == 0 {
		c.MinLife = defaultMinLife
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Tokens{
		engine: tokens.New(tokens.Config{
			Vault: access, Access: ring, Temporal: c.Temporal,
			Owner: c.Owner, Caller: c.Caller, Limit: c.MaxCached, Log: c.Log,
		}),
		access: ring, catalogue: catalogue, need: tokens.Need{Life: c.MinLife}, link: c.ConnectURL, scoped: c.Owner != "",
		base: newBase(), release: release,
	}
}

// Close writes what is left for the audit, forgets every token, and closes what [Open] opened.
func (t *Tokens) Close() error {
	err := t.engine.Close()
	t.base.CloseIdleConnections()
	return errors.Join(err, releaseAll(t.release))
}

func releaseAll(release []func() error) error {
	var all error
	for _, one := range slices.Backward(release) {
		all = errors.Join(all, one())
	}
	return all
}

// Option changes what one caller asks of a token.
type Option struct {
	apply optionKind
	value time.Duration
}

type optionKind int

const (
	optionLife optionKind = iota + 1
	optionWait
)

// MinLife asks for a token that lives for at least d more, instead of Config.MinLife: as long as the call that it is
// for may take. More than half of the token's whole life is not asked of it.
func MinLife(d time.Duration) Option { return Option{apply: optionLife, value: d} }

// Wait bounds the wait for a newer token, where the one in hand is too old. With 0 nobody waits: the token in hand is
// handed out while it lives, and else the error is [TemporarilyUnavailable].
func Wait(d time.Duration) Option {
	if d <= 0 {
		d = -1
	}
	return Option{apply: optionWait, value: d}
}

func needOf(need tokens.Need, options []Option) tokens.Need {
	for _, o := range options {
		switch o.apply {
		case optionLife:
			need.Life = max(o.value, 0)
		case optionWait:
			need.Wait = o.value
		}
	}
	return need
}

// Token gives a live access token of the connection. While one is cached, that costs a table look-up and nothing is
// allocated; else it is read from the vault, and renewed if it is too old. A token that could not be renewed is handed
// out until it expires.
//
// Errors: [NeedsReauthorization], [Paused], [Disconnected], [NotFound], [TemporarilyUnavailable] (by errors.As), and
// those of ctx. As errors of an activity they are retried, or not, as each says.
func (t *Tokens) Token(ctx context.Context, connectionID string, options ...Option) (Token, error) {
	held, err := t.engine.Token(ctx, connectionID, needOf(t.need, options))
	if err != nil {
		return Token{}, t.refused(ctx, err)
	}
	return Token{held}, nil
}

// TokenSource gives the connection's tokens to any SDK that takes an oauth2.TokenSource. Each call of its Token is a
// read as by [Tokens.Token], with the same errors; ctx bounds their waits. Do not wrap it in oauth2.ReuseTokenSource,
// which would not hear of a disconnect.
func (t *Tokens) TokenSource(ctx context.Context, connectionID string, options ...Option) oauth2.TokenSource {
	return t.engine.Source(ctx, connectionID, needOf(t.need, options), func(err error) error { return t.refused(ctx, err) })
}
