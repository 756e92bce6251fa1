package main

import (
	"fmt"
	"os/user"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

func statusCommand(a *app) *cobra.Command {
	return driveCommand(a, "status", "Where a connection stands, and what to do",
		"Shows the connection as its workflow sees it, or, once that has ended, as the vault remembers it.",
		(*connections.Client).Status)
}

func listCommand(a *app) *cobra.Command {
	var filter vault.ConnectionFilter
	var link linkFlags
	command := &cobra.Command{
		Use: "list", Short: "List connections, oldest first",
		Long: `Lists connections as the vault knows them. For more than --limit, go on with --after and the last id.

With --owner and --link it prints a single-use link to the page "Your connections", where that owner's people see,
reconnect and end what is connected.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if filter.Status != "" && !slices.Contains(workflows.Statuses(), workflows.ConnectionStatus(filter.Status)) {
				return usagef("--status %q is not known: use one of %v", filter.Status, workflows.Statuses())
			}
			if filter.Limit < 1 || filter.Limit > 1000 {
				return usagef("--limit must be 1 to 1000")
			}
			switch {
			case link.link && filter.Owner == "":
				return usagef("--link needs --owner: whose connections the page shows")
			case link.link:
				return a.makeLink(cmd.Context(), connections.ConnectSessionRequest{
					Manage: true, Owner: filter.Owner, ReturnURL: link.returnURL, Expires: link.expires,
				})
			}
			c, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			views, err := c.List(cmd.Context(), filter)
			if err != nil {
				return err
			}
			if a.json() {
				return a.print(views)
			}
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(w, "ID\tCONNECTOR\tOWNER\tSTATUS\tREASON\tGENERATION\tEXPIRES")
			for _, v := range views {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", v.ID, v.Connector, v.Owner, v.Status, v.Reason, v.Generation, when(v.ExpiresAt))
			}
			return w.Flush()
		},
	}
	flags := command.Flags()
	flags.StringVar(&filter.Owner, "owner", "", "only this `owner`'s")
	flags.StringVar(&filter.Connector, "connector", "", "only of this `connector`")
	flags.StringVar(&filter.Status, "status", "", "only in this `status`")
	flags.StringVar(&filter.After, "after", "", "go on after this `id`")
	flags.IntVar(&filter.Limit, "limit", 100, "at most this `many`")
	addLink(command, &link, "print a single-use link to the owner's page \"Your connections\"")
	return command
}

// tokenView is what "token" prints: the connection, and the token only if it is asked for.
type tokenView struct {
	connections.View
	TokenType   string `json:"token_type"`
	AccessToken string `json:"access_token,omitempty"`
}

// auditName is who reveals a token, as far as this machine knows.
func auditName() string {
	if person, err := user.Current(); err == nil {
		return "starter of " + person.Username
	}
	return "starter"
}

func tokenCommand(a *app) *cobra.Command {
	var (
		reveal bool
		minTTL time.Duration
	)
	command := &cobra.Command{
		Use:   "token ID",
		Short: "A live access token",
		Long: `Reads an access token that is still good for --min-ttl, refreshing it if need be. Without --reveal it only says
what it would have printed. With --reveal the token alone goes to standard output, so that it can be piped.`,
		Example: `  curl -H "Authorization: Bearer $(starter token ID --reveal)" https://api.example.com/me`,
		Args:    oneArg("connection id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			if reveal {
				c.Caller = auditName()
			}
			token, err := c.Token(cmd.Context(), args[0], minTTL)
			if err != nil {
				return err
			}
			v := tokenView{View: token.View, TokenType: token.Type}
			if reveal {
				v.AccessToken = token.Text.Reveal()
			}
			switch {
			case a.json():
				return a.print(v)
			case reveal:
				_, err := fmt.Fprintln(a.stdout, v.AccessToken)
				return err
			default:
				if err := a.show(token.View); err != nil {
					return err
				}
				_, err := fmt.Fprintln(a.stdout, "\nThe token is there. Add --reveal to print it.")
				return err
			}
		},
	}
	command.Flags().BoolVar(&reveal, "reveal", false, "print the token itself")
	command.Flags().DurationVar(&minTTL, "min-ttl", 10*time.Second, "how long the token must still live")
	return command
}
