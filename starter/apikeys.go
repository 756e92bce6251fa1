package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/acme/connections/internal/apikey"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// apiKeyView is an API key. Its text is in it only when it was just made.
type apiKeyView struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Owner  string `json:"owner"`
	Status string `json:"status"`
	// Scopes is never null.
	Scopes        []string   `json:"scopes"`
	CreatedAt     *time.Time `json:"created_at"`
	ExpiresAt     *time.Time `json:"expires_at"`
	RotatedAt     *time.Time `json:"rotated_at"`
	OldValidUntil *time.Time `json:"old_valid_until"`
	RevokedAt     *time.Time `json:"revoked_at"`
	LastUsedAt    *time.Time `json:"last_used_at"`
	Key           string     `json:"key,omitempty"`
}

func viewOfAPIKey(k vault.APIKey, text secret.String) apiKeyView {
	now := time.Now()
	v := apiKeyView{
		ID: k.ID, Name: k.Name, Owner: k.Owner, Status: "valid", Scopes: append([]string{}, k.Scopes...),
		CreatedAt: moment(k.CreatedAt), ExpiresAt: moment(k.ExpiresAt), RotatedAt: moment(k.RotatedAt),
		RevokedAt: moment(k.RevokedAt), LastUsedAt: moment(k.UsedAt), Key: text.Reveal(),
	}
	if k.OldUntil.After(now) {
		v.OldValidUntil = moment(k.OldUntil)
	}
	switch {
	case v.RevokedAt != nil:
		v.Status = "revoked"
	case v.ExpiresAt != nil && !v.ExpiresAt.After(now):
		v.Status = "expired"
	}
	return v
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// apiKeyError says in the words of the command line what went wrong with a key.
func apiKeyError(id string, err error) error {
	var request *apikey.RequestError
	switch {
	case errors.As(err, &request):
		return usagef("%w", err)
	case errors.Is(err, vault.ErrNotFound):
		return &connections.Error{Code: string(workflows.ReasonNotFound), Message: fmt.Sprintf("There is no API key %.80q. \"starter api-keys list\" shows them all.", id)}
	default:
		return err
	}
}

func apiKeysCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use: "api-keys", Short: "Make and end the keys of the REST API", Args: noArgs,
		Long: "A key lets a program use the REST API, for one owner or for the whole platform, as far as its scopes reach. Of a\nkey only its hash is kept: it is shown once.",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(apiKeysCreate(a), apiKeysList(a), apiKeysRotate(a), apiKeysRevoke(a))
	return command
}

// scopeHelp lists the scopes and what they are for.
func scopeHelp() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	scopes := apikey.Scopes()
	for _, name := range slices.Sorted(maps.Keys(scopes)) {
		_, _ = fmt.Fprintf(w, "  %s\t%s\n", name, scopes[name])
	}
	_ = w.Flush()
	return strings.TrimRight(b.String(), "\n")
}

func apiKeysCreate(a *app) *cobra.Command {
	var r apikey.Request
	command := &cobra.Command{
		Use: "create", Short: "Make a key, and show it once",
		Long: "Makes a key. Scopes:\n\n" + scopeHelp() + "\n\nWithout --owner the key acts for the whole platform: for every customer, and for the platform's own OAuth apps.",
		Example: `  starter api-keys create --owner acme --scope connections:read,tokens:read
  starter api-keys create --name billing --scope connect:write --expires-in 2160h -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := a.openVault(cmd.Context())
			if err != nil {
				return err
			}
			k, text, err := apikey.Create(cmd.Context(), store, r, time.Now())
			if err != nil {
				return apiKeyError("", err)
			}
			return a.showAPIKey(k, text)
		},
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.StringVar(&r.Owner, "owner", "", "the one `customer` for whom the key acts")
	flags.StringSliceVar(&r.Scopes, "scope", nil, "`scopes`: what the key may do")
	flags.StringVar(&r.Name, "name", "", "what the key is for, in a few `words`")
	flags.DurationVar(&r.Life, "expires-in", 0, "how long the key is good, e.g. 2160h; 0 for ever")
	return command
}

// showAPIKey writes a key that was just made, or given a new text.
func (a *app) showAPIKey(k vault.APIKey, text secret.String) error {
	v := viewOfAPIKey(k, text)
	if a.json() {
		return a.print(v)
	}
	if err := a.table([][2]string{
		{"id", v.ID},
		{"name", v.Name},
		{"owner", v.Owner},
		{"scopes", strings.Join(v.Scopes, " ")},
		{"expires", when(v.ExpiresAt)},
		{"old one until", when(v.OldValidUntil)},
	}); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.stdout, "\nThe key. It is not shown again:\n\n  %s\n", v.Key)
	return err
}

func apiKeysList(a *app) *cobra.Command {
	var owner string
	command := &cobra.Command{
		Use: "list", Short: "List the keys, oldest first: never their secrets", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := a.openVault(cmd.Context())
			if err != nil {
				return err
			}
			list, err := store.ListAPIKeys(cmd.Context())
			if err != nil {
				return err
			}
			views := []apiKeyView{}
			for _, k := range list {
				if owner == "" || k.Owner == owner {
					views = append(views, viewOfAPIKey(k, secret.String{}))
				}
			}
			if a.json() {
				return a.print(views)
			}
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(w, "ID\tNAME\tOWNER\tSTATUS\tLAST USED\tSCOPES")
			for _, v := range views {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", v.ID, v.Name, v.Owner, v.Status, when(v.LastUsedAt), strings.Join(v.Scopes, " "))
			}
			return w.Flush()
		},
	}
	command.Flags().StringVar(&owner, "owner", "", "only this `customer`'s")
	return command
}

func apiKeysRotate(a *app) *cobra.Command {
	var grace time.Duration
	command := &cobra.Command{
		Use: "rotate ID", Short: "Give a key a new secret, and show it once",
		Long: "The key keeps its id, owner and scopes. The secret that it had stays good for --grace, so that programs can change over.",
		Args: oneArg("key id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.openVault(cmd.Context())
			if err != nil {
				return err
			}
			k, text, err := apikey.Rotate(cmd.Context(), store, args[0], grace, time.Now())
			if err != nil {
				return apiKeyError(args[0], err)
			}
			return a.showAPIKey(k, text)
		},
	}
	command.Flags().DurationVar(&grace, "grace", apikey.DefaultGrace, "how long the old secret stays good; 0 to end it at once")
	return command
}

func apiKeysRevoke(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "End a key for good, at once", Args: oneArg("key id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.openVault(cmd.Context())
			if err != nil {
				return err
			}
			if err := store.RevokeAPIKey(cmd.Context(), args[0], time.Now()); err != nil {
				return apiKeyError(args[0], err)
			}
			k, err := store.APIKey(cmd.Context(), args[0])
			if err != nil {
				return apiKeyError(args[0], err)
			}
			if a.json() {
				return a.print(viewOfAPIKey(k, secret.String{}))
			}
			_, err = fmt.Fprintf(a.stdout, "The key %s is revoked: it is refused from the next request on.\n", k.ID)
			return err
		},
	}
}
