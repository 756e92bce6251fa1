// Package config knows where things are: from the environment, and from the data directory of "worker --dev".
// The worker and the starter share it, so that both mean the same vault, keys and Temporal.
package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	tlog "go.temporal.io/sdk/log"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgvault"
	"github.com/acme/connections/internal/vault/sqlitevault"
)

// The environment variables. Temporal's own TEMPORAL_* variables are read by its envconfig package.
const (
	EnvDatabaseURL     = "DATABASE_URL"
	EnvVaultKeyset     = "CONNECTIONS_KEYSET_FILE"
	EnvAccessKeyset    = "CONNECTIONS_ACCESS_KEYSET_FILE"
	EnvBaseURL         = "CONNECTIONS_BASE_URL"
	EnvPlatform        = "CONNECTIONS_PLATFORM_NAME"
	EnvTemporalAddress = "TEMPORAL_ADDRESS"
	// EnvLogo is the platform's logo on our pages: an https URL, or a file (SVG, PNG, JPEG or WebP) that we serve.
	EnvLogo = "CONNECTIONS_PLATFORM_LOGO"
	// EnvColor is the colour of our pages' buttons, as #rrggbb; EnvColorDark is that on a dark ground.
	EnvColor     = "CONNECTIONS_PLATFORM_COLOR"
	EnvColorDark = "CONNECTIONS_PLATFORM_COLOR_DARK"
	// EnvReturnURLs are where results may lead: whole URLs, or origins as https://host/*, separated by commas.
	EnvReturnURLs = "CONNECTIONS_RETURN_URLS"
	// EnvPlatformOrigins are the origins of the platform's own pages, separated by commas: the only ones that may hand over
	// assertions, if set.
	EnvPlatformOrigins = "CONNECTIONS_PLATFORM_ORIGINS"
	// EnvAssertionKey is a file with the key that checks the platform's assertions of its end users.
	EnvAssertionKey = "CONNECTIONS_ASSERTION_KEY_FILE"
	// EnvAllowLoopback, set to "1", lets connectors that operators add be on this machine, as --dev does: for tests of
	// the production path and for development only. Whoever may add connectors could otherwise reach what listens here.
	EnvAllowLoopback = "CONNECTIONS_ALLOW_LOOPBACK"
)

// DefaultPlatform is who asks for consent if nobody says otherwise.
const DefaultPlatform = "Acme Inc"

// Settings say where everything is.
type Settings struct {
	// DatabaseURL is Postgres; empty means the SQLite file of Dev.
	DatabaseURL  string
	VaultKeyset  string
	AccessKeyset string
	// BaseURL is where browsers reach the web role.
	BaseURL  string
	Platform string
	// Logo, Color and ColorDark are the platform's, for our pages; each may be empty.
	Logo, Color, ColorDark string
	// ReturnURLs and AssertionKey are what EnvReturnURLs and EnvAssertionKey say.
	ReturnURLs, AssertionKey string
	// PlatformOrigins is what EnvPlatformOrigins says.
	PlatformOrigins string
	// Dev is set if there is a data directory of "worker --dev".
	Dev *Dev
	// AllowLoopback is what EnvAllowLoopback says.
	AllowLoopback bool
}

// Load reads the settings: the data directory first, if one is named, then whatever the environment says instead.
func Load(dataDir string) (Settings, error) {
	s := Settings{Platform: DefaultPlatform, AllowLoopback: os.Getenv(EnvAllowLoopback) == "1"}
	if dataDir != "" {
		dev, err := ReadDev(dataDir)
		switch {
		case err == nil:
			s.Dev = &dev
			s.VaultKeyset, s.AccessKeyset, s.BaseURL = dev.VaultKeyset(), dev.AccessKeyset(), dev.BaseURL
		case !errors.Is(err, os.ErrNotExist):
			return s, err
		}
	}
	for name, field := range map[string]*string{
		EnvDatabaseURL: &s.DatabaseURL, EnvVaultKeyset: &s.VaultKeyset, EnvAccessKeyset: &s.AccessKeyset,
		EnvBaseURL: &s.BaseURL,
	} {
		if value := os.Getenv(name); value != "" {
			*field = value
		}
	}
	s.LoadPages()
	return s, nil
}

// LoadPages reads what the environment says of our pages, and of who opens them.
func (s *Settings) LoadPages() {
	for name, field := range map[string]*string{
		EnvPlatform: &s.Platform, EnvLogo: &s.Logo, EnvColor: &s.Color, EnvColorDark: &s.ColorDark,
		EnvReturnURLs: &s.ReturnURLs, EnvPlatformOrigins: &s.PlatformOrigins, EnvAssertionKey: &s.AssertionKey,
	} {
		if value := os.Getenv(name); value != "" {
			*field = value
		}
	}
}

// Loopback reports whether connectors that operators add may be on this machine.
func (s Settings) Loopback() bool { return s.Dev != nil || s.AllowLoopback }

