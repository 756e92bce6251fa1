// Package web is what browsers meet: the Connect page, the OAuth callback, and the result. Everything that comes in
// is hostile until checked; nothing that goes out holds a secret.
package web

import (
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/vault"
)

//go:embed templates/*.html assets/*
var files embed.FS

// Config is what the pages need. All fields but Brand are required.
type Config struct {
	Vault       vault.Store
	Keys        keyring.Keys
	Catalogue   *connector.Catalogue
	Connections *connections.Client
	// Platform is who asks for consent, as people know it: "Acme Inc".
	Platform string
	// Brand is how the platform looks.
	Brand Brand
	// BaseURL is where browsers reach us. Only under https are cookies marked Secure.
	BaseURL string
	// Ready says whether everything that is needed is up, in a sentence if not.
	Ready func(ctx context.Context) error
	Now   func() time.Time
	Log   *slog.Logger
}

// Server serves the pages. Close it after the HTTP server has shut down.
type Server struct {
	Config
	secure  bool
	pages   *template.Template
	handler http.Handler
	// signals are callbacks that Temporal has not taken yet; none begins once closed is set.
	signals     sync.WaitGroup
	mu          sync.Mutex
	closed      bool
	stop        context.CancelFunc
	untilClosed context.Context //nolint:containedctx // the life of the server, for what goes on after a request
}

// maxForm bounds what a form may post.
const maxForm = 32 << 10

// New makes the server.
func New(c Config) (*Server, error) {
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") || base.Scheme+"://"+base.Host != c.BaseURL {
		return nil, fmt.Errorf("the base URL %q must be https://host, without a path: set CONNECTIONS_BASE_URL", c.BaseURL)
	}
	pages, err := template.New("").Funcs(template.FuncMap{
		"platform": func() string { return c.Platform },
		"logo":     c.Brand.logo,
		"branded":  func() bool { return c.Brand.style() != "" },
		"initial":  initial,
		"meaning":  meaning,
		"hue":      hue,
	}).ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("web: templates: %w", err)
	}
	assets, err := fs.Sub(files, "assets")
	if err != nil {
		return nil, fmt.Errorf("web: assets: %w", err)
	}
	s := &Server{Config: c, secure: base.Scheme == "https", pages: pages}
	s.untilClosed, s.stop = context.WithCancel(context.Background())

	mux := http.NewServeMux()
	mux.HandleFunc("GET /connect/{secret}", s.showConnect)
	mux.HandleFunc("POST /connect/{secret}", s.startConsent)
	mux.HandleFunc("GET /callback", s.callback)
	mux.HandleFunc("GET /result/{request}", s.showResult)
	mux.HandleFunc("GET /result/{request}/state", s.resultState)
	mux.HandleFunc("POST /result/{request}/again", s.startAgain)
	mux.HandleFunc("POST /result/{request}/confirm", s.confirm)
	mux.HandleFunc("GET /session/{secret}", s.openSession)
	mux.HandleFunc("POST /session/{secret}", s.useSession)
	mux.HandleFunc("POST /session/{secret}/open", s.postAssertion)
	mux.HandleFunc("GET /setup/{session}", s.showSetup)
	mux.HandleFunc("POST /setup/{session}", s.mendSetup)
	mux.HandleFunc("GET /setup/{session}/state", s.setupStateJSON)
	mux.HandleFunc("GET /yours/{session}", s.showYours)
	mux.HandleFunc("GET /yours/{session}/{connection}/reconnect", s.askReconnect)
	mux.HandleFunc("POST /yours/{session}/{connection}/reconnect", s.reconnect)
	mux.HandleFunc("GET /yours/{session}/{connection}/disconnect", s.askDisconnect)
	mux.HandleFunc("POST /yours/{session}/{connection}/disconnect", s.disconnect)
	mux.HandleFunc("GET /brand/style.css", s.brandStyle)
	mux.HandleFunc("GET /brand/logo", s.brandLogo)
	mux.Handle("GET /assets/", http.StripPrefix("/assets/", cached(http.FileServerFS(filesOnly{assets}))))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		s.message(w, http.StatusOK, messagePage{Title: "Connections", Text: "This service keeps the connections between " + c.Platform + " and other apps. Open the connect link that you were given to connect one."})
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { s.notFound(w) })
	sameOrigin := http.NewCrossOriginProtection()
	// The platform's own page posts there. What it posts proves who it is from, and consumes nothing.
	sameOrigin.AddInsecureBypassPattern("POST /session/{secret}/open")
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { s.foreignForm(w) }))
	s.handler = s.headers(sameOrigin.Handler(http.MaxBytesHandler(mux, maxForm)))
	return s, nil
}

func (s *Server) notFound(w http.ResponseWriter) {
	s.message(w, http.StatusNotFound, messagePage{Title: "Not found", Text: "There is no such page. Open the connect link that you were given."})
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close ends what goes on behind answered requests, and waits for it.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.signals.Wait()
}

// behind runs f behind an answered request, until Close.
func (s *Server) behind(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.signals.Go(f)
	}
}

// headers sets what every answer carries, errors included (RFC 9700 §4.2.4, §4.16).
func (s *Server) headers(next http.Handler) http.Handler {
	formTargets := "'self' https:"
	if !s.secure {
		// Chromium holds redirects after a form to this list too, and the sandbox is on loopback.
		formTargets += " http://127.0.0.1:* http://localhost:*"
	}
	policy := "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'" + s.Brand.imageSource() + "; connect-src 'self'; form-action " +
		formTargets + "; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		if s.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// filesOnly has no directories to list.
type filesOnly struct{ fs.FS }

// Open implements fs.FS.
func (f filesOnly) Open(name string) (fs.File, error) {
	if info, err := fs.Stat(f.FS, name); err != nil || info.IsDir() {
		return nil, fs.ErrNotExist
	}
	return f.FS.Open(name)
}

func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=300")
		next.ServeHTTP(w, r)
	})
}

// readyz answers 200 when everything is up, and says what is not otherwise.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if err := s.Ready(r.Context()); err != nil {
		plain(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	plain(w, http.StatusOK, "ready")
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}
