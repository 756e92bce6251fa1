package workflows

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// ReconcileActivities is what [Reconcile] calls, by name. Package internal/reconcile implements it.
type ReconcileActivities interface {
	ResendCallbacks(ctx context.Context, in ReconcileScope) (ReconcileReport, error)
	ReconcileConnections(ctx context.Context, in ReconcilePage) (ReconciledPage, error)
	EndOrphans(ctx context.Context, in Orphans) (ReconcileReport, error)
	Tidy(ctx context.Context, in ReconcileScope) (ReconcileReport, error)
}

// ReconcileScope says how to reconcile, and what.
type ReconcileScope struct {
	// DryRun finds, and does nothing about it.
	DryRun bool `json:"dry_run,omitempty"`
	// Deep asks every workflow, and not only those that look wrong: after a restore. A query each.
	Deep bool `json:"deep,omitempty"`
	// IncludeYoung does not leave alone rows that were made or changed their status in the last five minutes.
	IncludeYoung bool `json:"include_young,omitempty"`
	// Owner limits it to one owner's connections; empty for all.
	Owner string `json:"owner,omitempty"`
}

// ReconcileInput is the argument of workflow "Reconcile"; its zero value is what the schedule asks for.
type ReconcileInput struct {
	ReconcileScope
	// EndOrphans ends workflows without a row however many there are.
	EndOrphans bool `json:"end_orphans,omitempty"`
	// Carried is what a run of continue-as-new goes on from.
	Carried *ReconcileState `json:"carried,omitempty"`
}

// ReconcileState is everything that a run hands to the next one.
type ReconcileState struct {
	Report ReconcileReport `json:"report"`
	// Callbacks is the report about lost callbacks, which come first and once.
	Callbacks ReconcileReport `json:"callbacks"`
	// After is the id to go on from, exclusive.
	After string `json:"after,omitempty"`
	// Orphans are the first workflows without a row, by id of the connection, and OrphanCount is how many there are.
	Orphans     []string `json:"orphans,omitempty"`
	OrphanCount int64    `json:"orphan_count,omitempty"`
}

// ReconcilePage is the argument of activity "ReconcileConnections".
type ReconcilePage struct {
	ReconcileScope
	// After is the id to go on from, exclusive.
	After string `json:"after,omitempty"`
}

// ReconciledPage is its result.
type ReconciledPage struct {
	Report ReconcileReport `json:"report"`
	// After is the id that the next page goes on from; Done says that there is none.
	After string `json:"after,omitempty"`
	Done  bool   `json:"done,omitempty"`
	// Orphans are workflows without a row, by id of the connection. They are not in the report yet.
	Orphans []string `json:"orphans,omitempty"`
}

// Orphans is the argument of activity "EndOrphans".
type Orphans struct {
	ReconcileScope
	IDs []string `json:"ids"`
}

const (
	// maxOrphans bounds how many orphans are ended in one run, orphanBatch in one activity.
	maxOrphans  = 500
	orphanBatch = 100
	// Some orphans are always ended. More than a twentieth of all workflows are not unasked: an empty database, or the
	// wrong one, must not end a fleet.
	fewOrphans      = 25
	orphansPerMille = 50
)

// Reconcile makes the vault's directory and the workflows agree. Existence: the vault row decides. Behaviour: the
// workflow decides. It starts workflows that are missing, ends those without a live row, writes a status that the row
// has missed, sends lost callbacks again, and removes what is over. It leaves alone tombstones and rows that were made
// or changed their status in the last five minutes. The schedule [ReconcilerID] runs it.
func Reconcile(ctx workflow.Context, in ReconcileInput) (ReconcileReport, error) {
	r := &reconciler{in: in}
	if in.Carried != nil {
		r.state = *in.Carried
	} else {
		r.state.Report = ReconcileReport{DryRun: in.DryRun, Deep: in.Deep}
	}
	err := r.run(ctx)
	if workflow.IsContinueAsNewError(err) {
		return ReconcileReport{}, err
	}
	report := r.report()
	r.describe(ctx)
	_ = workflow.UpsertMemo(ctx, map[string]any{"report": report.Summary()})
	switch {
	case err == nil:
		workflow.GetLogger(ctx).Info("reconciled", "report", report.Summary())
		return report, nil
	case temporal.IsCanceledError(err):
		return report, err
	default:
		reason := failureOf(err).reason
		workflow.GetLogger(ctx).Warn("reconciliation stopped half way", "reason", string(reason), "report", report.Summary())
		return report, temporal.NewNonRetryableApplicationError(reason.Sentence(), string(reason), nil, report)
	}
}

// reconciler is a running reconciliation.
type reconciler struct {
	in    ReconcileInput
	state ReconcileState
}

