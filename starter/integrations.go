package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/vault"
)

// integrationView is an integration without its secrets.
type integrationView struct {
	ID          string   `json:"id"`
	Connector   string   `json:"connector"`
	Owner       string   `json:"owner"`
	ClientID    string   `json:"client_id"`
	Secrets     int      `json:"secrets"`
	Scopes      []string `json:"scopes"`
	RedirectURI string   `json:"redirect_uri"`
	// Policy is when its connections are renewed: adaptive, unless it says otherwise.
	Policy string `json:"policy"`
	// Suspended is why its breaker is open, and SuspendedSince since when; empty and null if it is not.
	Suspended      string     `json:"suspended"`
	SuspendedSince *time.Time `json:"suspended_since"`
}

func viewOfIntegration(i vault.Integration, redirectURI string) integrationView {
	v := integrationView{
		ID: i.ID, Connector: i.Connector, Owner: i.Owner, ClientID: i.ClientID, Secrets: len(i.Secrets),
		Scopes: append([]string{}, i.Scopes...), RedirectURI: redirectURI, Policy: i.Policy,
	}
	if v.Policy == "" {
		v.Policy = vault.PolicyAdaptive
	}
	return v
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
			open, err := c.Vault.OpenBreakers(cmd.Context())
			if err != nil {
				return err
			}
			views := []integrationView{}
			for _, i := range list {
				v := viewOfIntegration(i, c.RedirectURI())
				for _, b := range open {
					if b.IntegrationID == i.ID {
						v.Suspended, v.SuspendedSince = b.Reason, &b.OpenedAt
					}
				}
				views = append(views, v)
			}
			if a.json() {
				return a.print(views)
			}
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(w, "ID\tCONNECTOR\tCLIENT ID\tSECRETS\tPOLICY\tSUSPENDED")
			for _, v := range views {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", v.ID, v.Connector, v.ClientID, v.Secrets, v.Policy, suspendedWords(v))
			}
			return w.Flush()
		},
	}
	command.PersistentFlags().StringVar(&owner, "owner", "", "a `customer`'s own instead of the platform's")
	command.AddCommand(integrationsSet(a, &owner))
	return command
}

// suspendedWords says why an integration's connections are not renewed.
func suspendedWords(v integrationView) string {
	if v.SuspendedSince == nil {
		return "no"
	}
	return fmt.Sprintf("%s, %s", v.Suspended, distance(time.Until(*v.SuspendedSince)))
}

func integrationsSet(a *app, owner *string) *cobra.Command {
	var (
		clientID, secretFile string
		scopes               []string
		only                 bool
		policy               string
	)
	command := &cobra.Command{
		Use: "set CONNECTOR", Short: "Set the OAuth app for a connector",
		Long: `Stores the client id and secret of an OAuth app: the platform's, or with --owner a customer's own. The secret is read
from a file or from standard input, and sealed. A new secret is tried first from then on; the last two are tried after it
while the provider rejects it, so that a secret can be rotated without a gap. --only forgets them. Where the connector
authenticates with a key or a certificate, the "secret" is that, in PEM.

The worker also takes the platform's apps from its environment: CONNECTOR_HUBSPOT_CLIENT_ID with
CONNECTOR_HUBSPOT_CLIENT_SECRET, or CONNECTOR_HUBSPOT_CLIENT_SECRET_FILE.`,
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
			conn, err := c.Connector(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			i, err := c.PutIntegration(cmd.Context(), connections.IntegrationRequest{
				Owner: *owner, Connector: args[0], ClientID: clientID, ClientSecret: clientSecret, Scopes: scopes, Only: only, Policy: policy,
			})
			if err != nil {
				return err
			}
			view := viewOfIntegration(i, oauth.RedirectURI(conn, c.RedirectURI()))
			if a.json() {
				return a.print(view)
			}
			_, err = fmt.Fprintf(a.stdout, "Stored %s. Redirect URI to register at the provider, to the letter:\n\n  %s\n", i.ID, view.RedirectURI)
			return err
		},
	}
	command.Flags().StringVar(&clientID, "client-id", "", "the app's client `id`")
	command.Flags().StringVar(&secretFile, "client-secret-file", "", "`file` with its secret; - for standard input")
	command.Flags().BoolVar(&only, "only", false, "forget the secrets that were there before")
	command.Flags().StringSliceVar(&scopes, "scope", nil, "`scopes` to ask for, instead of the connector's defaults")
	command.Flags().StringVar(&policy, "policy", "", policyHelp)
	return command
}
