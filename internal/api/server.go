// Package api is the REST API, version 1: what other programs meet. It authenticates, checks, limits and describes;
// what it does is done by the typed client of connections. Its OpenAPI document is made from the Go types of this
// package.
package api

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"golang.org/x/time/rate"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/reads"
	"github.com/acme/connections/internal/tokens"
)

// Root is below which all of the API is.
const Root = "/v1/"

// Config is what a Server needs. Connections and Log are required.
type Config struct {
	Connections *connections.Client
	Log         *slog.Logger
	// Reads and Writes limit the requests of one key, a second, in this process: GET, and everything else. A burst is
	// twice that. The defaults, if zero, are DefaultReads and DefaultWrites.
	Reads, Writes rate.Limit
	// BodyLimit bounds how long a body may take to arrive; DefaultBodyLimit if zero.
	BodyLimit time.Duration
}

const (
	// DefaultReads is more than one client of a process with two cores gets anyhow.
	DefaultReads rate.Limit = 2000
	// DefaultWrites keeps one key from filling Temporal with workflows.
	DefaultWrites rate.Limit = 50
	// DefaultBodyLimit is ample for bodies of this size.
	DefaultBodyLimit = 5 * time.Second
	// maxBody bounds a body, in bytes, but for an import: the longest holds a certificate.
	maxBody = 64 << 10
	// handleLimit bounds the handling of a request: less than the worker's HTTP server waits.
	handleLimit = 25 * time.Second
)

// Server serves the API. Close it after the HTTP server has shut down.
type Server struct {
	Config
	headers http.Header
	mux     *http.ServeMux
	huma    huma.API
	tokens  *tokens.Engine
	reads   *reads.Marker
	tally   *tally
	limits  *limiters
	stop    context.CancelFunc
	running sync.WaitGroup
}

// New makes the server and starts what writes its counts.
func New(c Config) (*Server, error) {
	base, err := url.Parse(c.Connections.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("the base URL %q cannot be read: set CONNECTIONS_BASE_URL", c.Connections.BaseURL)
	}
	if c.Reads == 0 {
		c.Reads = DefaultReads
	}
	if c.Writes == 0 {
		c.Writes = DefaultWrites
	}
	if c.BodyLimit == 0 {
		c.BodyLimit = DefaultBodyLimit
	}
	useProblems()
	s := &Server{
		Config: c, headers: headersOf(base), mux: http.NewServeMux(),
		tokens: tokens.New(tokens.Config{
			Vault: c.Connections.Vault, Access: c.Connections.Keys.Access, Temporal: c.Connections.Temporal,
			Caller: "api", Now: c.Connections.Now, Log: c.Log,
		}),
		reads: reads.New(c.Connections.Vault, c.Log), tally: newTally(),
		limits: newLimiters(c.Reads, c.Writes),
	}
	s.huma = humago.New(s.mux, s.document())
	s.addSessions()
	s.addConnections()
	s.addImport()
	s.addToken()
	s.addConnectors()
	s.addIntegrations()
	if err := s.serveDocument(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.running.Go(func() { s.runTally(ctx) })
	return s, nil
}

// headersOf are what every answer carries. The lists are shared by all answers: their values are set anew, never changed.
func headersOf(base *url.URL) http.Header {
	h := http.Header{
		"Cache-Control": {"no-store"}, "Referrer-Policy": {"no-referrer"}, "X-Content-Type-Options": {"nosniff"},
	}
	if base.Scheme == "https" {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	return h
}

// Close writes what was counted, and ends what runs behind the requests.
func (s *Server) Close() {
	s.stop()
	s.running.Wait()
	if err := s.tokens.Close(); err != nil {
		s.Log.Warn("the tokens of the API did not close cleanly", slog.Any("error", err))
	}
}

// ServeHTTP implements http.Handler. Every answer has the headers, errors included; browsers of other origins are given
// no leave (CORS): a key belongs into no page.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	maps.Copy(w.Header(), s.headers)
	if r.Body != http.NoBody {
		limit := int64(maxBody)
		if r.URL.Path == importPath {
			limit = maxImport
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit+1)
	}
	if _, pattern := s.mux.Handler(r); pattern == "" {
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close") // see writeProblem
		}
		s.serveNoRoute(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// methods are all that an operation has.
func methods() []string {
	return []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete}
}

// serveNoRoute tells a path that is not there from a method that it has not (RFC 9110 §15.5.5, §15.5.6).
func (s *Server) serveNoRoute(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range methods() {
		other := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(other); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		newProblem(http.StatusNotFound, codeNoRoute, "There is no such path. "+Root+"openapi.json lists all that there are.").write(w)
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	newProblem(http.StatusMethodNotAllowed, codeMethod, "The path has no such method: it has "+strings.Join(allowed, ", ")+".").write(w)
}
