package activities_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/sqlitevault"
	"github.com/acme/connections/internal/webhook"
	"github.com/acme/connections/workflows"
)

// received is one attempt as the receiver saw it.
type received struct {
	header http.Header
	body   []byte
}

// deliveryRig is a vault with one event and one endpoint, and a receiver, on a clock of its own.
type deliveryRig struct {
	t        *testing.T
	vault    *sqlitevault.Store
	keys     keyring.Keys
	secret   secret.String
	event    vault.Event
	endpoint vault.Endpoint
	log      *log
	suite    testsuite.WorkflowTestSuite

	mu     sync.Mutex
	got    []received
	answer func(n int, w http.ResponseWriter)
}

func newDeliveryRig(t *testing.T) *deliveryRig {
	t.Helper()
	dir := t.TempDir()
	r := &deliveryRig{t: t, keys: newKeys(t, dir), secret: webhook.NewSecret(), log: &log{}}
	var err error
	r.vault, err = sqlitevault.Open(t.Context(), filepath.Join(dir, "vault.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.vault.Close()) })
	require.NoError(t, r.vault.CreateConnection(t.Context(), vault.Connection{ID: "con_1", Owner: "acme", Connector: "sandbox", Status: "active"}))
	require.NoError(t, r.vault.SetStatus(t.Context(), vault.StatusChange{
		ID: "con_1", Status: "needs_reauth", Reason: "grant_rejected", Seq: 1, At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	}))
	list, err := r.vault.ListEvents(t.Context(), vault.EventFilter{})
	require.NoError(t, err)
	require.Len(t, list, 1)
	r.event = list[0]
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.endpoint = vault.Endpoint{ID: "whe_1", URL: server.URL, Secrets: []vault.EndpointSecret{{Sealed: r.seal(r.secret)}}}
	require.NoError(t, r.vault.CreateEndpoint(t.Context(), r.endpoint))
	return r
}

func (r *deliveryRig) seal(s secret.String) []byte {
	r.t.Helper()
	sealed, err := r.keys.Vault.SealString(keyring.WebhookSecret("whe_1"), s)
	require.NoError(r.t, err)
	return sealed
}

// ServeHTTP is the receiver.
func (r *deliveryRig) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, received{request.Header, body})
	if r.answer != nil {
		r.answer(len(r.got), w)
	}
}

// deliver runs the workflow with the real activities, in virtual time that begins now.
func (r *deliveryRig) deliver(sender *webhook.Sender) (result workflows.DeliveryResult, took time.Duration) {
	r.t.Helper()
	env := r.suite.NewTestWorkflowEnvironment()
	env.SetStartTime(time.Now())
	env.SetTestTimeout(time.Minute)
	env.RegisterWorkflowWithOptions(workflows.EventDelivery, workflow.RegisterOptions{Name: workflows.TypeEventDelivery})
	activities.NewDelivery(activities.DeliveryConfig{
		Vault: r.vault, Keys: r.keys.Vault, Sender: sender, Now: env.Now, Log: slog.New(slog.NewTextHandler(r.log, nil)),
	}).Register(env)
	begun := env.Now()
	env.ExecuteWorkflow(workflows.TypeEventDelivery, workflows.EventDeliveryInput{Event: r.event.ID, Endpoint: r.endpoint.ID})
	require.NoError(r.t, env.GetWorkflowError())
	require.NoError(r.t, env.GetWorkflowResult(&result))
	for _, hidden := range []string{"://", r.secret.Reveal(), "127.0.0.1", canary} {
		require.NotContains(r.t, r.log.String(), hidden)
	}
	return result, env.Now().Sub(begun)
}

func (r *deliveryRig) letters() []vault.DeadLetter {
	r.t.Helper()
	list, err := r.vault.ListDeadLetters(r.t.Context(), vault.DeadLetterFilter{})
	require.NoError(r.t, err)
	return list
}

func verifier(t *testing.T, s secret.String) *standardwebhooks.Webhook {
	t.Helper()
	w, err := standardwebhooks.NewWebhook(s.Reveal())
	require.NoError(t, err)
	return w
}

