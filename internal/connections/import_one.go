package connections

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/serviceerror"

	"github.com/acme/connections/internal/importfile"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// one imports one record. Each of its steps can be cut off and made again; between the row and the start of the workflow
// the reconciler mends what the next run does not.
func (i *importer) one(ctx context.Context, p *plan) (importOutcome, error) {
	c := i.client
	held, err := c.Vault.Connection(ctx, p.id)
	if err == nil {
		return i.known(ctx, p, held)
	}
	if !errors.Is(err, vault.ErrNotFound) {
		return 0, vaultError(err, p.id)
	}
	row, err := i.row(ctx, *p)
	if err != nil || i.options.DryRun {
		return importCreated, err
	}
	if err := c.sealImported(&row, p.record, 1); err != nil {
		return 0, err
	}
	err = c.Vault.ImportConnection(ctx, row)
	if errors.Is(err, vault.ErrExists) {
		// Another import of the same file was faster.
		if held, err = c.Vault.Connection(ctx, p.id); err != nil {
			return 0, vaultError(err, p.id)
		}
		return i.known(ctx, p, held)
	}
	p.unsure = true
	if err != nil {
		return 0, vaultError(err, p.id)
	}
	return importCreated, i.start(ctx, p, row)
}

// known deals with a record whose connection is there.
func (i *importer) known(ctx context.Context, p *plan, held vault.Connection) (importOutcome, error) {
	status := workflows.ConnectionStatus(held.Status)
	switch {
	case held.Owner != p.owner || held.Connector != p.connector.ID:
		return 0, unimportable(string(workflows.ReasonInternal), "external_id", "Its connection id is taken by another connection. Give it another external id.")
	case status == workflows.StatusDisconnecting, status == workflows.StatusDisconnected:
		return 0, unimportable(string(workflows.ReasonDisconnected), "external_id", "The connection was imported before and has been disconnected here; an import does not bring it back. Ask the person to connect again.")
	case p.replacing, status == workflows.StatusNeedsReauth && i.options.Replace:
		return i.replace(ctx, p, held)
	}
	// A run that was cut off may have left the row without its workflow. What is older is the reconciler's.
	untouched := held.Generation == 1 && held.StatusSeq == importedSeq && status == workflows.StatusActive
	if untouched && i.client.Now().Sub(held.CreatedAt) < leftToReconciler && !i.options.DryRun {
		if err := i.ensureStarted(ctx, p, held); err != nil {
			return 0, err
		}
	}
	switch {
	case p.unsure:
		return importCreated, nil
	case status == workflows.StatusNeedsReauth:
		return importNeedsReauth, nil
	default:
		return importAlreadyThere, nil
	}
}

// leftToReconciler is the age from which on the reconciler has looked at a row, which it does every five minutes.
const leftToReconciler = 15 * time.Minute

// importedSeq is the place of an imported connection's first status in the order of changes.
const importedSeq = 1

// sealImported seals a record's tokens into a row, as a generation.
func (c *Client) sealImported(row *vault.Connection, r importfile.Record, generation int64) error {
	access, err := c.Keys.Access.SealString(keyring.AccessToken(row.ID, generation), r.AccessToken)
	if err != nil {
		return reasonError(workflows.ReasonKeyMissing)
	}
	refresh, err := c.Keys.Vault.SealString(keyring.RefreshToken(row.ID, generation), r.RefreshToken)
	if err != nil {
		return reasonError(workflows.ReasonKeyMissing)
	}
	row.Generation, row.AccessToken, row.RefreshToken = generation, access, refresh
	return nil
}

// start starts the workflow of an imported row. One that runs already was started by the reconciler.
func (i *importer) start(ctx context.Context, p *plan, row vault.Connection) error {
	conn, now := p.connector, i.client.Now().UTC()
	state := stateOf(conn, row, now)
	unknown := row.ExpiresAt.IsZero() && !conn.NeverExpires && !p.record.NoExpiration
	if state.Token.Renewable && !state.WakeAt.IsZero() && (unknown || !state.WakeAt.After(now)) {
		state.WakeAt = i.pace.slot(conn)
	}
	ctx, cancel := context.WithTimeout(ctx, updateLimit)
	defer cancel()
	if err := i.client.start(ctx, conn.Name, row, state); err != nil && !errors.Is(err, ErrRunning) {
		return err
	}
	return nil
}

