package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/vault"
)

func eventsCommand(a *app) *cobra.Command {
	var (
		query  connections.EventQuery
		follow bool
	)
	command := &cobra.Command{
		Use: "events", Short: "What happened to connections, and who is told",
		Long: `Lists the latest events, the oldest first; with --follow it goes on with every new one, as a line, until Ctrl-C. With
-o json these are JSON lines.

An event is a transition of one connection: connection.activated, .degraded, .recovered, .needs_reauth, .expiring_soon
or .disconnected. Each is told once, as a Standard Webhook, to every endpoint that wants it: see "starter events
endpoints". Events are kept for 90 days.`,
		Example: `  starter events --follow
  starter events --owner acme --type connection.needs_reauth -o json
  starter events endpoints add https://hooks.example.com/connections
  starter events dead-letters`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if query.Limit < 1 || query.Limit > 1000 {
				return usagef("--limit must be 1 to 1000")
			}
			c, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			if follow {
				return a.followEvents(cmd.Context(), c, query)
			}
			list, err := c.Events(cmd.Context(), query)
			if err != nil {
				return err
			}
			if a.json() {
				return a.print(list)
			}
			for _, e := range list {
				if err := a.printEvent(e); err != nil {
					return err
				}
			}
			return nil
		},
	}
	flags := command.Flags()
	flags.BoolVarP(&follow, "follow", "f", false, "go on with new ones")
	flags.StringVar(&query.Owner, "owner", "", "only this `owner`'s")
	flags.StringVar(&query.Connection, "connection", "", "only of this connection `id`")
	flags.StringVar(&query.Type, "type", "", "only of this `type`")
	flags.StringVar(&query.After, "after", "", "go on after the event of this `id`, instead of with the latest")
	flags.IntVar(&query.Limit, "limit", 100, "at most this `many`; with --follow, of those that are there already")
	command.AddCommand(endpointsCommand(a), deadLettersCommand(a), redeliverCommand(a))
	return command
}

func (a *app) followEvents(ctx context.Context, c *connections.Client, query connections.EventQuery) error {
	lines := json.NewEncoder(a.stdout)
	lines.SetEscapeHTML(false)
	return c.FollowEvents(ctx, query, func(e connections.EventView) error {
		if a.json() {
			return lines.Encode(e)
		}
		return a.printEvent(e)
	})
}

// printEvent writes an event as one line, of columns that fit while they are not known in advance.
func (a *app) printEvent(e connections.EventView) error {
	reason := e.Reason
	if reason == "" {
		reason = "-"
	}
	_, err := fmt.Fprintf(a.stdout, "%s  %-24s  %s  %s  %s  %s  %s\n",
		e.At.Format(time.RFC3339), e.Type, e.Connection, e.Connector, e.Owner, reason, e.ID)
	return err
}

func endpointsCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use: "endpoints", Short: "The URLs that are told of events", Args: noArgs,
		Long: `Webhooks are signed as the Standard Webhooks specification says (https://www.standardwebhooks.com), so that receivers
verify them with one of its libraries. What is not answered with 2xx within ten seconds is tried again for three days.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(endpointsAdd(a), endpointsList(a), endpointsRotate(a), endpointsRemove(a))
	return command
}

func endpointsAdd(a *app) *cobra.Command {
	var request connections.EndpointRequest
	command := &cobra.Command{
		Use: "add URL", Short: "Add an endpoint, and print its secret",
		Long: `Adds an endpoint: the platform's, which is told of every connection, or with --owner a customer's, which is told of
that customer's. Its secret is printed once, now.

The URL must be https, on port 443, at a public address; that is checked again at each delivery. Under "worker --dev" it
may be on this machine.`,
		Example: `  starter events endpoints add https://hooks.example.com/connections
  starter events endpoints add https://hooks.customer.com/ --owner acme --types connection.needs_reauth`,
		Args: oneArg("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			request.URL = args[0]
			view, err := c.AddEndpoint(cmd.Context(), request)
			if err != nil {
				return err
			}
			return a.printSecret(view, "Added %s. Its secret, which is not shown again:\n\n  %s\n")
		},
	}
	command.Flags().StringVar(&request.Owner, "owner", "", "a `customer` whose events it gets, instead of everyone's")
	command.Flags().StringSliceVar(&request.Types, "types", nil, "the event `types` that it gets, instead of all")
	return command
}

