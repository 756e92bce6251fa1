package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/acme/connections/internal/connections"
)

func refreshCommand(a *app) *cobra.Command {
	var policy string
	command := driveCommand(a, "refresh", "Force a new token now", `Asks the provider for a new token, whatever the age of the present one. Callers who saw the same token share one call.

With --policy it also sets when the connection is renewed from now on: adaptive lets one that nobody has read for a day
sleep until its next read (its refresh token is kept alive meanwhile), always_fresh keeps a live token at all times.`,
		func(c *connections.Client, ctx context.Context, id string) (connections.View, error) {
			if policy != "" {
				return c.SetPolicy(ctx, id, policy)
			}
			return c.Refresh(ctx, id)
		})
	command.Flags().StringVar(&policy, "policy", "", policyHelp)
	return command
}
