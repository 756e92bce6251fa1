package tokens

import (
	"context"
	"errors"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// refreshing is one refresh that callers of this process share. Other processes share it by its update id.
type refreshing struct {
	done                 chan struct{}
	generation, failures int64

	// Set before done is closed: held or err.
	held *Held
	err  error
}

// refresh asks for a token newer than the one read, and waits for it (errors: [*Error], and those of ctx).
func (g *Engine) refresh(ctx context.Context, e *entry, r *reading, wait time.Duration) (*Held, error) {
	f := g.refreshInBackground(e, r) //nolint:contextcheck // it belongs to no caller
	if f == nil {
		return nil, refusal(e.id, workflows.ReasonTemporalUnavailable, 0)
	}
	var late <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-f.done:
		return f.held, f.err
	case <-late:
		return nil, refusal(e.id, workflows.ReasonTimeout, 0)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// refreshInBackground joins the refresh that is under way, or starts one. It belongs to no caller: whoever gives up
// leaves it to the others. It is nil if there is nobody to ask.
func (g *Engine) refreshInBackground(e *entry, r *reading) *refreshing {
	if g.config.Temporal == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if f := e.refreshing; f != nil && f.generation >= r.held.Generation && f.failures >= r.failures {
		return f
	}
	f := &refreshing{done: make(chan struct{}), generation: r.held.Generation, failures: r.failures}
	epoch := e.epoch
	started := g.spawn(func() {
		f.held, f.err = g.update(e, r, f)
		if f.err == nil {
			e.keep(f.held, epoch)
		}
		e.mu.Lock()
		if e.refreshing == f {
			e.refreshing = nil
		}
		e.mu.Unlock()
		close(f.done)
	})
	if !started {
		return nil
	}
	e.refreshing = f
	return f
}

// update sends the update "refresh" and opens its answer.
func (g *Engine) update(e *entry, r *reading, f *refreshing) (*Held, error) {
	ctx, cancel := context.WithTimeout(g.base, updateLimit)
	defer cancel()
	at := g.config.Now()
	var token workflows.AccessToken
	handle, err := g.config.Temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflows.WorkflowID(e.id), UpdateName: workflows.UpdateRefresh,
		UpdateID:     workflows.RefreshUpdateID(f.generation, f.failures),
		Args:         []any{workflows.Refresh{Generation: f.generation}},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, &token)
	}
	if err != nil {
		return nil, g.without(ctx, e, temporalRefusal(e.id, err))
	}
	return g.open(e.id, rowOf(token, r.held), at)
}

// without says why a connection has no open workflow; other errors stay as they are.
func (g *Engine) without(ctx context.Context, e *entry, err error) error {
	if !errors.Is(err, errNoWorkflow) {
		return err
	}
	row, rowErr := g.readVault(ctx, e.id)
	if rowErr == nil {
		if status := workflows.ConnectionStatus(row.Status); !status.HandsOut() {
			return refusalOf(e.id, status, workflows.Reason(row.Reason))
		}
	}
	return refusal(e.id, workflows.ReasonInternal, 0)
}

// rowOf is the answer of a workflow as a row, with what only the vault knows from the one held before.
func rowOf(token workflows.AccessToken, before *Held) vault.AccessRow {
	return vault.AccessRow{
		Owner: before.owner, Connector: before.Connector, Metadata: before.Metadata,
		Status: string(token.Status), Reason: string(token.Reason), Generation: token.Generation,
		TokenType: token.Type, GrantedScopes: token.Scopes, AccessToken: token.Sealed,
		IssuedAt: instant(token.IssuedAt), ExpiresAt: instant(token.ExpiresAt),
	}
}

func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// query asks the open workflow for what the vault would have said. The query "token" does not tell the owner, so the
// status is asked first: nobody is handed what is another owner's.
func (g *Engine) query(ctx context.Context, id string) (vault.AccessRow, error) {
	if g.config.Temporal == nil {
		return vault.AccessRow{}, refusal(id, workflows.ReasonVaultUnavailable, 0)
	}
	var status workflows.Status
	if err := g.ask(ctx, id, workflows.QueryStatus, &status); err != nil {
		return vault.AccessRow{}, err
	}
	var token workflows.AccessToken
	if err := g.ask(ctx, id, workflows.QueryToken, &token); err != nil {
		return vault.AccessRow{}, err
	}
	return rowOf(token, &Held{owner: status.Owner, Connector: status.Connector}), nil
}

// ask queries the open workflow. A closed one would answer for a connection whose tokens are gone.
func (g *Engine) ask(ctx context.Context, id, name string, result any) error {
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	response, err := g.config.Temporal.QueryWorkflowWithOptions(ctx, &client.QueryWorkflowWithOptionsRequest{
		WorkflowID: workflows.WorkflowID(id), QueryType: name,
		QueryRejectCondition: enums.QUERY_REJECT_CONDITION_NOT_OPEN,
	})
	switch {
	case err != nil:
		err = temporalRefusal(id, err)
	case response.QueryRejected != nil:
		err = errNoWorkflow
	case response.QueryResult.Get(result) != nil:
		return refusal(id, workflows.ReasonInternal, 0)
	}
	if err != nil {
		// What a query cannot tell, the vault must: its absence is what matters.
		return refusal(id, workflows.ReasonVaultUnavailable, 0)
	}
	return nil
}

// Force gives a token newer than the generation that an API has refused, by a refresh if there is none yet. Callers
// who saw the same generation share one.
func (g *Engine) Force(ctx context.Context, id string, generation int64, need Need) (*Held, error) {
	if g.closed.Load() {
		return nil, refusal(id, workflows.ReasonClosed, 0)
	}
	e := g.obtain(id)
	r, err := g.read(ctx, e)
	if err == nil {
		err = r.err
	}
	if err != nil {
		return nil, g.refused(e, err)
	}
	if r.held.Generation > generation && r.held.live(g.clock()) {
		e.keep(r.held, r.epoch)
		e.count.add()
		return r.held, nil
	}
	if r.fallback {
		return nil, refusal(id, workflows.ReasonVaultUnavailable, 0)
	}
	h, err := g.refresh(ctx, e, r, max(need.Wait, 0))
	if err != nil {
		return nil, g.refused(e, err)
	}
	e.count.add()
	return h, nil
}
