package reconcile

import (
	"context"
	"errors"

	"go.temporal.io/sdk/activity"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// progress is where a list of ids is being worked through, for a worker that takes over.
type progress struct {
	Report workflows.ReconcileReport `json:"report"`
	Next   int                       `json:"next"`
}

// EndOrphans implements [workflows.ReconcileActivities]: it terminates workflows that have no row. There is nothing that
// such a workflow could still do: what its tokens could be revoked and erased with was in the row.
func (a *Activities) EndOrphans(ctx context.Context, in workflows.Orphans) (workflows.ReconcileReport, error) {
	var p progress
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &p) != nil {
		p = progress{}
	}
	p.Report.DryRun = in.DryRun
	for p.Next < len(in.IDs) {
		if err := a.endOrphan(ctx, &p.Report, in.IDs[p.Next], in.ReconcileScope); err != nil {
			return p.Report, a.stopped(ctx, err)
		}
		p.Next++
		activity.RecordHeartbeat(ctx, p)
	}
	return p.Report, nil
}

func (a *Activities) endOrphan(ctx context.Context, report *workflows.ReconcileReport, id string, scope workflows.ReconcileScope) error {
	_, err := a.client.Vault.Connection(ctx, id)
	if !errors.Is(err, vault.ErrNotFound) {
		return err // nil if it has a row after all
	}
	run, err := a.describe(ctx, id)
	switch {
	case passes(err):
		return err
	case err == nil && !isOpen(run):
		return nil
	case err == nil && !scope.IncludeYoung && a.client.Now().Sub(startedAt(run)) < minAge:
		report.Young++
		return nil
	case err == nil && !scope.DryRun:
		err = a.terminate(ctx, id, run.GetExecution().GetRunId(), workflows.FoundRowMissing)
	}
	if err != nil {
		a.failed(ctx, report, workflows.FoundRowMissing, id, err)
		return nil
	}
	a.did(ctx, report, workflows.FoundRowMissing, workflows.ActEnded, id)
	return nil
}