// OpenVault opens Postgres, or the SQLite file of the data directory.
func (s Settings) OpenVault(ctx context.Context, migrate bool) (vault.Store, error) {
	switch {
	case s.DatabaseURL != "":
		return opened(pgvault.Open(ctx, s.DatabaseURL, pgvault.Options{Migrate: migrate, MaxConns: maxConns}))
	case s.Dev != nil && s.Dev.Postgres:
		return nil, fmt.Errorf("the worker of this data directory keeps its vault in Postgres: set %s as it has it", EnvDatabaseURL)
	case s.Dev != nil:
		return opened(sqlitevault.Open(ctx, s.Dev.VaultFile()))
	default:
		return nil, fmt.Errorf("no vault: set %s, or start with \"go run ./worker --dev\"", EnvDatabaseURL)
	}
}

// OpenAccess is OpenVault for callers, who need no rights beyond those of the role "connections_access".
func (s Settings) OpenAccess(ctx context.Context) (vault.Access, error) {
	if s.DatabaseURL == "" {
		return s.OpenVault(ctx, false)
	}
	access, err := pgvault.OpenAccess(ctx, s.DatabaseURL, pgvault.Options{MaxConns: maxConns})
	if err != nil {
		return nil, err
	}
	return access, nil
}

// opened keeps a nil engine from becoming a Store that is not nil.
func opened[S vault.Store](store S, err error) (vault.Store, error) {
	if err != nil {
		return nil, err
	}
	return store, nil
}

// maxConns is the pool of one process: few connections serve many short statements.
const maxConns = 16

// OpenKeys loads both keysets and proves that they are those of the vault.
func (s Settings) OpenKeys(ctx context.Context, store vault.Store) (keyring.Keys, error) {
	var keys keyring.Keys
	for _, k := range []struct {
		name, path, env string
		ring            **keyring.Ring
	}{
		{keyring.Vault, s.VaultKeyset, EnvVaultKeyset, &keys.Vault},
		{keyring.Access, s.AccessKeyset, EnvAccessKeyset, &keys.Access},
	} {
		if k.path == "" {
			return keys, fmt.Errorf("no keyset %q: set %s to its file; make one with \"starter keyset create FILE\"", k.name, k.env)
		}
		ring, err := keyring.Load(k.name, k.path)
		if err != nil {
			return keys, err
		}
		if err := keyring.Check(ctx, ring, store); err != nil {
			return keys, err
		}
		*k.ring = ring
	}
	return keys, nil
}

// OpenCatalogue opens the embedded catalogue, with the sandbox where there is one, and with the connectors that
// operators have added to the vault, if source is not nil. Those may be on this machine if Loopback says so.
func (s Settings) OpenCatalogue(source connector.Source) (*connector.Catalogue, error) {
	catalogue, err := connector.Load()
	if err != nil {
		return nil, err
	}
	if s.Dev != nil {
		if err := catalogue.Add(s.Dev.Sandbox.Connector()); err != nil {
			return nil, err
		}
	}
	if source != nil {
		catalogue.UseSource(source, s.Loopback())
	}
	return catalogue, nil
}

// DefaultNamespace is Temporal's.
const DefaultNamespace = "default"

// Namespace is the Temporal namespace in use.
func (s Settings) Namespace() string {
	if os.Getenv(EnvTemporalAddress) == "" && s.Dev != nil {
		return s.Dev.Namespace
	}
	if options, err := envconfig.LoadDefaultClientOptions(); err == nil && options.Namespace != "" {
		return options.Namespace
	}
	return DefaultNamespace
}

// dialLimit bounds the first contact with Temporal.
const dialLimit = 10 * time.Second

// DialTemporal connects to the server that the environment names, or else to the one of the data directory.
func (s Settings) DialTemporal(ctx context.Context, log *slog.Logger) (client.Client, error) {
	options, err := s.temporalOptions(log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("cannot reach Temporal at %s: start it, or set %s; for a server of its own run \"go run ./worker --dev\"", options.HostPort, EnvTemporalAddress)
	}
	return c, nil
}

// LazyTemporal is DialTemporal for those who can do without Temporal: it connects at the first call.
func (s Settings) LazyTemporal(log *slog.Logger) (client.Client, error) {
	options, err := s.temporalOptions(log)
	if err != nil {
		return nil, err
	}
	return client.NewLazyClient(options)
}

func (s Settings) temporalOptions(log *slog.Logger) (client.Options, error) {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return options, fmt.Errorf("the TEMPORAL_* variables or Temporal's configuration file are not right: %w", err)
	}
	if os.Getenv(EnvTemporalAddress) == "" && s.Dev != nil {
		options.HostPort = s.Dev.TemporalAddress
		options.Namespace = s.Dev.Namespace
	}
	if options.HostPort == "" {
		options.HostPort = client.DefaultHostPort
	}
	options.Logger = tlog.NewStructuredLogger(log)
	// What goes over the line is small, and most of it sealed: compressing it costs both ends more than it saves.
	options.ConnectionOptions.GrpcCompression = &client.GrpcCompressionNone{}
	return options, nil
}
