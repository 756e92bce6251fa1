package tokens

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/acme/connections/internal/reads"
	"github.com/acme/connections/internal/vault"
)

// pending are hand-outs that are counted and not written: of entries that were evicted, and of batches that failed.
type pending struct {
	sums map[string]sum
}

// sum is a number of hand-outs, and when the first of them was counted.
type sum struct {
	n     int64
	first time.Time
}

// tier is how the audit names tokens that were handed out in the caller's process.
const tier = "process"

// maxPending bounds the connections of pending, and maxBatch those of one write.
const (
	maxPending = 200_000
	maxBatch   = 5_000
)

func (p *pending) add(id string, n int64, first time.Time) {
	if n == 0 {
		return
	}
	if p.sums == nil {
		p.sums = make(map[string]sum)
	}
	before, ok := p.sums[id]
	switch {
	case ok:
		p.sums[id] = sum{before.n + n, before.first}
	case len(p.sums) < maxPending:
		p.sums[id] = sum{n, first}
	}
}

// markStore is the part of a vault that a reads.Marker needs.
type markStore struct{ vault.Access }

// LastRead implements vault.Reads; a marker never asks.
func (markStore) LastRead(context.Context, string) (time.Time, error) { return time.Time{}, nil }

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
	if n := e.count.take(); n > 0 {
		g.flushing.Lock()
		defer g.flushing.Unlock()
		g.pending.add(e.id, int64(n), g.config.Now()) //nolint:gosec // nobody counts that far
	}
}

// Flush writes the hand-outs since the last flush: sums for the audit, and marks that keep connections awake. What
// cannot be written is kept for the next one.
func (g *Engine) Flush(ctx context.Context) error {
	at := g.config.Now()
	sums := g.takeAll(at)
	batch := make(map[string]sum, min(len(sums), maxBatch))
	var all error
	for id, n := range sums {
		batch[id] = n
		if len(batch) == maxBatch {
			all = errors.Join(all, g.write(ctx, at, batch))
			batch = make(map[string]sum, maxBatch)
		}
	}
	return errors.Join(all, g.write(ctx, at, batch))
}

// takeAll collects what was counted since the last time.
func (g *Engine) takeAll(at time.Time) map[string]sum {
	g.flushing.Lock()
	defer g.flushing.Unlock()
	round := g.round.Add(1)
	for _, e := range g.cache.entries() {
		if n := e.count.take(); n > 0 {
			e.used.Store(round)
			g.pending.add(e.id, int64(n), at) //nolint:gosec // nobody counts that far
		}
	}
	sums := g.pending.sums
	g.pending.sums = nil
	return sums
}

// write writes one batch. The marks keep themselves if they fail.
func (g *Engine) write(ctx context.Context, at time.Time, batch map[string]sum) error {
	handouts := make([]vault.Handout, 0, len(batch))
	for id, s := range batch {
		g.marker.Mark(id, at)
		handouts = append(handouts, vault.Handout{
			ConnectionID: id, Who: g.config.Caller, Tier: tier, Count: s.n, First: s.first, Last: at,
		})
	}
	marked := g.marker.Flush(ctx)
	if len(batch) == 0 {
		return marked
	}
	err := g.config.Vault.RecordHandouts(ctx, handouts)
	if err != nil {
		g.flushing.Lock()
		defer g.flushing.Unlock()
		for id, s := range batch {
			g.pending.add(id, s.n, s.first)
		}
	}
	return errors.Join(marked, err)
}
