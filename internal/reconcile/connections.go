package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"

	"go.temporal.io/sdk/activity"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// ReconcileConnections implements [workflows.ReconcileActivities]: one page of the directory, side by side with the open
// workflows of the same stretch of ids. Tried again, it goes on from where it last said it was.
func (a *Activities) ReconcileConnections(ctx context.Context, in workflows.ReconcilePage) (workflows.ReconciledPage, error) {
	page := workflows.ReconciledPage{After: in.After}
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &page) != nil {
		page = workflows.ReconciledPage{After: in.After}
	}
	page.Report.DryRun = in.DryRun
	rows, err := a.client.Vault.ListConnections(ctx, vault.ConnectionFilter{Owner: in.Owner, After: page.After, Limit: pageSize})
	if err != nil {
		return page, a.stopped(ctx, err)
	}
	last, upTo := len(rows) < pageSize, ""
	if !last {
		upTo = rows[len(rows)-1].ID
	}
	open, err := a.openWorkflows(ctx, in.Owner, page.After, upTo)
	if err != nil {
		return page, a.stopped(ctx, err)
	}
	beside := newBeside(rows, open)
	allowed := newBudget(ctx)
	for _, row := range rows {
		if allowed.spent() {
			return page, nil
		}
		workflow, isOpen := open[row.ID]
		suspect := a.suspect(row, workflow, isOpen, in.ReconcileScope)
		if suspect {
			if err := a.mend(ctx, &page.Report, row.ID, in.ReconcileScope); err != nil {
				return page, a.stopped(ctx, err)
			}
		}
		page.Report.Rows++
		page.After = row.ID
		beside.pass(&page, row.ID)
		if suspect {
			activity.RecordHeartbeat(ctx, page)
		}
	}
	beside.passAll(&page)
	page.Done = last
	return page, nil
}

// suspect reports whether a row is to be looked at more closely: its workflow seems to run although it must not, or not
// to run, or to be of another mind, or all are looked at.
func (a *Activities) suspect(row vault.Connection, workflow listed, isOpen bool, scope workflows.ReconcileScope) bool {
	switch {
	case workflows.ConnectionStatus(row.Status).Ended():
		return isOpen
	case scope.Deep, !isOpen:
		return true
	default:
		return workflow.status != row.Status || workflow.reason != row.Reason
	}
}

// beside walks along the open workflows of a stretch as the rows are passed.
type beside struct {
	ids  []string
	rows map[string]bool
}

func newBeside(rows []vault.Connection, open map[string]listed) *beside {
	b := &beside{ids: slices.Sorted(maps.Keys(open)), rows: make(map[string]bool, len(rows))}
	for _, row := range rows {
		b.rows[row.ID] = true
	}
	return b
}

// pass counts the workflows up to an id, and takes note of those without a row.
func (b *beside) pass(page *workflows.ReconciledPage, upTo string) {
	for len(b.ids) > 0 && b.ids[0] <= upTo {
		b.next(page)
	}
}

func (b *beside) passAll(page *workflows.ReconciledPage) {
	for len(b.ids) > 0 {
		b.next(page)
	}
}

func (b *beside) next(page *workflows.ReconciledPage) {
	page.Report.Workflows++
	if !b.rows[b.ids[0]] {
		page.Orphans = append(page.Orphans, b.ids[0])
	}
	b.ids = b.ids[1:]
}

// mend reads a connection afresh, judges it, and does what is to be done. Its error means that nothing can be done at
// the moment, to any connection.
func (a *Activities) mend(ctx context.Context, report *workflows.ReconcileReport, id string, scope workflows.ReconcileScope) error {
	row, err := a.client.Vault.Connection(ctx, id)
	if errors.Is(err, vault.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	w, err := a.factsOf(ctx, row, scope.Deep)
	if passes(err) {
		return err
	}
	if err != nil {
		a.failed(ctx, report, workflows.FoundUnanswered, id, err)
		return nil
	}
	v := judge(row, w, a.client.Now(), scope.IncludeYoung)
	switch {
	case v.young:
		report.Young++
		return nil
	case v.kind == "":
		return nil
	case !scope.DryRun && v.act != workflows.ActNoted && v.act != workflows.ActFailed:
		done, err := a.apply(ctx, row, w, v)
		if err != nil {
			a.failed(ctx, report, v.kind, id, err)
			return nil
		}
		if !done {
			return nil
		}
	}
	a.did(ctx, report, v.kind, v.act, id)
	if v.tokensBehind {
		report.Add(workflows.FoundTokensBehind, workflows.ActNoted, id)
	}
	return nil
}

// apply does what a verdict says, and reports whether there was still something to do.
func (a *Activities) apply(ctx context.Context, row vault.Connection, w facts, v verdict) (bool, error) {
	if v.set != nil {
		if err := a.client.Vault.SetStatus(ctx, *v.set); err != nil {
			return false, err
		}
		var err error
		if row, err = a.client.Vault.Connection(ctx, row.ID); err != nil {
			return false, err
		}
		if row.StatusSeq != v.set.Seq {
			return false, nil // a newer one has come meanwhile
		}
	}
	if v.terminate {
		if err := a.terminate(ctx, row.ID, w.runID, v.kind); err != nil {
			return false, err
		}
	}
	if !v.start {
		return true, nil
	}
	err := a.client.Restart(ctx, row)
	if errors.Is(err, connections.ErrRunning) {
		return false, nil // somebody else was faster
	}
	return err == nil, err
}

// failed enters what could not be done; the next run tries it again.
func (a *Activities) failed(ctx context.Context, report *workflows.ReconcileReport, kind workflows.ReconcileKind, id string, err error) {
	report.Add(kind, workflows.ActFailed, id)
	a.log.WarnContext(ctx, "reconciler", slog.String("found", string(kind)), slog.String("act", string(workflows.ActFailed)),
		slog.String("connection", id), slog.Any("error", err))
}
