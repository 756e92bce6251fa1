package workflows

import (
	"go.temporal.io/sdk/workflow"
)

// disconnect asks the provider to revoke, for up to seven days, then erases every secret and ends the workflow. The
// vault row says "disconnecting" before this is reached, so nobody is handed a token any more.
func (c *connection) disconnect(ctx workflow.Context) error {
	c.refuseAll()
	c.describe(ctx)
	reason := ReasonDisconnectRequest
	if c.state.Token.Generation > 0 {
		in := RevokeInput{ID: c.in.ID}
		if regular(ctx, c.in.Connector+": revoke tokens", ActivityRevoke, in, revokeLimit, revokeRetries()).Get(ctx, nil) != nil {
			reason = ReasonRevocationFailed
		}
	}
	c.state.Token = TokenSet{Generation: c.state.Token.Generation}
	c.mirror(ctx, StatusDisconnected, reason)
	return c.finish(ctx)
}
