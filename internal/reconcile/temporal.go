package reconcile

import (
	"context"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enums "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

const (
	listPage = 1000
	// maxListed bounds the workflows listed between two rows; what is not listed is asked for one by one.
	maxListed = 4 * listPage
)

// listed is an open workflow in the visibility store, which lags behind.
type listed struct{ status, reason string }

// openWorkflows lists the open workflows of connections after the one id and up to the other, inclusive; upTo is empty
// for all that come after. Ids are compared as the visibility store does, which for those that we make is their order.
func (a *Activities) openWorkflows(ctx context.Context, owner, after, upTo string) (map[string]listed, error) {
	query := "WorkflowType = " + literal(workflows.TypeConnection) + " AND ExecutionStatus = 'Running'"
	if after != "" {
		query += " AND WorkflowId > " + literal(workflows.WorkflowID(after))
	}
	if upTo != "" {
		query += " AND WorkflowId <= " + literal(workflows.WorkflowID(upTo))
	}
	if owner != "" && !strings.ContainsAny(owner, `"\`) {
		// Servers mangle these two on their way to SQL; what the query does not select is left out below.
		query += " AND " + workflows.AttributeOwner.GetName() + " = " + literal(owner)
	}
	open := make(map[string]listed)
	request := &workflowservice.ListWorkflowExecutionsRequest{PageSize: listPage, Query: query}
	for {
		page, err := a.list(ctx, request)
		if err != nil {
			return nil, err
		}
		for _, execution := range page.GetExecutions() {
			id, err := workflows.ParseWorkflowID(execution.GetExecution().GetWorkflowId())
			if err == nil && (owner == "" || owner == keyword(execution, workflows.AttributeOwner)) {
				open[id] = listed{status: keyword(execution, workflows.AttributeStatus), reason: keyword(execution, workflows.AttributeReason)}
			}
		}
		request.NextPageToken = page.GetNextPageToken()
		if len(request.NextPageToken) == 0 || len(open) >= maxListed {
			return open, nil
		}
	}
}

func (a *Activities) list(ctx context.Context, request *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, rpcLimit)
	defer cancel()
	return a.client.Temporal.ListWorkflow(ctx, request)
}

// literal quotes a text for a visibility query.
func literal(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// attributed is what has search attributes.
type attributed interface {
	GetSearchAttributes() *commonpb.SearchAttributes
}

func keyword(from attributed, key temporal.SearchAttributeKeyKeyword) string {
	var value string
	payload := from.GetSearchAttributes().GetIndexedFields()[key.GetName()]
	if payload == nil || converter.GetDefaultDataConverter().FromPayload(payload, &value) != nil {
		return ""
	}
	return value
}

// describe reads the last run of a connection's workflow; nil if there is none.
func (a *Activities) describe(ctx context.Context, id string) (*workflowpb.WorkflowExecutionInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, rpcLimit)
	defer cancel()
	description, err := a.client.Temporal.DescribeWorkflowExecution(ctx, workflows.WorkflowID(id), "")
	if isMissing(err) {
		return nil, nil //nolint:nilnil // no run is an answer
	}
	return description.GetWorkflowExecutionInfo(), err
}

// isOpen reports whether a run has not ended: one that an operator has paused has not.
func isOpen(run *workflowpb.WorkflowExecutionInfo) bool {
	status := run.GetStatus()
	return status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING || status == enums.WORKFLOW_EXECUTION_STATUS_PAUSED
}

// factsOf reads what Temporal knows of a connection. The workflow itself is asked if it seems to disagree with the row,
// or if that is wanted in any case.
func (a *Activities) factsOf(ctx context.Context, row vault.Connection, deep bool) (facts, error) {
	run, err := a.describe(ctx, row.ID)
	if err != nil {
		return facts{}, err
	}
	w := facts{
		open: isOpen(run), runID: run.GetExecution().GetRunId(),
		status: keyword(run, workflows.AttributeStatus), reason: keyword(run, workflows.AttributeReason),
		completed: run.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED,
	}
	w.asked = w.open && (deep || w.status != row.Status || w.reason != row.Reason)
	if w.asked {
		w.answer = a.ask(ctx, row.ID)
	}
	return w, nil
}

// ask queries an open workflow; nil if it does not answer. A busy server refuses a query now and then, so that a refusal
// is believed only when it is repeated.
func (a *Activities) ask(ctx context.Context, id string) *answer {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	for range askTries {
		response, err := a.client.Temporal.QueryWorkflowWithOptions(ctx, &client.QueryWorkflowWithOptionsRequest{
			WorkflowID: workflows.WorkflowID(id), QueryType: workflows.QueryStatus,
			QueryRejectCondition: enums.QUERY_REJECT_CONDITION_NOT_OPEN,
		})
		switch {
		case err == nil && response.QueryRejected == nil:
			var said answer
			if response.QueryResult.Get(&said) != nil {
				return nil
			}
			return &said
		case err == nil || isMissing(err):
			return nil
		}
		select {
		case <-time.After(askPause):
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// terminate ends a run, if it has not ended by itself.
func (a *Activities) terminate(ctx context.Context, id, runID string, kind workflows.ReconcileKind) error {
	ctx, cancel := context.WithTimeout(ctx, rpcLimit)
	defer cancel()
	err := a.client.Temporal.TerminateWorkflow(ctx, workflows.WorkflowID(id), runID, "the reconciler: "+string(kind))
	if isMissing(err) {
		return nil
	}
	return err
}

// startedAt is when a run started.
func startedAt(run *workflowpb.WorkflowExecutionInfo) time.Time { return run.GetStartTime().AsTime() }
