package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"
)

// maxConsentWindow bounds how long a connect link may be waited for.
const maxConsentWindow = 30 * 24 * time.Hour

// request is an update that waits for the main loop.
type request struct {
	update  string
	refresh Refresh
	consent Reconnect
	done    bool
	err     error
}

func (r *request) finish(err error) { r.done, r.err = true, err }

// handle registers every query and update. Validators refuse without an event of history.
func (c *connection) handle(ctx workflow.Context) error {
	if err := c.handleQueries(ctx); err != nil {
		return err
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, UpdateRefresh,
		func(ctx workflow.Context, in Refresh) (AccessToken, error) {
			if c.state.Token.Generation > in.Generation {
				return c.token(workflow.Now(ctx)), nil
			}
			err := c.ask(ctx, &request{update: UpdateRefresh, refresh: in})
			return c.token(workflow.Now(ctx)), err
		}, workflow.UpdateHandlerOptions{
			Validator:   c.validateRefresh,
			Description: "Gives a token newer than the generation that the caller has seen. Many callers share one call at the provider.",
		}); err != nil {
		return err
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, UpdateReconnect,
		func(ctx workflow.Context, in Reconnect) (Status, error) {
			err := c.ask(ctx, &request{update: UpdateReconnect, consent: in})
			return c.status(), err
		}, workflow.UpdateHandlerOptions{
			Validator:   c.validateReconnect,
			Description: "Opens a new consent window and keeps the token in hand; with client credentials, asks the provider again at once.",
		}); err != nil {
		return err
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, UpdateDisconnect,
		func(ctx workflow.Context, _ Disconnect) (Status, error) {
			err := c.ask(ctx, &request{update: UpdateDisconnect})
			return c.status(), err
		}, workflow.UpdateHandlerOptions{
			Validator:   func(workflow.Context, Disconnect) error { return c.refuseIfEnding() },
			Description: "Stops hand-out at once, revokes at the provider, erases every secret and ends this workflow.",
		}); err != nil {
		return err
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, UpdatePause,
		func(ctx workflow.Context, _ Pause) (Status, error) {
			err := c.ask(ctx, &request{update: UpdatePause})
			return c.status(), err
		}, workflow.UpdateHandlerOptions{
			Validator: func(workflow.Context, Pause) error {
				if err := c.refuseIfEnding(); err != nil {
					return err
				}
				if !c.state.Status.HandsOut() {
					return refusal(ReasonNotApplicable)
				}
				return nil
			},
			Description: "Stops refresh and hand-out until resume.",
		}); err != nil {
		return err
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, UpdateResume,
		func(ctx workflow.Context, _ Resume) (Status, error) {
			err := c.ask(ctx, &request{update: UpdateResume})
			return c.status(), err
		}, workflow.UpdateHandlerOptions{
			Validator: func(workflow.Context, Resume) error {
				if c.state.Status != StatusPaused {
					return refusal(ReasonNotApplicable)
				}
				return nil
			},
			Description: "Ends a pause; an overdue token is refreshed at once.",
		})
}

func (c *connection) handleQueries(ctx workflow.Context) error {
	if err := workflow.SetQueryHandlerWithOptions(ctx, QueryStatus,
		func() (Status, error) { return c.status(), nil },
		workflow.QueryHandlerOptions{Description: "Where the connection stands, and what to do. No secrets."}); err != nil {
		return err
	}
	return workflow.SetQueryHandlerWithOptions(ctx, QueryToken,
		func() (AccessToken, error) { return c.token(workflow.Now(ctx)), nil },
		workflow.QueryHandlerOptions{Description: "The access token, sealed with the keyset \"access\", its expiry, and whether it is stale."})
}

// ask queues r for the main loop and waits for its answer.
func (c *connection) ask(ctx workflow.Context, r *request) error {
	c.requests = append(c.requests, r)
	if err := workflow.Await(ctx, func() bool { return r.done }); err != nil {
		return err
	}
	return r.err
}

// answer takes the queued requests in order.
func (c *connection) answer(ctx workflow.Context) {
	r := c.requests[0]
	if r.update == UpdateRefresh {
		c.answerRefreshes(ctx)
		return
	}
	c.requests = c.requests[1:]
	switch r.update {
	case UpdateDisconnect:
		r.finish(c.change(ctx, StatusDisconnecting, ReasonDisconnectRequest))
	case UpdatePause:
		from, reason := c.state.Status, c.state.Reason
		err := c.changeWith(ctx, StatusPaused, ReasonPausedByRequest, RecordInput{RaiseFailures: c.refreshesWait()})
		if err == nil {
			c.state.PausedFrom, c.state.PausedFromReason = from, reason
		}
		r.finish(err)
	case UpdateResume:
		if c.state.Status != StatusPaused {
			r.finish(nil)
			break
		}
		r.finish(c.change(ctx, c.state.PausedFrom, c.state.PausedFromReason))
	case UpdateReconnect:
		c.reconnect(ctx, r.consent)
		r.finish(nil)
	}
	c.describe(ctx)
}

