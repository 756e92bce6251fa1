package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/workflows"
)

// connectFlags are the flags of "connect".
type connectFlags struct {
	owner, grant, clientID, secretFile, endUser string
	scopes, tags, inputs                        []string
	wait                                        bool
	timeout                                     time.Duration
	policy                                      string
	linkFlags
}

func connectCommand(a *app) *cobra.Command {
	var f connectFlags
	command := &cobra.Command{
		Use:   "connect CONNECTOR…",
		Short: "Make a connection, and print the link to open",
		Long: `Makes a connection for one owner (a customer of yours) at one connector.

With the authorization code grant it prints a connect link: the person who opens it sees who asks for what, signs in
at the provider and consents. With client credentials nobody consents: it connects at once.

With --link nothing is made yet: it prints a single-use link, whose page lets one person choose among the connectors
and enter what they want. The connection is made when the button is pressed.

The OAuth app is the platform's own, unless you give the customer's with --client-id and --client-secret-file.`,
		Example: `  starter connect sandbox --owner acme
  starter connect shopify --owner acme --input shop=my-store
  starter connect sandbox github --owner acme --link
  starter connect sandbox --grant client_credentials --wait -o json
  printf %s "$SECRET" | starter connect sandbox --grant client_credentials --client-id ID --client-secret-file - --wait`,
		Args: connectArgs(&f.linkFlags),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.link {
				return a.connectLater(cmd.Context(), args, f)
			}
			return a.connect(cmd.Context(), args[0], f)
		},
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.owner, "owner", "default", "the `customer` whose connection it is")
	flags.StringVar(&f.grant, "grant", "", "`grant`: authorization_code or client_credentials (default: the connector's)")
	flags.StringArrayVar(&f.inputs, "input", nil, "`name=value` that the connector wants entered (\"starter connectors show\" says which)")
	flags.StringVar(&f.clientID, "client-id", "", "`id` of the customer's own OAuth app")
	flags.StringVar(&f.secretFile, "client-secret-file", "", "`file` with its secret; - for standard input")
	flags.StringSliceVar(&f.scopes, "scope", nil, "`scopes` to ask for, instead of the defaults")
	flags.StringVar(&f.endUser, "end-user", "", "your `id` of the person who is to consent")
	flags.StringSliceVar(&f.tags, "tag", nil, "`name=value` to find it by later")
	flags.StringVar(&f.policy, "policy", "", policyHelp)
	addWait(command, &f.wait, &f.timeout)
	addLink(command, &f.linkFlags, "make a single-use link that makes the connection when it is used")
	flags.BoolVar(&f.confirm, "confirm-user", false, "with --link: ask the person once more after consent, before it is used")
	return command
}

// connectLater makes a link to a page where the person chooses.
func (a *app) connectLater(ctx context.Context, connectors []string, f connectFlags) error {
	tags, err := parsePairs("--tag", f.tags)
	if err != nil {
		return err
	}
	return a.makeLink(ctx, connections.ConnectSessionRequest{
		Connectors: connectors, Owner: f.owner, EndUser: f.endUser, Tags: tags, ReturnURL: f.returnURL, Expires: f.expires,
		ConfirmUser: f.confirm,
	})
}

const policyHelp = "`policy` of refresh: adaptive (what nobody reads for a day sleeps until it is read) or always_fresh"

func addWait(command *cobra.Command, wait *bool, timeout *time.Duration) {
	command.Flags().BoolVar(wait, "wait", false, "wait until it is active, or has failed")
	command.Flags().DurationVar(timeout, "timeout", 10*time.Minute, "how long to wait")
}

func (a *app) connect(ctx context.Context, connectorID string, f connectFlags) error {
	if f.grant != "" && f.grant != string(workflows.GrantAuthorizationCode) && f.grant != string(workflows.GrantClientCredentials) {
		return usagef("--grant %q is not known: use authorization_code or client_credentials", f.grant)
	}
	tags, err := parsePairs("--tag", f.tags)
	if err != nil {
		return err
	}
	inputs, err := parsePairs("--input", f.inputs)
	if err != nil {
		return err
	}
	if f.clientID == "" && f.secretFile != "" {
		return usagef("--client-secret-file needs --client-id")
	}
	var clientSecret secret.String
	if f.secretFile != "" {
		if clientSecret, err = a.secretFrom(f.secretFile); err != nil {
			return err
		}
	}
	c, err := a.open(ctx)
	if err != nil {
		return err
	}
	if f.clientID != "" && f.secretFile == "" {
		if conn, err := c.Connector(ctx, connectorID); err == nil && conn.Token.Auth != connector.AuthNone {
			return usagef("--client-id needs --client-secret-file: a file, or - for standard input (a secret on the command line would be seen by others)")
		}
	}
	created, err := c.Create(ctx, connections.CreateRequest{
		Connector: connectorID, Owner: f.owner, Grant: workflows.Grant(f.grant), ClientID: f.clientID,
		ClientSecret: clientSecret, Scopes: f.scopes, Inputs: inputs, EndUser: f.endUser, Tags: tags, Policy: f.policy,
	})
	if err != nil {
		return err
	}
	return a.afterConnect(ctx, c, created.ID, created.ConnectURL, 0, f.wait, f.timeout)
}

