package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
)

// app is what the verbs share.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	output         string
	dataDir        string

	vault    vault.Store
	temporal client.Client
}

func (a *app) json() bool { return a.output == "json" }

func (a *app) close() {
	if a.temporal != nil {
		a.temporal.Close()
	}
	if a.vault != nil {
		_ = a.vault.Close()
	}
}

// catalogue opens the connectors. Those that were added are in the vault: without one, the built-in ones are all.
func (a *app) catalogue(ctx context.Context) (*connector.Catalogue, error) {
	settings, err := config.Load(a.dataDir)
	if err != nil {
		return nil, err
	}
	if settings.Dev == nil && settings.DatabaseURL == "" {
		return settings.OpenCatalogue(nil)
	}
	if a.vault, err = settings.OpenVault(ctx, false); err != nil {
		a.vault = nil
		_, _ = fmt.Fprintf(a.stderr, "Connectors that were added are not listed: %s.\n", err)
		return settings.OpenCatalogue(nil)
	}
	return settings.OpenCatalogue(a.vault)
}

// open connects to everything.
func (a *app) open(ctx context.Context) (*connections.Client, error) {
	settings, err := config.Load(a.dataDir)
	if err != nil {
		return nil, err
	}
	if settings.Dev == nil && settings.DatabaseURL == "" {
		return nil, noVault(a.dataDir)
	}
	if settings.BaseURL == "" {
		return nil, fmt.Errorf("no base URL: set %s as the worker has it", config.EnvBaseURL)
	}
	if a.vault, err = settings.OpenVault(ctx, false); err != nil {
		return nil, err
	}
	catalogue, err := settings.OpenCatalogue(a.vault)
	if err != nil {
		return nil, err
	}
	keys, err := settings.OpenKeys(ctx, a.vault)
	if err != nil {
		return nil, err
	}
	if a.temporal, err = settings.DialTemporal(ctx, slog.New(slog.DiscardHandler)); err != nil {
		return nil, err
	}
	c := connections.Config{
		Temporal: a.temporal, Vault: a.vault, Keys: keys, Catalogue: catalogue,
		BaseURL: settings.BaseURL, Now: time.Now, Loopback: settings.Loopback(),
	}
	if err := c.AllowSessions(settings.ReturnURLs, settings.PlatformOrigins, settings.AssertionKey); err != nil {
		return nil, err
	}
	return connections.New(c), nil
}

// openVault connects to the vault alone: no keyset and no Temporal are needed for what is in it as hashes only.
func (a *app) openVault(ctx context.Context) (vault.Store, error) {
	settings, err := config.Load(a.dataDir)
	if err != nil {
		return nil, err
	}
	if settings.Dev == nil && settings.DatabaseURL == "" {
		return nil, noVault(a.dataDir)
	}
	a.vault, err = settings.OpenVault(ctx, false)
	return a.vault, err
}

func noVault(dataDir string) error {
	return fmt.Errorf("found no data directory at %s and no %s: start \"go run ./worker --dev\" first, name its directory with --data-dir, or set the environment (see \"starter --help\")", dataDir, config.EnvDatabaseURL)
}

// print writes JSON.
func (a *app) print(v any) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// show writes a connection.
func (a *app) show(view connections.View) error {
	if a.json() {
		return a.print(view)
	}
	rows := [][2]string{
		{"id", view.ID},
		{"connector", view.Connector},
		{"owner", view.Owner},
		{"status", view.Status},
		{"reason", view.Reason},
		{"generation", fmt.Sprint(view.Generation)},
		{"issued", when(view.IssuedAt)},
		{"expires", when(view.ExpiresAt)},
		{"next refresh", when(view.NextRefreshAt)},
		{"grant ends", when(view.GrantEndsAt)},
		{"scopes", strings.Join(view.Scopes, " ")},
	}
	if view.Waiting > 0 {
		rows = append(rows, [2]string{"waiting", fmt.Sprint(view.Waiting)})
	}
	rows = append(rows, differing(view)...)
	if err := a.table(rows); err != nil {
		return err
	}
	if view.Message != "" {
		_, _ = fmt.Fprintf(a.stdout, "\n%s\n", view.Message)
	}
	if view.ConnectURL != nil {
		_, _ = fmt.Fprintf(a.stdout, "\nOpen this link to consent (it works once, for an hour):\n\n  %s\n", *view.ConnectURL)
	}
	return nil
}

// differing are the rows about scopes of a connection whose scopes asked for, configured and granted are not the same.
func differing(view connections.View) [][2]string {
	var rows [][2]string
	if view.Generation == 0 {
		return nil
	}
	if !slices.Equal(sorted(view.RequestedScopes), sorted(view.Scopes)) {
		rows = append(rows, [2]string{"asked for", strings.Join(view.RequestedScopes, " ")})
	}
	if len(view.MissingScopes) > 0 {
		rows = append(rows, [2]string{"missing", strings.Join(view.MissingScopes, " ")})
	}
	if !slices.Equal(sorted(view.ConfiguredScopes), sorted(view.RequestedScopes)) {
		rows = append(rows, [2]string{"configured", strings.Join(view.ConfiguredScopes, " ")})
	}
	return rows
}

// table writes the rows that have a value.
func (a *app) table(rows [][2]string) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if row[1] != "" {
			_, _ = fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
		}
	}
	return w.Flush()
}

func when(t *time.Time) string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf("%s (%s)", t.Format(time.RFC3339), distance(time.Until(*t)))
}

func distance(d time.Duration) string {
	if d < 0 {
		return (-d).Round(time.Second).String() + " ago"
	}
	return "in " + d.Round(time.Second).String()
}

// maxSecretFile bounds a file that holds a secret.
const maxSecretFile = 64 << 10

// secretFrom reads a secret from a file, or from standard input if it is "-". One line end at its end is dropped.
func (a *app) secretFrom(path string) (secret.String, error) {
	source := a.stdin
	if path != "-" {
		file, err := os.Open(path) //nolint:gosec // the user names the file
		if err != nil {
			return secret.String{}, usagef("cannot read the client secret from %s: %w", path, err)
		}
		defer func() { _ = file.Close() }()
		source = file
	}
	content, err := io.ReadAll(io.LimitReader(source, maxSecretFile+1))
	if err != nil {
		return secret.String{}, fmt.Errorf("cannot read the client secret: %w", err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	switch {
	case len(content) > maxSecretFile:
		return secret.String{}, usagef("the client secret is longer than %d bytes: is %s the right file?", maxSecretFile, path)
	case text == "":
		return secret.String{}, usagef("the client secret is empty: put it into a file, or pipe it in with --client-secret-file -")
	}
	return secret.New(text), nil
}
