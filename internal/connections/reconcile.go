package connections

import (
	"context"
	"errors"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/acme/connections/workflows"
)

// ReconcileID is the workflow id of a run of the reconciler that a person asked for. There is one at a time.
const ReconcileID = workflows.ReconcilerID + "-by-hand"

// CodeReconciling: somebody else has asked for a run, and it is under way.
const CodeReconciling = "reconciling"

// Reconcile has the reconciler run now, and waits for its report. If ctx ends before, the run goes on.
func (c *Client) Reconcile(ctx context.Context, in workflows.ReconcileInput) (workflows.ReconcileReport, error) {
	var report workflows.ReconcileReport
	run, err := c.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       ReconcileID,
		TaskQueue:                workflows.TaskQueue,
		WorkflowExecutionTimeout: workflows.ReconcileLimit,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		// What is under way may be what somebody else asked for.
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            "reconciler, by hand",
	}, workflows.TypeReconcile, in)
	if err := temporalError(err); err != nil {
		if errors.Is(err, ErrRunning) {
			return report, &Error{Code: CodeReconciling, Message: "A run that somebody asked for is under way: workflow " + ReconcileID + "."}
		}
		return report, err
	}
	return report, temporalError(run.Get(ctx, &report))
}