func TestDeliverEvent(t *testing.T) {
	t.Parallel()
	r := newDeliveryRig(t)
	result, _ := r.deliver(webhook.NewSender(true))
	require.Equal(t, workflows.DeliveryResult{Outcome: workflows.OutcomeDelivered, Attempts: 1, StatusCode: 200}, result)
	require.Len(t, r.got, 1)
	require.NoError(t, verifier(t, r.secret).Verify(r.got[0].body, r.got[0].header))
	require.Equal(t, r.event.ID, r.got[0].header.Get("webhook-id"))
	require.Equal(t, `{"type":"connection.needs_reauth","timestamp":"2026-03-01T12:00:00Z","data":{"id":"con_1","connector":"sandbox",`+
		`"owner":"acme","status":"needs_reauth","reason":"grant_rejected","message":"`+workflows.ReasonGrantRejected.Sentence()+`"}}`,
		string(r.got[0].body))
	require.Empty(t, r.letters())
}

// A receiver that is down for days: ten attempts over three days, with the same id and body and a timestamp of their
// own, and then a dead letter. Mended, it gets the event by a new delivery.
func TestDeliverEvent_ReceiverDownForDays(t *testing.T) {
	t.Parallel()
	r := newDeliveryRig(t)
	r.answer = func(_ int, w http.ResponseWriter) { http.Error(w, canary, http.StatusServiceUnavailable) }
	result, took := r.deliver(webhook.NewSender(true))
	require.Equal(t, workflows.DeliveryResult{
		Outcome: workflows.OutcomeDeadLetter, Attempts: 10, StatusCode: 503, Reason: workflows.ReasonWebhookRefused,
	}, result)
	require.Greater(t, took, 75*time.Hour)
	require.Less(t, took, 85*time.Hour)
	require.Len(t, r.got, 10)
	for i, attempt := range r.got {
		require.NoError(t, verifier(t, r.secret).VerifyIgnoringTimestamp(attempt.body, attempt.header))
		require.Equal(t, r.got[0].body, attempt.body)
		require.Equal(t, r.event.ID, attempt.header.Get("webhook-id"))
		if i > 0 {
			require.NotEqual(t, r.got[i-1].header.Get("webhook-timestamp"), attempt.header.Get("webhook-timestamp"))
		}
	}
	letters := r.letters()
	require.Len(t, letters, 1)
	letters[0].At = time.Time{}
	require.Equal(t, vault.DeadLetter{
		EventID: r.event.ID, EndpointID: "whe_1", Attempts: 10, StatusCode: 503, Reason: "webhook_refused",
		Type: vault.EventNeedsReauth, ConnectionID: "con_1", Owner: "acme",
	}, letters[0])

	r.answer = nil
	result, _ = r.deliver(webhook.NewSender(true))
	require.Equal(t, workflows.OutcomeDelivered, result.Outcome)
	require.Empty(t, r.letters(), "what is delivered is no dead letter")
}

// Back after a weekend: nothing is lost.
func TestDeliverEvent_ReceiverComesBack(t *testing.T) {
	t.Parallel()
	r := newDeliveryRig(t)
	r.answer = func(n int, w http.ResponseWriter) {
		switch n {
		case 1:
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		case 7:
		default:
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusFound)
		}
	}
	result, took := r.deliver(webhook.NewSender(true))
	require.Equal(t, workflows.OutcomeDelivered, result.Outcome)
	require.Greater(t, took, 48*time.Hour)
	require.Empty(t, r.letters())
}

func TestDeliverEvent_RetryAfterIsHonouredWithinBounds(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{"1": 5 * time.Second, "7200": 2 * time.Hour, "999999999": 24 * time.Hour} {
		r := newDeliveryRig(t)
		r.answer = func(n int, w http.ResponseWriter) {
			if n == 1 {
				w.Header().Set("Retry-After", header)
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}
		result, took := r.deliver(webhook.NewSender(true))
		require.Equal(t, 2, result.Attempts)
		require.InDelta(t, want.Seconds(), took.Seconds(), 2, header)
	}
}

// 410 disables the endpoint, and what waits for it is a dead letter at once.
func TestDeliverEvent_Gone(t *testing.T) {
	t.Parallel()
	r := newDeliveryRig(t)
	r.answer = func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusGone) }
	result, _ := r.deliver(webhook.NewSender(true))
	require.Equal(t, workflows.DeliveryResult{
		Outcome: workflows.OutcomeDeadLetter, Attempts: 1, StatusCode: 410, Reason: workflows.ReasonWebhookGone,
	}, result)
	endpoint, err := r.vault.Endpoint(t.Context(), "whe_1")
	require.NoError(t, err)
	require.False(t, endpoint.DisabledAt.IsZero())
	require.Equal(t, "webhook_gone", endpoint.DisabledReason)

	result, _ = r.deliver(webhook.NewSender(true))
	require.Equal(t, workflows.ReasonWebhookDisabled, result.Reason)
	require.Len(t, r.got, 1, "nothing is sent to it any more")
	require.Len(t, r.letters(), 1)
}

