package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/zitadel/oidc/v3/pkg/op"
)

// Provider is one running authorization server. It is safe for concurrent use.
type Provider struct {
	opts      Options
	log       *slog.Logger
	store     *store
	storage   *storage
	op        *op.Provider
	endpoints Endpoints
	path      string // of the issuer, without a trailing slash
	sessions  sessions
	pages     *pages
	faults    faultBox
	stats     counters
	calls     callCounter
	handler   http.Handler
	defaults  DefaultClients

	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
}

// Open loads or creates the state and returns a server that is ready to be mounted.
// The caller must Close it.
func Open(ctx context.Context, opts Options) (*Provider, error) {
	opts = opts.withDefaults()
	issuer, err := parseIssuer(opts.Issuer)
	if err != nil {
		return nil, err
	}
	db, err := openStore(ctx, opts.StateFile, opts.Now)
	if err != nil {
		return nil, err
	}
	p := &Provider{
		opts:      opts,
		log:       opts.Log,
		store:     db,
		endpoints: endpointsOf(opts.Issuer),
		path:      strings.TrimRight(issuer.EscapedPath(), "/"),
		closing:   make(chan struct{}),
	}
	p.sessions = newSessions(opts.Issuer, p.path, issuer.Scheme == "https")
	if err := p.assemble(ctx); err != nil {
		return nil, errors.Join(err, db.close())
	}
	return p, nil
}

// assemble provisions the state and builds everything above the store.
func (p *Provider) assemble(ctx context.Context) error {
	if err := p.store.loadBehaviour(ctx, p.opts.Behaviour); err != nil {
		return err
	}
	keys, err := p.store.loadKeys(ctx)
	if err != nil {
		return err
	}
	if p.defaults, err = p.store.provisionClients(ctx, p.opts.RedirectURIs); err != nil {
		return err
	}
	if err := p.store.provisionUsers(ctx); err != nil {
		return err
	}
	if err := p.store.prune(ctx); err != nil {
		return err
	}
	if p.pages, err = loadPages(p.path); err != nil {
		return err
	}
	p.storage = &storage{store: p.store, keys: keys, opts: p.opts, loginPath: p.path + pathLogin}
	if p.op, err = newEngine(p.opts.Issuer, p.storage); err != nil {
		return fmt.Errorf("sandbox: build the protocol engine: %w", err)
	}
	p.handler = p.routes()
	return nil
}

// Handler serves everything, at paths below the issuer's own path, and the well-known documents.
func (p *Provider) Handler() http.Handler { return p.handler }

// Clients returns the default clients with their secrets.
func (p *Provider) Clients() DefaultClients { return p.defaults }

// Endpoints returns the absolute URLs of this server.
func (p *Provider) Endpoints() Endpoints { return p.endpoints }

// Close ends delayed requests and closes the state file. Stop the HTTP server first.
func (p *Provider) Close() error {
	p.closeOnce.Do(func() {
		close(p.closing)
		p.closeErr = p.store.close()
	})
	return p.closeErr
}
