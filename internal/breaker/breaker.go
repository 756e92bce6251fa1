// Package breaker keeps a fault of one OAuth app, or of one provider, from being taken for a fault of each connection:
// it counts failures over the distinct connections of an integration, in the vault, and while an integration's breaker
// is open nothing but a probe calls the provider.
package breaker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// overdue is how many intervals after a probe was due whoever meets the breaker takes it that nobody looks after it.
const overdue = 3

// Board is the breakers of all integrations, as one process sees them. It is safe for concurrent use.
type Board struct {
	store  vault.Breakers
	now    func() time.Time
	opened func(ctx context.Context, integrationID string) error
	log    *slog.Logger
	// interval is the time between two probes.
	interval time.Duration

	mu sync.Mutex
	// told is when this process last told of an integration's open breaker.
	told map[string]time.Time
}

// New makes a board for probes at an interval. opened tells whoever looks after open breakers, see [workflows.Breaker]; it may be called more than
// once for the same opening.
func New(
	store vault.Breakers, now func() time.Time, interval time.Duration, opened func(ctx context.Context, integrationID string) error, log *slog.Logger,
) *Board {
	return &Board{store: store, now: now, interval: interval, opened: opened, log: log, told: make(map[string]time.Time)}
}

// CauseOf says what a failed call tells about the integration; false if it tells nothing.
func CauseOf(reason workflows.Reason) (vault.BreakerCause, bool) {
	switch reason {
	case workflows.ReasonClientRejected, workflows.ReasonAppMisconfigured, workflows.ReasonScopeRejected, workflows.ReasonEndpointWrong:
		return vault.BreakerConfiguration, true
	case workflows.ReasonProviderUnavailable, workflows.ReasonProviderThrottled, workflows.ReasonReplyLost,
		workflows.ReasonReplyUnreadable, workflows.ReasonExchangeLost:
		return vault.BreakerOutage, true
	case workflows.ReasonGrantRejected, workflows.ReasonInteractionRequired:
		return vault.BreakerRefusals, true
	default:
		return "", false
	}
}

// Failed counts a connection's failed call, and reports whether the integration's breaker is open after it. If the vault
// cannot be told, it is not.
func (b *Board) Failed(ctx context.Context, integrationID, connectionID string, reason workflows.Reason) (open bool) {
	cause, ok := CauseOf(reason)
	if !ok {
		return false
	}
	state, opened, err := b.store.CountFailure(ctx, vault.BreakerFailure{
		IntegrationID: integrationID, ConnectionID: connectionID, Cause: cause, Reason: string(reason),
		At: b.now(), ProbeAfter: b.interval,
	})
	if err != nil {
		b.log.Warn("a failure could not be counted", slog.String("integration", integrationID))
		return false
	}
	if opened {
		b.tell(ctx, integrationID)
	}
	return state.Open
}

// Succeeded forgets the integration's failures, and closes its breaker.
func (b *Board) Succeeded(ctx context.Context, integrationID string) {
	closed, err := b.store.CountSuccess(ctx, integrationID)
	switch {
	case err != nil:
		b.log.Warn("a success could not be counted", slog.String("integration", integrationID))
	case closed:
		b.log.Info("the provider answers an integration's connections again", slog.String("integration", integrationID))
	}
}

// Suspended is met by a connection whose integration's breaker is open: how long it is to wait, and why.
func (b *Board) Suspended(ctx context.Context, state vault.Breaker, connectionID string) (wait time.Duration, because workflows.Reason) {
	now := b.now()
	if now.Sub(state.NextProbeAt) > overdue*b.interval {
		b.tell(ctx, state.IntegrationID)
	}
	because = workflows.Reason(state.Reason)
	if state.Cause == vault.BreakerRefusals {
		because = workflows.ReasonRefusalUnconfirmed
	}
	return workflows.SuspendedWait(connectionID, now, b.interval), because
}

// ClaimProbe reads an integration's breaker and, if it is open and a probe is due, claims that probe for the caller.
func (b *Board) ClaimProbe(ctx context.Context, integrationID string) (state vault.Breaker, claimed bool, err error) {
	claimed, err = b.store.ClaimProbe(ctx, integrationID, b.now(), b.interval)
	if err != nil {
		return vault.Breaker{}, false, err
	}
	state, err = b.store.Breaker(ctx, integrationID)
	if errors.Is(err, vault.ErrNotFound) {
		return vault.Breaker{IntegrationID: integrationID}, false, nil
	}
	return state, claimed && state.Open, err
}

// tell tells of an open breaker, at most once in a probe interval.
func (b *Board) tell(ctx context.Context, integrationID string) {
	now := b.now()
	b.mu.Lock()
	last, told := b.told[integrationID]
	recently := told && now.Sub(last) < b.interval
	if !recently {
		b.told[integrationID] = now
	}
	b.mu.Unlock()
	if recently {
		return
	}
	if err := b.opened(ctx, integrationID); err != nil {
		b.log.Warn("nobody could be told of an open breaker; the next connection that meets it tries again", slog.String("integration", integrationID))
		b.mu.Lock()
		delete(b.told, integrationID)
		b.mu.Unlock()
	}
}
