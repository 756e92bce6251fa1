package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"
)

// maxHistory is when a run hands over to the next. A query against an evicted run costs a replay of its history, so
// histories stay short: 500 events answer in about 25 ms.
const maxHistory = 450

// logicChange is the version marker of each run. Version 1 counts doubts apart from other failures and settles them at the
// expiry rather than just before it, retries freely what was not sent, asks again within five minutes while the OAuth app
// is rejected, and keeps callers waiting whose refresh was cut short; version 0 is the runs that began before.
const (
	logicChange  = "logic"
	logicVersion = 1
)

// Connection is the workflow of one connection; see the package comment, and [ConnectionInput].
func Connection(ctx workflow.Context, in ConnectionInput) error {
	if !ValidID(in.ID) || (in.Grant != GrantAuthorizationCode && in.Grant != GrantClientCredentials) {
		return refusal(ReasonInvalid)
	}
	c := &connection{in: in, callbacks: workflow.GetSignalChannelWithOptions(ctx, SignalCallback, workflow.SignalChannelOptions{
		Description: "The answer of the provider's consent screen, with the authorization code sealed. Sent by the callback page.",
	})}
	if err := c.start(ctx); err != nil {
		return err
	}
	return c.run(ctx)
}

// connection is a running connection. Its coroutines share it without locks: workflow code runs one at a time.
type connection struct {
	in    ConnectionInput
	state State
	// callbacks are signals not yet received; state.Callbacks those received and not yet handled.
	callbacks workflow.ReceiveChannel
	// requests are updates that wait for the main loop; refreshing those whose attempt is under way.
	requests   []*request
	refreshing []*request
	// version is that of logicChange.
	version workflow.Version
}

func (c *connection) start(ctx workflow.Context) error {
	c.version = workflow.GetVersion(ctx, logicChange, workflow.DefaultVersion, logicVersion)
	if c.in.Carried != nil {
		c.state = *c.in.Carried
		if c.state.AwakeSince.IsZero() {
			// Begun anew from the vault's row: nobody knows who reads it, so it does not fall asleep at once.
			c.state.AwakeSince = workflow.Now(ctx)
		}
	} else {
		c.state = State{
			Status: StatusPending, Reason: ReasonAwaitingConsent,
			Since: workflow.Now(ctx), ConsentDeadline: c.in.ConsentDeadline,
		}
		if c.in.Grant == GrantClientCredentials {
			c.state.Reason = ReasonNone
			c.state.WakeAt = workflow.Now(ctx)
		}
	}
	if err := c.handle(ctx); err != nil {
		return err
	}
	c.describe(ctx)
	return nil
}

// run is the main loop: the only place that calls activities, so that at most one attempt is ever under way.
func (c *connection) run(ctx workflow.Context) error {
	for {
		c.receive()
		if c.state.Status == StatusDisconnecting {
			// Not to be stopped by a cancellation: what was promised is to revoke and erase.
			ctx, _ = workflow.NewDisconnectedContext(ctx)
			return c.disconnect(ctx)
		}
		if err := ctx.Err(); err != nil {
			// Cancelled by hand. The row and its tokens stay, and "reconnect" starts a new workflow for them.
			return err
		}
		switch now := workflow.Now(ctx); {
		case len(c.requests) > 0 && !c.consentFirst():
			c.answer(ctx)
		case len(c.state.Callbacks) > 0:
			c.exchange(ctx)
		case c.historyFull(ctx):
			// Handlers first: an update that is cut off by the end of a run would be an error for its caller.
			settled := func() bool { return c.interrupted() || workflow.AllHandlersFinished(ctx) }
			if err := workflow.Await(ctx, settled); err != nil {
				return err
			}
			if !c.interrupted() {
				return c.continueAsNew(ctx)
			}
		case c.state.Status == StatusPending && !now.Before(c.state.ConsentDeadline):
			return c.expire(ctx)
		case c.due(now):
			c.renewOrLapse(ctx)
		case c.state.Status == StatusActive && c.wellReason(now) != c.state.Reason:
			c.setStatus(ctx, StatusActive, c.wellReason(now))
			c.describe(ctx)
		default:
			if err := c.wait(ctx); err != nil {
				return err
			}
		}
	}
}

// receive moves callback signals into the state, where continue-as-new carries them.
func (c *connection) receive() {
	for {
		var callback Callback
		if !c.callbacks.ReceiveAsync(&callback) {
			return
		}
		c.state.Callbacks = append(c.state.Callbacks, callback)
	}
}

// consentFirst reports whether a new consent goes before the request at the head: it brings what a refresh asks for.
func (c *connection) consentFirst() bool {
	return c.version >= 1 && c.requests[0].update == UpdateRefresh && len(c.state.Callbacks) > 0
}

// interrupted reports whether something wants the main loop's attention.
func (c *connection) interrupted() bool { return len(c.requests) > 0 || c.callbacks.Len() > 0 }

func (c *connection) due(now time.Time) bool {
	return !c.state.WakeAt.IsZero() && !now.Before(c.state.WakeAt) && c.renews()
}

