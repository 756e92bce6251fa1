package reads_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/reads"
)

// store records batches; what real engines do with one is tested in vaulttest.
type store struct {
	mu      sync.Mutex
	fail    error
	batches []map[string]time.Time
	written chan struct{}
}

func (s *store) MarkRead(_ context.Context, marks map[string]time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	s.batches = append(s.batches, marks)
	if s.written != nil {
		s.written <- struct{}{}
	}
	return nil
}

func (s *store) LastRead(context.Context, string) (time.Time, error) { return time.Time{}, nil }

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func TestOneBatchHoldsTheLastReadOfEach(t *testing.T) {
	t.Parallel()
	s := &store{}
	m := reads.New(s, slog.New(slog.DiscardHandler))
	m.Mark("a", noon)
	m.Mark("a", noon.Add(time.Second))
	m.Mark("a", noon.Add(-time.Second))
	m.Mark("b", noon)
	require.NoError(t, m.Flush(t.Context()))
	require.NoError(t, m.Flush(t.Context()), "nothing is left")
	require.Equal(t, []map[string]time.Time{{"a": noon.Add(time.Second), "b": noon}}, s.batches)
}

func TestMarksOutliveAnOutage(t *testing.T) {
	t.Parallel()
	s := &store{fail: errors.New("away")}
	m := reads.New(s, slog.New(slog.DiscardHandler))
	m.Mark("a", noon)
	require.Error(t, m.Flush(t.Context()))
	m.Mark("b", noon)
	s.fail = nil
	require.NoError(t, m.Flush(t.Context()))
	require.Equal(t, []map[string]time.Time{{"a": noon, "b": noon}}, s.batches)
}

func TestAFullBatchIsWrittenEarlyAndTheLastOneAtTheEnd(t *testing.T) {
	t.Parallel()
	s := &store{written: make(chan struct{})}
	m := reads.New(s, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	for i := range 10_000 {
		m.Mark(fmt.Sprint(i), noon)
	}
	<-s.written
	m.Mark("last", noon)
	cancel()
	<-s.written
	<-done
	require.Len(t, s.batches, 2)
	require.Len(t, s.batches[0], 10_000)
	require.Equal(t, map[string]time.Time{"last": noon}, s.batches[1])
}

func TestABatchIsBounded(t *testing.T) {
	t.Parallel()
	s := &store{}
	m := reads.New(s, slog.New(slog.DiscardHandler))
	for i := range 20_000 {
		m.Mark(fmt.Sprint(i), noon)
	}
	require.NoError(t, m.Flush(t.Context()))
	require.Len(t, s.batches[0], 10_000)
}
