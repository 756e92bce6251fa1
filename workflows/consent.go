package workflows

import (
	"go.temporal.io/sdk/workflow"
)

// exchange handles the oldest callback. It takes the next generation whatever it is, and never costs a connection
// the token that it has: a failed or refused consent leaves things as they were, and says so in the reason.
func (c *connection) exchange(ctx workflow.Context) {
	callback := c.state.Callbacks[0]
	c.state.Callbacks = c.state.Callbacks[1:]
	if callback.Reason != ReasonNone {
		c.notConnected(ctx, callback.Reason)
		return
	}
	in := ExchangeInput{ID: c.in.ID, RequestID: callback.RequestID, SealedCode: callback.SealedCode}
	var set TokenSet
	err := regular(ctx, c.in.Connector+": exchange code", ActivityExchange, in, exchangeLimit, exchangeRetries()).Get(ctx, &set)
	if err != nil {
		c.notConnected(ctx, failureOf(err).reason)
		return
	}
	c.renewed(ctx, set)
}

// notConnected records why a consent came to nothing. Only a connection that never had a token shows it as its reason.
func (c *connection) notConnected(ctx workflow.Context, reason Reason) {
	if c.state.Status == StatusPending {
		c.setStatus(ctx, StatusPending, reason)
	}
	c.describe(ctx)
}