// renews reports whether the status allows renewal by timer.
func (c *connection) renews() bool {
	switch c.state.Status {
	case StatusActive, StatusDegraded:
		return true
	case StatusPending:
		return c.in.Grant == GrantClientCredentials
	default:
		return false
	}
}

// wait sleeps until the next deadline or interruption.
func (c *connection) wait(ctx workflow.Context) error {
	at, summary := c.nextTimer(workflow.Now(ctx))
	if at.IsZero() {
		return workflow.Await(ctx, c.interrupted)
	}
	timerCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	timer := workflow.NewTimerWithOptions(timerCtx, at.Sub(workflow.Now(ctx)), workflow.TimerOptions{Summary: summary})
	return workflow.Await(ctx, func() bool { return timer.IsReady() || c.interrupted() })
}

func (c *connection) nextTimer(now time.Time) (at time.Time, summary string) {
	earliest := func(other time.Time, what string) {
		if !other.IsZero() && (at.IsZero() || other.Before(at)) {
			at, summary = other, what
		}
	}
	if c.renews() {
		earliest(c.state.WakeAt, c.in.Connector+": "+c.wakeSummary())
	}
	switch c.state.Status {
	case StatusPending:
		earliest(c.state.ConsentDeadline, "consent deadline")
	case StatusActive:
		_, next := GrantWarning(c.state.Token, now)
		earliest(next, "the grant ends soon")
	default:
	}
	return at, summary
}

func (c *connection) wakeSummary() string {
	switch {
	case c.state.Failures > 0:
		return "try again"
	case c.state.Asleep:
		return "keep the refresh token alive"
	default:
		return "renew token"
	}
}

// wellReason is the reason of a connection that is active.
func (c *connection) wellReason(now time.Time) Reason {
	reason, _ := GrantWarning(c.state.Token, now)
	return reason
}

// setStatus changes the status everywhere it is mirrored: search attributes and the vault row.
func (c *connection) setStatus(ctx workflow.Context, status ConnectionStatus, reason Reason) {
	if c.state.Status == status && c.state.Reason == reason {
		return
	}
	c.mirror(ctx, status, reason)
	_ = c.record(ctx, RecordInput{})
}

// mirror changes the status in the state and the search attributes.
func (c *connection) mirror(ctx workflow.Context, status ConnectionStatus, reason Reason) {
	if c.state.Status != status {
		c.state.Since = workflow.Now(ctx)
	}
	c.state.Status, c.state.Reason = status, reason
	c.state.StatusSeq++
	// Failing to upsert can only mean an attribute that the namespace does not know; the task then fails and is
	// retried by the server with a message that names it.
	_ = workflow.UpsertTypedSearchAttributes(ctx,
		AttributeStatus.ValueSet(string(status)), AttributeReason.ValueSet(string(reason)))
}

// record writes the present status to the vault: quickly if it can be, otherwise patiently.
func (c *connection) record(ctx workflow.Context, in RecordInput) error {
	in.ID, in.Status, in.Reason = c.in.ID, c.state.Status, c.state.Reason
	in.Seq, in.At = c.state.StatusSeq, workflow.Now(ctx)
	summary := "record " + string(in.Status)
	if local(ctx, summary, ActivityRecord, in).Get(ctx, nil) == nil {
		return nil
	}
	return regular(ctx, summary, ActivityRecord, in, recordLimit, recordRetries()).Get(ctx, nil)
}

func (c *connection) historyFull(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return info.GetContinueAsNewSuggested() || info.GetCurrentHistoryLength() >= maxHistory
}

// continueAsNew hands everything to a new run: signals drained, times carried as they are.
func (c *connection) continueAsNew(ctx workflow.Context) error {
	c.receive()
	next := c.in
	carried := c.state
	carried.Runs++
	next.Carried = &carried
	return workflow.NewContinueAsNewError(ctx, TypeConnection, next)
}

// expire ends a connection that nobody consented to in time.
func (c *connection) expire(ctx workflow.Context) error {
	c.mirror(ctx, StatusExpired, ReasonConsentExpired)
	return c.finish(ctx)
}

// finish erases what is to be erased and ends the workflow once every caller has its answer.
func (c *connection) finish(ctx workflow.Context) error {
	c.describe(ctx)
	if err := c.record(ctx, RecordInput{Erase: true}); err != nil {
		return refusal(ReasonVaultUnavailable)
	}
	c.refuseAll()
	return workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
}

// refuseAll answers every waiting update of a connection that is ending.
func (c *connection) refuseAll() {
	for _, r := range slices.Concat(c.refreshing, c.requests) {
		if r.update == UpdateDisconnect {
			r.finish(nil)
			continue
		}
		r.finish(refusal(c.endReason()))
	}
	c.requests, c.refreshing = nil, nil
}

func (c *connection) endReason() Reason {
	if c.state.Status == StatusExpired {
		return ReasonConsentExpired
	}
	return ReasonDisconnected
}
