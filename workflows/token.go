package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Times of the activities for callers.
const (
	// TokenWait is how long [Token] waits for a token at most, unless [Wait] says otherwise.
	TokenWait = 2 * time.Minute

	// tokenAttempt is longer than the update "refresh", which an attempt may wait for.
	tokenAttempt = 45 * time.Second
	// awaitAttempt is longer than an attempt of AwaitToken, which ends by itself, and a refresh after it.
	awaitAttempt = 2 * time.Minute
	// awaitHeartbeat bounds how long a crashed worker goes unnoticed, and how late a cancellation arrives there.
	awaitHeartbeat = 10 * time.Second
)

// TokenOption is an option of [Token].
type TokenOption interface{ toToken(c *tokenCall) }

// AwaitOption is an option of [AwaitToken].
type AwaitOption interface{ toAwait(c *tokenCall) }

// AnyOption is an option of both.
type AnyOption interface {
	TokenOption
	AwaitOption
}

// StatusOption is an option of [StatusViaNexus].
type StatusOption interface{ toStatus(in *StatusRequest) }

// OwnerOption is an option of all three.
type OwnerOption interface {
	AnyOption
	StatusOption
}

// tokenCall is what the options make of a call.
type tokenCall struct {
	request  TokenRequest
	wait     time.Duration
	local    bool
	endpoint string
}

type anyOption func(*tokenCall)

func (o anyOption) toToken(c *tokenCall) { o(c) }
func (o anyOption) toAwait(c *tokenCall) { o(c) }

type tokenOption func(*tokenCall)

func (o tokenOption) toToken(c *tokenCall) { o(c) }

type ownerOption string

func (o ownerOption) toToken(c *tokenCall)       { c.request.Owner = string(o) }
func (o ownerOption) toAwait(c *tokenCall)       { c.request.Owner = string(o) }
func (o ownerOption) toStatus(in *StatusRequest) { in.Owner = string(o) }

// OfOwner asks for a connection of that owner only: that of another is [NotFound]. It keeps a workflow that serves one
// customer from using an id of another's by mistake. It is the caller's own word: what a caller cannot get round is the
// owner that the workers of Connections give to the task queue of a Nexus endpoint (CONNECTIONS_NEXUS_QUEUES).
func OfOwner(owner string) OwnerOption { return ownerOption(owner) }

// MinLife asks for a token that lives for d more; one that does not is renewed first. Should that fail while the token
// still lives, it is handed out: look at ExpiresAt. [AwaitToken] rather waits, if it takes a person to mend that.
func MinLife(d time.Duration) AnyOption {
	return anyOption(func(c *tokenCall) { c.request.MinLifeSeconds = int64((d + time.Second - 1) / time.Second) })
}

// Wait bounds the call, retries and waiting for a worker included. Without it [Token] waits for [TokenWait], and
// [AwaitToken] for ever.
func Wait(d time.Duration) AnyOption { return anyOption(func(c *tokenCall) { c.wait = d }) }

// Local runs activity "Token" inside the caller's own workflow task: one event of history, and no round trip to a task
// queue. The caller's worker must have the activity registered, which takes a way to the vault; where it is missing, or
// has no answer in five seconds, queue "connections" is asked as without this option.
func Local() TokenOption { return tokenOption(func(c *tokenCall) { c.local = true }) }

// ViaNexus asks by the Nexus endpoint of that name, for callers in other namespaces: it gives them no other way into
// the namespace of the connections.
func ViaNexus(endpoint string) TokenOption {
	return tokenOption(func(c *tokenCall) { c.endpoint = endpoint })
}

