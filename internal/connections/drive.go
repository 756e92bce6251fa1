package connections

import (
	"context"
	"errors"

	"go.temporal.io/sdk/client"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// Refresh forces a token newer than the one in the vault; callers who saw the same one share one call at the provider.
func (c *Client) Refresh(ctx context.Context, id string) (View, error) {
	row, err := c.row(ctx, id)
	if err != nil {
		return View{}, err
	}
	if _, err := c.refresh(ctx, row); err != nil {
		return View{}, err
	}
	return c.Status(ctx, id)
}

func (c *Client) refresh(ctx context.Context, row vault.Connection) (workflows.AccessToken, error) {
	var token workflows.AccessToken
	err := c.update(ctx, row, workflows.UpdateRefresh,
		workflows.RefreshUpdateID(row.Generation, row.Failures), workflows.Refresh{Generation: row.Generation}, &token)
	return token, err
}

// Pause stops refresh and hand-out.
func (c *Client) Pause(ctx context.Context, id string) (View, error) {
	return c.change(ctx, id, workflows.UpdatePause, workflows.Pause{})
}

// Resume ends a pause.
func (c *Client) Resume(ctx context.Context, id string) (View, error) {
	return c.change(ctx, id, workflows.UpdateResume, workflows.Resume{})
}

// Disconnect stops hand-out at once, revokes at the provider, and erases every secret.
func (c *Client) Disconnect(ctx context.Context, id string) (View, error) {
	return c.change(ctx, id, workflows.UpdateDisconnect, workflows.Disconnect{})
}

// Reconnect opens a new consent window for the same connection and makes a new connect link; with client credentials
// it asks the provider again at once. A connection that expired for want of consent is taken up again, and one whose
// workflow was cancelled or terminated gets a new one, which goes on from the vault.
//
// The connection keeps its id, owner, tags and account: a consent from another account is refused.
func (c *Client) Reconnect(ctx context.Context, id string) (View, error) {
	return c.reconnect(ctx, id, false)
}

// ReconnectAnyAccount is Reconnect with a link whose consents may come from another account than the one connected: the
// connection is then that account's.
func (c *Client) ReconnectAnyAccount(ctx context.Context, id string) (View, error) {
	return c.reconnect(ctx, id, true)
}

func (c *Client) reconnect(ctx context.Context, id string, anyAccount bool) (View, error) {
	row, err := c.row(ctx, id)
	if err != nil {
		return View{}, err
	}
	if anyAccount && row.Grant != string(workflows.GrantAuthorizationCode) {
		return View{}, invalid("Nobody consents with client credentials, so there is no account to change: reconnect without allowing one, or make a new connection.")
	}
	if row, err = c.reopenWindow(ctx, row); err != nil {
		return View{}, err
	}
	view, err := c.Status(ctx, id)
	if err == nil && row.Grant == string(workflows.GrantAuthorizationCode) {
		view.ConnectURL, err = c.linkField(ctx, id, anyAccount)
	}
	return view, err
}

// reopenWindow opens a new consent window for a connection, whatever has become of its workflow, and returns the row as
// it was read last.
func (c *Client) reopenWindow(ctx context.Context, row vault.Connection) (vault.Connection, error) {
	var err error
	if row.Status == string(workflows.StatusExpired) {
		err = c.revive(ctx, row)
	} else if err = c.reopen(ctx, row); errors.Is(err, errNoWorkflow) {
		if row, err = c.row(ctx, row.ID); err != nil {
			return row, err
		}
		switch status := workflows.ConnectionStatus(row.Status); {
		case status == workflows.StatusPending:
			err = c.revive(ctx, row) // its start was lost, or is just being made
		case status.Ended(), status == workflows.StatusDisconnecting:
			err = c.withoutWorkflow(row)
		default:
			err = c.restart(ctx, row)
		}
	}
	return row, err
}

func (c *Client) linkField(ctx context.Context, id string, anyAccount bool) (*string, error) {
	url, err := c.link(ctx, id, anyAccount)
	if err != nil {
		return nil, err
	}
	return &url, nil
}

// reopen tells the open workflow of a new consent window (errNoWorkflow).
func (c *Client) reopen(ctx context.Context, row vault.Connection) error {
	return c.send(ctx, row.ID, workflows.UpdateReconnect, "", workflows.Reconnect{ConsentDeadline: c.Now().Add(ConsentWindow).UTC()}, nil)
}

func (c *Client) setStatus(ctx context.Context, id string, status workflows.ConnectionStatus, reason workflows.Reason, seq int64) error {
	return vaultError(c.Vault.SetStatus(ctx, vault.StatusChange{
		ID: id, Status: string(status), Reason: string(reason), Seq: seq, At: c.Now(),
	}), id)
}

func (c *Client) change(ctx context.Context, id, update string, argument any) (View, error) {
	row, err := c.row(ctx, id)
	if err != nil {
		return View{}, err
	}
	var status workflows.Status
	if err := c.update(ctx, row, update, "", argument, &status); err != nil {
		return View{}, err
	}
	return c.scopes().addTo(ctx, viewOfStatus(status), row), nil
}

// update sends an update and waits for its answer.
func (c *Client) update(ctx context.Context, row vault.Connection, update, updateID string, argument, result any) error {
	err := c.send(ctx, row.ID, update, updateID, argument, result)
	if errors.Is(err, errNoWorkflow) {
		// It may have ended since the row was read.
		if now, rowErr := c.row(ctx, row.ID); rowErr == nil {
			row = now
		}
		return c.withoutWorkflow(row)
	}
	return err
}

// send is update for callers who deal with errNoWorkflow themselves.
func (c *Client) send(ctx context.Context, id, update, updateID string, argument, result any) error {
	ctx, cancel := context.WithTimeout(ctx, updateLimit)
	defer cancel()
	handle, err := c.Temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflows.WorkflowID(id), UpdateName: update, UpdateID: updateID,
		Args: []any{argument}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, result)
	}
	return temporalError(err)
}

// withoutWorkflow says why a connection has no open workflow.
func (c *Client) withoutWorkflow(row vault.Connection) error {
	switch workflows.ConnectionStatus(row.Status) {
	case workflows.StatusDisconnected, workflows.StatusDisconnecting:
		return reasonError(workflows.ReasonDisconnected)
	case workflows.StatusExpired:
		return reasonError(workflows.ReasonConsentExpired)
	default:
		return &Error{Code: string(workflows.ReasonInternal), Message: "The connection's workflow is not running. If this is the right Temporal namespace, and the workflow was cancelled or terminated, \"starter reconnect\" starts it again."}
	}
}

// RefreshFor asks a connection's workflow for a token newer than the generation, for those who hand out: sealed. The
// failures are the row's, and the reason is empty if there is a token.
func (c *Client) RefreshFor(ctx context.Context, id string, generation, failures int64) (workflows.AccessToken, workflows.Reason) {
	token, err := c.refresh(ctx, vault.Connection{ID: id, Generation: generation, Failures: failures})
	if err == nil {
		return token, workflows.ReasonNone
	}
	reason := workflows.Reason(CodeOf(err))
	if !reason.Known() || reason == workflows.ReasonNone {
		reason = workflows.ReasonUnanswered
	}
	return workflows.AccessToken{}, reason
}
