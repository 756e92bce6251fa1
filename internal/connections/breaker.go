package connections

import (
	"context"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/acme/connections/workflows"
)

// BreakerOpened tells the workflow that looks after an integration's open breaker, and starts it if it is not running.
func (c *Client) BreakerOpened(ctx context.Context, integrationID string) error {
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	_, err := c.Temporal.SignalWithStartWorkflow(ctx, workflows.BreakerWorkflowID(integrationID), workflows.SignalOpened, nil,
		client.StartWorkflowOptions{
			TaskQueue: workflows.TaskQueue, WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			StaticSummary: "breaker of " + integrationID,
		}, workflows.TypeBreaker, workflows.BreakerInput{Integration: integrationID})
	return temporalError(err)
}
