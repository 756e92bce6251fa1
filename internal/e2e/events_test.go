package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/vault/pgtest"
)

// receiver is a customer's server that takes webhooks, as the specification tells it to.
type receiver struct {
	t        *testing.T
	url      string
	endpoint connections.EndpointView
	verifier *standardwebhooks.Webhook

	mu     sync.Mutex
	status int
	says   string
	got    []webhookReceived
}

type webhookReceived struct {
	id, body, failed string
	kind             string
}

// newReceiver starts one, and adds it as an endpoint; args are those of "events endpoints add" after the URL.
func newReceiver(t *testing.T, s *system, args ...string) *receiver {
	t.Helper()
	r := &receiver{t: t, status: http.StatusOK}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL + "/hook?key=of-the-customer"
	added := s.starter(append([]string{"events", "endpoints", "add", r.url, "-o", "json"}, args...)...)
	require.Zero(t, added.exit, added.stdout)
	require.NoError(t, json.Unmarshal([]byte(added.stdout), &r.endpoint))
	verifier, err := standardwebhooks.NewWebhook(r.endpoint.Secret)
	require.NoError(t, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verifier = verifier
	return r
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	var event struct{ Type string }
	_ = json.Unmarshal(body, &event)
	got := webhookReceived{id: request.Header.Get("webhook-id"), body: string(body), kind: event.Type}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.verifier.Verify(body, request.Header); err != nil {
		got.failed = err.Error()
	}
	r.got = append(r.got, got)
	w.WriteHeader(r.status)
	_, _ = io.WriteString(w, r.says)
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// received are all that came so far.
func (r *receiver) received() []webhookReceived {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// answerWith has it say something in every answer.
func (r *receiver) answerWith(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.says = text
}

// bodies are all that came.
func (r *receiver) bodies() string {
	var all strings.Builder
	for _, got := range r.received() {
		all.WriteString(got.body + "\n")
	}
	return all.String()
}

// kinds are the types of what came, in order; each came once, and was signed.
func (r *receiver) kinds() []string {
	r.t.Helper()
	var kinds []string
	seen := map[string]bool{}
	for _, got := range r.received() {
		require.Empty(r.t, got.failed)
		require.False(r.t, seen[got.id], "%s came twice", got.kind)
		seen[got.id] = true
		kinds = append(kinds, got.kind)
	}
	return kinds
}

// await waits until so many have come.
func (r *receiver) await(n int) {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return len(r.received()) >= n }, patience, 20*time.Millisecond)
}

// tail runs "events --follow" until the returned function ends it, which returns what it said.
func (s *system) tail() (end func() []connections.EventView) {
	s.t.Helper()
	command := exec.Command(binaries.starter, "events", "--follow", "-o", "json", "--data-dir", s.dir)
	command.Env = s.env
	said := &buffer{}
	command.Stdout, command.Stderr = said, said
	require.NoError(s.t, command.Start())
	return func() []connections.EventView {
		require.NoError(s.t, command.Process.Signal(os.Interrupt))
		require.NoError(s.t, command.Wait(), "Ctrl-C is no failure: %s", said.String())
		var all []connections.EventView
		for line := range strings.Lines(said.String()) {
			var e connections.EventView
			require.NoError(s.t, json.Unmarshal([]byte(line), &e), line)
			all = append(all, e)
		}
		return all
	}
}

func (s *system) fault(body string) {
	s.t.Helper()
	response, err := http.Post(s.dev.Sandbox.Issuer+"/_faults", "application/json", strings.NewReader(body))
	require.NoError(s.t, err)
	require.NoError(s.t, response.Body.Close())
	require.Equal(s.t, http.StatusNoContent, response.StatusCode)
}

// A whole life, told once per transition: connected, ill, well, refused, connected again, paused, and over.
func TestEventsOfALife(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]func(*testing.T) []string{
		"sqlite":   func(*testing.T) []string { return nil },
		"postgres": func(t *testing.T) []string { return []string{"DATABASE_URL=" + pgtest.URL(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, env(t)...)
			all, some := newReceiver(t, s), newReceiver(t, s, "--owner", "acme", "--types", "connection.needs_reauth")
			others := newReceiver(t, s, "--owner", "initech")
			endTail := s.tail()

			created := s.view("connect", "sandbox", "--owner", "acme")
			id := created.ID
			newBrowser(t).agree(*created.ConnectURL, "demo")
			s.await(id, active)
			all.await(1)

			s.fault(`{"count":1,"grant":"refresh_token","status":429,"retry_after":"2"}`)
			require.NotZero(t, s.starter("refresh", id).exit)
			all.await(2)
			s.await(id, active)
			all.await(3)

			s.fault(`{"count":1,"grant":"refresh_token","error_code":"invalid_grant"}`)
			require.Equal(t, 3, s.starter("refresh", id).exit)
			all.await(4)
			newBrowser(t).agree(*s.view("reconnect", id).ConnectURL, "demo")
			s.await(id, active)
			all.await(5)

			require.Equal(t, "active", s.view("refresh", id).Status)
			s.view("pause", id)
			s.view("resume", id)
			s.view("disconnect", id)
			s.await(id, func(v connections.View) bool { return v.Status == "disconnected" })
			all.await(6)

			want := []string{
				"connection.activated", "connection.degraded", "connection.recovered", "connection.needs_reauth",
				"connection.recovered", "connection.disconnected",
			}
			require.Equal(t, want, all.kinds())
			require.Equal(t, want[3:4], some.kinds())
			require.Empty(t, others.kinds())

			listed := s.starter("events", "-o", "json", "--connection", id)
			require.Zero(t, listed.exit)
			var list []connections.EventView
			require.NoError(t, json.Unmarshal([]byte(listed.stdout), &list))
			require.Len(t, list, len(want))
			for i, e := range list {
				require.Equal(t, want[i], string(e.Type))
				require.Equal(t, all.received()[i].id, e.ID)
			}
			require.Equal(t, list, endTail())
			require.Equal(t, "[]\n", s.starter("events", "dead-letters", "-o", "json").stdout)

			// Temporal holds ids, and nothing else.
			deliveries := 0
			for _, e := range s.executions() {
				if !strings.HasPrefix(e.workflowID, "event/") {
					continue
				}
				deliveries++
				content, err := protojson.Marshal(e.history)
				require.NoError(t, err)
				for _, hidden := range []string{all.url, some.url, "of-the-customer", "whsec_", "connection.", id} {
					require.NotContains(t, string(content), hidden)
				}
			}
			require.Equal(t, len(want)+1, deliveries)
			require.NotContains(t, s.log.String(), "of-the-customer")
			s.replayAll()
		})
	}
}

