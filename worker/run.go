package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/time/rate"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/api"
	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/events"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/reads"
	"github.com/acme/connections/internal/reconcile"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/web"
	"github.com/acme/connections/internal/webhook"
	"github.com/acme/connections/workflows"
)

// parts are what the roles are made of.
type parts struct {
	settings  config.Settings
	handOut   config.HandOut
	vault     vault.Store
	keys      keyring.Keys
	catalogue *connector.Catalogue
	temporal  client.Client
	log       *slog.Logger
}

// connections is the typed client.
func (p *parts) connections() *connections.Client {
	return connections.New(connections.Config{
		Temporal: p.temporal, Vault: p.vault, Keys: p.keys, Catalogue: p.catalogue,
		BaseURL: p.settings.BaseURL, Now: time.Now, Log: p.log, Loopback: p.settings.Loopback(),
	})
}

func (p *parts) close() {
	if p.temporal != nil {
		p.temporal.Close()
	}
	if p.vault != nil {
		if err := p.vault.Close(); err != nil {
			p.log.Warn("the vault did not close cleanly", slog.Any("error", err))
		}
	}
}

// runProduction runs the roles on what the environment names.
func runProduction(ctx context.Context, o options, _, stderr io.Writer) error {
	log, err := newLog(stderr, o.logLevel, false)
	if err != nil {
		return err
	}
	settings, err := config.Load("")
	if err != nil {
		return err
	}
	if settings.BaseURL == "" {
		return fmt.Errorf("no base URL: set %s to where browsers reach the web role, e.g. https://oauth2.integrations.acme.com; for embedded defaults run \"worker --dev\"", config.EnvBaseURL)
	}
	var listener net.Listener
	if o.has(roleWeb) {
		if listener, err = listen(ctx, o.http, "--http"); err != nil {
			return err
		}
		defer func() { _ = listener.Close() }()
	}
	p := &parts{settings: settings, log: log}
	defer p.close()
	if p.handOut, err = config.LoadHandOut(); err != nil {
		return err
	}
	if p.vault, err = settings.OpenVault(ctx, true); err != nil {
		return err
	}
	if p.keys, err = settings.OpenKeys(ctx, p.vault); err != nil {
		return err
	}
	if p.catalogue, err = settings.OpenCatalogue(p.vault); err != nil {
		return err
	}
	if err := provideApps(ctx, p); err != nil {
		return err
	}
	if p.temporal, err = settings.DialTemporal(ctx, log); err != nil {
		return err
	}
	if err := registerAttributes(ctx, p.temporal, settings.Namespace()); err != nil {
		return err
	}
	if settings.AllowLoopback {
		log.Warn("connectors may lead to this machine: unset the variable outside of tests and development", slog.String("variable", config.EnvAllowLoopback))
	}
	log.Info("started", slog.Any("roles", o.roles), slog.String("base_url", settings.BaseURL))
	return serve(ctx, o, p, listener, nil)
}

// stopLimit bounds a clean stop: attempts under way are let finish, replies that are on their way are stored.
const stopLimit = workflows.WorkerStopLimit + 10*time.Second

