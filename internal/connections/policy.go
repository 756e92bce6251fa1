package connections

import (
	"context"
	"fmt"

	"github.com/acme/connections/internal/vault"
)

// SetPolicy changes when a connection is renewed, and renews it now, since it may be asleep. An empty policy is the
// integration's.
func (c *Client) SetPolicy(ctx context.Context, id, policy string) (View, error) {
	if !validPolicy(policy) {
		return View{}, invalid("%s", policyFault(policy))
	}
	if _, err := c.row(ctx, id); err != nil {
		return View{}, err
	}
	if err := c.Vault.SetPolicy(ctx, id, policy); err != nil {
		return View{}, vaultError(err, id)
	}
	return c.Refresh(ctx, id)
}

func validPolicy(policy string) bool {
	return policy == "" || policy == vault.PolicyAdaptive || policy == vault.PolicyAlwaysFresh
}

func policyFault(policy string) string {
	return fmt.Sprintf("The policy %.40q is not known: use %s (a connection that nobody reads sleeps until it is read) or %s.",
		policy, vault.PolicyAdaptive, vault.PolicyAlwaysFresh)
}