// A receiver that is down, and a worker that is killed meanwhile: the same webhook comes again, with the same body.
func TestEventsSurviveAKill(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	r := newReceiver(t, s)
	r.answer(http.StatusServiceUnavailable)
	v := s.view("connect", "sandbox", "--grant", "client_credentials", "--wait")
	r.await(1)
	s.kill()
	r.answer(http.StatusOK)
	s.start()
	r.await(2)
	got := r.received()
	first := got[0].id
	require.Equal(t, first, got[1].id)
	require.Equal(t, got[0].body, got[1].body)
	require.Contains(t, got[1].body, v.ID)
	require.Empty(t, got[1].failed)

	// By hand, once more.
	again := func() {
		t.Helper()
		require.Eventually(t, func() bool {
			return s.starter("events", "redeliver", first, r.endpoint.ID).exit == 0
		}, patience, 100*time.Millisecond, "the one before has not ended")
	}
	again()
	r.await(3)
	require.Equal(t, first, r.received()[2].id)

	// Gone for good: the endpoint is disabled, and the event is a dead letter.
	r.answer(http.StatusGone)
	again()
	r.await(4)
	var letters []connections.DeadLetterView
	require.Eventually(t, func() bool {
		return json.Unmarshal([]byte(s.starter("events", "dead-letters", "-o", "json").stdout), &letters) == nil && len(letters) == 1
	}, patience, 100*time.Millisecond)
	require.Equal(t, []any{first, r.endpoint.ID, http.StatusGone, "webhook_gone"},
		[]any{letters[0].Event, letters[0].Endpoint, letters[0].StatusCode, letters[0].Reason})
	require.Contains(t, s.starter("events", "endpoints", "list").stdout, "webhook_gone")
	refused := s.starter("events", "redeliver", first, r.endpoint.ID)
	require.Equal(t, 1, refused.exit)
	require.Contains(t, refused.stderr, "disabled")
	s.replayAll()
}

// What is typed wrong is said, with the exit codes of the other verbs.
func TestEventsTypedWrong(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	r := newReceiver(t, s)
	for _, c := range []struct {
		args []string
		exit int
		says string
	}{
		{[]string{"events", "nonsense"}, 2, "no arguments"},
		{[]string{"events", "--limit", "0"}, 2, "--limit"},
		{[]string{"events", "--type", "degraded"}, 2, "connection.degraded"},
		{[]string{"events", "--after", "evt_none"}, 1, "no event"},
		{[]string{"events", "endpoints", "add"}, 2, "URL"},
		{[]string{"events", "endpoints", "add", "http://hooks.example.com/"}, 2, "https://"},
		{[]string{"events", "endpoints", "add", "https://10.0.0.1/"}, 2, "public address"},
		{[]string{"events", "endpoints", "add", "https://169.254.169.254/"}, 2, "public address"},
		{[]string{"events", "endpoints", "add", "https://hooks.example.com/", "--types", "all"}, 2, "no event"},
		{[]string{"events", "endpoints", "rotate", "whe_none"}, 1, "no webhook endpoint"},
		{[]string{"events", "endpoints", "remove", "whe_none"}, 1, "no webhook endpoint"},
		{[]string{"events", "redeliver", "evt_none"}, 2, "an endpoint's id"},
		{[]string{"events", "redeliver", "evt_none", r.endpoint.ID}, 1, "no event"},
		{[]string{"events", "dead-letters", "--limit", "1001"}, 2, "--limit"},
	} {
		got := s.starter(c.args...)
		require.Equal(t, c.exit, got.exit, "%v: %s", c.args, got.stderr)
		require.Contains(t, got.stderr, c.says, c.args)
	}

	list := s.starter("events", "endpoints", "list")
	require.Contains(t, list.stdout, r.endpoint.ID)
	require.NotContains(t, list.stdout, "whsec_")
	rotated := s.starter("events", "endpoints", "rotate", r.endpoint.ID)
	require.Zero(t, rotated.exit)
	require.Contains(t, rotated.stdout, "whsec_")
	require.NotContains(t, rotated.stdout, r.endpoint.Secret)
	require.Contains(t, s.starter("events", "endpoints", "list").stdout, "2        no")
	removed := s.starter("events", "endpoints", "remove", r.endpoint.ID)
	require.Zero(t, removed.exit)
	require.Equal(t, "[]\n", s.starter("events", "endpoints", "list", "-o", "json").stdout)
}
