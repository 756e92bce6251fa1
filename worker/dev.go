package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/devserver"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/workflows"
)

// runDev brings up everything on embedded defaults, in the order in which it is needed, and takes it down in reverse.
func runDev(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	log, err := newLog(stderr, o.logLevel, true)
	if err != nil {
		return err
	}
	// The sandbox's protocol library logs to the default.
	slog.SetDefault(log.With(slog.String("part", "sandbox")))
	unlock, err := devserver.LockDataDir(o.dataDir)
	if err != nil {
		return err
	}
	defer unlock()
	listener, err := listen(ctx, o.http, "--http")
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()

	dev := config.NewDev(o.dataDir)
	last, err := config.ReadDev(o.dataDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	dev.BaseURL = "http://" + listener.Addr().String()
	if url := os.Getenv(config.EnvBaseURL); url != "" {
		dev.BaseURL = url
	}
	settings := config.Settings{
		DatabaseURL: os.Getenv(config.EnvDatabaseURL), Dev: &dev, BaseURL: dev.BaseURL, Platform: config.DefaultPlatform,
		VaultKeyset: dev.VaultKeyset(), AccessKeyset: dev.AccessKeyset(),
	}
	settings.LoadPages()
	dev.Postgres = settings.DatabaseURL != ""

	p := &parts{log: log}
	defer p.close()
	if p.handOut, err = config.LoadHandOut(); err != nil {
		return err
	}
	for name, path := range map[string]string{keyring.Vault: dev.VaultKeyset(), keyring.Access: dev.AccessKeyset()} {
		if _, err := keyring.LoadOrCreate(name, path); err != nil {
			return err
		}
	}
	vaultSettings := settings
	vaultSettings.Dev = &config.Dev{}
	*vaultSettings.Dev = dev
	vaultSettings.Dev.Postgres = false
	if p.vault, err = vaultSettings.OpenVault(ctx, true); err != nil {
		return err
	}
	if p.keys, err = settings.OpenKeys(ctx, p.vault); err != nil {
		return err
	}

	stopSandbox, clients, err := startSandbox(ctx, &dev, last.Sandbox.Address, o.sandboxLife, log)
	if err != nil {
		return err
	}
	defer stopSandbox()
	if p.catalogue, err = settings.OpenCatalogue(p.vault); err != nil {
		return err
	}

	temporal, err := startTemporal(ctx, o, &dev, stderr)
	if err != nil {
		return err
	}
	if temporal != nil {
		defer func() {
			stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
			defer cancel()
			err = errors.Join(err, temporal.Stop(stopCtx))
		}()
	}
	p.settings = settings
	if p.temporal, err = settings.DialTemporal(ctx, slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))); err != nil {
		return err
	}
	// The client goes before its server.
	defer func() {
		p.temporal.Close()
		p.temporal = nil
	}()
	if temporal == nil {
		if err := registerAttributes(ctx, p.temporal, settings.Namespace()); err != nil {
			return err
		}
	}
	if err := providePlatformApps(ctx, p, clients); err != nil {
		return err
	}
	if err := provideApps(ctx, p); err != nil {
		return err
	}
	if err := dev.Write(); err != nil {
		return err
	}
	if temporal == nil {
		return serve(ctx, o, p, listener, func() { banner(stdout, o, dev) })
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-temporal.Done():
			cancel(errTemporalGone)
		case <-ctx.Done():
		}
	}()
	if err := serve(ctx, o, p, listener, func() { banner(stdout, o, dev) }); err != nil {
		return err
	}
	if errors.Is(context.Cause(ctx), errTemporalGone) {
		return errTemporalGone
	}
	return nil
}

var errTemporalGone = errors.New("the embedded Temporal has ended by itself: its log is temporal.log in the data directory; start again")