func (r *reconciler) run(ctx workflow.Context) error {
	if r.in.Carried == nil {
		err := reconciling(ctx, "lost callbacks", ActivityResendCallbacks, r.scope()).Get(ctx, &r.state.Callbacks)
		if err != nil {
			return err
		}
	}
	if err := r.connections(ctx); err != nil {
		return err
	}
	if err := r.endOrphans(ctx); err != nil {
		return err
	}
	if r.in.DryRun || r.in.Owner != "" {
		return nil
	}
	var tidied ReconcileReport
	err := reconciling(ctx, "what is over", ActivityTidy, r.scope()).Get(ctx, &tidied)
	r.state.Report.Merge(tidied)
	return err
}

// scope is the one that was asked for, or a deeper one.
func (r *reconciler) scope() ReconcileScope {
	scope := r.in.ReconcileScope
	scope.Deep = r.state.Report.Deep
	return scope
}

// connections goes through the directory, and once more, asking every workflow, if one shows that Temporal was restored
// to an earlier moment: then others are behind that do not show it yet.
func (r *reconciler) connections(ctx workflow.Context) error {
	for {
		r.describe(ctx)
		if info := workflow.GetInfo(ctx); info.GetContinueAsNewSuggested() || info.GetCurrentHistoryLength() >= maxHistory {
			next := r.in
			next.Carried = &r.state
			return workflow.NewContinueAsNewError(ctx, TypeReconcile, next)
		}
		summary := "connections"
		if r.state.After != "" {
			summary += " after " + r.state.After
		}
		var page ReconciledPage
		in := ReconcilePage{ReconcileScope: r.scope(), After: r.state.After}
		if err := reconciling(ctx, summary, ActivityReconcileConnections, in).Get(ctx, &page); err != nil {
			return err
		}
		r.state.Report.Merge(page.Report)
		r.state.OrphanCount += int64(len(page.Orphans))
		room := min(maxOrphans-len(r.state.Orphans), len(page.Orphans))
		r.state.Orphans = append(r.state.Orphans, page.Orphans[:room]...)
		r.state.After = page.After
		if !page.Done {
			continue
		}
		if r.state.Report.Deep || !r.restored() {
			return nil
		}
		r.again()
	}
}

// restored reports whether something found shows that Temporal was restored to an earlier moment than the vault.
func (r *reconciler) restored() bool {
	return slices.ContainsFunc(r.state.Report.Findings, func(f ReconcileFinding) bool {
		return f.Kind == FoundWorkflowBehind || f.Kind == FoundRowEnded
	})
}

// again begins anew, and deeper. What was done stays in the report; what was not is found again.
func (r *reconciler) again() {
	done := r.state.Report.Findings
	r.state = ReconcileState{Callbacks: r.state.Callbacks, Report: ReconcileReport{DryRun: r.in.DryRun, Deep: true}}
	for _, f := range done {
		if f.Act != ActFailed && f.Act != ActNoted && !r.in.DryRun {
			r.state.Report.add(f)
		}
	}
}

// endOrphans ends the workflows without a row, unless there are suspiciously many.
func (r *reconciler) endOrphans(ctx workflow.Context) error {
	found := ReconcileFinding{Kind: FoundRowMissing, Act: ActHeld, Count: r.state.OrphanCount, Examples: r.state.Orphans}
	if r.state.OrphanCount == 0 {
		return nil
	}
	if !r.in.EndOrphans && r.state.OrphanCount > max(fewOrphans, r.state.Report.Workflows*orphansPerMille/1000) {
		r.state.Report.add(found)
		return nil
	}
	for ids := range slices.Chunk(r.state.Orphans, orphanBatch) {
		var ended ReconcileReport
		in := Orphans{ReconcileScope: r.scope(), IDs: ids}
		if err := reconciling(ctx, fmt.Sprintf("%d workflows without a row", len(ids)), ActivityEndOrphans, in).Get(ctx, &ended); err != nil {
			return err
		}
		r.state.Report.Merge(ended)
	}
	r.state.Report.AddCount(FoundRowMissing, ActHeld, r.state.OrphanCount-int64(len(r.state.Orphans)))
	return nil
}

// report is all that there is to say.
func (r *reconciler) report() ReconcileReport {
	report := r.state.Report
	report.Findings = slices.Clone(report.Findings)
	report.Merge(r.state.Callbacks)
	if report.Findings == nil {
		report.Findings = []ReconcileFinding{}
	}
	return report
}

// describe writes the card that the Temporal UI shows on the workflow's page.
func (r *reconciler) describe(ctx workflow.Context) {
	report := r.report()
	var b strings.Builder
	title := "Reconciler"
	if report.DryRun {
		title += " · dry run: nothing is done"
	}
	b.WriteString("### " + title + "\n\n" + report.Summary() + ".\n\n")
	if len(report.Findings) > 0 {
		b.WriteString("| found | done | count | for example |\n|---|---|---|---|\n")
	}
	for _, f := range report.Findings {
		b.WriteString("| " + cell(f.Message) + " | " + string(f.Act) + " | " + fmt.Sprint(f.Count) + " | " + cell(strings.Join(f.Examples, " ")) + " |\n")
	}
	workflow.SetCurrentDetails(ctx, b.String())
}
