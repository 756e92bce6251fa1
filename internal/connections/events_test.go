package connections_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/events"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// inbox is a receiver that counts what comes, by path and webhook id, and verifies it.
type inbox struct {
	url string

	mu        sync.Mutex
	verifiers map[string]*standardwebhooks.Webhook
	got       map[string]int
	forged    int
	status    int
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	i := &inbox{verifiers: map[string]*standardwebhooks.Webhook{}, got: map[string]int{}, status: http.StatusNoContent}
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

// ServeHTTP is the receiver.
func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	i.mu.Lock()
	defer i.mu.Unlock()
	if verifier := i.verifiers[r.URL.Path]; verifier == nil || verifier.Verify(body, r.Header) != nil {
		i.forged++
		return
	}
	i.got[r.URL.Path+" "+r.Header.Get("webhook-id")]++
	w.WriteHeader(i.status)
}

func (i *inbox) answer(status int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status = status
}

func (i *inbox) counts() map[string]int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return maps.Clone(i.got)
}

// add adds an endpoint at the inbox.
func (i *inbox) add(t *testing.T, c *connections.Client, path, owner string, types ...string) connections.EndpointView {
	t.Helper()
	view, err := c.AddEndpoint(t.Context(), connections.EndpointRequest{Owner: owner, URL: i.url + path, Types: types})
	require.NoError(t, err)
	verifier, err := standardwebhooks.NewWebhook(view.Secret)
	require.NoError(t, err)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.verifiers[path] = verifier
	return view
}

// local is the rig's client as it is under --dev.
func local(r *connectionstest.Rig) *connections.Client {
	c := *r.Client
	c.Loopback = true
	return &c
}

// happen makes events of both kinds that a count of connections of an owner go through.
func happen(t *testing.T, r *connectionstest.Rig, owner string, count int) {
	t.Helper()
	for n := range count {
		id := fmt.Sprintf("con_%s_%d", owner, n)
		require.NoError(t, r.Vault.CreateConnection(t.Context(), vault.Connection{ID: id, Owner: owner, Connector: "sandbox", Status: "pending"}))
		require.NoError(t, r.Vault.SetStatus(t.Context(), vault.StatusChange{ID: id, Status: "active", Seq: 1, At: time.Now()}))
		require.NoError(t, r.Vault.SetStatus(t.Context(), vault.StatusChange{ID: id, Status: "disconnected", Reason: "disconnect_requested", Seq: 2, At: time.Now()}))
	}
}

func pump(r *connectionstest.Rig, deliver func(ctx context.Context, eventID, endpointID string) error, store events.Vault, lease time.Duration) *events.Pump {
	return events.NewPump(events.Config{Vault: store, Deliver: deliver, Log: r.Log, Lease: lease})
}

// wanted is what an inbox must get, each once.
func wanted(t *testing.T, r *connectionstest.Rig) map[string]int {
	t.Helper()
	want := map[string]int{}
	list, err := r.Vault.ListEvents(t.Context(), vault.EventFilter{Limit: 1000})
	require.NoError(t, err)
	for _, e := range list {
		want["/platform "+e.ID] = 1
		if e.Owner == "acme" {
			want["/acme "+e.ID] = 1
		}
		if e.Owner == "acme" && e.Type == vault.EventDisconnected {
			want["/ends "+e.ID] = 1
		}
	}
	return want
}

// Two processes pump: each event is delivered once to each endpoint that wants it, and signed by its secret.
func TestEventsOfTwoPumps(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	c, in := local(r), newInbox(t)
	in.add(t, c, "/platform", "")
	in.add(t, c, "/acme", "acme")
	in.add(t, c, "/ends", "acme", string(vault.EventDisconnected))
	in.add(t, c, "/nobody", "nobody")
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var pumping sync.WaitGroup
	for range 2 {
		// Each claims as if the other's claims had lapsed: the worst that there is.
		pumping.Go(func() { pump(r, c.DeliverEvent, r.Vault, -time.Second).Run(ctx) })
	}
	t.Cleanup(func() { stop(); pumping.Wait() })
	happen(t, r, "acme", 5)
	happen(t, r, "initech", 2)
	want := wanted(t, r)
	require.Len(t, want, 2*7+2*5+5)
	require.Eventually(t, func() bool { return len(in.counts()) == len(want) }, 20*time.Second, 20*time.Millisecond)
	require.Eventually(t, func() bool {
		waiting, err := r.Vault.ClaimEvents(t.Context(), 1, -time.Second)
		return err == nil && len(waiting) == 0
	}, 10*time.Second, 20*time.Millisecond)
	stop()
	pumping.Wait()
	require.Equal(t, want, in.counts())
	require.Zero(t, in.forged)
}

