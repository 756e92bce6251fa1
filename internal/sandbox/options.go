package sandbox

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"
)

// Options configure a Provider. Issuer is required.
type Options struct {
	// Issuer is the base URL of the server, for instance http://127.0.0.1:8090 or http://127.0.0.1:8090/sandbox.
	// Handler answers under exactly its path. Plain http is accepted on loopback hosts only.
	Issuer string
	// StateFile is the SQLite file that keeps all state; "" keeps it in memory.
	StateFile string
	// AccessTokenLifetime defaults to 60 seconds, so that refreshes can be watched.
	AccessTokenLifetime time.Duration
	// CodeLifetime is how long an authorization code may be exchanged; it defaults to 60 seconds.
	CodeLifetime time.Duration
	// RedirectURIs are those of the default authorization-code client. They replace the stored ones at every Open.
	RedirectURIs []string
	// Behaviour is that of a new state; one set by SetBehaviour or POST /_behaviour is kept there, and stands.
	Behaviour Behaviour
	// Admin opens the endpoints that make the server misbehave and tell what it saw: /_faults, /_behaviour,
	// /_presentations and /_stats.
	Admin bool
	// Now is the clock; it defaults to time.Now.
	Now func() time.Time
	// Log defaults to slog.Default().
	Log *slog.Logger
}

const (
	defaultAccessTokenLifetime = time.Minute
	defaultCodeLifetime        = time.Minute
	// requestLifetime bounds how long a person may take on the login and consent pages.
	requestLifetime = 10 * time.Minute
	// maxBody bounds every request body.
	maxBody = 64 << 10
)

func (o Options) withDefaults() Options {
	if o.AccessTokenLifetime <= 0 {
		o.AccessTokenLifetime = defaultAccessTokenLifetime
	}
	if o.CodeLifetime <= 0 {
		o.CodeLifetime = defaultCodeLifetime
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// parseIssuer checks the issuer and returns it split into URL parts.
func parseIssuer(issuer string) (*url.URL, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, errors.New("sandbox: issuer is not a URL")
	}
	if u.Host == "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("sandbox: issuer %q needs a host and no query, fragment or user", u.Redacted())
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	default:
		return nil, fmt.Errorf("sandbox: issuer %q must be https, or http on a loopback host", u.Redacted())
	}
	return u, nil
}

func isLoopback(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host).IsLoopback()
}
