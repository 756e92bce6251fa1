package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
)

func connectorsCommand(a *app) *cobra.Command {
	var search string
	command := &cobra.Command{
		Use: "connectors", Short: "List the providers that can be connected to",
		Long: "Lists the catalogue; --search looks in ids, names and categories.",
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			catalogue, err := a.catalogue()
			if err != nil {
				return err
			}
			found := []connector.Connector{}
			for _, c := range catalogue.All() {
				if strings.Contains(strings.ToLower(c.ID+" "+c.Name+" "+c.Category), strings.ToLower(search)) {
					found = append(found, c)
				}
			}
			if a.json() {
				return a.print(found)
			}
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(w, "ID\tNAME\tCATEGORY\tGRANTS")
			for _, c := range found {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.ID, c.Name, c.Category, strings.Join(c.Grants, ", "))
			}
			return w.Flush()
		},
	}
	command.Flags().StringVar(&search, "search", "", "only what holds this `text`")
	command.AddCommand(&cobra.Command{
		Use: "show CONNECTOR", Short: "What is known of one", Args: oneArg("connector"),
		RunE: func(_ *cobra.Command, args []string) error {
			catalogue, err := a.catalogue()
			if err != nil {
				return err
			}
			c, err := catalogue.Get(args[0])
			if err != nil {
				return &connections.Error{Code: connections.CodeUnknownConnector, Message: err.Error()}
			}
			if a.json() {
				return a.print(c)
			}
			return a.table(facts(c))
		},
	})
	return command
}

func facts(c connector.Connector) [][2]string {
	rotates := "unknown; taken for yes"
	if c.Refresh.Rotates != nil {
		rotates = map[bool]string{true: "yes", false: "no"}[*c.Refresh.Rotates]
	}
	rows := [][2]string{{"id", c.ID}, {"name", c.Name}, {"category", c.Category}, {"grants", strings.Join(c.Grants, ", ")}}
	if c.Authorize != nil {
		rows = append(rows, [2]string{"authorization", c.Authorize.URL}, [2]string{"PKCE", c.Authorize.PKCE})
	}
	return append(rows,
		[2]string{"token", c.Token.URL}, [2]string{"client authentication", c.Token.Auth},
		[2]string{"revocation", c.RevokeURL}, [2]string{"userinfo", c.UserinfoURL},
		[2]string{"default scopes", strings.Join(c.Scopes.Default, " ")},
		[2]string{"refresh tokens rotate", rotates},
		[2]string{"notes", c.Notes}, [2]string{"documentation", c.DocsURL},
		[2]string{"confidence", c.Confidence}, [2]string{"unverified", strings.Join(sorted(c.Unverified), ", ")},
	)
}

// integrationView is an integration without its secrets.
type integrationView struct {
	ID          string   `json:"id"`
	Connector   string   `json:"connector"`
	Owner       string   `json:"owner"`
	ClientID    string   `json:"client_id"`
	Secrets     int      `json:"secrets"`
	Scopes      []string `json:"scopes"`
	RedirectURI string   `json:"redirect_uri"`
}

func integrationsCommand(a *app) *cobra.Command {
	var owner string
	command := &cobra.Command{
		Use: "integrations", Short: "List OAuth apps: client ids, never secrets",
		Long: "Lists the platform's OAuth apps, or with --owner a customer's own. \"starter integrations set\" adds one.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			list, err := c.Vault.ListIntegrations(cmd.Context(), owner)
			if err != nil {
				return err
			}
			views := []integrationView{}
			for _, i := range list {
				views = append(views, integrationView{i.ID, i.Connector, i.Owner, i.ClientID, len(i.Secrets), append([]string{}, i.Scopes...), c.RedirectURI()})
			}
			if a.json() {
				return a.print(views)
			}
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(w, "ID\tCONNECTOR\tCLIENT ID\tSECRETS")
			for _, v := range views {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\n", v.ID, v.Connector, v.ClientID, v.Secrets)
			}
			return w.Flush()
		},
	}
	command.PersistentFlags().StringVar(&owner, "owner", "", "a `customer`'s own instead of the platform's")
	command.AddCommand(integrationsSet(a, &owner))
	return command
}

func integrationsSet(a *app, owner *string) *cobra.Command {
	var (
		clientID, secretFile string
		scopes               []string
	)
	command := &cobra.Command{
		Use: "set CONNECTOR", Short: "Set the OAuth app for a connector",
		Long: `Stores the client id and secret of an OAuth app: the platform's, or with --owner a customer's own. The secret is read
from a file or from standard input, and sealed. A new secret is used from then on; the last ones are kept beside it.`,
		Example: `  printf %s "$SECRET" | starter integrations set hubspot --client-id ID --client-secret-file -`,
		Args:    oneArg("connector"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if clientID == "" || secretFile == "" {
				return usagef("give both --client-id and --client-secret-file (a file, or - for standard input)")
			}
			clientSecret, err := a.secretFrom(secretFile)
			if err != nil {
				return err
			}
			c, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			if _, err := c.Catalogue.Get(args[0]); err != nil {
				return &connections.Error{Code: connections.CodeUnknownConnector, Message: err.Error()}
			}
			i, err := c.PutIntegration(cmd.Context(), connections.IntegrationRequest{
				Owner: *owner, Connector: args[0], ClientID: clientID, ClientSecret: clientSecret, Scopes: scopes,
			})
			if err != nil {
				return err
			}
			view := integrationView{i.ID, i.Connector, i.Owner, i.ClientID, len(i.Secrets), append([]string{}, i.Scopes...), c.RedirectURI()}
			if a.json() {
				return a.print(view)
			}
			_, err = fmt.Fprintf(a.stdout, "Stored %s. Redirect URI to register at the provider:\n\n  %s\n", i.ID, c.RedirectURI())
			return err
		},
	}
	command.Flags().StringVar(&clientID, "client-id", "", "the app's client `id`")
	command.Flags().StringVar(&secretFile, "client-secret-file", "", "`file` with its secret; - for standard input")
	command.Flags().StringSliceVar(&scopes, "scope", nil, "`scopes` to ask for, instead of the connector's defaults")
	return command
}

func keysetCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use: "keyset", Short: "Make the keysets that seal secrets", Args: noArgs,
		Long: "Secrets are sealed with two Tink keysets: one for refresh tokens and client secrets, one for access tokens.",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var ifMissing bool
	create := &cobra.Command{
		Use: "create FILE", Short: "Write a new keyset to a file that does not exist yet",
		Long: "The file holds the key in clear, readable by you alone: keep it like a password, and keep a copy. What it seals can never be opened without it.",
		Args: oneArg("file"),
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := keyring.Load(args[0], args[0]); ifMissing && err == nil {
				_, err := fmt.Fprintf(a.stderr, "%s is a keyset already: left as it is.\n", args[0])
				return err
			}
			if err := keyring.Create(args[0]); err != nil {
				return err
			}
			if a.json() {
				return a.print(map[string]string{"keyset": args[0]})
			}
			_, err := fmt.Fprintf(a.stdout, "Wrote a new keyset to %s. Keep a copy: what it seals cannot be opened without it.\n", args[0])
			return err
		},
	}
	create.Flags().BoolVar(&ifMissing, "if-missing", false, "leave a keyset that is there as it is, and succeed")
	command.AddCommand(create)
	return command
}