// dying is a vault of a process that dies before it has marked anything.
type dying struct{ events.Vault }

var errDied = errors.New("the process died")

func (dying) MarkDispatched(context.Context, []string) error { return errDied }

// A process may die anywhere: the next one does the rest, and nothing twice.
func TestEventsOfPumpsThatDie(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	c, in := local(r), newInbox(t)
	in.add(t, c, "/platform", "")
	in.add(t, c, "/acme", "acme")
	in.add(t, c, "/ends", "acme", string(vault.EventDisconnected))
	happen(t, r, "acme", 3)
	want := wanted(t, r)

	// Claimed, and nothing more.
	_, err := r.Vault.ClaimEvents(t.Context(), 10, -time.Second)
	require.NoError(t, err)
	// One of two deliveries begun, of an event in the middle.
	begun := 0
	require.ErrorIs(t, pump(r, func(ctx context.Context, eventID, endpointID string) error {
		if begun++; begun == 4 {
			return errDied
		}
		return c.DeliverEvent(ctx, eventID, endpointID)
	}, dying{r.Vault}, -time.Second).Dispatch(t.Context()), errDied)
	// All begun, and not marked.
	require.ErrorIs(t, pump(r, c.DeliverEvent, dying{r.Vault}, -time.Second).Dispatch(t.Context()), errDied)
	require.Eventually(t, func() bool { return len(in.counts()) == len(want) }, 20*time.Second, 20*time.Millisecond)

	require.NoError(t, pump(r, c.DeliverEvent, r.Vault, time.Minute).Dispatch(t.Context()))
	list, err := r.Vault.ListEvents(t.Context(), vault.EventFilter{})
	require.NoError(t, err)
	for _, e := range list {
		require.False(t, e.DispatchedAt.IsZero())
		var result workflows.DeliveryResult
		for key := range want {
			if path, id, _ := strings.Cut(key, " "); id == e.ID && path == "/platform" {
				require.NoError(t, r.Temporal.GetWorkflow(t.Context(), workflows.EventWorkflowID(id, endpointAt(t, c, in.url+path)), "").Get(t.Context(), &result))
				require.Equal(t, workflows.DeliveryResult{Outcome: workflows.OutcomeDelivered, Attempts: 1, StatusCode: 204}, result)
			}
		}
	}
	require.Equal(t, want, in.counts())
	require.Zero(t, in.forged)
}

func endpointAt(t *testing.T, c *connections.Client, url string) string {
	t.Helper()
	list, err := c.Endpoints(t.Context(), nil)
	require.NoError(t, err)
	at := slices.IndexFunc(list, func(e connections.EndpointView) bool { return e.URL == url })
	require.GreaterOrEqual(t, at, 0)
	return list[at].ID
}

// While Temporal is away the events wait in the vault.
func TestEventsWaitForTemporal(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	c, in := local(r), newInbox(t)
	in.add(t, c, "/platform", "")
	happen(t, r, "acme", 1)
	away := func(context.Context, string, string) error { return errDied }
	require.ErrorIs(t, pump(r, away, r.Vault, -time.Second).Dispatch(t.Context()), errDied)
	require.NoError(t, pump(r, c.DeliverEvent, r.Vault, time.Minute).Dispatch(t.Context()))
	require.Eventually(t, func() bool { return len(in.counts()) == 2 }, 20*time.Second, 20*time.Millisecond)
}