// Token gets the access token of a connection, sealed, and what is to be known of it, for use in any workflow of the
// namespace: neither the caller nor its worker needs a database or a key for this call. Hand the result to an activity,
// which opens it there: what is opened in workflow code is in clear in the history.
//
// It costs one activity on queue "connections" (see [Local] and [ViaNexus] for other ways). A refresh that fails for a
// reason that should pass is tried again until [Wait] is over; if the token in hand still lives, it is handed out.
//
// Errors are a [*TokenError], or a cancellation of ctx.
func Token(ctx workflow.Context, id string, options ...TokenOption) (AccessToken, error) {
	call := tokenCall{request: TokenRequest{ID: id}}
	for _, o := range options {
		o.toToken(&call)
	}
	if call.wait == 0 {
		call.wait = TokenWait
	}
	if err := call.fault(); err != nil {
		return AccessToken{}, err
	}
	var token AccessToken
	if call.endpoint != "" {
		err := nexusOperation(ctx, call.endpoint, OperationToken, "token of "+id, call.request, call.wait).Get(ctx, &token)
		return token, refusedToken(id, err)
	}
	if call.local {
		err := refusedToken(id, local(ctx, "token of "+id, ActivityToken, call.request).Get(ctx, &token))
		if refused, is := AsTokenError(err); !is || refused.Kind != TemporarilyUnavailable {
			return token, err
		}
	}
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              TaskQueue,
		StartToCloseTimeout:    min(tokenAttempt, call.wait),
		ScheduleToCloseTimeout: call.wait,
		RetryPolicy:            callerRetries(15 * time.Second),
		Summary:                "token of " + id,
	}), ActivityToken, call.request).Get(ctx, &token)
	return token, refusedToken(id, err)
}

// AwaitToken is [Token] for callers that can wait for a person: while the connection is pending, needs a new consent or
// is paused, the workflow is parked, for days if need be, and goes on by itself once that is mended. Waiting adds nothing
// to its history: it is one activity on queue "connections", retried there. Cancel ctx to stop waiting.
//
// Errors are a [*TokenError] (the connection is gone, or [Wait] is over), or a cancellation of ctx.
func AwaitToken(ctx workflow.Context, id string, options ...AwaitOption) (AccessToken, error) {
	call := tokenCall{request: TokenRequest{ID: id}}
	for _, o := range options {
		o.toAwait(&call)
	}
	if err := call.fault(); err != nil {
		return AccessToken{}, err
	}
	var token AccessToken
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              TaskQueue,
		StartToCloseTimeout:    awaitAttempt,
		ScheduleToCloseTimeout: call.wait,
		HeartbeatTimeout:       awaitHeartbeat,
		RetryPolicy:            callerRetries(time.Minute),
		Summary:                "token of " + id + ", when there is one",
	}), ActivityAwaitToken, call.request).Get(ctx, &token)
	return token, refusedToken(id, err)
}

// StatusViaNexus asks by a Nexus endpoint where a connection stands. The answer is that of the vault, which is as fresh
// as the last change of status.
//
// Errors are a [*TokenError], or a cancellation of ctx.
func StatusViaNexus(ctx workflow.Context, endpoint, id string, options ...StatusOption) (Status, error) {
	in := StatusRequest{ID: id}
	for _, o := range options {
		o.toStatus(&in)
	}
	var status Status
	err := nexusOperation(ctx, endpoint, OperationStatus, "status of "+id, in, TokenWait).Get(ctx, &status)
	return status, refusedToken(id, err)
}

func callerRetries(longest time.Duration) *temporal.RetryPolicy {
	return &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: longest, MaximumAttempts: untilTheLimit}
}

func nexusOperation(ctx workflow.Context, endpoint, operation, summary string, in any, wait time.Duration) workflow.Future {
	return workflow.NewNexusClient(endpoint, NexusService).ExecuteOperation(ctx, operation, in,
		workflow.NexusOperationOptions{ScheduleToCloseTimeout: wait, Summary: summary})
}

// fault refuses what could not succeed, before it costs an event.
func (c *tokenCall) fault() error {
	if !ValidID(c.request.ID) || c.request.MinLifeSeconds < 0 || c.wait < 0 || (c.local && c.endpoint != "") {
		return &TokenError{ID: c.request.ID, Kind: Malformed, Reason: ReasonInvalid, cause: refusal(ReasonInvalid)}
	}
	return nil
}
