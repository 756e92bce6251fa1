package workflows_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/workflows"
)

// The contract is held by other teams' code, by runbooks and by running histories: a change here breaks them.
func TestContractNames(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"connections":       workflows.TaskQueue,
		"Connection":        workflows.TypeConnection,
		"callback":          workflows.SignalCallback,
		"reconnect":         workflows.UpdateReconnect,
		"refresh":           workflows.UpdateRefresh,
		"disconnect":        workflows.UpdateDisconnect,
		"pause":             workflows.UpdatePause,
		"resume":            workflows.UpdateResume,
		"status":            workflows.QueryStatus,
		"token":             workflows.QueryToken,
		"Exchange":          workflows.ActivityExchange,
		"ClientCredentials": workflows.ActivityClientCredentials,
		"Refresh":           workflows.ActivityRefresh,
		"Revoke":            workflows.ActivityRevoke,
		"Record":            workflows.ActivityRecord,
		"Probe":             workflows.ActivityProbe,
		"Breaker":           workflows.TypeBreaker,
		"opened":            workflows.SignalOpened,
		"breaker/own:1":     workflows.BreakerWorkflowID("own:1"),

		"Token":      workflows.ActivityToken,
		"AwaitToken": workflows.ActivityAwaitToken,

		"Reconcile":              workflows.TypeReconcile,
		"connections-reconciler": workflows.ReconcilerID,
		"ResendCallbacks":        workflows.ActivityResendCallbacks,
		"ReconcileConnections":   workflows.ActivityReconcileConnections,
		"EndOrphans":             workflows.ActivityEndOrphans,
		"Tidy":                   workflows.ActivityTidy,

		"EventDelivery":     workflows.TypeEventDelivery,
		"DeliverEvent":      workflows.ActivityDeliverEvent,
		"RecordDeadLetter":  workflows.ActivityRecordDeadLetter,
		"event/evt_1/whe_2": workflows.EventWorkflowID("evt_1", "whe_2"),

		"refresh-g7-f2":    workflows.RefreshUpdateID(7, 2),
		"connection/con_1": workflows.WorkflowID("con_1"),
	} {
		require.Equal(t, want, got)
	}
	require.Equal(t, "connections", workflows.NexusService)
	require.Equal(t, []string{"token", "status"}, []string{workflows.OperationToken, workflows.OperationStatus})
	require.Equal(t, []string{"ConnectionStatus", "ConnectionConnector", "ConnectionOwner", "ConnectionReason"}, workflows.SearchAttributes())
	require.Equal(t, []workflows.ConnectionStatus{"pending", "active", "degraded", "needs_reauth", "paused", "disconnecting", "disconnected", "expired"}, workflows.Statuses())
}

func TestWorkflowIDRoundTrip(t *testing.T) {
	t.Parallel()
	id, err := workflows.ParseWorkflowID(workflows.WorkflowID("con_0a-b"))
	require.NoError(t, err)
	require.Equal(t, "con_0a-b", id)
	for _, bad := range []string{"", "connection/", "con_1", "connection/CON", "connection/a/b", "connection/a b", "connection/é"} {
		_, err := workflows.ParseWorkflowID(bad)
		require.Error(t, err, bad)
	}
}

func TestContractSchemas(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for want, value := range map[string]any{
		`{"id":"c","connector":"x","owner":"o","grant":"authorization_code","status":"active","reason":"","message":"m","since":"2026-01-02T03:04:05Z","status_seq":4,"generation":1,"failures":0,"issued_at":"2026-01-02T03:04:05Z","expires_at":null,"next_refresh_at":null,"consent_deadline":null,"grant_ends_at":null,"asleep":false,"scopes":["a"]}`: workflows.Status{
			ID: "c", Connector: "x", Owner: "o", Grant: workflows.GrantAuthorizationCode, Status: workflows.StatusActive,
			Message: "m", Since: at, StatusSeq: 4, Generation: 1, IssuedAt: &at, Scopes: []string{"a"},
		},
		`{"status":"active","reason":"","generation":2,"issued_at":null,"expires_at":"2026-01-02T03:04:05Z","stale":true,"scopes":[],"type":"Bearer","sealed":"AQI="}`: workflows.AccessToken{
			Status: workflows.StatusActive, Generation: 2, ExpiresAt: &at, Stale: true, Scopes: []string{}, Type: "Bearer", Sealed: []byte{1, 2},
		},
		`{"id":"c","min_life_seconds":60}`:             workflows.TokenRequest{ID: "c", MinLifeSeconds: 60},
		`{"id":"c","owner":"o"}`:                       workflows.TokenRequest{ID: "c", Owner: "o"},
		`{"id":"c"}`:                                   workflows.StatusRequest{ID: "c"},
		`{"generation":3}`:                             workflows.Refresh{Generation: 3},
		`{"consent_deadline":"2026-01-02T03:04:05Z"}`:  workflows.Reconnect{ConsentDeadline: at},
		`{"request_id":"r","sealed_code":"AQ=="}`:      workflows.Callback{RequestID: "r", SealedCode: []byte{1}},
		`{"request_id":"r","reason":"consent_denied"}`: workflows.Callback{RequestID: "r", Reason: workflows.ReasonConsentDenied},
		`{}`:                           workflows.Pause{},
		`{"event":"e","endpoint":"w"}`: workflows.EventDeliveryInput{Event: "e", Endpoint: "w"},
		`{"event":"e","endpoint":"w","since":"2026-01-02T03:04:05Z"}`: workflows.DeliverEventInput{
			Event: "e", Endpoint: "w", Since: at,
		},
		`{"event":"e","endpoint":"w","attempts":10,"status_code":503,"reason":"webhook_refused"}`: workflows.DeadLetterInput{
			Event: "e", Endpoint: "w", Attempts: 10, StatusCode: 503, Reason: workflows.ReasonWebhookRefused,
		},
		`{"outcome":"dead_letter","attempts":10,"status_code":503,"reason":"webhook_refused"}`: workflows.DeliveryResult{
			Outcome: workflows.OutcomeDeadLetter, Attempts: 10, StatusCode: 503, Reason: workflows.ReasonWebhookRefused,
		},
	} {
		got, err := json.Marshal(value)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}

func TestEveryReasonSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, reason := range workflows.Reasons() {
		require.True(t, reason.Known())
		if reason != workflows.ReasonNone {
			require.Regexp(t, `^[A-Z].*\.$`, reason.Sentence(), reason)
			require.Regexp(t, `^[a-z_]+$`, string(reason))
		}
	}
	require.False(t, workflows.Reason("provider said no").Known())
	require.Equal(t, workflows.ClassTransient, workflows.Reason("a surprise").Class(), "a surprise never costs a consent")
}