// ensureStarted starts the workflow of a row that never had one. One that has ended is the reconciler's to judge.
func (i *importer) ensureStarted(ctx context.Context, p *plan, row vault.Connection) error {
	asking, cancel := context.WithTimeout(ctx, updateLimit)
	defer cancel()
	_, err := i.client.Temporal.DescribeWorkflowExecution(asking, workflows.WorkflowID(row.ID), "")
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return i.start(ctx, p, row)
	}
	return temporalError(err)
}

// replace gives a connection that needs a person the tokens of its record, unless it has had these. The workflow that
// waits for the person is ended first, so that nothing it promises meanwhile, such as a disconnect, is undone, and
// replaced by one that goes on from the row; if that is cut off, the reconciler does it. The status comes before the
// tokens: active with those that were refused leads back to where it was, and the next run replaces them.
func (i *importer) replace(ctx context.Context, p *plan, held vault.Connection) (importOutcome, error) {
	c := i.client
	row, err := i.row(ctx, *p)
	if err != nil {
		return 0, err
	}
	switch same := c.holds(held, p.record); {
	case same && !p.replacing:
		return importNeedsReauth, nil
	case same:
		return importReplaced, i.goOn(ctx, p)
	}
	if i.options.DryRun {
		return importReplaced, nil
	}
	if err := c.sealImported(&row, p.record, held.Generation+1); err != nil {
		return 0, err
	}
	if !p.replacing {
		waiting, err := i.stop(ctx, held)
		if err != nil {
			return 0, err
		}
		if !waiting {
			return importAlreadyThere, i.goOn(ctx, p) // somebody has mended it, or ended it, meanwhile
		}
		if err := c.setStatus(ctx, held.ID, workflows.StatusActive, workflows.ReasonNone, held.StatusSeq+1); err != nil {
			return 0, err
		}
		p.replacing = true
	}
	consented := row.ConsentedAt
	if consented.IsZero() {
		consented = c.Now()
	}
	_, err = c.Vault.CommitTokens(ctx, vault.TokenCommit{
		ConnectionID: held.ID, FromGeneration: held.Generation, AccessToken: row.AccessToken, RefreshToken: row.RefreshToken,
		TokenType: row.TokenType, IssuedAt: row.IssuedAt, ExpiresAt: row.ExpiresAt, GrantedScopes: row.GrantedScopes,
		Metadata: row.Metadata, Inputs: row.Inputs, ConsentedAt: consented, RequestedScopes: row.RequestedScopes,
	})
	if errors.Is(err, vault.ErrConflict) {
		return importAlreadyThere, i.goOn(ctx, p)
	}
	if err != nil {
		return 0, vaultError(err, held.ID)
	}
	return importReplaced, i.goOn(ctx, p)
}

// stop ends the workflow that waits for the person, and reports whether the row still says that it did.
func (i *importer) stop(ctx context.Context, held vault.Connection) (waiting bool, err error) {
	err = temporalError(i.client.Temporal.TerminateWorkflow(ctx, workflows.WorkflowID(held.ID), "", "its tokens are replaced by an import"))
	if err != nil && !errors.Is(err, errNoWorkflow) {
		return false, err
	}
	row, err := i.client.Vault.Connection(ctx, held.ID)
	if err != nil {
		return false, vaultError(err, held.ID)
	}
	return row.Status == held.Status && row.StatusSeq == held.StatusSeq && row.Generation == held.Generation, nil
}

// goOn starts the workflow of a row as it now is, unless that is over.
func (i *importer) goOn(ctx context.Context, p *plan) error {
	row, err := i.client.Vault.Connection(ctx, p.id)
	if err != nil {
		return vaultError(err, p.id)
	}
	if row.Status == string(workflows.StatusDisconnected) {
		return nil
	}
	return i.start(ctx, p, row)
}

// holds reports whether a row has the tokens of a record.
func (c *Client) holds(held vault.Connection, r importfile.Record) bool {
	access, accessErr := c.Keys.Access.OpenString(keyring.AccessToken(held.ID, held.Generation), held.AccessToken)
	refresh, refreshErr := c.Keys.Vault.OpenString(keyring.RefreshToken(held.ID, held.Generation), held.RefreshToken)
	return accessErr == nil && refreshErr == nil && access.Equal(r.AccessToken) && refresh.Equal(r.RefreshToken)
}
