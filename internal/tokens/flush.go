package tokens

import (
	"context"
	"log/slog"
	"time"

	"github.com/acme/connections/internal/reads"
	"github.com/acme/connections/internal/vault"
)

// tier is how the audit names tokens that were handed out in the caller's process.
const tier = "process"

func (g *Engine) runFlushes(ctx context.Context) {
	ticker := time.NewTicker(reads.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := g.Flush(ctx); err != nil && ctx.Err() == nil {
				g.config.Log.Warn("hand-outs of tokens could not be written; they are with the next batch", slog.Any("error", err))
			}
		case <-ctx.Done():
			return
		}
	}
}

// retire saves what was counted of an entry that is leaving the cache.
func (g *Engine) retire(e *entry) {
	e.end()
	g.enter(e.id, e.count.take(), g.config.Now())
}

// enter adds hand-outs to the ledger.
func (g *Engine) enter(id string, n uint64, at time.Time) {
	if n > 0 {
		g.ledger.Add(vault.Handout{ConnectionID: id, Who: g.config.Caller, Tier: tier, Count: int64(n), First: at, Last: at}) //nolint:gosec // nobody counts that far
	}
}

// Flush writes the hand-outs since the last flush: sums for the audit, and marks that keep connections awake. What
// cannot be written is kept for the next one.
func (g *Engine) Flush(ctx context.Context) error {
	at, round := g.config.Now(), g.round.Add(1)
	for _, e := range g.cache.entries() {
		if n := e.count.take(); n > 0 {
			e.used.Store(round)
			g.enter(e.id, n, at)
		}
	}
	return g.ledger.Flush(ctx)
}
