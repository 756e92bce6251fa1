package e2e_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/proto"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/workflows"
)

// turn is what one turn of a loop has left in a history: from the start of one timer to that of the next.
type turn struct {
	events int
	// bytes are those of the events; sealed is how many of them are the sealed token, in base64 as JSON has it.
	bytes, sealed int
}

// turnsOf reads the whole turns of a workflow's newest run.
func turnsOf(t testing.TB, c client.Client, workflowID string) []turn {
	t.Helper()
	var turns []turn
	iterator := c.GetWorkflowHistory(context.Background(), workflowID, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for iterator.HasNext() {
		event, err := iterator.Next()
		require.NoError(t, err)
		if event.GetEventType() == enums.EVENT_TYPE_TIMER_STARTED {
			turns = append(turns, turn{})
		}
		if len(turns) == 0 {
			continue // the run's beginning
		}
		last := &turns[len(turns)-1]
		last.events++
		last.bytes += proto.Size(event)
		last.sealed += sealedIn(t, event)
	}
	require.Greater(t, len(turns), 1, "there is no whole turn in the history of %s", workflowID)
	return turns[:len(turns)-1] // the last is under way
}

// sealedIn is how many bytes of an event are the sealed token in the result of a local activity.
func sealedIn(t testing.TB, event *historypb.HistoryEvent) int {
	t.Helper()
	size := 0
	for _, payload := range event.GetMarkerRecordedEventAttributes().GetDetails()["result"].GetPayloads() {
		var set workflows.TokenSet
		require.NoError(t, json.Unmarshal(payload.GetData(), &set))
		size += base64.StdEncoding.EncodedLen(len(set.Sealed))
	}
	return size
}

// median is the middle one by a figure.
func median[T any](all []T, figure func(T) float64) float64 {
	var values []float64
	for _, one := range all {
		values = append(values, figure(one))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// The most that a steady refresh may leave in a history, beside the sealed token.
const (
	mostEvents = 6
	mostBytes  = 2000
)

// A refresh that goes well leaves one event of ours in history and those that the engine needs for a timer and a task.
func TestSteadyRefreshCost(t *testing.T) {
	t.Parallel()
	s := newSystemWith(t, []string{"--sandbox-token-life", "5s"}) // renewed as soon as any is: after 5 s
	created := s.view("connect", "sandbox", "--owner", "acme")
	newBrowser(t).consent(*created.ConnectURL)
	s.await(created.ID, func(v connections.View) bool { return v.Generation >= 4 })
	turns := turnsOf(t, s.temporal(), workflows.WorkflowID(created.ID))[1:] // the first timer was for the consent
	require.GreaterOrEqual(t, len(turns), 3)
	for _, turn := range turns {
		require.Positive(t, turn.sealed, "no token came in this turn")
	}
	// A turn that a busy machine holds up costs more: the middle one counts.
	require.LessOrEqual(t, median(turns, func(t turn) float64 { return float64(t.events) }), float64(mostEvents))
	require.LessOrEqual(t, median(turns, func(t turn) float64 { return float64(t.bytes - t.sealed) }), float64(mostBytes))
}