// afterConnect shows the connection, at once or when it is settled.
func (a *app) afterConnect(ctx context.Context, c *connections.Client, id, url string, seen int64, wait bool, timeout time.Duration) error {
	if !wait {
		view, err := c.Status(ctx, id)
		if err != nil {
			return err
		}
		if url != "" {
			view.ConnectURL = &url
		}
		return a.show(view)
	}
	if url != "" {
		_, _ = fmt.Fprintf(a.stderr, "Open this link to consent (it works once, for an hour):\n\n  %s\n\nWaiting for consent …\n", url)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	view, err := c.Await(ctx, id, func(v connections.View) bool { return settled(v, seen) })
	if err != nil {
		return err
	}
	if url != "" {
		view.ConnectURL = &url
	}
	if view.Status != string(workflows.StatusActive) {
		return &connections.Error{Code: view.Reason, Message: fmt.Sprintf("Connection %s is %s. %s", id, view.Status, view.Message)}
	}
	return a.show(view)
}

// settled reports whether waiting longer would tell more: seen is the generation that was there before.
func settled(v connections.View, seen int64) bool {
	status := workflows.ConnectionStatus(v.Status)
	if status == workflows.StatusPending || v.Generation <= seen {
		reason := workflows.Reason(v.Reason)
		class := reason.Class()
		return status.Ended() || status == workflows.StatusDisconnecting ||
			class == workflows.ClassPermanent || class == workflows.ClassConfiguration
	}
	return true
}

func reconnectCommand(a *app) *cobra.Command {
	var (
		wait, anyAccount bool
		timeout          time.Duration
	)
	command := &cobra.Command{
		Use:   "reconnect ID",
		Short: "Ask the person again, for the same connection",
		Long: `Prints a new connect link for a connection that exists: it keeps its id, owner, tags and metadata, and the token in hand
stays in use until the new one is there. With client credentials it asks the provider again at once.

A consent from another account than the one connected is refused, and changes nothing: whoever uses the connection
relies on its account. With --allow-account-change the consent that this link leads to may come from any account.`,
		Args: oneArg("connection id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			before, err := c.Status(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			reconnect := c.Reconnect
			if anyAccount {
				reconnect = c.ReconnectAnyAccount
			}
			view, err := reconnect(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			url := ""
			if view.ConnectURL != nil {
				url = *view.ConnectURL
			}
			return a.afterConnect(cmd.Context(), c, args[0], url, before.Generation, wait, timeout)
		},
	}
	command.Flags().BoolVar(&anyAccount, "allow-account-change", false, "let the consent come from another account than the one connected")
	addWait(command, &wait, &timeout)
	return command
}

func parsePairs(flag string, list []string) (map[string]string, error) {
	pairs := make(map[string]string, len(list))
	for _, item := range list {
		name, value, ok := strings.Cut(item, "=")
		if !ok || name == "" {
			return nil, usagef("%s %q is not name=value", flag, item)
		}
		if _, twice := pairs[name]; twice {
			return nil, usagef("%s %q is given twice", flag, name)
		}
		pairs[name] = value
	}
	return pairs, nil
}

// driveCommand is a verb that takes an id, changes the connection, and shows it.
func driveCommand(a *app, verb, short, long string, do func(*connections.Client, context.Context, string) (connections.View, error)) *cobra.Command {
	return &cobra.Command{
		Use: verb + " ID", Short: short, Long: long, Args: oneArg("connection id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			view, err := do(c, cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.show(view)
		},
	}
}

func sorted(values []string) []string {
	values = slices.Clone(values)
	slices.Sort(values)
	return values
}
