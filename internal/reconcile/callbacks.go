package reconcile

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// ResendCallbacks implements [workflows.ReconcileActivities]: a code that was stored and came to nothing is signalled
// again while it may live. A workflow that has had the signal exchanges no code twice.
func (a *Activities) ResendCallbacks(ctx context.Context, in workflows.ReconcileScope) (workflows.ReconcileReport, error) {
	report := workflows.ReconcileReport{DryRun: in.DryRun}
	now := a.client.Now()
	requests, err := a.client.Vault.ListUnfinishedRequests(ctx, now.Add(-codeLife), now.Add(-settling), maxCodes)
	if err != nil {
		return report, a.stopped(ctx, err)
	}
	for _, request := range requests {
		if err := a.resend(ctx, &report, request, in); err != nil {
			return report, a.stopped(ctx, err)
		}
		activity.RecordHeartbeat(ctx)
	}
	return report, nil
}

func (a *Activities) resend(ctx context.Context, report *workflows.ReconcileReport, request vault.AuthRequest, scope workflows.ReconcileScope) error {
	row, err := a.client.Vault.Connection(ctx, request.ConnectionID)
	if errors.Is(err, vault.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	status := workflows.ConnectionStatus(row.Status)
	if status.Ended() || status == workflows.StatusDisconnecting || (scope.Owner != "" && row.Owner != scope.Owner) {
		return nil
	}
	if !scope.DryRun {
		err = a.tell(ctx, row, workflows.Callback{RequestID: request.ID, SealedCode: request.Code})
	}
	switch {
	case err == nil:
		a.did(ctx, report, workflows.FoundCallbackLost, workflows.ActResent, row.ID)
	case passes(err):
		return err
	default:
		a.failed(ctx, report, workflows.FoundCallbackLost, row.ID, err)
	}
	return nil
}

// tell signals the workflow, or starts the one that is missing with the callback in hand.
func (a *Activities) tell(ctx context.Context, row vault.Connection, callback workflows.Callback) error {
	err := a.signal(ctx, row.ID, callback)
	if !isMissing(err) {
		return err
	}
	err = a.client.Restart(ctx, row, callback)
	if errors.Is(err, connections.ErrRunning) {
		return a.signal(ctx, row.ID, callback)
	}
	return err
}

func (a *Activities) signal(ctx context.Context, id string, callback workflows.Callback) error {
	ctx, cancel := context.WithTimeout(ctx, rpcLimit)
	defer cancel()
	return a.client.Temporal.SignalWorkflow(ctx, workflows.WorkflowID(id), "", workflows.SignalCallback, callback)
}

// Tidy implements [workflows.ReconcileActivities]: it removes tombstones whose time is over, links and requests that
// expired a day ago, codes, with their verifiers, that nobody exchanged or confirmed within an hour, and hand-outs that
// the audit need not keep any longer.
func (a *Activities) Tidy(ctx context.Context, in workflows.ReconcileScope) (workflows.ReconcileReport, error) {
	report := workflows.ReconcileReport{DryRun: in.DryRun}
	if in.DryRun {
		return report, nil
	}
	now := a.client.Now()
	codes, err := a.client.Vault.ListUnfinishedRequests(ctx, time.Time{}, now.Add(-abandoned), maxCodes)
	if err != nil {
		return report, a.stopped(ctx, err)
	}
	held, err := a.client.Vault.ListHeldRequests(ctx, time.Time{}, now.Add(-abandoned), maxCodes)
	if err != nil {
		return report, a.stopped(ctx, err)
	}
	codes = append(codes, held...)
	for _, request := range codes {
		outcome := workflows.ReasonExchangeLost
		if request.Held {
			outcome = workflows.ReasonConsentExpired // as the result page says
		}
		err := a.client.Vault.FinishAuthRequest(ctx, request.ID, string(outcome))
		if err != nil && !errors.Is(err, vault.ErrNotFound) {
			return report, a.stopped(ctx, err)
		}
		activity.RecordHeartbeat(ctx)
	}
	links, requests, err := a.client.Vault.DeleteConsents(ctx, now.Add(-consentsKept), maxTidied)
	if err != nil {
		return report, a.stopped(ctx, err)
	}
	tombstones, err := a.client.Vault.DeleteTombstones(ctx, now)
	if err != nil {
		return report, a.stopped(ctx, err)
	}
	handouts, err := a.client.Vault.DeleteHandouts(ctx, now.Add(-a.HandoutsKept))
	if err != nil {
		return report, a.stopped(ctx, err)
	}
	report.AddCount(workflows.FoundCode, workflows.ActRemoved, int64(len(codes)))
	report.AddCount(workflows.FoundLink, workflows.ActRemoved, links)
	report.AddCount(workflows.FoundRequest, workflows.ActRemoved, requests)
	report.AddCount(workflows.FoundTombstone, workflows.ActRemoved, tombstones)
	report.AddCount(workflows.FoundHandout, workflows.ActRemoved, handouts)
	return report, nil
}
