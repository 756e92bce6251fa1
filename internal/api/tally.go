package api

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/acme/connections/internal/vault"
)

const (
	// tallyInterval is how often what was counted is written.
	tallyInterval = 10 * time.Second
	// tallyLimit bounds one write.
	tallyLimit = 10 * time.Second
	// maxTally bounds the hand-outs that are kept while the vault is away.
	maxTally = 100_000
	// sweepEvery is after how many writes expired idempotency keys are removed, and maxSweep how many at once.
	sweepEvery = 30
	maxSweep   = 5_000
	// tier is how the audit names tokens that were handed out by the API.
	tier = "api"
)

// tally counts uses of keys and hand-outs of tokens until they are written: a write a request would cost more than the
// request.
type tally struct {
	mu       sync.Mutex
	keys     map[string]time.Time
	handouts map[handout]*count
}

type handout struct{ connectionID, keyID string }

type count struct {
	n           int64
	first, last time.Time
}

func newTally() *tally {
	return &tally{keys: make(map[string]time.Time), handouts: make(map[handout]*count)}
}

func (t *tally) used(keyID string, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.After(t.keys[keyID]) {
		t.keys[keyID] = at
	}
}

func (t *tally) handedOut(connectionID, keyID string, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(handout{connectionID, keyID}, count{n: 1, first: at, last: at})
}

func (t *tally) add(h handout, more count) {
	c := t.handouts[h]
	if c == nil {
		if len(t.handouts) >= maxTally {
			return
		}
		t.handouts[h] = &more
		return
	}
	c.n += more.n
	if more.first.Before(c.first) {
		c.first = more.first
	}
	if more.last.After(c.last) {
		c.last = more.last
	}
}

func (t *tally) take() (keys map[string]time.Time, handouts map[handout]*count) {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys, handouts = t.keys, t.handouts
	t.keys, t.handouts = make(map[string]time.Time), make(map[handout]*count)
	return keys, handouts
}

// runTally writes what was counted until ctx ends, and then what is left.
func (s *Server) runTally(ctx context.Context) {
	ticker := time.NewTicker(tallyInterval)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ticker.C:
			s.Flush(ctx)
			if n%sweepEvery == 0 {
				s.sweep(ctx)
			}
		case <-ctx.Done():
			s.Flush(context.WithoutCancel(ctx))
			return
		}
	}
}

// Flush writes what was counted. What cannot be written is kept for the next time.
func (s *Server) Flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tallyLimit)
	defer cancel()
	if err := s.reads.Flush(ctx); err != nil {
		s.Log.WarnContext(ctx, "reads could not be marked; they are with the next batch", slog.Any("error", err))
	}
	keys, handouts := s.tally.take()
	if err := s.Connections.Vault.MarkAPIKeysUsed(ctx, keys); err != nil {
		s.Log.WarnContext(ctx, "uses of API keys could not be marked; they are with the next batch", slog.Any("error", err))
		for id, at := range keys {
			s.tally.used(id, at)
		}
	}
	batch := make([]vault.Handout, 0, len(handouts))
	for h, c := range handouts {
		batch = append(batch, vault.Handout{
			ConnectionID: h.connectionID, Who: "api-key:" + h.keyID, Tier: tier, Count: c.n, First: c.first, Last: c.last,
		})
	}
	if err := s.Connections.Vault.RecordHandouts(ctx, batch); err != nil {
		s.Log.WarnContext(ctx, "hand-outs of tokens could not be written; they are with the next batch", slog.Any("error", err))
		s.tally.mu.Lock()
		defer s.tally.mu.Unlock()
		for h, c := range handouts {
			s.tally.add(h, *c)
		}
	}
}

// sweep removes idempotency keys that have expired.
func (s *Server) sweep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tallyLimit)
	defer cancel()
	for {
		deleted, err := s.Connections.Vault.DeleteRequests(ctx, s.Connections.Now(), maxSweep)
		if err != nil {
			s.Log.WarnContext(ctx, "expired idempotency keys could not be removed; they are with the next round", slog.Any("error", err))
		}
		if deleted < maxSweep {
			return
		}
	}
}
