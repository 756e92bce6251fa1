package sandbox_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/sandbox"
)

func newAdminRig(t testing.TB) *rig {
	t.Helper()
	return newRig(t, func(o *sandbox.Options) { o.Admin = true })
}

func (r *rig) admin(endpoint, contentType, body string) *answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, endpoint, strings.NewReader(body))
	require.NoError(r.t, err)
	req.Header.Set("Content-Type", contentType)
	return r.send(req)
}

func (r *rig) requireRefused(endpoint, body, says string) {
	r.t.Helper()
	a := r.admin(endpoint, "application/json", body)
	require.Equal(r.t, http.StatusBadRequest, a.status)
	require.Contains(r.t, a.json(r.t)["error"], says)
}

func TestAdmin_Faults(t *testing.T) {
	t.Parallel()
	r := newAdminRig(t)
	at := r.Endpoints().Faults
	require.Equal(t, http.StatusNoContent, r.admin(at, "application/json", `{"status":503,"retry_after":"3","count":1,"delay":"1ms"}`).status)
	require.JSONEq(t, `[{"status":503,"retry_after":"3","count":1,"delay":"1ms"}]`, r.get(at, "").body)
	a := r.machine()
	require.Equal(t, 503, a.status)
	require.Equal(t, "3", a.header.Get("Retry-After"))
	r.machine().tokens(t)
	require.JSONEq(t, `[]`, r.get(at, "").body)

	r.requireRefused(at, `{"stattus":503}`, `there is no knob "stattus"`)
	r.requireRefused(at, `{"delay":"soon"}`, `"soon" is not a duration`)
	r.requireRefused(at, `{"drip":1}`, "1 is not a duration")
	r.requireRefused(at, `{"count":"1"}`, "count cannot be a string")
	r.requireRefused(at, `5`, "number")
	r.requireRefused(at, `{"status":7}`, "status must be between")
	r.requireRefused(at, `[{"status":500},{"status":7}]`, "number 2")
	r.requireRefused(at, `{} {}`, "after top-level value")
	r.requireRefused(at, strings.Repeat(" ", 65<<10), "64 kB")
	require.Equal(t, http.StatusUnsupportedMediaType, r.admin(at, "text/plain", `{"status":503}`).status)
	r.machine().tokens(t)

	require.Equal(t, http.StatusNoContent, r.admin(at, "application/json", ` [{"status":500,"count":1},{"status":501,"count":1}]`).status)
	require.Equal(t, []int{500, 501, 200}, []int{r.machine().status, r.machine().status, r.machine().status})
	require.Equal(t, http.StatusNoContent, r.admin(at, "application/json", `{"status":500}`).status)
	require.Equal(t, http.StatusNoContent, r.admin(at, "application/json", `{}`).status)
	r.machine().tokens(t)
}

func TestAdmin_Behaviour(t *testing.T) {
	t.Parallel()
	r := newAdminRig(t)
	at := r.Endpoints().Behaviour
	const defaults = `{"rotation":"family","grace":"0s","single_live":false,"clock_skew":"0s","refresh_token_idle":"2160h0m0s",
		"refresh_token_lifetime":"0s","announce_refresh_expiry":false,"announce_expires_at":false,
		"contacts_unauthorized_every":10,"contacts_throttled_every":7,"contacts_retry_after":"1s"}`
	require.JSONEq(t, defaults, r.get(at, "").body)
	a := r.admin(at, "application/json", `{"rotation":"strict","grace":"30s","clock_skew":"-5m"}`)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, a.body, r.get(at, "").body)
	require.Equal(t, sandbox.Behaviour{
		Rotation: sandbox.RotationStrict, Grace: 30 * time.Second, ClockSkew: -5 * time.Minute, RefreshTokenIdle: 90 * 24 * time.Hour,
		ContactsUnauthorizedEvery: 10, ContactsThrottledEvery: 7, ContactsRetryAfter: time.Second,
	}, r.Behaviour())

	r.requireRefused(at, `{"rotation":"sometimes"}`, "rotation must be family, strict or none")
	r.requireRefused(at, `{"rotate":true}`, `there is no knob "rotate"`)
	r.requireRefused(at, `{"grace":30}`, "30 is not a duration")
	r.requireRefused(at, `{"single_live":"yes"}`, "single_live cannot be a string")
	require.Equal(t, http.StatusUnsupportedMediaType, r.admin(at, "text/plain", `{}`).status)
	require.Equal(t, a.body, r.get(at, "").body, "a refused change changes nothing")
	require.JSONEq(t, defaults, r.admin(at, "application/json", `{}`).body)
}

func TestAdmin_TellsWhatWasSeen(t *testing.T) {
	t.Parallel()
	r := newAdminRig(t)
	e := r.Endpoints()
	require.JSONEq(t, `[]`, r.get(e.Presentations, "").body)
	require.JSONEq(t, `{"tokens":{},"reuses":0,"revocations":0}`, r.get(e.Stats, "").body)
	first := r.connect()
	r.refresh(first.Refresh).tokens(t)
	r.refresh(first.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant")

	var seen []sandbox.Presentation
	require.NoError(t, json.Unmarshal([]byte(r.get(e.Presentations, "").body), &seen))
	require.Equal(t, r.presentations(sandbox.OutcomeIssued, sandbox.OutcomeReuse), seen)
	require.Equal(t, 1, strings.Count(r.get(e.Presentations, "").body, "committed_at"))
	require.JSONEq(t, `{"tokens":{"authorization_code":{"issued":1},"refresh_token":{"issued":1,"reuse":1}},"reuses":1,"revocations":0}`,
		r.get(e.Stats, "").body)
}

func TestAdmin_IsClosedByDefault(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.Endpoints()
	for _, endpoint := range []string{e.Faults, e.Behaviour, e.Presentations, e.Stats} {
		require.Equal(t, http.StatusNotFound, r.get(endpoint, "").status)
		require.Equal(t, http.StatusNotFound, r.admin(endpoint, "application/json", `{}`).status)
	}
}

func TestAdmin_RefusesOtherOrigins(t *testing.T) {
	t.Parallel()
	r := newAdminRig(t)
	for _, endpoint := range []string{r.Endpoints().Faults, r.Endpoints().Behaviour} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(`{}`))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Origin", "http://evil.example")
		require.Equal(t, http.StatusForbidden, r.send(req).status)
	}
}

func TestKnobs_SurviveJSON(t *testing.T) {
	t.Parallel()
	f := sandbox.Faults{
		Grant: "refresh_token", User: "ada", Family: "f", Skip: 1, Probability: 0.5, Seed: 1<<64 - 1, Count: 2, Delay: time.Second,
		LoseReplyBefore: true, RejectClient: true, ErrorCode: "e", Status: 500, Body: "b", ContentType: "c", RetryAfter: "1",
		LoseReplyAfter: true, OmitExpiresIn: true, ExpiresInRaw: "1.5", DropScope: "s", Drip: time.Millisecond, Truncate: true, PadBytes: 1,
	}
	text, err := json.Marshal(f)
	require.NoError(t, err)
	var again sandbox.Faults
	require.NoError(t, json.Unmarshal(text, &again))
	require.Equal(t, f, again)
	text, err = json.Marshal(sandbox.Faults{})
	require.NoError(t, err)
	require.JSONEq(t, `{}`, string(text))
}
