package tokens

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/acme/connections/internal/reads"
)

// pending are hand-outs that are counted and not written: of entries that were evicted, and of batches that failed.
type pending struct {
	counts map[string]int64
}

// maxPending bounds the connections of pending, and maxBatch those of one write.
const (
	maxPending = 200_000
	maxBatch   = 5_000
)

func (p *pending) add(id string, n int64) {
	if n == 0 {
		return
	}
	if p.counts == nil {
		p.counts = make(map[string]int64)
	}
	if _, ok := p.counts[id]; ok || len(p.counts) < maxPending {
		p.counts[id] += n
	}
}

// markStore is the part of a Store that a reads.Marker needs.
type markStore struct{ Store }

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
		g.pending.add(e.id, int64(n)) //nolint:gosec // nobody counts that far
	}
}

// Flush writes the hand-outs since the last flush: sums for the audit, and marks that keep connections awake. What
// cannot be written is kept for the next one.
func (g *Engine) Flush(ctx context.Context) error {
	g.flushing.Lock()
	round := g.round.Add(1)
	for _, e := range g.cache.entries() {
		if n := e.count.take(); n > 0 {
			e.used.Store(round)
			g.pending.add(e.id, int64(n)) //nolint:gosec // nobody counts that far
		}
	}
	counts := g.pending.counts
	g.pending.counts = nil
	g.flushing.Unlock()

	at := g.config.Now()
	batch := make(map[string]int64, min(len(counts), maxBatch))
	var all error
	for id, n := range counts {
		batch[id] = n
		if len(batch) == maxBatch {
			all = errors.Join(all, g.write(ctx, at, batch))
			batch = make(map[string]int64, maxBatch)
		}
	}
	return errors.Join(all, g.write(ctx, at, batch))
}

// write writes one batch. The marks keep themselves if they fail.
func (g *Engine) write(ctx context.Context, at time.Time, batch map[string]int64) error {
	for id := range batch {
		g.marker.Mark(id, at)
	}
	marked := g.marker.Flush(ctx)
	if g.config.Auditor == nil || len(batch) == 0 {
		return marked
	}
	err := g.config.Auditor.AddHandouts(ctx, g.config.Caller, at, batch)
	if err != nil {
		g.flushing.Lock()
		defer g.flushing.Unlock()
		for id, n := range batch {
			g.pending.add(id, n)
		}
	}
	return errors.Join(marked, err)
}
