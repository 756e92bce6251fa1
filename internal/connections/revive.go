package connections

import (
	"context"
	"errors"

	"github.com/acme/connections/internal/renewal"
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
	err = c.start(ctx, conn.Name, row, state)
	if errors.Is(err, errRunning) {
		err = c.reopen(ctx, row) // somebody else revived it at the same time
	}
	if err != nil {
		undoCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queryLimit)
		defer cancel()
		return errors.Join(err, c.setStatus(undoCtx, row.ID, workflows.StatusExpired, workflows.ReasonConsentExpired, state.StatusSeq+1))
	}
	return nil
}

// restart starts a new workflow for a connection that has lost its own, from what the vault holds.
func (c *Client) restart(ctx context.Context, row vault.Connection) error {
	conn, err := c.Catalogue.Get(ctx, row.Connector)
	if err != nil {
		return reasonError(workflows.ReasonConnectorMissing)
	}
	now := c.Now().UTC()
	state := &workflows.State{
		Status: workflows.ConnectionStatus(row.Status), Reason: workflows.Reason(row.Reason), StatusSeq: row.StatusSeq,
		Since: row.StatusAt, ConsentDeadline: now.Add(ConsentWindow), Failures: row.Failures,
		Token: renewal.TokenSet(conn, row),
	}
	if state.Status == workflows.StatusPaused {
		state.PausedFrom = workflows.StatusActive
	}
	state.WakeAt = workflows.NextRenewal(row.ID, state.Token)
	switch {
	case !state.Token.Renewable:
		state.WakeAt = state.Token.ExpiresAt
	case state.Status == workflows.StatusDegraded, state.WakeAt.IsZero() && !conn.NeverExpires:
		state.WakeAt = now
	}
	err = c.start(ctx, conn.Name, row, state)
	if errors.Is(err, errRunning) {
		return c.reopen(ctx, row)
	}
	return err
}
