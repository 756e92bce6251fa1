package reads_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/reads"
	"github.com/acme/connections/internal/vault"
)

// audit records what is written; what real engines do with it is tested in vaulttest.
type audit struct {
	store
	refuse  error
	written [][]vault.Handout
}

func (a *audit) RecordHandouts(_ context.Context, handouts []vault.Handout) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refuse != nil {
		return a.refuse
	}
	a.written = append(a.written, handouts)
	return nil
}

func one(id, who string, at time.Time) vault.Handout {
	return vault.Handout{ConnectionID: id, Who: who, Tier: "activity", Count: 1, First: at, Last: at}
}

func TestLedgerCounts(t *testing.T) {
	t.Parallel()
	a := &audit{}
	l := reads.NewLedger(a, slog.New(slog.DiscardHandler))
	l.Add(one("a", "w", noon.Add(time.Second)))
	l.Add(one("a", "w", noon))
	l.Add(one("a", "other", noon))
	l.Add(one("a", "w", noon.Add(time.Hour)))
	l.Add(vault.Handout{ConnectionID: "a", Who: "w"})
	require.NoError(t, l.Flush(t.Context()))
	require.NoError(t, l.Flush(t.Context()), "nothing is left")
	require.Len(t, a.written, 1)
	require.ElementsMatch(t, []vault.Handout{
		{ConnectionID: "a", Who: "w", Tier: "activity", Count: 2, First: noon, Last: noon.Add(time.Second)},
		{ConnectionID: "a", Who: "other", Tier: "activity", Count: 1, First: noon, Last: noon},
		{ConnectionID: "a", Who: "w", Tier: "activity", Count: 1, First: noon.Add(time.Hour), Last: noon.Add(time.Hour)},
	}, a.written[0], "each hour counts for itself")
	require.Equal(t, []map[string]time.Time{{"a": noon.Add(time.Hour)}}, a.batches)
}

func TestLedgerOutlivesAnOutage(t *testing.T) {
	t.Parallel()
	a := &audit{refuse: errors.New("away")}
	l := reads.NewLedger(a, slog.New(slog.DiscardHandler))
	l.Add(one("a", "w", noon))
	require.Error(t, l.Flush(t.Context()))
	a.refuse, a.fail = nil, errors.New("away")
	l.Add(one("a", "w", noon))
	require.Error(t, l.Flush(t.Context()), "the mark could not be written")
	a.fail = nil
	require.NoError(t, l.Flush(t.Context()))
	require.Len(t, a.written, 1, "what was written is not written again for the sake of the mark")
	require.EqualValues(t, 2, a.written[0][0].Count)
	require.Equal(t, noon, a.batches[len(a.batches)-1]["a"])
}

// TestLedgerIsBounded: who asks is text of callers', and the vault may take nothing for long.
func TestLedgerIsBounded(t *testing.T) {
	t.Parallel()
	a := &audit{}
	l := reads.NewLedger(a, slog.New(slog.DiscardHandler))
	long := strings.Repeat("w", 1000)
	for i := range 200_010 {
		l.Add(one(fmt.Sprint(i), long, noon))
	}
	l.Add(one("0", long, noon))
	require.NoError(t, l.Flush(t.Context()))
	total := int64(0)
	for _, batch := range a.written {
		require.LessOrEqual(t, len(batch), 5000)
		for _, h := range batch {
			require.Len(t, h.Who, 200)
			total += h.Count
		}
	}
	require.EqualValues(t, 200_001, total, "what is counted already goes on being counted")
}

func TestLedgerWritesTheLast(t *testing.T) {
	t.Parallel()
	a := &audit{}
	l := reads.NewLedger(a, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l.Add(one("a", "w", noon))
	l.Run(ctx)
	require.Len(t, a.written, 1)
}