// serve runs the roles until ctx ends or one of them fails, then stops them: pages first, so that nothing new comes
// in; then the worker, which lets attempts finish; then the calls that outlived their activities.
func serve(ctx context.Context, o options, p *parts, listener net.Listener, ready func()) error {
	failed := make(chan error, 2)
	var working atomic.Bool

	acts := activities.New(activities.Deps{
		Vault: p.vault, Keys: p.keys, Catalogue: p.catalogue, Log: p.log,
		OAuth:         oauth.NewClient(workflows.HTTPLimit, time.Now),
		RedirectURI:   p.connections().RedirectURI(),
		BreakerOpened: p.connections().BreakerOpened,
	})
	if o.has(roleWorkflow) || o.has(roleActivity) {
		ledger, changes := reads.NewLedger(p.vault, p.log), &activities.Changes{}
		handOut := activities.NewHandOut(activities.HandOutConfig{
			Rows: p.vault, Waiters: p.vault, Refresh: p.connections().RefreshFor, Query: p.connections().AskToken,
			Changes: changes, HandedOut: ledger.Add,
		})
		onFatal := func(err error) {
			select {
			case failed <- fmt.Errorf("the Temporal worker failed: %w", err):
			default: // one failure ends them all
			}
		}
		w, err := newWorker(o, p, acts, handOut, onFatal)
		if err != nil {
			return err
		}
		nexus, err := newNexusWorkers(o, p, handOut, onFatal)
		if err != nil {
			return err
		}
		if err := w.Start(); err != nil {
			return fmt.Errorf("the Temporal worker did not start: %w", err)
		}
		if err := nexus.start(); err != nil {
			w.Stop()
			return err
		}
		working.Store(true)
		schedulingCtx, stopScheduling := context.WithCancel(ctx)
		auditCtx, stopAudit := context.WithCancel(context.WithoutCancel(ctx))
		var scheduling, auditing sync.WaitGroup
		scheduling.Go(func() { reconcile.KeepSchedule(schedulingCtx, p.temporal, p.log) })
		pump := events.NewPump(events.Config{Vault: p.vault, Deliver: p.connections().DeliverEvent, Log: p.log})
		scheduling.Go(func() { pump.Run(schedulingCtx) })
		scheduling.Go(func() {
			if err := p.vault.Watch(schedulingCtx, vault.Watch{Changed: changes.Changed, Lost: changes.Lost, Ready: changes.Ready}); err != nil {
				p.log.Error("changes in the vault are not heard: what waits for them polls", slog.Any("error", err))
			}
		})
		auditing.Go(func() { ledger.Run(auditCtx) })
		defer func() {
			stopScheduling()
			scheduling.Wait()
			working.Store(false)
			nexus.stop()
			w.Stop()
			stopAudit()
			auditing.Wait()
			drainCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
			defer cancel()
			if err := acts.Drain(drainCtx); err != nil {
				p.log.Error("stopped with calls under way", slog.Any("error", err))
			}
		}()
	} else {
		working.Store(true)
	}
	if o.has(roleWeb) {
		stop, err := serveWeb(ctx, o, p, listener, &working, failed)
		if err != nil {
			return err
		}
		defer stop()
	}
	if ready != nil {
		ready()
	}
	select {
	case <-ctx.Done():
		p.log.Info("stopping")
		return nil
	case err := <-failed:
		return err
	}
}

// newWorker makes the Temporal worker, with every option chosen.
func newWorker(o options, p *parts, acts *activities.Activities, handOut *activities.HandOut, onFatal func(error)) (worker.Worker, error) {
	service, err := handOut.NexusService(p.vault, p.handOut.NexusOwner, p.log)
	if err != nil {
		return nil, fmt.Errorf("the Nexus service could not be made: %w", err)
	}
	worker.SetStickyWorkflowCacheSize(o.cache)
	w := worker.New(p.temporal, workflows.TaskQueue, worker.Options{
		// Longer than a call at a provider takes, so that a stop cuts none off.
		WorkerStopTimeout: workflows.WorkerStopLimit,
		// Two pollers, the default, starve queries.
		MaxConcurrentWorkflowTaskPollers: 8,
		MaxConcurrentActivityTaskPollers: 4,
		// Activities mostly wait for providers; workflow tasks hold a local activity each, that waits too.
		MaxConcurrentActivityExecutionSize:      200,
		MaxConcurrentLocalActivityExecutionSize: 200,
		MaxConcurrentWorkflowTaskExecutionSize:  200,
		DisableWorkflowWorker:                   !o.has(roleWorkflow),
		// Without the activity role the worker still runs the local activities of its workflow tasks.
		LocalActivityWorkerOnly: !o.has(roleActivity),
		// Names come from the contract alone.
		DisableRegistrationAliasing: true,
		Interceptors:                []interceptor.WorkerInterceptor{activities.Guard(p.log)},
		OnFatalError:                onFatal,
	})
	w.RegisterWorkflowWithOptions(workflows.Connection, workflow.RegisterOptions{Name: workflows.TypeConnection})
	w.RegisterWorkflowWithOptions(workflows.Breaker, workflow.RegisterOptions{Name: workflows.TypeBreaker})
	w.RegisterWorkflowWithOptions(workflows.Reconcile, workflow.RegisterOptions{Name: workflows.TypeReconcile})
	w.RegisterWorkflowWithOptions(workflows.EventDelivery, workflow.RegisterOptions{Name: workflows.TypeEventDelivery})
	acts.Register(w)
	p.delivery().Register(w)
	handOut.Register(w)
	if o.has(roleActivity) {
		w.RegisterNexusService(service)
	}
	reconciler := reconcile.New(p.connections())
	reconciler.HandoutsKept = p.handOut.AuditKept
	reconciler.Register(w)
	return w, nil
}

