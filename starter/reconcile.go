package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/acme/connections/workflows"
)

// reconcilePatience is how long the report is waited for; the run itself goes on.
const reconcilePatience = 10 * time.Minute

func reconcileCommand(a *app) *cobra.Command {
	var in workflows.ReconcileInput
	command := &cobra.Command{
		Use: "reconcile", Short: "Make the vault and the workflows agree now",
		Long: `Runs the reconciler now, as the schedule "` + workflows.ReconcilerID + `" does every five minutes, and prints its report: it
starts workflows that are missing, ends those whose connection is gone or over, writes a status that the vault has
missed, sends lost callbacks again, and removes what is over. Running it twice does no harm.

After the vault or Temporal was restored from a backup, run it with --deep.`,
		Example: `  starter reconcile --dry-run
  starter reconcile --deep -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), reconcilePatience)
			defer cancel()
			report, err := c.Reconcile(ctx, in)
			if err != nil {
				return err
			}
			if a.json() {
				return a.print(report)
			}
			return a.showReport(report)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&in.DryRun, "dry-run", false, "say what would be done, and do nothing")
	flags.BoolVar(&in.Deep, "deep", false, "ask every workflow, and not only those that look wrong: after a restore")
	flags.BoolVar(&in.IncludeYoung, "include-young", false, "do not leave alone what is younger than five minutes")
	flags.BoolVar(&in.EndOrphans, "end-orphans", false, "end workflows without a row, however many there are")
	flags.StringVar(&in.Owner, "owner", "", "only this `owner`'s connections")
	return command
}

func (a *app) showReport(r workflows.ReconcileReport) error {
	dry := ""
	if r.DryRun {
		dry = " Dry run: nothing is done."
	}
	_, _ = fmt.Fprintf(a.stdout, "Looked at %d rows and %d workflows; left alone %d young ones.%s\n", r.Rows, r.Workflows, r.Young, dry)
	if len(r.Findings) == 0 {
		verdict := "All is well."
		if r.Young > 0 {
			verdict = "Else all is well. --include-young looks at the young ones, too."
		}
		_, err := fmt.Fprintln(a.stdout, verdict)
		return err
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "\nFOUND\tDONE\tCOUNT\tFOR EXAMPLE")
	for _, f := range r.Findings {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", f.Kind, f.Act, f.Count, strings.Join(f.Examples[:min(2, len(f.Examples))], " "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(a.stdout)
	for _, f := range r.Findings {
		_, _ = fmt.Fprintf(a.stdout, "%s: %s\n", f.Kind, f.Message)
	}
	return nil
}
