package reads

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/acme/connections/internal/vault"
)

const (
	// maxSums bounds what a Ledger holds, and maxBatch the connections of one write.
	maxSums  = 200_000
	maxBatch = 5_000
)

// Handouts is the part of a vault that a [Ledger] writes to.
type Handouts interface {
	// MarkRead is that of vault.Reads.
	MarkRead(ctx context.Context, marks map[string]time.Time) error
	// RecordHandouts is that of vault.Audit.
	RecordHandouts(ctx context.Context, handouts []vault.Handout) error
}

// Ledger collects who was handed which connection's token until it is written: as counts for the audit, and as marks
// that keep connections awake. It is safe for concurrent use.
type Ledger struct {
	store  Handouts
	marker *Marker
	log    *slog.Logger

	mu   sync.Mutex
	sums map[asked]vault.Handout
}

// asked is what tells the rows of the audit apart.
type asked struct {
	id, who, tier string
	hour          time.Time
}

// NewLedger makes a ledger. Run it, or call Flush, for anything to be written.
func NewLedger(store Handouts, log *slog.Logger) *Ledger {
	return &Ledger{store: store, marker: New(marksOf{store}, log), log: log, sums: make(map[asked]vault.Handout)}
}

// marksOf is a vault for a Marker, which never asks.
type marksOf struct{ Handouts }

// LastRead implements vault.Reads.
func (marksOf) LastRead(context.Context, string) (time.Time, error) { return time.Time{}, nil }

// Add counts hand-outs; Owner need not be set. It never waits for the vault. What there is no room for, while the vault
// takes nothing, goes uncounted.
func (l *Ledger) Add(h vault.Handout) {
	if h.Count <= 0 {
		return
	}
	h = h.Normalize()
	key := asked{h.ConnectionID, h.Who, h.Tier, h.Hour()}
	l.mu.Lock()
	defer l.mu.Unlock()
	before, ok := l.sums[key]
	switch {
	case ok:
		h.Count += before.Count
		if before.First.Before(h.First) {
			h.First = before.First
		}
		if before.Last.After(h.Last) {
			h.Last = before.Last
		}
	case len(l.sums) >= maxSums:
		return
	}
	l.sums[key] = h
}

// Run writes every [Interval], and what is left when ctx ends.
func (l *Ledger) Run(ctx context.Context) {
	ticker := time.NewTicker(Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.flush(ctx)
		case <-ctx.Done():
			l.flush(context.WithoutCancel(ctx))
			return
		}
	}
}

func (l *Ledger) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	if err := l.Flush(ctx); err != nil {
		l.log.Warn("hand-outs of tokens could not be written; they are with the next batch", slog.Any("error", err))
	}
}

// Flush writes what was collected. What cannot be written is kept for the next time.
func (l *Ledger) Flush(ctx context.Context) error {
	l.mu.Lock()
	sums := make([]vault.Handout, 0, len(l.sums))
	for _, h := range l.sums {
		sums = append(sums, h)
	}
	l.sums = make(map[asked]vault.Handout)
	l.mu.Unlock()
	if len(sums) == 0 {
		return l.marker.Flush(ctx)
	}
	var all error
	for batch := range slices.Chunk(sums, maxBatch) {
		all = errors.Join(all, l.write(ctx, batch))
	}
	return all
}

// write writes one batch. The marks keep themselves if they fail.
func (l *Ledger) write(ctx context.Context, batch []vault.Handout) error {
	for _, h := range batch {
		l.marker.Mark(h.ConnectionID, h.Last)
	}
	marked := l.marker.Flush(ctx)
	err := l.store.RecordHandouts(ctx, batch)
	if err != nil {
		for _, h := range batch {
			l.Add(h)
		}
	}
	return errors.Join(marked, err)
}
