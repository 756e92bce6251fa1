package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/connections"
)

// provideApps stores the platform's OAuth apps that the environment names.
func provideApps(ctx context.Context, p *parts) error {
	all, err := p.catalogue.AllIDs(ctx)
	if err != nil {
		return err
	}
	apps, err := config.Apps(all, os.Environ())
	if err != nil {
		return err
	}
	for _, app := range apps {
		_, err := p.connections().PutIntegration(ctx, connections.IntegrationRequest{
			Connector: app.Connector, ClientID: app.ClientID, ClientSecret: app.ClientSecret,
		})
		if err != nil {
			return fmt.Errorf("the OAuth app of %s, from the environment: %w", app.Connector, err)
		}
		p.log.Info("OAuth app set from the environment", slog.String("connector", app.Connector))
	}
	return nil
}
