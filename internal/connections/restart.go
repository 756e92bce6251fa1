package connections

import (
	"context"
	"errors"
	"time"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/renewal"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// ErrRunning: the connection has an open workflow already.
var ErrRunning = errors.New("workflow already running")

// Restart starts the workflow of a connection that has none, from what the vault holds: in the row's own status, with
// nothing decided and nothing written. The callbacks are its first work. The row must have its sealed tokens.
// ErrRunning if there is a workflow after all.
func (c *Client) Restart(ctx context.Context, row vault.Connection, callbacks ...workflows.Callback) error {
	conn, err := c.Catalogue.Get(ctx, row.Connector)
	if err != nil {
		// What is in the row is the truth all the same, and the workflow says what its connection lacks.
		conn = connector.Connector{Name: row.Connector}
	}
	state := stateOf(conn, row, c.Now().UTC())
	state.Callbacks = callbacks
	return c.start(ctx, conn.Name, row, state)
}

// restart is Restart on a person's request: with a new consent window.
func (c *Client) restart(ctx context.Context, row vault.Connection) error {
	conn, err := c.Catalogue.Get(ctx, row.Connector)
	if err != nil {
		return reasonError(workflows.ReasonConnectorMissing)
	}
	now := c.Now().UTC()
	state := stateOf(conn, row, now)
	state.ConsentDeadline = now.Add(ConsentWindow)
	return c.startOrReopen(ctx, conn.Name, row, state)
}

const (
	// endingTries and endingPause bound the wait for a workflow that is about to end: it has told the vault already.
	endingTries = 40
	endingPause = 50 * time.Millisecond
)

// startOrReopen starts a workflow, or tells the one that somebody else has started meanwhile of a new consent window.
func (c *Client) startOrReopen(ctx context.Context, name string, row vault.Connection, state *workflows.State) error {
	for try := 1; ; try++ {
		err := c.start(ctx, name, row, state)
		if !errors.Is(err, ErrRunning) {
			return err
		}
		err = c.reopen(ctx, row)
		ending := errors.Is(err, errNoWorkflow) || CodeOf(err) == string(workflows.ReasonConsentExpired)
		if err == nil || !ending || try == endingTries {
			return err
		}
		timer := time.NewTimer(endingPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// ConsentDeadline is when a pending connection expires, as far as its row tells: its workflow may know of a later one.
func ConsentDeadline(row vault.Connection) time.Time {
	since := row.CreatedAt
	if row.StatusAt.After(since) {
		since = row.StatusAt
	}
	return since.Add(ConsentWindow).UTC()
}

// stateOf is what a new workflow goes on from.
func stateOf(conn connector.Connector, row vault.Connection, now time.Time) *workflows.State {
	state := &workflows.State{
		Status: workflows.ConnectionStatus(row.Status), Reason: workflows.Reason(row.Reason), StatusSeq: row.StatusSeq,
		Since: row.StatusAt, ConsentDeadline: ConsentDeadline(row), Failures: row.Failures,
		Token: renewal.TokenSet(conn, row),
	}
	switch state.Status {
	case workflows.StatusPending:
		// Whatever tokens it had are erased; only their count goes on.
		state.Token = workflows.TokenSet{Generation: row.Generation}
		if row.Grant == string(workflows.GrantClientCredentials) {
			state.WakeAt = atOnce(row, now)
		}
		return state
	case workflows.StatusPaused:
		state.PausedFrom = workflows.StatusActive
	default:
	}
	state.WakeAt = workflows.NextRenewal(row.ID, state.Token)
	switch {
	case !state.Token.Renewable:
		state.WakeAt = state.Token.ExpiresAt
	case state.Status == workflows.StatusDegraded, state.WakeAt.IsZero() && !conn.NeverExpires:
		state.WakeAt = atOnce(row, now)
	}
	return state
}

// atOnce is a time that has come, whatever this host's clock and the server's make of each other.
func atOnce(row vault.Connection, now time.Time) time.Time {
	if row.CreatedAt.IsZero() {
		return now
	}
	return row.CreatedAt.UTC()
}
