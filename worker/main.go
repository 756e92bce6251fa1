// Command worker runs the roles of Connections: workflows, activities and the web pages; with --dev, everything they
// need as well, on embedded defaults.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/acme/connections/internal/api"
	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/vault/pgvault"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// errUsage marks errors of the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	command := newCommand()
	command.SetArgs(args)
	command.SetOut(stdout)
	command.SetErr(stderr)
	err := command.ExecuteContext(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		_, _ = fmt.Fprintf(stderr, "worker: %v\nSee \"worker --help\".\n", err)
		return exitUsage
	default:
		_, _ = fmt.Fprintf(stderr, "worker: %v\n", err)
		return exitFailed
	}
}

// options are the flags.
type options struct {
	dev          bool
	dataDir      string
	http         string
	temporalPort int
	uiPort       int
	roles        []string
	cache        int
	logLevel     string
	sandboxLife  time.Duration
	apiReads     float64
	apiWrites    float64
}

// The roles.
const (
	roleWorkflow = "workflow"
	roleActivity = "activity"
	roleWeb      = "web"
)

func (o options) has(role string) bool { return slices.Contains(o.roles, role) }

func (o options) validate() error {
	for _, role := range o.roles {
		if role != roleWorkflow && role != roleActivity && role != roleWeb {
			return &usageError{fmt.Errorf("--roles %q is not known: name some of workflow, activity, web", role)}
		}
	}
	switch {
	case len(o.roles) == 0:
		return &usageError{errors.New("--roles is empty: name some of workflow, activity, web")}
	case o.dev && len(o.roles) < 3:
		return &usageError{errors.New("--dev runs all roles: leave out --roles")}
	case o.sandboxLife < time.Second:
		return &usageError{errors.New("--sandbox-token-life must be at least 1s")}
	case o.apiReads <= 0 || o.apiWrites <= 0:
		return &usageError{errors.New("--api-reads and --api-writes must be more than 0")}
	case o.cache < 1:
		return &usageError{errors.New("--workflow-cache must be at least 1")}
	}
	for name, port := range map[string]int{"--temporal-port": o.temporalPort, "--ui-port": o.uiPort} {
		if port < 0 || port > 65535 {
			return &usageError{fmt.Errorf("%s must be 1 to 65535, or 0 for any free port", name)}
		}
	}
	return nil
}

func newCommand() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "worker",
		Short: "Keep OAuth 2.0 connections alive, on Temporal",
		Long: `Runs the roles of Connections.

With --dev it brings everything it needs: a Temporal server with its Web UI, a vault in SQLite, keysets, and a
sandbox authorization server to connect to. State is kept in --data-dir and survives restarts.

Without --dev it needs, from the environment:
  DATABASE_URL                    the vault, in Postgres: postgres://user:password@host/database
  CONNECTIONS_KEYSET_FILE         the keyset that seals refresh tokens and client secrets ("starter keyset create FILE")
  CONNECTIONS_ACCESS_KEYSET_FILE  the keyset that seals access tokens
  CONNECTIONS_BASE_URL            where browsers reach the web role, e.g. https://oauth2.integrations.acme.com
  CONNECTIONS_PLATFORM_NAME       who asks for consent, as people know it (default: Acme Inc)
  CONNECTIONS_PLATFORM_LOGO       its logo on our pages: an https URL, or an SVG, PNG, JPEG or WebP file
  CONNECTIONS_PLATFORM_COLOR      the colour of buttons, as #rrggbb; CONNECTIONS_PLATFORM_COLOR_DARK on a dark ground
  CONNECTIONS_RETURN_URLS         where results of connect sessions may lead: whole URLs, or https://host/*, by commas
  CONNECTIONS_PLATFORM_ORIGINS    origins of your pages, by commas: only these may hand over assertions, and only by a form
  CONNECTIONS_ASSERTION_KEY_FILE  the key that checks your assertions of end users: Ed25519 in PEM, or a shared secret
  CONNECTIONS_NEXUS_OWNER         whose connections the Nexus service hands out on task queue "connections" (default: all)
  CONNECTIONS_NEXUS_QUEUES        further task queues for Nexus, each for one owner's: queue=owner,queue=owner
  CONNECTIONS_AUDIT_DAYS          for how long it is kept who was handed which token (default: 90)
  CONNECTIONS_ALLOW_LOOPBACK      1 lets connectors that operators add lead to this machine: tests and development only
  TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_…   as for the temporal command

Exit codes: 0 stopped on request, 1 failed, 2 wrong usage.`,
		Example: `  go run ./worker --dev
  go run ./worker --dev --http 127.0.0.1:9000 --data-dir /tmp/connections
  worker --roles workflow,activity
  worker --roles web --http :8080
  worker migrate`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			if o.dev {
				return runDev(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			return runProduction(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.dev, "dev", false, "bring everything up on embedded defaults")
	flags.StringVar(&o.http, "http", "127.0.0.1:8080", "`address` of the web role; port 0 for any free one")
	flags.IntVar(&o.temporalPort, "temporal-port", 7233, "`port` of the embedded Temporal (--dev); 0 for any free one")
	flags.IntVar(&o.uiPort, "ui-port", 8233, "`port` of Temporal's Web UI (--dev); 0 for any free one")
	flags.StringVar(&o.dataDir, "data-dir", config.DefaultDataDir, "`directory` of all state (--dev)")
	flags.StringSliceVar(&o.roles, "roles", []string{roleWorkflow, roleActivity, roleWeb}, "`roles` to run")
	flags.IntVar(&o.cache, "workflow-cache", 5000, "how many connections to keep in memory; each takes about 45 kB")
	flags.DurationVar(&o.sandboxLife, "sandbox-token-life", time.Minute, "how long the sandbox's access tokens live (--dev)")
	flags.Float64Var(&o.apiReads, "api-reads", float64(api.DefaultReads), "how many `requests` a second one API key may make to read, of each process")
	flags.Float64Var(&o.apiWrites, "api-writes", float64(api.DefaultWrites), "how many `requests` a second one API key may make to change something, of each process")
	flags.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	command.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	command.CompletionOptions.DisableDefaultCmd = true
	command.AddCommand(&cobra.Command{
		Use: "migrate", Short: "Bring the vault's schema in Postgres up to date, and stop",
		Long: "Applies the migrations that the database of DATABASE_URL lacks. Safe to run twice, and at the same time.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			url := os.Getenv(config.EnvDatabaseURL)
			if url == "" {
				return fmt.Errorf("no vault: set %s", config.EnvDatabaseURL)
			}
			if err := pgvault.Migrate(cmd.Context(), url); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "The vault's schema is up to date.")
			return err
		},
	})
	command.AddCommand(healthCommand())
	command.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return &usageError{fmt.Errorf("unknown command %q", strings.Join(args, " "))}
		}
		return nil
	}
	return command
}
