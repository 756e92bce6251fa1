package connections

import (
	"context"
	"errors"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// revive starts the workflow of an expired connection again, under the same id: the row first, since an expired row
// takes no tokens.
func (c *Client) revive(ctx context.Context, row vault.Connection) error {
	conn, err := c.Catalogue.Get(ctx, row.Connector)
	if err != nil {
		return reasonError(workflows.ReasonConnectorMissing)
	}
	now := c.Now().UTC()
	state := &workflows.State{
		Status: workflows.StatusPending, Reason: workflows.ReasonAwaitingConsent, StatusSeq: row.StatusSeq + 1,
		Since: now, ConsentDeadline: now.Add(ConsentWindow), Token: workflows.TokenSet{Generation: row.Generation},
	}
	if row.Grant == string(workflows.GrantClientCredentials) {
		state.Reason, state.WakeAt = workflows.ReasonNone, now
	}
	if err := c.setStatus(ctx, row.ID, state.Status, state.Reason, state.StatusSeq); err != nil {
		return err
	}
	row.Status, row.Reason = string(state.Status), string(state.Reason)
	if err := c.startOrReopen(ctx, conn.Name, row, state); err != nil {
		undoCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queryLimit)
		defer cancel()
		return errors.Join(err, c.setStatus(undoCtx, row.ID, workflows.StatusExpired, workflows.ReasonConsentExpired, state.StatusSeq+1))
	}
	return nil
}
