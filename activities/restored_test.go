package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/workflows"
)

// TestRecord_ExpiryOfAnOlderBackup: a workflow that was restored to a moment before the consent lets it expire, and
// erases nothing that the consent brought.
func TestRecord_ExpiryOfAnOlderBackup(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	at := time.Now()
	expire := func(seq int64) string {
		t.Helper()
		require.NoError(t, r.Record(t.Context(), workflows.RecordInput{
			ID: r.id, Status: workflows.StatusExpired, Reason: workflows.ReasonConsentExpired, Seq: seq, At: at, Erase: true,
		}))
		return r.row().Status
	}
	require.NoError(t, r.Record(t.Context(), workflows.RecordInput{ID: r.id, Status: workflows.StatusActive, Seq: 8, At: at}))
	require.Equal(t, "active", expire(8), "the consent has the same place in the order of changes")
	require.Equal(t, "active", expire(7))
	require.NotNil(t, r.row().RefreshToken)

	require.Equal(t, "expired", expire(9), "one that comes after is a true one")
	require.Nil(t, r.row().RefreshToken)
	require.Equal(t, "expired", expire(9), "and may be told again")
}
