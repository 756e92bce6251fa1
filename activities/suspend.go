package activities

import (
	"context"
	"log/slog"
	"time"

	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// suspended is the answer to a connection whose integration's breaker is open. If a caller waits for it, it is counted,
// so that it is not replayed to those who come later.
func (a *Activities) suspended(ctx context.Context, begun vault.Begun, forced bool) error {
	if forced {
		if err := a.vault.RaiseFailures(ctx, begun.Connection.ID); err != nil {
			return vaultFailure(err)
		}
	}
	wait, because := a.breakers.Suspended(ctx, begun.Breaker, begun.Connection.ID)
	return failureWith(workflows.ReasonSuspended, wait, workflows.FailureDetails{Because: because})
}

// judged counts a failed call for the integration's breaker. A grant that is refused while many others are is not taken
// for dead yet.
func (a *Activities) judged(ctx context.Context, s *spending, connectionID string, err error) error {
	select {
	case <-s.done:
	default:
		return err // still under way
	}
	if err == nil {
		return nil
	}
	reason := reasonOf(err)
	if s.kind == string(oauth.Exchange) && reason.Class() == workflows.ClassConfiguration && reason != workflows.ReasonClientRejected {
		return err // what one customer asks for at its consent, such as an odd scope, says nothing of the others
	}
	if s.unheard && reason == workflows.ReasonGrantRejected {
		// Many may be refused at once where a crash of ours lost many answers. That says nothing of the provider.
		return err
	}
	// The activity's own time may be nearly up, and what it learnt is worth keeping.
	countCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countLimit)
	defer cancel()
	if a.breakers.Failed(countCtx, s.integration, connectionID, reason) && reason.Class() == workflows.ClassReauthorize {
		a.log.Warn("a refused grant is not believed: many are refused at once", slog.String("connection", connectionID))
		return failureWith(reason, 0, workflows.FailureDetails{Unconfirmed: true})
	}
	return err
}

// countLimit bounds the counting of a failure.
const countLimit = 2 * time.Second