// startSandbox serves the sandbox provider on a loopback port, the same as last time if it is free.
func startSandbox(ctx context.Context, dev *config.Dev, last string, life time.Duration, log *slog.Logger) (stop func(), clients sandbox.DefaultClients, err error) {
	if last == "" {
		last = "127.0.0.1:0"
	}
	var listenConfig net.ListenConfig
	listener, err := listenConfig.Listen(ctx, "tcp", last)
	if err != nil {
		if listener, err = listenConfig.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return nil, clients, fmt.Errorf("no loopback port for the sandbox provider: %w", err)
		}
	}
	provider, err := sandbox.Open(ctx, sandbox.Options{
		Issuer: "http://" + listener.Addr().String(), StateFile: dev.SandboxFile(), AccessTokenLifetime: life,
		RedirectURIs: []string{dev.BaseURL + "/callback"}, Admin: true, Log: log.With(slog.String("part", "sandbox")),
	})
	if err != nil {
		return nil, clients, errors.Join(err, listener.Close())
	}
	endpoints := provider.Endpoints()
	dev.Sandbox = config.Sandbox{
		Address: listener.Addr().String(), Issuer: endpoints.Issuer, Authorization: endpoints.Authorization,
		Token: endpoints.Token, Revocation: endpoints.Revocation, Introspection: endpoints.Introspection,
		Userinfo: endpoints.Userinfo, API: endpoints.Me, Contacts: endpoints.Contacts,
	}
	server := newHTTPServer(ctx, provider.Handler(), log)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the sandbox provider failed", slog.Any("error", err))
		}
	}()
	return func() {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		if err := server.Shutdown(stopCtx); err != nil {
			_ = server.Close()
		}
		<-done
		if err := provider.Close(); err != nil {
			log.Warn("the sandbox provider did not close cleanly", slog.Any("error", err))
		}
	}, provider.Clients(), nil
}

// startTemporal starts or adopts the embedded server; nil if the environment names one.
func startTemporal(ctx context.Context, o options, dev *config.Dev, stderr io.Writer) (*devserver.Server, error) {
	if os.Getenv(config.EnvTemporalAddress) != "" {
		dev.TemporalAddress, dev.Namespace = os.Getenv(config.EnvTemporalAddress), os.Getenv("TEMPORAL_NAMESPACE")
		if dev.Namespace == "" {
			dev.Namespace = config.DefaultNamespace
		}
		return nil, nil //nolint:nilnil // no server of ours is what was asked for
	}
	server, err := devserver.Start(ctx, devserver.Options{
		DataDir: o.dataDir, Port: o.temporalPort, UIPort: o.uiPort, UI: true,
		SearchAttributes: workflows.SearchAttributes(), Log: stderr,
	})
	if err != nil {
		return nil, err
	}
	dev.TemporalAddress, dev.TemporalUI, dev.Namespace = server.Address, server.UIAddress, config.DefaultNamespace
	return server, nil
}

// providePlatformApps registers the sandbox's own apps as the platform's, and leaves the machine client's secret in a
// file for those who want to enter it themselves.
func providePlatformApps(ctx context.Context, p *parts, clients sandbox.DefaultClients) error {
	c := p.connections()
	for _, app := range []connections.IntegrationRequest{
		{Connector: "sandbox", ClientID: clients.App.ID, ClientSecret: clients.App.Secret},
		{
			ID:        connections.PlatformIntegrationID("sandbox", connector.ClientCredentials),
			Connector: "sandbox", ClientID: clients.Machine.ID, ClientSecret: clients.Machine.Secret,
		},
	} {
		if _, err := c.PutIntegration(ctx, app); err != nil {
			return err
		}
	}
	if err := os.WriteFile(p.settings.Dev.MachineSecretFile(), []byte(clients.Machine.Secret.Reveal()+"\n"), 0o600); err != nil {
		return fmt.Errorf("cannot write to the data directory: %w", err)
	}
	return nil
}

func banner(w io.Writer, o options, dev config.Dev) {
	ui := "(the server's own)"
	if dev.TemporalUI != "" {
		ui = "http://" + dev.TemporalUI
	}
	dir := ""
	if o.dataDir != config.DefaultDataDir {
		dir = " --data-dir " + o.dataDir
	}
	_, _ = fmt.Fprintf(w, `
Connections is ready.

  Web            %s
  Temporal       %s   Web UI: %s
  Sandbox        %s   (sign in as demo / demo)

Connect something, in another terminal:

  go run ./starter connect sandbox --owner acme%s

Ctrl-C stops everything; state stays in %s.
`, dev.BaseURL, dev.TemporalAddress, ui, dev.Sandbox.Issuer, dir, o.dataDir)
}
