package connections

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/acme/connections/internal/importfile"
	"github.com/acme/connections/workflows"
)

// Codes of an import beside those of other errors.
const (
	CodeRecordUnreadable = "record_unreadable"
	CodeRecordDuplicate  = "record_duplicate"
)

// ImportOptions say how to import.
type ImportOptions struct {
	// Owner and Connector are those of all records: a record that names another is refused. If one is empty, each record
	// says.
	Owner, Connector string
	// ConnectorNames are our connectors by the names that another system has for its integrations.
	ConnectorNames map[string]string
	// DryRun checks everything and writes nothing.
	DryRun bool
	// Replace gives a connection that needs a person the tokens of its record. Any other keeps its own, which are newer as
	// far as anybody can know: they have been renewed here.
	Replace bool
	// Examples bounds the failures that the report names; all are counted. 100 if 0.
	Examples int
	// Progress, if set, is told of each record, by one goroutine at a time. It must not keep what it is told.
	Progress func(ImportReport)
}

// ImportReport says what an import has done, or, on a dry run, would do.
type ImportReport struct {
	DryRun bool `json:"dry_run"`
	// Records are all that were read: the sum of the four that follow.
	Records      int64 `json:"records"`
	Created      int64 `json:"created"`
	AlreadyThere int64 `json:"already_there"`
	Replaced     int64 `json:"replaced"`
	Failed       int64 `json:"failed"`
	// NeedReauth are those of AlreadyThere that need a person.
	NeedReauth int64 `json:"need_reauth"`
	// FailuresByCode counts all failures, and Failures names the first of them by line.
	FailuresByCode map[string]int64 `json:"failures_by_code"`
	Failures       []ImportFailure  `json:"failures"`
}

// ImportFailure is what is wrong with one record. It holds no value of the record's.
type ImportFailure struct {
	Line    int    `json:"line"`
	Code    string `json:"code"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

const (
	// importers is how many records are imported at a time: they wait for the vault and for Temporal most of the time.
	importers = 16
	// importTries and importPause bound how long a vault or a Temporal that is away is waited for.
	importTries = 6
	importPause = 200 * time.Millisecond
)

// Import makes connections of the accounts that another system has kept, with their tokens as the first generation. It
// reads as a stream. The id of each connection follows from owner, connector and external id, so that an import that was
// cut off is finished by running it again; what is there already is left alone.
//
// A record that cannot be imported costs no other: it is in the report. The error is that of the import as a whole, such
// as a vault that is away, and the report is of what was done until then.
func (c *Client) Import(ctx context.Context, records *importfile.Reader, o ImportOptions) (ImportReport, error) {
	i, err := newImporter(c, o)
	if err != nil {
		return i.report, err
	}
	if !o.DryRun {
		if _, err := c.Temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
			return i.report, temporalError(err)
		}
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	planned := make(chan plan)
	var working sync.WaitGroup
	for range importers {
		working.Go(func() {
			for p := range planned {
				if err := i.patiently(ctx, p); err != nil {
					stop(err)
				}
			}
		})
	}
	err = i.read(ctx, records, planned)
	close(planned)
	working.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return i.result(), err
}

// read plans one record after the other, until there are no more.
func (i *importer) read(ctx context.Context, records *importfile.Reader, planned chan<- plan) error {
	for ctx.Err() == nil {
		record, err := records.Next()
		var fault *importfile.Fault
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &fault):
			i.failed(fault.Line, unimportable(CodeRecordUnreadable, fault.Field, "%s", fault.Sentence))
			continue
		case err != nil:
			return fmt.Errorf("cannot read on: %w", err)
		}
		p, err := i.plan(ctx, record)
		if err != nil {
			if passing(err) {
				return err
			}
			i.failed(record.Line, err)
			continue
		}
		select {
		case planned <- p:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// patiently imports one record, again and again while the vault or Temporal is away. Its error ends the import.
func (i *importer) patiently(ctx context.Context, p plan) error {
	for try := 1; ctx.Err() == nil; try++ {
		outcome, err := i.one(ctx, &p)
		switch {
		case err == nil:
			i.did(outcome)
			return nil
		case ctx.Err() != nil:
			// Whatever has been written is found by the next run.
			continue
		case !passing(err):
			i.failed(p.record.Line, err)
			return nil
		case try == importTries:
			i.failed(p.record.Line, err)
			return err
		}
		timer := time.NewTimer(importPause << (try - 1))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return nil
}

// passing reports whether an error is not of the record, but of what all records need.
func passing(err error) bool {
	switch CodeOf(err) {
	case string(workflows.ReasonVaultUnavailable), CodeTemporalUnavailable, CodeTimeout:
		return true
	default:
		return errors.Is(err, context.Canceled)
	}
}

// importError is an error about a field of a record.
type importError struct {
	err   *Error
	field string
}

func (e *importError) Error() string { return e.err.Message }
func (e *importError) Unwrap() error { return e.err }

func unimportable(code, field, format string, args ...any) error {
	return &importError{&Error{Code: code, Message: fmt.Sprintf(format, args...)}, field}
}

// importOutcome is what became of a record.
type importOutcome int

const (
	importCreated importOutcome = iota
	importAlreadyThere
	importNeedsReauth
	importReplaced
)

func (i *importer) did(outcome importOutcome) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch outcome {
	case importCreated:
		i.report.Created++
	case importReplaced:
		i.report.Replaced++
	case importNeedsReauth:
		i.report.NeedReauth++
		i.report.AlreadyThere++
	case importAlreadyThere:
		i.report.AlreadyThere++
	}
	i.tell()
}

func (i *importer) failed(line int, err error) {
	failure := ImportFailure{Line: line, Code: CodeOf(err), Message: "Something unexpected went wrong."}
	var about *importError
	var known *Error
	switch {
	case errors.As(err, &about):
		failure.Field, failure.Message = about.field, about.Error()
	case errors.As(err, &known):
		failure.Message = known.Message
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.report.Failed++
	i.report.FailuresByCode[failure.Code]++
	// Records are imported side by side: the first by line are kept, whenever they come.
	at, _ := slices.BinarySearchFunc(i.report.Failures, failure, func(a, b ImportFailure) int { return cmp.Compare(a.Line, b.Line) })
	if at < i.examples {
		i.report.Failures = slices.Insert(i.report.Failures, at, failure)
		i.report.Failures = i.report.Failures[:min(len(i.report.Failures), i.examples)]
	}
	i.tell()
}

// tell tells of one more record; mu is held.
func (i *importer) tell() {
	i.report.Records++
	if i.options.Progress != nil {
		i.options.Progress(i.report)
	}
}

func (i *importer) result() ImportReport {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.report
}
