package activities_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// asks gives the connector steps, each at an endpoint of its own.
func asks(endpoints ...*endpoint) func(*connector.Connector) {
	return func(c *connector.Connector) {
		for i, e := range endpoints {
			name := []string{"account_id", "plan", "region"}[i]
			c.Steps = append(c.Steps, connector.Step{
				Name: name, URL: e.URL + "/me", Headers: map[string]string{"X-Version": "2026-01"},
				Metadata: []connector.Capture{{Path: "data.0.id", As: name, Pattern: "[a-z0-9-]+"}},
			})
		}
	}
}

func told(id string) func(http.ResponseWriter, *http.Request) {
	return says(200, `{"data":[{"id":"`+id+`"}]}`)
}

func TestSteps(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, told("acc-1"))
	r := newRig(t, asks(e))
	r.connect()
	require.Equal(t, map[string]string{"account_id": "acc-1"}, r.row().Metadata)
	first, refresh := r.tokens()
	requests := e.requests()
	require.Len(t, requests, 1)
	require.Equal(t, http.MethodGet, requests[0].method)
	require.Equal(t, "Bearer "+first, requests[0].header.Get("Authorization"))
	require.Equal(t, "2026-01", requests[0].header.Get("X-Version"))
	for _, text := range []string{r.provider.Clients().App.Secret.Reveal(), sandbox.AppClientID, refresh} {
		require.NotContains(t, requests[0].all, text)
	}

	// Once more at the first renewal, with its token; then no more.
	e.set(told("acc-2"))
	_, err := r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	second, _ := r.tokens()
	requests = e.requests()
	require.Len(t, requests, 1)
	require.Equal(t, "Bearer "+second, requests[0].header.Get("Authorization"))
	require.Equal(t, "acc-1", r.row().Metadata["account_id"], "a refresh does not change the account")
	for generation := range int64(2) {
		_, err = r.Refresh(t.Context(), r.renew(generation+2))
		require.NoError(t, err)
	}
	require.Empty(t, e.requests())
	require.Equal(t, "acc-1", r.row().Metadata["account_id"], "it stays")

	// And again at a new consent.
	e.set(told("acc-1"))
	set, err := r.Exchange(t.Context(), r.consent("req_2"))
	require.NoError(t, err)
	require.EqualValues(t, 5, set.Generation)
	require.Len(t, e.requests(), 1)
	require.Equal(t, "acc-1", r.row().Metadata["account_id"])
	r.requireSilent(r.log.String())
}

// TestSteps_AfterACrash are taken when the exchange is finished.
func TestSteps_AfterACrash(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, told("acc-1"))
	r := newRig(t, asks(e))
	r.create()
	in := r.consent("req_1")
	r.leaveBehind(vault.AttemptStart{Kind: "exchange", Generation: vault.AttemptAnyGeneration, RequestID: "req_1"}, 200, `{"access_token":"at"}`)
	_, err := r.Exchange(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, "acc-1", r.row().Metadata["account_id"])
	require.Equal(t, "Bearer at", e.requests()[0].header.Get("Authorization"))
}

// TestSteps_ThatFail cost what they would have told, and nothing else: neither the token nor what others tell.
func TestSteps_ThatFail(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"500":      says(500, canary),
		"401":      says(401, `{"error":"invalid_token"}`),
		"404":      says(404, canary),
		"redirect": func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, "/elsewhere", http.StatusFound) },
		"page":     says(200, "<html>"+canary),
		"empty":    says(200, ""),
		"huge":     says(200, `{"padding":"`+strings.Repeat("x", 1<<20)+`","data":[{"id":"acc-1"}]}`),
		"cut":      says(200, `{"data":[{"id":"acc-1`),
		"hangs up": hangsUp,
		"other":    says(200, `{"data":[]}`),
		"strange":  says(200, `{"data":[{"id":"`+canary+` not of the pattern"}]}`),
		"deep":     says(200, strings.Repeat("[", 100_000)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad, good := newEndpoint(t, answer), newEndpoint(t, told("pro"))
			r := newRig(t, asks(bad, good))
			r.connect()
			require.Len(t, bad.requests(), 1)
			require.Equal(t, map[string]string{"plan": "pro"}, r.row().Metadata)
			access, _ := r.tokens()
			require.True(t, r.alive(access))
			require.Zero(t, r.row().Failures)
			r.requireSilent(r.log.String())

			bad.set(told("acc-1"))
			_, err := r.Refresh(t.Context(), r.renew(1))
			require.NoError(t, err)
			require.Equal(t, map[string]string{"account_id": "acc-1", "plan": "pro"}, r.row().Metadata)
		})
	}
}

// TestSteps_ThatNeverAnswer: the token waits for all of them together, five seconds at most.
func TestSteps_ThatNeverAnswer(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 2)
	silent := func(_ http.ResponseWriter, req *http.Request) {
		asked <- struct{}{}
		<-req.Context().Done()
	}
	trickle := func(w http.ResponseWriter, req *http.Request) {
		asked <- struct{}{}
		_, _ = w.Write([]byte(`{"data":[{"id":"acc-1"}`))
		_ = http.NewResponseController(w).Flush()
		<-req.Context().Done()
	}
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){"silent": silent, "half an answer": trickle} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, asks(newEndpoint(t, answer), newEndpoint(t, answer)))
			r.create()
			in := r.consent("req_1")
			began := time.Now()
			set, err := r.Exchange(t.Context(), in)
			took := time.Since(began)
			require.NoError(t, err)
			require.EqualValues(t, 1, set.Generation)
			<-asked
			require.Greater(t, took, 4*time.Second)
			require.Less(t, took, 9*time.Second)
			require.NotContains(t, r.row().Metadata, "account_id")
			access, _ := r.tokens()
			require.True(t, r.alive(access))
		})
	}
}

// TestSteps_AnotherProcessMayFinish what is stored while the first still asks; it lands once.
func TestSteps_AnotherProcessMayFinish(t *testing.T) {
	t.Parallel()
	first := make(chan struct{})
	asked := make(chan struct{}, 10)
	e := newEndpoint(t, func(w http.ResponseWriter, req *http.Request) {
		asked <- struct{}{}
		select {
		case <-first:
			told("acc-1")(w, req)
		case <-req.Context().Done():
		}
	})
	r := newRig(t, asks(e))
	r.create()
	in := r.consent("req_1")
	other := r.instance()
	done := make(chan error, 1)
	go func() {
		_, err := other.Exchange(t.Context(), in)
		done <- err
	}()
	<-asked
	close(first)
	set, err := r.Exchange(t.Context(), in)
	require.NoError(t, err)
	require.EqualValues(t, 1, set.Generation)
	require.NoError(t, <-done)
	require.EqualValues(t, 1, r.row().Generation)
	require.Equal(t, 1, r.calls("authorization_code"))
	require.NoError(t, other.Drain(t.Context()))
	require.Equal(t, string(workflows.StatusPending), r.row().Status, "the workflow says what follows")
}