func TestRedeliver(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	c, in := local(r), newInbox(t)
	endpoint := in.add(t, c, "/platform", "")
	happen(t, r, "acme", 1)
	list, err := c.Events(t.Context(), connections.EventQuery{Type: string(vault.EventActivated)})
	require.NoError(t, err)
	id := list[0].ID
	count := func(n int) func() bool { return func() bool { return in.counts()["/platform "+id] == n } }
	require.NoError(t, c.DeliverEvent(t.Context(), id, endpoint.ID))
	require.Eventually(t, count(1), 20*time.Second, 20*time.Millisecond)
	run := func() client.WorkflowRun {
		return r.Temporal.GetWorkflow(t.Context(), workflows.EventWorkflowID(id, endpoint.ID), "")
	}
	require.NoError(t, run().Get(t.Context(), nil))
	require.NoError(t, c.DeliverEvent(t.Context(), id, endpoint.ID), "once is once")

	in.answer(http.StatusInternalServerError)
	require.NoError(t, c.Redeliver(t.Context(), id, endpoint.ID))
	require.Eventually(t, count(2), 20*time.Second, 20*time.Millisecond)
	requireCode(t, c.Redeliver(t.Context(), id, endpoint.ID), connections.CodeDelivering)
	in.answer(http.StatusOK)
	require.Eventually(t, count(3), 20*time.Second, 20*time.Millisecond, "after five seconds")
	require.NoError(t, run().Get(t.Context(), nil))

	require.NoError(t, r.Vault.PutDeadLetter(t.Context(), vault.DeadLetter{
		EventID: id, EndpointID: endpoint.ID, Attempts: 10, StatusCode: 503, Reason: "webhook_refused", At: time.Now(),
	}))
	letters, err := c.DeadLetters(t.Context(), vault.DeadLetterFilter{})
	require.NoError(t, err)
	require.Len(t, letters, 1)
	require.Equal(t, workflows.ReasonWebhookRefused.Sentence(), letters[0].Message)
	require.NoError(t, c.Redeliver(t.Context(), id, endpoint.ID))
	require.Eventually(t, func() bool {
		letters, err := c.DeadLetters(t.Context(), vault.DeadLetterFilter{})
		return err == nil && len(letters) == 0
	}, 20*time.Second, 20*time.Millisecond)

	stranger := in.add(t, c, "/initech", "initech")
	requireCode(t, c.Redeliver(t.Context(), id, stranger.ID), "invalid_request")
	requireCode(t, c.Redeliver(t.Context(), "evt_none", endpoint.ID), "not_found")
	requireCode(t, c.Redeliver(t.Context(), id, "whe_none"), "not_found")
	require.NoError(t, r.Vault.DisableEndpoint(t.Context(), endpoint.ID, "webhook_gone", time.Now()))
	requireCode(t, c.Redeliver(t.Context(), id, endpoint.ID), "webhook_disabled")
	require.NoError(t, c.RemoveEndpoint(t.Context(), endpoint.ID))
	requireCode(t, c.RemoveEndpoint(t.Context(), endpoint.ID), "not_found")
}