func TestDeliverEvent_Removed(t *testing.T) {
	t.Parallel()
	r := newDeliveryRig(t)
	require.NoError(t, r.vault.DeleteEndpoint(t.Context(), "whe_1"))
	result, _ := r.deliver(webhook.NewSender(true))
	require.Equal(t, workflows.DeliveryResult{Outcome: workflows.OutcomeRemoved}, result)
	require.Empty(t, r.got)
}

// An owner's endpoint never gets another's event, whoever asked for that.
func TestAttackWebhookOfAnotherOwner(t *testing.T) {
	t.Parallel()
	r := newDeliveryRig(t)
	require.NoError(t, r.vault.DeleteEndpoint(t.Context(), "whe_1"))
	r.endpoint.Owner = "initech"
	require.NoError(t, r.vault.CreateEndpoint(t.Context(), r.endpoint))
	result, _ := r.deliver(webhook.NewSender(true))
	require.Equal(t, workflows.OutcomeRemoved, result.Outcome)
	require.Empty(t, r.got)
}

// Two secrets sign until the older one's time is over.
func TestDeliverEvent_RotatedSecret(t *testing.T) {
	t.Parallel()
	r := newDeliveryRig(t)
	newer := webhook.NewSecret()
	require.NoError(t, r.vault.SetEndpointSecrets(t.Context(), "whe_1", 0, []vault.EndpointSecret{
		{Sealed: r.seal(newer)}, {Sealed: r.seal(r.secret), Until: time.Now().Add(time.Hour)},
	}))
	r.answer = func(n int, w http.ResponseWriter) {
		if n == 1 {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	result, _ := r.deliver(webhook.NewSender(true))
	require.Equal(t, workflows.OutcomeDelivered, result.Outcome)
	require.Len(t, strings.Fields(r.got[0].header.Get("webhook-signature")), 2)
	require.NoError(t, verifier(t, r.secret).Verify(r.got[0].body, r.got[0].header))
	require.NoError(t, verifier(t, newer).Verify(r.got[0].body, r.got[0].header))
	require.NoError(t, verifier(t, newer).VerifyIgnoringTimestamp(r.got[1].body, r.got[1].header))
	require.Error(t, verifier(t, r.secret).VerifyIgnoringTimestamp(r.got[1].body, r.got[1].header), "its time is over")
}

// An endpoint whose host leads inside, whatever it led to when it was added: nothing is sent, and the delivery says why.
func TestAttackWebhookTargetOnPrivateAddress(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"https://localhost/", "https://127.0.0.1/", "https://169.254.169.254/latest/meta-data", "https://[::1]/", "https://10.0.0.1/"} {
		r := newDeliveryRig(t)
		require.NoError(t, r.vault.DeleteEndpoint(t.Context(), "whe_1"))
		r.endpoint.URL = url
		require.NoError(t, r.vault.CreateEndpoint(t.Context(), r.endpoint))
		result, _ := r.deliver(webhook.NewSender(false))
		require.Equal(t, workflows.DeliveryResult{
			Outcome: workflows.OutcomeDeadLetter, Attempts: 10, Reason: workflows.ReasonWebhookForbidden,
		}, result, url)
	}
	// The one that a sender for tests may reach, a production one may not.
	r := newDeliveryRig(t)
	result, _ := r.deliver(webhook.NewSender(false))
	require.Equal(t, workflows.ReasonWebhookForbidden, result.Reason)
	require.Empty(t, r.got)
}

// The wrong keyset costs no event: it is tried again, and in the end it is a dead letter that says so.
func TestDeliverEvent_KeyMissing(t *testing.T) {
	t.Parallel()
	r := newDeliveryRig(t)
	r.keys = newKeys(t, t.TempDir())
	result, _ := r.deliver(webhook.NewSender(true))
	require.Equal(t, workflows.ReasonKeyMissing, result.Reason)
	require.Equal(t, workflows.OutcomeDeadLetter, result.Outcome)
	require.Empty(t, r.got)
}