// printSecret writes an endpoint with the secret that was just made.
func (a *app) printSecret(view connections.EndpointView, sentence string) error {
	if a.json() {
		return a.print(view)
	}
	_, err := fmt.Fprintf(a.stdout, sentence, view.ID, view.Secret)
	return err
}

func endpointsList(a *app) *cobra.Command {
	var owner string
	command := &cobra.Command{
		Use: "list", Short: "List endpoints, never their secrets", Args: noArgs,
		Long: "Lists all endpoints; with --owner a customer's, or with --owner \"\" the platform's.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			var of *string
			if cmd.Flags().Changed("owner") {
				of = &owner
			}
			list, err := c.Endpoints(cmd.Context(), of)
			if err != nil {
				return err
			}
			if a.json() {
				return a.print(list)
			}
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(w, "ID\tOWNER\tURL\tTYPES\tSECRETS\tDISABLED")
			for _, e := range list {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", e.ID, orDash(e.Owner), e.URL, typesWords(e.Types), e.Secrets, disabledWords(e))
			}
			return w.Flush()
		},
	}
	command.Flags().StringVar(&owner, "owner", "", "only this `customer`'s; empty for the platform's")
	return command
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func typesWords(types []string) string {
	if len(types) == 0 {
		return "all"
	}
	return fmt.Sprint(len(types))
}

// disabledWords says why an endpoint is told nothing.
func disabledWords(e connections.EndpointView) string {
	if e.DisabledAt == nil {
		return "no"
	}
	return fmt.Sprintf("%s, %s", e.Reason, distance(time.Until(*e.DisabledAt)))
}

func endpointsRotate(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "rotate ID", Short: "Make a new secret for an endpoint, and print it",
		Long: "For 24 hours every webhook is signed with the old secret as well: give the receiver the new one meanwhile.",
		Args: oneArg("endpoint id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			view, err := c.RotateEndpoint(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.printSecret(view, "The new secret of %s, which is not shown again:\n\n  %s\n\nThe old one signs as well for 24 hours.\n")
		},
	}
}

func endpointsRemove(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "Remove an endpoint, and its dead letters",
		Long: "Nothing is sent to it from here on, also not what is being tried again.",
		Args: oneArg("endpoint id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			if err := c.RemoveEndpoint(cmd.Context(), args[0]); err != nil {
				return err
			}
			if a.json() {
				return a.print(map[string]string{"removed": args[0]})
			}
			_, err = fmt.Fprintf(a.stdout, "Removed %s.\n", args[0])
			return err
		},
	}
}

func deadLettersCommand(a *app) *cobra.Command {
	var filter vault.DeadLetterFilter
	command := &cobra.Command{
		Use: "dead-letters", Short: "List what could not be delivered, the latest first",
		Long: "Lists events that an endpoint did not take in three days of trying. \"starter events redeliver\" sends one again.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if filter.Limit < 1 || filter.Limit > 1000 {
				return usagef("--limit must be 1 to 1000")
			}
			c, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			list, err := c.DeadLetters(cmd.Context(), filter)
			if err != nil {
				return err
			}
			if a.json() {
				return a.print(list)
			}
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(w, "GIVEN UP\tEVENT\tENDPOINT\tTYPE\tCONNECTION\tATTEMPTS\tSTATUS\tREASON")
			for _, d := range list {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", d.At.Format(time.RFC3339), d.Event, d.Endpoint, d.Type, d.Connection, d.Attempts, d.StatusCode, d.Reason)
			}
			return w.Flush()
		},
	}
	command.Flags().StringVar(&filter.Owner, "owner", "", "only of this `owner`'s connections")
	command.Flags().StringVar(&filter.EndpointID, "endpoint", "", "only of this endpoint `id`")
	command.Flags().IntVar(&filter.Limit, "limit", 100, "at most this `many`")
	return command
}

func redeliverCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "redeliver EVENT ENDPOINT", Short: "Send an event to an endpoint again",
		Long:    "Begins the delivery anew, whatever became of it before. The webhook's id stays the same, so that a receiver can tell.",
		Example: "  starter events redeliver evt_019a… whe_019a…",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("give an event's id and an endpoint's id")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			if err := c.Redeliver(cmd.Context(), args[0], args[1]); err != nil {
				return err
			}
			if a.json() {
				return a.print(map[string]string{"event": args[0], "endpoint": args[1]})
			}
			_, err = fmt.Fprintf(a.stdout, "%s is on its way to %s.\n", args[0], args[1])
			return err
		},
	}
}
