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
	in := RenewInput{
		ID: c.in.ID, Generation: c.state.Token.Generation, Settle: c.state.InDoubt, Forced: len(c.refreshing) > 0,
	}
	if !in.Forced && !c.state.Asleep && c.state.Status == StatusActive {
		in.UnreadSince = UnreadSince(c.state.Token, c.state.AwakeSince, workflow.Now(ctx))
	}
	activity := renewActivity(c.in.Grant)
	var set TokenSet
	err := local(ctx, c.attemptSummary(), activity, in).Get(ctx, &set)
	if err == nil {
		c.took(ctx, set)
		return
	}
	// An attempt that outlasts the workflow task is still under way, and one whose turn has not come has not begun:
	// nothing has failed yet, and the regular activity joins it, or waits for its turn.
	var timeout *temporal.TimeoutError
	in.Report = c.state.Status != StatusDegraded
	if f := failureOf(err); !errors.As(err, &timeout) && f.reason != ReasonAttemptInFlight && f.reason != ReasonQueued {
		c.failed(ctx, f)
		in.Report = false
		if f.reason.Class() != ClassTransient || (c.version < 1 && c.state.InDoubt) {
			return
		}
	}
	in.UnreadSince = time.Time{}
	in.Forced = len(c.refreshing) > 0
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
		c.took(ctx, set)
	case temporal.IsCanceledError(err):
		// Interrupted: due again as soon as the main loop has dealt with it.
		c.state.WakeAt = workflow.Now(ctx).Add(time.Second)
	default:
		c.failed(ctx, failureOf(err))
	}
}

// took takes over what a renewal brought: a new token set, or the word that nobody needs one.
func (c *connection) took(ctx workflow.Context, set TokenSet) {
	if !set.Unread {
		c.renewed(ctx, set)
		return
	}
	c.state.Asleep = true
	c.state.WakeAt = KeepAliveAt(c.in.ID, c.state.Token)
	c.describe(ctx)
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
	now := workflow.Now(ctx)
	if len(c.refreshing) > 0 || c.state.AwakeSince.IsZero() || set.ConsentedAt.After(c.state.Token.ConsentedAt) {
		c.state.AwakeSince, c.state.Asleep = now, false
	}
	c.state.Token = set
	c.state.Failures, c.state.LastFailure = 0, time.Time{}
	c.state.InDoubt, c.state.Doubts, c.state.RefusedAt = false, 0, time.Time{}
	c.state.NotBefore = time.Time{}
	switch {
	case !set.Renewable:
		c.state.WakeAt = set.ExpiresAt
	case c.state.Asleep:
		// It was a keep-alive: nobody waits for this token.
		c.state.WakeAt = KeepAliveAt(c.in.ID, set)
	default:
		c.state.WakeAt = NextRenewal(c.in.ID, set)
	}
	if c.state.Status == StatusPaused {
		c.state.PausedFrom, c.state.PausedFromReason = StatusActive, ReasonNone
	} else {
		c.setStatus(ctx, StatusActive, c.wellReason(now))
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
	rung := Rung(c.in.ID, c.state.Failures)
	status, reason := StatusDegraded, f.reason
	switch f.reason.Class() {
	case ClassInDoubt:
		c.state.InDoubt = c.in.Grant == GrantAuthorizationCode
		if c.state.InDoubt {
			c.state.Doubts++
		}
	case ClassConfiguration:
		if c.version >= 1 {
			rung = min(rung, configurationRung)
		}
	case ClassReauthorize:
		if c.believed(f, now) {
			status = StatusNeedsReauth
			if c.state.InDoubt && reason == ReasonGrantRejected {
				reason = ReasonRotationLost
			}
			c.state.InDoubt, c.state.Doubts, c.state.RefusedAt = false, 0, time.Time{}
			break
		}
		reason = ReasonRefusalUnconfirmed
		rung = confirmAfter + rung
		c.state.NotBefore = now.Add(confirmAfter)
	default:
		// What failed before a byte was sent tells nothing about an earlier attempt in doubt: it stays in doubt.
		if f.reason == ReasonSuspended {
			// The breaker knows why; callers look at it again soon, and the timer when the breaker says.
			rung = 0
			c.state.NotBefore = now.Add(min(f.retryAfter, suspendedRefusal))
			if f.because != ReasonNone {
				reason = f.because
			}
		}
	}
	c.state.WakeAt = now.Add(max(rung, f.retryAfter))
	if f.reason.Class() == ClassInDoubt && c.state.InDoubt {
		c.state.WakeAt = c.settleAt(now)
	}
	if status == StatusNeedsReauth {
		c.state.WakeAt = time.Time{}
	}
	if c.state.Token.Generation == 0 {
		status = StatusPending
		if c.state.WakeAt.IsZero() {
			c.state.WakeAt = now.Add(rung)
		}
	}
	c.setStatus(ctx, status, reason)
	if c.version < 1 || f.reason != ReasonVaultUnavailable {
		// While the vault is away nothing can be counted, and an answer would be replayed to later callers: they wait.
		c.settleRefreshes(refusal(reason))
	}
	c.describe(ctx)
}

// believed reports whether a refusal of the grant stands: at once, unless the provider refuses many connections alike;
// then if it is repeated an hour after the first.
func (c *connection) believed(f failure, now time.Time) bool {
	if !f.unconfirmed {
		return true
	}
	if c.state.RefusedAt.IsZero() {
		c.state.RefusedAt = now
	}
	return now.Sub(c.state.RefusedAt) >= confirmAfter
}

func (c *connection) settleAt(now time.Time) time.Time {
	if c.version < 1 {
		return settleAtBefore(c.in.ID, c.state.Token, now, c.state.Failures)
	}
	at := SettleAt(c.in.ID, c.state.Token, now, c.state.Doubts)
	if c.state.NotBefore.After(at) {
		return c.state.NotBefore
	}
	return at
}

func (c *connection) attemptSummary() string {
	return fmt.Sprintf("%s: generation %d", c.in.Connector, c.state.Token.Generation+1)
}
