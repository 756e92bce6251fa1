// Package reads notes when tokens were read, in batches: a connection that nobody reads may sleep (policy adaptive), and
// a read must cost neither a write of its own nor history.
package reads

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/acme/connections/internal/vault"
)

const (
	// Interval is how often marks are written. Since a connection stays awake for a day after a read, being late by this
	// much, or losing one batch in a crash, costs nothing.
	Interval = 10 * time.Second
	// maxMarks bounds the connections of one batch; it is written early when it is full.
	maxMarks = 10_000
	// writeLimit bounds one write.
	writeLimit = 10 * time.Second
)

// Marker collects reads until they are written. It is safe for concurrent use.
type Marker struct {
	store vault.Reads
	log   *slog.Logger
	full  chan struct{}

	mu    sync.Mutex
	marks map[string]time.Time
}

// New makes a marker. Run it, or call Flush, for anything to be written.
func New(store vault.Reads, log *slog.Logger) *Marker {
	return &Marker{store: store, log: log, full: make(chan struct{}, 1), marks: make(map[string]time.Time)}
}

// Mark notes that a connection's token was read. It never waits.
func (m *Marker) Mark(connectionID string, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if last, ok := m.marks[connectionID]; ok || len(m.marks) < maxMarks {
		if at.After(last) {
			m.marks[connectionID] = at
		}
	}
	if len(m.marks) >= maxMarks {
		select {
		case m.full <- struct{}{}:
		default:
		}
	}
}

// Run writes the marks every [Interval], and what is left when ctx ends.
func (m *Marker) Run(ctx context.Context) {
	ticker := time.NewTicker(Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-m.full:
		case <-ctx.Done():
			m.write(context.WithoutCancel(ctx))
			return
		}
		m.write(ctx)
	}
}

func (m *Marker) write(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	if err := m.Flush(ctx); err != nil {
		m.log.Warn("reads could not be marked; they are with the next batch", slog.Any("error", err))
	}
}

// Flush writes the marks now. Those that cannot be written are kept, as far as there is room.
func (m *Marker) Flush(ctx context.Context) error {
	m.mu.Lock()
	batch := m.marks
	m.marks = make(map[string]time.Time)
	m.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := m.store.MarkRead(ctx, batch)
	if err != nil {
		for id, at := range batch {
			m.Mark(id, at)
		}
	}
	return err
}
