package sandbox_test

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/sandbox"
)

func (r *rig) fault(f sandbox.Faults) {
	r.t.Helper()
	require.NoError(r.t, r.SetFaults(f))
}

func (r *rig) machine() *answer {
	r.t.Helper()
	return r.post(r.Endpoints().Token, r.Clients().Machine, true, machineForm())
}

// requireCut expects a connection closed without an answer.
func (r *rig) requireCut(refreshToken string) {
	r.t.Helper()
	res, err := r.http.Do(r.postRequest(r.Endpoints().Token, r.Clients().App, true, refreshForm(refreshToken)))
	if err == nil {
		_ = res.Body.Close()
	}
	require.Error(r.t, err)
}

func TestFault_Answers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault       sandbox.Faults
		contentType string
	}{
		"unavailable": {sandbox.Faults{Status: 503, Body: `{"error":"temporarily_unavailable"}`, RetryAfter: "7"}, "application/json"},
		"rate limit":  {sandbox.Faults{Status: 429, RetryAfter: "Wed, 21 Oct 2099 07:28:00 GMT"}, ""},
		"html":        {sandbox.Faults{Status: 502, Body: "<html>Bad gateway</html>"}, "text/html; charset=utf-8"},
		"empty 200":   {sandbox.Faults{Status: 200}, ""},
		"own type":    {sandbox.Faults{Status: 500, Body: "{}", ContentType: "text/plain"}, "text/plain"},
		"bare text":   {sandbox.Faults{Status: 500, Body: "oops"}, "text/plain; charset=utf-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			got := r.connect()
			c.fault.Count = 2
			r.fault(c.fault)
			for range 2 {
				a := r.refresh(got.Refresh)
				require.Equal(t, c.fault.Status, a.status)
				require.Equal(t, c.fault.Body, a.body)
				require.Equal(t, c.fault.RetryAfter, a.header.Get("Retry-After"))
				require.Equal(t, c.contentType, a.header.Get("Content-Type"))
			}
			r.refresh(got.Refresh).tokens(t) // not spent, and the fault is over
			require.Equal(t, map[string]int{sandbox.OutcomeFault: 2, sandbox.OutcomeIssued: 1}, r.Stats().Tokens["refresh_token"])
		})
	}
}

func TestFault_OfOneGrant(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.connect()
	r.fault(sandbox.Faults{Grant: "refresh_token", Status: 500, Count: 1})
	r.machine().tokens(t) // not counted either
	require.Equal(t, 500, r.refresh(got.Refresh).status)
	r.refresh(got.Refresh).tokens(t)
}

func TestFault_UntilChanged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fault(sandbox.Faults{Status: 500})
	for range 3 {
		require.Equal(t, 500, r.machine().status)
	}
	r.fault(sandbox.Faults{})
	r.machine().tokens(t)
}

func TestFault_LoseReplyBefore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.connect()
	r.fault(sandbox.Faults{LoseReplyBefore: true, Count: 1})
	r.requireCut(got.Refresh)
	r.refresh(got.Refresh).tokens(t) // not spent
	require.Equal(t, 1, r.Stats().Tokens["refresh_token"][sandbox.OutcomeCut])
}

func TestFault_LoseReplyAfter(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.connect()
	r.fault(sandbox.Faults{LoseReplyAfter: true, Count: 1})
	r.requireCut(got.Refresh)
	require.Equal(t, 1, r.Stats().Tokens["refresh_token"][sandbox.OutcomeLost])
	r.refresh(got.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant") // spent
	r.requireDead(got.Access)
	r.fault(sandbox.Faults{LoseReplyAfter: true, Count: 1})
	r.requireCut(got.Refresh) // a refusal is lost too

	seen, err := r.Presentations(t.Context())
	require.NoError(t, err)
	require.Len(t, seen, 3)
	require.Equal(t, sandbox.OutcomeLost, seen[0].Outcome)
	require.Equal(t, sandbox.OutcomeReuse, seen[1].Outcome)
}

func TestFault_Delay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fault(sandbox.Faults{Delay: 50 * time.Millisecond, Count: 1})
	start := time.Now()
	r.machine().tokens(t)
	require.GreaterOrEqual(t, time.Since(start), 50*time.Millisecond)
}

func TestFault_DelayEndsWithTheServer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fault(sandbox.Faults{Delay: time.Hour, Status: 500})
	req := r.postRequest(r.Endpoints().Token, r.Clients().Machine, true, machineForm())
	done := make(chan int)
	go func() {
		defer close(done)
		if res, err := r.http.Do(req); err == nil {
			_ = res.Body.Close()
			done <- res.StatusCode
		}
	}()
	require.NoError(t, r.Close())
	require.Equal(t, 500, <-done)
}

func TestFault_ExpiresIn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fault(sandbox.Faults{OmitExpiresIn: true})
	require.NotContains(t, r.machine().body, "expires_in")
	for _, raw := range []string{`3599.5`, `"3600"`, `""`, `{}`, `null`, `0`} {
		r.fault(sandbox.Faults{ExpiresInRaw: raw})
		a := r.machine()
		a.tokensLoosely(t)
		require.Contains(t, a.body, `"expires_in":`+raw)
	}
}

// tokensLoosely checks an answer whose expires_in may be anything.
func (a *answer) tokensLoosely(t testing.TB) {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.NotEmpty(t, a.json(t)["access_token"])
}

func TestFault_RejectClient(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.connect()
	r.fault(sandbox.Faults{RejectClient: true})
	r.refresh(got.Refresh).requireError(t, http.StatusUnauthorized, "invalid_client")
	r.machine().requireError(t, http.StatusUnauthorized, "invalid_client")
	r.fault(sandbox.Faults{})
	r.refresh(got.Refresh).tokens(t)
}

func TestFault_RefusesNonsense(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, f := range []sandbox.Faults{
		{Status: 99},
		{Body: "x"},
		{ExpiresInRaw: "36 00"},
		{Count: -1},
		{Delay: -1},
		{Grant: "password"},
		{Skip: -1},
		{Drip: -1},
		{Probability: 1.1},
		{Probability: -0.1},
		{Probability: math.NaN()},
		{Seed: 1},
		{Grant: "client_credentials", User: "demo"},
		{Grant: "client_credentials", Family: "f"},
		{User: "sam"},
		{PadBytes: -1},
		{PadBytes: 1<<30 + 1},
		{RetryAfter: "7"},
		{ErrorCode: "a\"b"},
		{ErrorCode: "invalid_grant", Body: "x", Status: 400},
		{ErrorCode: "invalid_client", RejectClient: true},
		{LoseReplyAfter: true, Truncate: true},
		{LoseReplyBefore: true, Drip: 1},
		{Truncate: true, Status: 200},
	} {
		require.Error(t, r.SetFaults(f))
		require.ErrorContains(t, r.SetFaults(sandbox.Faults{Status: 500}, f), "number 2")
	}
	r.machine().tokens(t)
}
