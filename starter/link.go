package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/acme/connections/internal/connections"
)

// linkFlags are the flags of links that make their connection when they are used.
type linkFlags struct {
	link, confirm bool
	returnURL     string
	expires       time.Duration
}

// addLink adds them to a command.
func addLink(command *cobra.Command, f *linkFlags, help string) {
	flags := command.Flags()
	flags.BoolVar(&f.link, "link", false, help)
	flags.StringVar(&f.returnURL, "return-url", "", "with --link: the `URL` that the result leads to, one of CONNECTIONS_RETURN_URLS")
	flags.DurationVar(&f.expires, "expires", time.Hour, "with --link: how long the link can be opened")
}

// connectArgs is one connector, or several to choose from with --link.
func connectArgs(f *linkFlags) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if f.link {
			if len(args) == 0 {
				return usagef("give one or more connectors to choose from (\"starter connectors\" lists them)")
			}
			for _, name := range []string{"grant", "input", "client-id", "client-secret-file", "scope", "policy", "wait", "timeout"} {
				if cmd.Flags().Changed(name) {
					return usagef("--%s goes with a connection that is made now: with --link the person chooses and enters it", name)
				}
			}
			return nil
		}
		for _, name := range []string{"return-url", "expires", "confirm-user"} {
			if cmd.Flags().Changed(name) {
				return usagef("--%s goes with --link", name)
			}
		}
		return oneArg("connector (\"starter connectors\" lists them)")(cmd, args)
	}
}

// newLink is a session as it is printed.
type newLink struct {
	ID         string    `json:"id"`
	ConnectURL string    `json:"connect_url"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// makeLink makes a session and prints its link.
func (a *app) makeLink(ctx context.Context, r connections.ConnectSessionRequest) error {
	c, err := a.open(ctx)
	if err != nil {
		return err
	}
	made, err := c.CreateConnectSession(ctx, r)
	if err != nil {
		return err
	}
	if a.json() {
		return a.print(newLink{ID: made.ID, ConnectURL: made.URL, ExpiresAt: made.ExpiresAt})
	}
	if err := a.table([][2]string{{"id", made.ID}, {"owner", r.Owner}, {"end user", r.EndUser}, {"expires", when(&made.ExpiresAt)}}); err != nil {
		return err
	}
	note := "Give this link to one person. It works once, in the browser that uses it first"
	if r.EndUser != "" {
		note += ", and opens only with your assertion of the end user"
	}
	_, _ = fmt.Fprintf(a.stdout, "\n%s:\n\n  %s\n", note, made.URL)
	return nil
}
