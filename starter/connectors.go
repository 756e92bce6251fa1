package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
)

func connectorsCommand(a *app) *cobra.Command {
	var search, category, grant string
	command := &cobra.Command{
		Use: "connectors", Short: "List the providers that can be connected to",
		Long: `Lists the catalogue, and the connectors that were added to it. "starter connectors show NAME" explains one in words.`,
		Example: `  starter connectors --search google
  starter connectors --category crm --grant client_credentials
  starter connectors show slack`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if grant != "" && grant != connector.AuthorizationCode && grant != connector.ClientCredentials {
				return usagef("--grant %q is not known: use authorization_code or client_credentials", grant)
			}
			all, err := a.connectors(cmd.Context())
			if err != nil {
				return err
			}
			found := slices.DeleteFunc(all, func(c connector.Connector) bool {
				text := strings.ToLower(c.ID + " " + c.Name + " " + c.Category + " " + c.Family)
				return !strings.Contains(text, strings.ToLower(search)) ||
					(category != "" && !strings.EqualFold(c.Category, category)) || (grant != "" && !c.Allows(grant))
			})
			if a.json() {
				return a.print(append([]connector.Connector{}, found...))
			}
			if len(found) == 0 {
				_, err := fmt.Fprintf(a.stdout, "None of the %d connectors fits. Categories: %s.\n", len(all), strings.Join(categories(all), ", "))
				return err
			}
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(w, "ID\tNAME\tCATEGORY\tGRANTS\tTO ENTER")
			for _, c := range found {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", c.ID, c.Name, c.Category, strings.Join(c.Grants, ", "), strings.Join(inputNames(c), ", "))
			}
			return w.Flush()
		},
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.StringVar(&search, "search", "", "only what holds this `text` in id, name or category")
	flags.StringVar(&category, "category", "", "only of this `category`")
	flags.StringVar(&grant, "grant", "", "only with this `grant`: authorization_code or client_credentials")
	command.AddCommand(connectorsShow(a), connectorsAdd(a), connectorsRemove(a))
	return command
}

func categories(all []connector.Connector) []string {
	var names []string
	for _, c := range all {
		names = append(names, c.Category)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func inputNames(c connector.Connector) []string {
	var names []string
	for _, i := range c.Inputs {
		names = append(names, i.Name)
	}
	return names
}

// connectors lists all connectors; those that were added only where the vault can be reached.
func (a *app) connectors(ctx context.Context) ([]connector.Connector, error) {
	catalogue, err := a.catalogue(ctx)
	if err != nil {
		return nil, err
	}
	return catalogue.All(ctx)
}

func connectorsShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show CONNECTOR", Short: "Explain one in words: what to enter, where it leads, what is known of it",
		Args: oneArg("connector"),
		RunE: func(cmd *cobra.Command, args []string) error {
			catalogue, err := a.catalogue(cmd.Context())
			if err != nil {
				return err
			}
			c, err := catalogue.Get(cmd.Context(), args[0])
			if err != nil {
				return &connections.Error{Code: connections.CodeUnknownConnector, Message: err.Error()}
			}
			if a.json() {
				return a.print(c)
			}
			return a.explainConnector(c)
		},
	}
}

// maxConnectorFile is more than a connector's file can have.
const maxConnectorFile = 1 << 20

func connectorsAdd(a *app) *cobra.Command {
	var replace bool
	command := &cobra.Command{
		Use: "add FILE", Short: "Add a provider that is not in the catalogue: one file, no code",
		Long: `Checks a connector's file and stores it in the vault, where every worker finds it within seconds. The fields are
described by internal/connector/schema.json. With "discovery": true the endpoints come from the issuer's metadata (RFC
8414 and OpenID Connect Discovery), once. URLs must be https and lead to public addresses; under "worker --dev" they may
also be on this machine. FILE may be - for standard input.`,
		Example: `  starter connectors add acme-crm.json
  starter integrations set acme-crm --client-id ID --client-secret-file secret.txt
  starter connect acme-crm --owner acme`,
		Args: oneArg("file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := a.readFile(args[0])
			if err != nil {
				return err
			}
			c, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			conn, err := c.AddConnector(cmd.Context(), content, replace)
			if err != nil {
				return err
			}
			if a.json() {
				return a.print(conn)
			}
			if _, err := fmt.Fprintf(a.stdout, "Added %s (%s).\n\n", conn.ID, conn.Name); err != nil {
				return err
			}
			if err := a.explainConnector(conn); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.stdout, "\nNext: \"starter integrations set %s --client-id ID --client-secret-file FILE\".\nRedirect URI to register at the provider, to the letter:\n\n  %s\n", conn.ID, c.RedirectURI())
			return err
		},
	}
	command.Flags().BoolVar(&replace, "replace", false, "change one that is there already")
	return command
}

func connectorsRemove(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "remove CONNECTOR", Short: "Remove one that was added, and that nothing uses", Args: oneArg("connector"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			if err := c.RemoveConnector(cmd.Context(), args[0]); err != nil {
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

// readFile reads a file that a person names, or standard input if it is "-".
func (a *app) readFile(path string) ([]byte, error) {
	source := a.stdin
	if path != "-" {
		file, err := os.Open(path) //nolint:gosec // the user names the file
		if err != nil {
			return nil, usagef("cannot read %s: %w", path, errors.Unwrap(err))
		}
		defer func() { _ = file.Close() }()
		source = file
	}
	content, err := io.ReadAll(io.LimitReader(source, maxConnectorFile))
	if err != nil {
		return nil, usagef("cannot read %s: %w", path, err)
	}
	return content, nil
}
