package activities

import (
	"context"
	"log/slog"
	"slices"

	"github.com/acme/connections/internal/breaker"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// maxCandidates bounds how many connections are looked at for a probe; one of them makes the call.
const maxCandidates = 100

// Probe implements [workflows.Activities]: if the integration's breaker is open and a probe is due, one connection calls
// the provider. Any answer that shows the provider and the app to be well closes the breaker, be it a token or the
// refusal of that one connection's grant; a breaker that opened over refusals closes on a token only.
func (a *Activities) Probe(ctx context.Context, in workflows.ProbeInput) (workflows.BreakerState, error) {
	state, claimed, err := a.breakers.ClaimProbe(ctx, in.Integration)
	if err != nil {
		return workflows.BreakerState{}, vaultFailure(err)
	}
	log := a.log.With(slog.String("integration", in.Integration), slog.String("reason", state.Reason))
	if state.Open && in.Announce {
		log.Error("many connections of one integration fail alike: its provider is only probed until one succeeds")
	}
	if claimed {
		if err := a.probe(ctx, state); err != nil {
			return workflows.BreakerState{}, err
		}
		if state, _, err = a.breakers.ClaimProbe(ctx, in.Integration); err != nil {
			return workflows.BreakerState{}, vaultFailure(err)
		}
	}
	if !state.Open {
		return workflows.BreakerState{}, nil
	}
	failing, err := a.vault.FailingConnections(ctx, in.Integration, 1000)
	if err != nil {
		return workflows.BreakerState{}, vaultFailure(err)
	}
	return workflows.BreakerState{
		Open: true, Reason: workflows.Reason(state.Reason), OpenedAt: state.OpenedAt, NextProbeAt: state.NextProbeAt, Failing: len(failing),
	}, nil
}

// probe lets one connection of the integration call the provider.
func (a *Activities) probe(ctx context.Context, state vault.Breaker) error {
	candidates, err := a.candidates(ctx, state)
	if err != nil {
		return err
	}
	for _, c := range candidates {
		_, err := a.renew(ctx, c.Grant, vault.AttemptStart{
			ConnectionID: c.ID, Generation: c.Generation, Probe: true,
			// From the expiry on there is nothing that a second use of the refresh token could cost.
			Settle: !c.ExpiresAt.IsZero() && c.ExpiresAt.Before(a.now()),
		}, false)
		if err == nil {
			return nil // closed where it landed
		}
		reason := reasonOf(err)
		cause, called := breaker.CauseOf(reason)
		switch {
		case reason == workflows.ReasonVaultUnavailable:
			return err
		case !called, reason == workflows.ReasonReplyLost && !a.sent(ctx, c):
			continue // it could not be asked: in doubt, disconnected, without a refresh token
		case cause == vault.BreakerRefusals && state.Cause != vault.BreakerRefusals:
			// The provider answers, and takes the app's credentials: what it refuses is this one grant.
			a.breakers.Succeeded(ctx, state.IntegrationID)
		}
		return nil
	}
	a.log.Warn("no connection of a suspended integration can be used for a probe", slog.String("integration", state.IntegrationID))
	return nil
}

// sent reports whether the connection's newest attempt reached the provider just now, rather than being left in doubt by
// an earlier one.
func (a *Activities) sent(ctx context.Context, c vault.Connection) bool {
	now, err := a.vault.Connection(ctx, c.ID)
	return err == nil && now.Failures > c.Failures
}

// candidates are the connections that may make the probe. For an outage or a rejected app those that failed come first;
// for refusals those that did not, since what they are told decides between the provider and them.
func (a *Activities) candidates(ctx context.Context, state vault.Breaker) ([]vault.Connection, error) {
	failing, err := a.vault.FailingConnections(ctx, state.IntegrationID, maxCandidates)
	if err != nil {
		return nil, vaultFailure(err)
	}
	var failed, others []vault.Connection
	filter := vault.ConnectionFilter{IntegrationID: state.IntegrationID, Limit: 1000}
	for len(failed)+len(others) < maxCandidates {
		page, err := a.vault.ListConnections(ctx, filter)
		if err != nil {
			return nil, vaultFailure(err)
		}
		for _, c := range page {
			status := workflows.ConnectionStatus(c.Status)
			switch {
			case c.Generation == 0 || (status != workflows.StatusActive && status != workflows.StatusDegraded):
			case slices.Contains(failing, c.ID):
				failed = append(failed, c)
			default:
				others = append(others, c)
			}
		}
		if len(page) < filter.Limit {
			break
		}
		filter.After = page[len(page)-1].ID
	}
	// Not the same one at each probe.
	turn := int(state.NextProbeAt.Unix() / max(1, int64(a.probeInterval.Seconds())))
	failed, others = rotated(failed, turn), rotated(others, turn)
	if state.Cause == vault.BreakerRefusals {
		failed, others = others, failed
	}
	return append(failed, others...), nil
}

// rotated is list begun at its n-th element, counted round.
func rotated(list []vault.Connection, n int) []vault.Connection {
	if len(list) == 0 {
		return nil
	}
	n %= len(list)
	return append(list[n:len(list):len(list)], list[:n]...)
}

// renew makes one attempt to renew, by the connection's grant.
func (a *Activities) renew(ctx context.Context, grantType string, start vault.AttemptStart, forced bool) (workflows.TokenSet, error) {
	if grantType == string(workflows.GrantClientCredentials) {
		// Asking twice spends nothing.
		start.Kind, start.Settle = string(oauth.ClientCredentials), true
		return a.spend(ctx, start, forced, a.askAgain)
	}
	start.Kind = string(oauth.Refresh)
	return a.spend(ctx, start, forced, a.present)
}