// What is told twice by the vault is told once, in order, and what happens meanwhile comes too.
func TestFollowEvents(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	happen(t, r, "acme", 3)
	ctx, stop := context.WithCancel(t.Context())
	told := make(chan connections.EventView)
	done := make(chan error, 1)
	go func() {
		done <- r.Client.FollowEvents(ctx, connections.EventQuery{Limit: 2}, func(e connections.EventView) error {
			told <- e
			return nil
		})
	}()
	require.Equal(t, "con_acme_2", (<-told).Connection)
	require.Equal(t, vault.EventDisconnected, (<-told).Type)
	happen(t, r, "initech", 2)
	for n := range 2 {
		for _, want := range []vault.EventType{vault.EventActivated, vault.EventDisconnected} {
			e := <-told
			require.Equal(t, fmt.Sprint("con_initech_", n), e.Connection)
			require.Equal(t, want, e.Type)
			require.NotEmpty(t, e.Message)
		}
	}
	stop()
	require.NoError(t, <-done)

	all, err := r.Client.Events(t.Context(), connections.EventQuery{})
	require.NoError(t, err)
	require.Len(t, all, 10)
	after, err := r.Client.Events(t.Context(), connections.EventQuery{After: all[3].ID, Owner: "acme"})
	require.NoError(t, err)
	require.Equal(t, all[4:6], after)
	enough := errors.New("enough")
	require.ErrorIs(t, r.Client.FollowEvents(t.Context(), connections.EventQuery{After: all[0].ID, Type: string(vault.EventActivated)},
		func(e connections.EventView) error {
			require.Equal(t, all[2], e)
			return enough
		}), enough)
	_, err = r.Client.Events(t.Context(), connections.EventQuery{After: "evt_none"})
	requireCode(t, err, "not_found")
	_, err = r.Client.Events(t.Context(), connections.EventQuery{Type: "activated"})
	requireCode(t, err, "invalid_request")
	require.ErrorContains(t, err, "connection.expiring_soon")
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	c := *r.Client
	c.Resolver = resolver{
		"hooks.example.com": "93.184.215.14", "inside.example.com": "10.0.0.7", "metadata.example.com": "169.254.169.254",
		"here": "127.0.0.1", "127.0.0.1": "127.0.0.1", "::1": "::1",
	}
	add := func(owner, url string, types ...string) (connections.EndpointView, error) {
		return c.AddEndpoint(t.Context(), connections.EndpointRequest{Owner: owner, URL: url, Types: types})
	}
	for _, url := range []string{
		"https://inside.example.com/", "https://metadata.example.com/", "https://127.0.0.1/", "https://[::1]/", "https://here/",
		"http://hooks.example.com/", "https://hooks.example.com:444/", "https://u:p@hooks.example.com/", "nonsense", "",
	} {
		_, err := add("", url)
		requireCode(t, err, "invalid_request")
	}
	_, err := add("", "https://hooks.example.com/", "degraded")
	requireCode(t, err, "invalid_request")
	_, err = add("a\nb", "https://hooks.example.com/")
	requireCode(t, err, "invalid_request")

	view, err := add("acme", "https://hooks.example.com/a?b", string(vault.EventDegraded))
	require.NoError(t, err)
	require.Regexp(t, `^whsec_[A-Za-z0-9+/]{43}=$`, view.Secret)
	require.Regexp(t, `^whe_[0-9a-f]{32}$`, view.ID)
	require.True(t, workflows.ValidID(view.ID))
	row, err := r.Vault.Endpoint(t.Context(), view.ID)
	require.NoError(t, err)
	require.NotContains(t, string(row.Secrets[0].Sealed), view.Secret)
	unresolved, err := add("", "https://only-where-the-worker-is.example.com/")
	require.NoError(t, err, "it is judged at each delivery")

	rotated, err := c.RotateEndpoint(t.Context(), view.ID)
	require.NoError(t, err)
	require.NotEqual(t, view.Secret, rotated.Secret)
	require.Equal(t, 2, rotated.Secrets)
	for range 2 {
		_, err = c.RotateEndpoint(t.Context(), view.ID)
		require.NoError(t, err)
	}
	_, err = c.RotateEndpoint(t.Context(), view.ID)
	requireCode(t, err, "invalid_request")
	r.Clock.Move(connections.SecretOverlap + time.Minute)
	rotated, err = c.RotateEndpoint(t.Context(), view.ID)
	require.NoError(t, err)
	require.Equal(t, 2, rotated.Secrets)
	_, err = c.RotateEndpoint(t.Context(), "whe_none")
	requireCode(t, err, "not_found")

	platform, acme := "", "acme"
	for owner, want := range map[*string][]string{nil: {view.ID, unresolved.ID}, &platform: {unresolved.ID}, &acme: {view.ID}} {
		list, err := c.Endpoints(t.Context(), owner)
		require.NoError(t, err)
		var ids []string
		for _, e := range list {
			require.Empty(t, e.Secret, "it is shown once")
			ids = append(ids, e.ID)
		}
		require.Equal(t, want, ids)
	}
	for range 19 {
		_, err = add("acme", "https://hooks.example.com/")
		require.NoError(t, err)
	}
	_, err = add("acme", "https://hooks.example.com/")
	requireCode(t, err, "invalid_request")
	_, err = add("initech", "https://hooks.example.com/")
	require.NoError(t, err)
}
