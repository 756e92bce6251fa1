package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/importfile"
)

// importFlags are the flags of "import".
type importFlags struct {
	format, owner, connector string
	names                    []string
	dryRun, replace          bool
}

func importCommand(a *app) *cobra.Command {
	var f importFlags
	command := &cobra.Command{
		Use:   "import FILE",
		Short: "Make connections of tokens that another system has kept",
		Long: `Makes a connection of each record of a file, with the tokens that another system has kept; - is standard input. The
OAuth app that the tokens were issued to must be set before ("starter integrations set"): no other can renew them.

Formats (--format; by default csv for a file of that name, jsonl for any other):

  jsonl  one object a line: connector, owner, external_id, access_token, and refresh_token, expires_at (or expires_in),
         no_expiration, issued_at, consented_at, refresh_token_expires_at, scopes, token_type, client_id, end_user,
         inputs, metadata, tags, as far as they are known
  csv    a table of the same fields, with their names in the first line, and tag.NAME, input.NAME and metadata.NAME
  nango  Nango's connections as its API gives them, one a line or in an array: connection_id is the external id

Owner, connector and external id tell records apart. What is there already is left alone: run the import again to finish
one that was cut off. The tokens here are the newer ones, since they are renewed here; only a connection that needs a
person gets those of its record, with --replace. Stop the other system before: where refresh tokens rotate, two systems
that renew the same grant end it.

What has expired is renewed at once, in turns, so that the provider is not asked for all in one second; reading a
token renews it out of turn. The connection keeps the external id as the tag "external_id".`,
		Example: `  starter import tokens.jsonl --dry-run
  starter import tokens.csv --owner acme --connector hubspot
  starter import nango.json --format nango --map hubspot-prod=hubspot -o json`,
		Args: oneArg("file (- for standard input)"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.importFile(cmd.Context(), args[0], f) },
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.format, "format", "", "`format`: "+strings.Join(importfile.Formats(), ", "))
	flags.BoolVar(&f.dryRun, "dry-run", false, "check everything, and write nothing")
	flags.StringVar(&f.connector, "connector", "", "the `connector` of all records")
	flags.StringVar(&f.owner, "owner", "", "the `customer` whose connections they all are")
	flags.StringArrayVar(&f.names, "map", nil, "`name=connector`: what another system's integration is here")
	flags.BoolVar(&f.replace, "replace", false, "give connections that need a person the tokens of their record")
	return command
}

func (a *app) importFile(ctx context.Context, path string, f importFlags) error {
	names, err := parsePairs("--map", f.names)
	if err != nil {
		return err
	}
	if f.format == "" {
		f.format = importfile.JSONLines
		if strings.EqualFold(filepath.Ext(path), ".csv") {
			f.format = importfile.CSV
		}
	}
	if !slices.Contains(importfile.Formats(), f.format) {
		return usagef("--format %q is not known: use %s", f.format, strings.Join(importfile.Formats(), ", "))
	}
	source, size, err := a.importSource(path)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	records, err := importfile.NewReader(source, f.format)
	if err != nil {
		return err
	}
	c, err := a.open(ctx)
	if err != nil {
		return err
	}
	shown := newProgress(a.stderr, records.Read, size)
	began := time.Now()
	report, err := c.Import(ctx, records, connections.ImportOptions{
		Owner: f.owner, Connector: f.connector, ConnectorNames: names, DryRun: f.dryRun, Replace: f.replace,
		Progress: func(r connections.ImportReport) { shown.tell(r.Records, r.Failed) },
	})
	shown.done()
	return a.showImport(report, time.Since(began), err)
}

// importSource opens a file; size is 0 if it is not known.
func (a *app) importSource(path string) (source io.ReadCloser, size int64, err error) {
	if path == "-" {
		return io.NopCloser(a.stdin), 0, nil
	}
	file, err := os.Open(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, 0, usagef("cannot read %s: %w", path, err)
	}
	info, err := file.Stat()
	switch {
	case err != nil:
		_ = file.Close()
		return nil, 0, usagef("cannot read %s: %w", path, err)
	case info.IsDir():
		_ = file.Close()
		return nil, 0, usagef("%s is a directory: name a file in it", path)
	case info.Mode().IsRegular():
		size = info.Size()
	}
	return file, size, nil
}

// importView is what "-o json" prints of an import.
type importView struct {
	connections.ImportReport
	Seconds float64 `json:"seconds"`
	// Error is why the import ended before the file did; null if it did not.
	Error *importFault `json:"error"`
}

type importFault struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// showImport prints a report. Its error says no more than what the report does.
func (a *app) showImport(r connections.ImportReport, took time.Duration, err error) error {
	view := importView{ImportReport: r, Seconds: took.Round(time.Millisecond).Seconds()}
	if err != nil {
		message := err.Error()
		if errors.Is(err, context.Canceled) {
			message = "Interrupted."
		}
		view.Error = &importFault{Code: codeOf(err), Message: message + " Run the same import again to go on."}
	}
	if a.json() {
		if printErr := a.print(view); printErr != nil {
			return printErr
		}
	} else if printErr := a.showImportText(view, took); printErr != nil {
		return printErr
	}
	if err != nil || r.Failed > 0 {
		return errReported
	}
	return nil
}

func (a *app) showImportText(v importView, took time.Duration) error {
	created := "created"
	if v.DryRun {
		created = "to create"
	}
	rounded := took.Round(100 * time.Millisecond)
	if rounded < time.Second {
		rounded = took.Round(time.Millisecond)
	}
	_, _ = fmt.Fprintf(a.stdout, "%d records in %s: %d %s, %d already there, %d replaced, %d failed.\n",
		v.Records, rounded, v.Created, created, v.AlreadyThere, v.Replaced, v.Failed)
	if v.DryRun {
		_, _ = fmt.Fprintln(a.stdout, "Dry run: nothing is written.")
	}
	if v.NeedReauth > 0 {
		_, _ = fmt.Fprintf(a.stdout, "%d of those already there need a person. If the file's tokens are newer, --replace takes them.\n", v.NeedReauth)
	}
	if len(v.Failures) > 0 {
		const most = 10
		w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "\nLINE\tCODE\tWHAT IS WRONG")
		for _, f := range v.Failures[:min(len(v.Failures), most)] {
			_, _ = fmt.Fprintf(w, "%d\t%s\t%s\n", f.Line, f.Code, f.Message)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if more := v.Failed - most; more > 0 {
			_, _ = fmt.Fprintf(a.stdout, "… and %d more; -o json names the first %d.\n", more, len(v.Failures))
		}
	}
	if v.Error != nil {
		_, _ = fmt.Fprintf(a.stderr, "starter: %s\n", v.Error.Message)
	}
	return nil
}