// delivery makes the activities that deliver events.
func (p *parts) delivery() *activities.Delivery {
	return activities.NewDelivery(activities.DeliveryConfig{
		Vault: p.vault, Keys: p.keys.Vault, Sender: webhook.NewSender(p.settings.Loopback()), Log: p.log,
	})
}

// serveWeb serves the pages and the API; the returned function stops them.
func serveWeb(ctx context.Context, o options, p *parts, listener net.Listener, working *atomic.Bool, failed chan<- error) (stop func(), err error) {
	allowed := p.connections().Config
	if err := allowed.AllowSessions(p.settings.ReturnURLs, p.settings.PlatformOrigins, p.settings.AssertionKey); err != nil {
		return nil, err
	}
	driving := connections.New(allowed)
	brand, err := web.LoadBrand(p.settings.Logo, p.settings.Color, p.settings.ColorDark)
	if err != nil {
		return nil, err
	}
	pages, err := web.New(web.Config{
		Vault: p.vault, Keys: p.keys, Catalogue: p.catalogue,
		Connections: driving,
		Platform:    p.settings.Platform, Brand: brand, BaseURL: p.settings.BaseURL, Now: time.Now, Log: p.log,
		Ready: func(ctx context.Context) error { return p.ready(ctx, working) },
	})
	if err != nil {
		return nil, err
	}
	programs, err := api.New(api.Config{ //nolint:contextcheck // it lives until Close
		Connections: driving, Log: p.log, Reads: rate.Limit(o.apiReads), Writes: rate.Limit(o.apiWrites),
	})
	if err != nil {
		pages.Close()
		return nil, err
	}
	server := newHTTPServer(ctx, besidePages(pages, programs), p.log)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("the web role failed: %w", err)
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			_ = server.Close()
		}
		pages.Close()
		programs.Close() //nolint:contextcheck // closing has its own time
	}, nil
}

// besidePages hands what is below the API's root to the API. Nothing of the pages' is in its way: their cookies, their
// limits and their errors are for browsers.
func besidePages(pages, programs http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, api.Root) {
			programs.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
}

// newHTTPServer bounds everything that a client may take its time with.
func newHTTPServer(ctx context.Context, handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// ready says whether all is up.
func (p *parts) ready(ctx context.Context, working *atomic.Bool) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if !working.Load() {
		return errors.New("the worker is not running")
	}
	if err := p.vault.Ping(ctx); err != nil {
		return errors.New("the vault cannot be reached")
	}
	if _, err := p.temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return errors.New("Temporal cannot be reached") //nolint:staticcheck // a sentence for people, and a name
	}
	return nil
}

// listen asks for an address, and says what to do if it is taken.
func listen(ctx context.Context, address, flag string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		return listener, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use already: choose another address with %s, or stop the program that uses it", address, flag)
	default:
		return nil, fmt.Errorf("cannot listen on %q (%s): give host:port, e.g. 127.0.0.1:8080", address, flag)
	}
}

func newLog(w io.Writer, level string, people bool) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, &usageError{fmt.Errorf("--log-level %q is not known: use debug, info, warn or error", level)}
	}
	options := &slog.HandlerOptions{Level: l}
	if people {
		return slog.New(slog.NewTextHandler(w, options)), nil
	}
	return slog.New(slog.NewJSONHandler(w, options)), nil
}
