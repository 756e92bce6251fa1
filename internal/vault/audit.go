package vault

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// Audit keeps who was handed which connection's access token, and when. Hand-outs are counted by the hour and come in
// batches: a row per read would cost more than the read.
type Audit interface {
	// RecordHandouts adds the counts to those that are kept. Hand-outs of connections without a row are passed over;
	// those of a tombstone are kept, since they were made before it was one. A caller that repeats a batch of which it
	// does not know whether it arrived may count it twice.
	RecordHandouts(ctx context.Context, handouts []Handout) error
	// Handouts reads those of a connection, the latest hour first, and within it the latest hand-out. limit is capped
	// at 1,000; 0 means 100. There are none for a connection without a row.
	Handouts(ctx context.Context, connectionID string, limit int) ([]Handout, error)
	// DeleteHandouts removes those whose last was before the given time, and returns how many rows these were. All
	// others stay until the connection's row is deleted, after its tombstone.
	DeleteHandouts(ctx context.Context, before time.Time) (int64, error)
}

// Handout counts the times that one asker was handed the access token of one connection, in one hour and by one way.
type Handout struct {
	ConnectionID string
	// Who asked, as the caller names itself. What is longer than 200 bytes is cut.
	Who string
	// Tier is the way that the token went: a short word of the caller's, such as "cache" or "vault". What is longer than
	// 200 bytes is cut.
	Tier string
	// Owner is the connection's; RecordHandouts takes it from the connection's row.
	Owner string
	// Count is at least 1; a Handout without one is passed over.
	Count int64
	// First and Last are the times of the first and the last of them. The hour is that of First.
	First, Last time.Time
}

// Hour is the start of the UTC hour under which the hand-out is kept.
func (h Handout) Hour() time.Time { return h.First.UTC().Truncate(time.Hour) }

// Normalize returns the hand-out in the form in which it is stored.
func (h Handout) Normalize() Handout {
	h.Who, h.Tier = cutText(h.Who), cutText(h.Tier)
	h.First, h.Last = cleanTime(h.First), cleanTime(h.Last)
	if h.First.IsZero() {
		h.First = h.Last
	}
	if h.Last.Before(h.First) {
		h.Last = h.First
	}
	return h
}

// cutText keeps texts of callers within what an index takes.
func cutText(s string) string {
	const longest = 200
	if s = cleanText(s); len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "")
	}
	return s
}

// MergeHandouts brings a batch into the form in which engines add it: each row once, in the order in which all
// processes lock them, without those that count nothing or have no time.
func MergeHandouts(handouts []Handout) []Handout {
	merged := make([]Handout, 0, len(handouts))
	for _, h := range handouts {
		if h = h.Normalize(); h.Count > 0 && !h.First.IsZero() {
			merged = append(merged, h)
		}
	}
	slices.SortFunc(merged, compareHandouts)
	n := 0
	for _, h := range merged {
		if n == 0 || compareHandouts(merged[n-1], h) != 0 {
			merged[n] = h
			n++
			continue
		}
		same := &merged[n-1]
		same.Count += h.Count
		if h.First.Before(same.First) {
			same.First = h.First
		}
		if h.Last.After(same.Last) {
			same.Last = h.Last
		}
	}
	return merged[:n]
}

// compareHandouts orders by what tells rows apart.
func compareHandouts(a, b Handout) int {
	return cmp.Or(
		cmp.Compare(a.ConnectionID, b.ConnectionID),
		a.Hour().Compare(b.Hour()),
		cmp.Compare(a.Who, b.Who),
		cmp.Compare(a.Tier, b.Tier),
	)
}