// change moves to a status that callers rely on at once: if the vault cannot be told, it is not done.
func (c *connection) change(ctx workflow.Context, status ConnectionStatus, reason Reason) error {
	return c.changeWith(ctx, status, reason, RecordInput{})
}

func (c *connection) changeWith(ctx workflow.Context, status ConnectionStatus, reason Reason, in RecordInput) error {
	if c.state.Status == StatusDisconnecting {
		return refusal(ReasonDisconnected)
	}
	if c.state.Status == status {
		return nil
	}
	before, beforeReason := c.state.Status, c.state.Reason
	c.mirror(ctx, status, reason)
	if err := c.record(ctx, in); err != nil {
		c.mirror(ctx, before, beforeReason)
		return refusal(ReasonVaultUnavailable)
	}
	return nil
}

// refreshesWait reports whether callers wait for a refresh.
func (c *connection) refreshesWait() bool {
	return slices.ContainsFunc(c.requests, func(r *request) bool { return r.update == UpdateRefresh })
}

func (c *connection) reconnect(ctx workflow.Context, in Reconnect) {
	if c.in.Grant == GrantClientCredentials {
		if c.state.Status == StatusNeedsReauth {
			c.setStatus(ctx, StatusDegraded, c.state.Reason)
		}
		if c.state.Status == StatusPending {
			c.state.ConsentDeadline = in.ConsentDeadline
		}
		c.state.WakeAt = workflow.Now(ctx)
		return
	}
	c.state.ConsentDeadline = in.ConsentDeadline
	if c.state.Status == StatusPending {
		c.setStatus(ctx, StatusPending, ReasonAwaitingConsent)
	}
}

// answerRefreshes makes one attempt for all the refreshes that wait.
func (c *connection) answerRefreshes(ctx workflow.Context) {
	var rest []*request
	for _, r := range c.requests {
		switch {
		case r.update != UpdateRefresh:
			rest = append(rest, r)
		case c.state.Token.Generation > r.refresh.Generation:
			r.finish(nil)
		default:
			c.refreshing = append(c.refreshing, r)
		}
	}
	c.requests = rest
	if len(c.refreshing) == 0 {
		return
	}
	if err := c.refuseRefresh(workflow.Now(ctx)); err != nil {
		c.settleRefreshes(err)
		return
	}
	c.renew(ctx)
	if c.version < 1 {
		c.settleRefreshes(refusal(ReasonAttemptInFlight))
		return
	}
	// An attempt that was cut short for something more urgent leaves its callers without an answer: they ask again
	// after it.
	c.requests = append(c.requests, c.refreshing...)
	c.refreshing = nil
}

// settleRefreshes answers the refreshes under way: with err, unless the token is newer than what the caller saw.
func (c *connection) settleRefreshes(err error) {
	for _, r := range c.refreshing {
		if c.state.Token.Generation > r.refresh.Generation {
			r.finish(nil)
			continue
		}
		r.finish(err)
	}
	c.refreshing = nil
}

func (c *connection) validateRefresh(ctx workflow.Context, in Refresh) error {
	if in.Generation < 0 {
		return refusal(ReasonInvalid)
	}
	if c.state.Token.Generation > in.Generation && c.state.Status.HandsOut() {
		return nil
	}
	return c.refuseRefresh(workflow.Now(ctx))
}

// refuseRefresh says why no refresh may be forced now. It refuses rather than fails, so that nothing is stored under
// the update's id and a later caller is heard afresh.
func (c *connection) refuseRefresh(now time.Time) error {
	switch c.state.Status {
	case StatusPending:
		return refusal(ReasonNotReady)
	case StatusPaused:
		return refusal(ReasonPaused)
	case StatusDisconnecting, StatusDisconnected, StatusExpired:
		return refusal(c.endReason())
	case StatusNeedsReauth:
		return refusal(c.state.Reason)
	default:
	}
	switch {
	case !c.state.Token.Renewable:
		return refusal(ReasonNoRefreshToken)
	case now.Before(c.state.NotBefore):
		return refusal(c.state.Reason)
	case (c.state.InDoubt || !c.state.RefusedAt.IsZero()) && now.Before(c.state.WakeAt):
		return refusal(c.state.Reason)
	}
	return nil
}

func (c *connection) validateReconnect(ctx workflow.Context, in Reconnect) error {
	if err := c.refuseIfEnding(); err != nil {
		return err
	}
	if c.in.Grant == GrantClientCredentials && c.state.Status == StatusPaused {
		return refusal(ReasonPaused)
	}
	window := in.ConsentDeadline.Sub(workflow.Now(ctx))
	if window <= 0 || window > maxConsentWindow {
		return refusal(ReasonInvalid)
	}
	return nil
}

func (c *connection) refuseIfEnding() error {
	switch c.state.Status {
	case StatusDisconnecting, StatusDisconnected, StatusExpired:
		return refusal(c.endReason())
	default:
		return nil
	}
}
