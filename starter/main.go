// Command starter is the command line of Connections: it starts connections and drives them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/workflows"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// Exit codes of the contract.
const (
	exitFailed = 1
	exitUsage  = 2
	exitPerson = 3
)

// usageError marks errors of the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// errReported ends a verb as failed that has said why.
var errReported = errors.New("failed, as reported")

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	command := newCommand(a)
	command.SetArgs(args)
	command.SetOut(stdout)
	command.SetErr(stderr)
	err := command.ExecuteContext(ctx)
	a.close()
	if err == nil {
		return 0
	}
	if errors.Is(err, errReported) {
		return exitFailed
	}
	code := codeOf(err)
	if a.json() || wantsJSON(args) {
		_ = a.print(map[string]any{"error": map[string]string{"code": code, "message": err.Error()}})
	} else {
		_, _ = fmt.Fprintf(stderr, "starter: %v\n", err)
	}
	return exitOf(err, code)
}

// wantsJSON looks for "-o json" where the flags could not be parsed.
func wantsJSON(args []string) bool {
	for i, arg := range args {
		switch arg {
		case "-ojson", "-o=json", "--output=json":
			return true
		case "-o", "--output":
			if i+1 < len(args) && args[i+1] == "json" {
				return true
			}
		}
	}
	return false
}

func codeOf(err error) string {
	var usage *usageError
	if errors.As(err, &usage) {
		return "usage"
	}
	var known *connections.Error
	if errors.As(err, &known) {
		return known.Code
	}
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	return "failed"
}

func exitOf(err error, code string) int {
	var usage *usageError
	switch reason := workflows.Reason(code); {
	case errors.As(err, &usage), reason == workflows.ReasonInvalid:
		return exitUsage
	case reason.Class() == workflows.ClassReauthorize && reason.Known(),
		reason == workflows.ReasonNotReady, reason == workflows.ReasonConsentDenied:
		return exitPerson
	default:
		return exitFailed
	}
}

func newCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "starter",
		Short: "Start and drive OAuth 2.0 connections",
		Long: `Starts connections and drives them.

A connection is one authorised account at a provider. It lives as a Temporal workflow, connection/<id>, which renews
the token for as long as you keep it. The verbs, in the order of its life:

  connect      make one, and print the link that the person is to open
  status       where it stands, and what to do
  token        a live access token
  refresh      force a new token now
  pause/resume stop handing out and renewing, and go on
  reconnect    ask the person again, for the same connection
  disconnect   revoke at the provider, and erase all secrets

With no environment set it finds the data directory of "worker --dev" (--data-dir, default .connections/). Otherwise
it needs what the worker has: DATABASE_URL, CONNECTIONS_KEYSET_FILE, CONNECTIONS_ACCESS_KEYSET_FILE,
CONNECTIONS_BASE_URL and TEMPORAL_ADDRESS.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a person must consent (again).`,
		Example: `  starter connect sandbox --owner acme
  starter status con_06eg2v… -o json
  starter token con_06eg2v… --reveal`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&a.output, "output", "o", "text", "output `format`: text or json")
	flags.StringVar(&a.dataDir, "data-dir", config.DefaultDataDir, "`directory` of \"worker --dev\"")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if a.output != "text" && a.output != "json" {
			return usagef("--output %q is not known: use text or json", a.output)
		}
		return nil
	}
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		message := fmt.Sprintf("there is no verb %q", args[0])
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			message += "; did you mean " + strings.Join(near, ", ") + "?"
		}
		return usagef("%s \"starter --help\" lists them", message)
	}
	root.Args = cobra.ArbitraryArgs
	root.SuggestionsMinimumDistance = 2
	root.AddCommand(
		connectCommand(a), listCommand(a), statusCommand(a), tokenCommand(a),
		refreshCommand(a),
		reconnectCommand(a),
		driveCommand(a, "pause", "Stop renewing and handing out the token", "Nothing is refreshed or handed out until \"resume\". The provider is told nothing.",
			(*connections.Client).Pause),
		driveCommand(a, "resume", "End a pause", "Goes on where \"pause\" stopped; an overdue token is renewed at once.",
			(*connections.Client).Resume),
		driveCommand(a, "disconnect", "Revoke at the provider and erase all secrets", "No token is handed out from here on. The provider is asked to revoke, for up to seven days; then every secret is erased and the workflow ends.",
			(*connections.Client).Disconnect),
		importCommand(a), explainCommand(a), connectorsCommand(a), integrationsCommand(a), keysetCommand(a), reconcileCommand(a),
		eventsCommand(a), sampleCommand(a), apiKeysCommand(a),
	)
	return root
}

// oneArg takes exactly one argument, and says what it is.
func oneArg(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("give exactly one %s", what)
		}
		return nil
	}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, but there is %q", cmd.CommandPath(), args[0])
	}
	return nil
}
