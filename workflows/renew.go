package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// renewOrLapse renews, or, where there is nothing to renew with, lets the connection lapse with its token.
func (c *connection) renewOrLapse(ctx workflow.Context) {
	if c.state.Token.Generation == 0 || c.state.Token.Renewable {
		c.renew(ctx)
		return
	}
	c.state.WakeAt = time.Time{}
	c.setStatus(ctx, StatusNeedsReauth, ReasonNoRefreshToken)
	c.describe(ctx)
}

// renew makes one attempt inside the workflow task, which costs one event; only if that fails in a way that may pass
// does it start a regular activity that retries, visible to operators. Failures that time alone does not mend are
// left to the main loop's timer.
func (c *connection) renew(ctx workflow.Context) {
	in := RenewInput{ID: c.in.ID, Generation: c.state.Token.Generation, Settle: c.state.InDoubt}
	activity := renewActivity(c.in.Grant)
	var set TokenSet
	err := local(ctx, c.attemptSummary(), activity, in).Get(ctx, &set)
	if err == nil {
		c.renewed(ctx, set)
		return
	}
	// An attempt that outlasts the workflow task is still under way: nothing has failed yet, and the regular activity
	// joins it.
	var timeout *temporal.TimeoutError
	if f := failureOf(err); !errors.As(err, &timeout) && f.reason != ReasonAttemptInFlight {
		c.failed(ctx, f)
		if f.reason.Class() != ClassTransient {
			return
		}
	}
	c.retry(ctx, activity, in)
}

// retry runs the attempt as a regular activity until it succeeds, or fails for good, or something more urgent comes.
// It waits out the attempt under way, never more.
func (c *connection) retry(ctx workflow.Context, activity string, in RenewInput) {
	limit := renewLimit
	if c.state.Status == StatusPending {
		limit = max(c.state.ConsentDeadline.Sub(workflow.Now(ctx)), attemptLimit)
	}
	if wait := c.state.NotBefore.Sub(workflow.Now(ctx)); wait > 0 {
		if c.pauseFor(ctx, wait) {
			return
		}
	}
	attemptCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	attempt := regular(attemptCtx, c.attemptSummary(), activity, in, limit, renewRetries())
	if workflow.Await(ctx, func() bool { return attempt.IsReady() || c.interrupted() }) == nil && !attempt.IsReady() {
		cancel()
	}
	var set TokenSet
	err := attempt.Get(ctx, &set)
	switch {
	case err == nil:
		c.renewed(ctx, set)
	case temporal.IsCanceledError(err):
		// Interrupted: due again as soon as the main loop has dealt with it.
		c.state.WakeAt = workflow.Now(ctx).Add(time.Second)
	default:
		c.failed(ctx, failureOf(err))
	}
}

// pauseFor waits, and reports whether it was interrupted.
func (c *connection) pauseFor(ctx workflow.Context, wait time.Duration) bool {
	timerCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	timer := workflow.NewTimerWithOptions(timerCtx, wait, workflow.TimerOptions{Summary: "the provider asked to wait"})
	err := workflow.Await(ctx, func() bool { return timer.IsReady() || c.interrupted() })
	return err != nil || c.interrupted()
}

// renewed takes over a new token set.
func (c *connection) renewed(ctx workflow.Context, set TokenSet) {
	c.state.Token = set
	c.state.Failures, c.state.LastFailure = 0, time.Time{}
	c.state.InDoubt, c.state.Doubts = false, 0
	c.state.NotBefore = time.Time{}
	c.state.WakeAt = NextRenewal(c.in.ID, set)
	if !set.Renewable {
		c.state.WakeAt = set.ExpiresAt
	}
	if c.state.Status == StatusPaused {
		c.state.PausedFrom, c.state.PausedFromReason = StatusActive, ReasonNone
	} else {
		c.setStatus(ctx, StatusActive, ReasonNone)
	}
	c.settleRefreshes(nil)
	c.describe(ctx)
}

// failed decides what a failed attempt means for the connection, and when to try again.
func (c *connection) failed(ctx workflow.Context, f failure) {
	now := workflow.Now(ctx)
	c.state.Failures++
	c.state.LastFailure = now
	c.state.NotBefore = time.Time{}
	if f.retryAfter > 0 {
		c.state.NotBefore = now.Add(f.retryAfter)
	}
	status, reason := StatusDegraded, f.reason
	wakeAt := now.Add(max(Rung(c.in.ID, c.state.Failures), f.retryAfter))
	switch f.reason.Class() {
	case ClassInDoubt:
		c.state.InDoubt = c.in.Grant == GrantAuthorizationCode
		if c.state.InDoubt {
			c.state.Doubts++
			wakeAt = SettleAt(c.in.ID, c.state.Token, now, c.state.Doubts)
			if c.state.NotBefore.After(wakeAt) {
				wakeAt = c.state.NotBefore
			}
		}
	case ClassReauthorize:
		status, wakeAt = StatusNeedsReauth, time.Time{}
		if c.state.InDoubt && reason == ReasonGrantRejected {
			reason = ReasonRotationLost
		}
		c.state.InDoubt, c.state.Doubts = false, 0
	default:
		// What failed before a byte was sent tells nothing about an earlier attempt in doubt: it stays in doubt.
	}
	if c.state.Token.Generation == 0 {
		status = StatusPending
		if wakeAt.IsZero() {
			wakeAt = now.Add(Rung(c.in.ID, c.state.Failures))
		}
	}
	c.state.WakeAt = wakeAt
	c.setStatus(ctx, status, reason)
	c.settleRefreshes(refusal(reason))
	c.describe(ctx)
}

func (c *connection) attemptSummary() string {
	return fmt.Sprintf("%s: generation %d", c.in.Connector, c.state.Token.Generation+1)
}
