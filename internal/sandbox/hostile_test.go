package sandbox_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/acme/connections/internal/sandbox"
)

func TestFault_ErrorCode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  sandbox.Faults
		status int
	}{
		"by itself":  {sandbox.Faults{ErrorCode: "invalid_grant"}, 400},
		"client":     {sandbox.Faults{ErrorCode: "invalid_client"}, 401},
		"own status": {sandbox.Faults{ErrorCode: "slow_down", Status: 429, RetryAfter: "7"}, 429},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			got := r.connect()
			r.fault(c.fault)
			for _, a := range []*answer{r.refresh(got.Refresh), r.machine()} {
				a.requireError(t, c.status, c.fault.ErrorCode)
				require.Equal(t, c.fault.RetryAfter, a.header.Get("Retry-After"))
				require.Equal(t, c.status == 401, a.header.Get("WWW-Authenticate") != "")
			}
			r.fault(sandbox.Faults{})
			r.refresh(got.Refresh).tokens(t) // not spent
			r.presentations(sandbox.OutcomeFault, sandbox.OutcomeIssued)
		})
	}
}

func TestFault_Skip(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fault(sandbox.Faults{Skip: 2, Count: 1, Status: 503})
	var statuses []int
	for range 5 {
		statuses = append(statuses, r.machine().status)
	}
	require.Equal(t, []int{200, 200, 503, 200, 200}, statuses)
}

func TestFault_Probability(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	draw := func(f sandbox.Faults) (failed []int) {
		r.fault(f)
		for i := range 60 {
			if r.machine().status == 503 {
				failed = append(failed, i)
			}
		}
		return failed
	}
	f := sandbox.Faults{Status: 503, Probability: 0.3, Seed: 7}
	first := draw(f)
	require.Greater(t, len(first), 6)
	require.Less(t, len(first), 36)
	require.Equal(t, first, draw(f), "the same seed draws the same")
	f.Seed = 8
	require.NotEqual(t, first, draw(f))
	f = sandbox.Faults{Status: 503, Probability: 0.3, Seed: 7, Count: 3}
	require.Equal(t, first[:3], draw(f), "only those affected are counted")
	f = sandbox.Faults{Status: 503, Probability: 1}
	require.Len(t, draw(f), 60)
}

func TestFault_OfOneUser(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	demo, ada := r.connect(), r.connectAs("ada")
	r.fault(sandbox.Faults{User: "ada", ErrorCode: "invalid_grant"})
	r.refresh(demo.Refresh).tokens(t)
	r.refresh(ada.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant")
	r.refresh("made-up").requireError(t, http.StatusBadRequest, "invalid_grant")
	r.machine().tokens(t)
	r.connect()
	verifier := oauth2.GenerateVerifier()
	r.token(codeForm(r.consentAs("ada", verifier), verifier)).requireError(t, http.StatusBadRequest, "invalid_grant")
	require.Equal(t, 1, r.Stats().Tokens["refresh_token"][sandbox.OutcomeFault])
	require.Equal(t, 1, r.Stats().Tokens["authorization_code"][sandbox.OutcomeFault])
}

func TestFault_OfOneFamily(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one, other := r.connect(), r.connect()
	one, other = r.refresh(one.Refresh).tokens(t), r.refresh(other.Refresh).tokens(t)
	seen := r.presentations(sandbox.OutcomeIssued, sandbox.OutcomeIssued)
	require.NotEqual(t, seen[0].Family, seen[1].Family)
	r.fault(sandbox.Faults{Family: seen[0].Family, Status: 500})
	require.Equal(t, 500, r.refresh(one.Refresh).status)
	r.refresh(other.Refresh).tokens(t)
	r.connect()
}

func TestFault_Several(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	faults := []sandbox.Faults{
		{Grant: "refresh_token", Status: 500},
		{Skip: 1, Status: 501, Count: 2},
		{Status: 502, Count: 1},
	}
	require.NoError(t, r.SetFaults(faults...))
	require.Equal(t, 502, r.machine().status)
	require.Equal(t, 500, r.refresh("x").status)
	require.Equal(t, 501, r.machine().status)
	faults[1].Skip, faults[1].Count = 0, 1
	require.Equal(t, faults[:2], r.Faults())
	require.Equal(t, 501, r.machine().status)
	r.machine().tokens(t)
	require.NoError(t, r.SetFaults())
	require.Empty(t, r.Faults())
}

func TestFault_DropScope(t *testing.T) {
	t.Parallel()
	without := func(dropped ...string) string {
		kept := slices.DeleteFunc(strings.Fields(allScopes), func(s string) bool { return slices.Contains(dropped, s) })
		return strings.Join(kept, " ")
	}
	r := newRig(t)
	r.fault(sandbox.Faults{DropScope: "email profile", Count: 1})
	got := r.connect()
	require.Equal(t, without("email", "profile"), got.Scope)
	require.Equal(t, got.Scope, r.get(r.Endpoints().Me, got.Access).json(t)["scope"])
	require.NotContains(t, r.get(r.Endpoints().Userinfo, got.Access).json(t), "email")
	next := r.refresh(got.Refresh).tokens(t)
	require.Equal(t, got.Scope, next.Scope, "a consent that was cut stays cut")

	r.fault(sandbox.Faults{DropScope: "openid", Count: 2})
	form := refreshForm(r.refresh(next.Refresh).tokens(t).Refresh)
	form.Set("scope", "openid offline_access") // also when it is asked for by name
	cut := r.token(form).tokens(t)
	require.Equal(t, "offline_access", cut.Scope)
	require.Empty(t, cut.ID)
	require.Equal(t, got.Scope, r.refresh(cut.Refresh).tokens(t).Scope, "a refresh is cut once")

	r.fault(sandbox.Faults{DropScope: "offline_access", Count: 1})
	bare := r.connect()
	require.Empty(t, bare.Refresh)
	require.Equal(t, without("offline_access"), bare.Scope)

	r.fault(sandbox.Faults{DropScope: "contacts.write"})
	require.Equal(t, "contacts.read", r.machine().tokens(t).Scope)
	machine := machineForm()
	machine.Set("scope", "contacts.write")
	r.post(r.Endpoints().Token, r.Clients().Machine, true, machine).requireError(t, http.StatusBadRequest, "invalid_scope")
	r.fault(sandbox.Faults{DropScope: "contacts.write contacts.read"})
	require.Contains(t, r.machine().body, `"scope":""`)
}

func TestFault_Drip(t *testing.T) {
	t.Parallel()
	const over = 200 * time.Millisecond
	r := newRig(t)
	for name, c := range map[string]struct {
		fault sandbox.Faults
		body  string
	}{
		"good":  {sandbox.Faults{}, `"access_token"`},
		"page":  {sandbox.Faults{Status: 502, Body: "<html>slow</html>"}, "<html>slow</html>"},
		"empty": {sandbox.Faults{Status: 503}, ""},
		"huge":  {sandbox.Faults{PadBytes: 100_000}, strings.Repeat(" ", 100_000)},
	} {
		c.fault.Drip, c.fault.Count = over, 1
		r.fault(c.fault)
		start := time.Now()
		res, err := r.http.Do(r.postRequest(r.Endpoints().Token, r.Clients().Machine, true, machineForm()))
		require.NoError(t, err, name)
		first := make([]byte, 1)
		n, _ := res.Body.Read(first)
		early := time.Since(start)
		rest, err := io.ReadAll(res.Body)
		require.NoError(t, err, name)
		require.NoError(t, res.Body.Close())
		require.Contains(t, string(first[:n])+string(rest), c.body, name)
		require.GreaterOrEqual(t, time.Since(start), over, name)
		if n > 0 {
			require.Less(t, early, time.Since(start), name)
		}
	}
}

func TestFault_DripEndsWithTheServer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fault(sandbox.Faults{Drip: time.Hour})
	res, err := r.http.Do(r.postRequest(r.Endpoints().Token, r.Clients().Machine, true, machineForm()))
	require.NoError(t, err) // the headers are there
	defer func() { _ = res.Body.Close() }()
	require.NoError(t, r.Close())
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), "access_token")
}

func TestFault_OutlastsTheServersWriteTimeout(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	server := httptest.NewUnstartedServer(r.Handler())
	server.Config.WriteTimeout = 50 * time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	for _, f := range []sandbox.Faults{{Delay: 100 * time.Millisecond}, {Drip: 100 * time.Millisecond}} {
		r.fault(f)
		r.post(server.URL+"/token", r.Clients().Machine, true, machineForm()).tokens(t)
	}
}

func TestFault_Truncate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.connect()
	for _, f := range []sandbox.Faults{{}, {Drip: 20 * time.Millisecond}, {PadBytes: 100_000}, {Status: 500, Body: "<html>half</html>"}} {
		f.Truncate, f.Count = true, 1
		r.fault(f)
		res, err := r.http.Do(r.postRequest(r.Endpoints().Token, r.Clients().Machine, true, machineForm()))
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Positive(t, len(body))
		require.Equal(t, res.ContentLength/2, int64(len(body)))
	}
	r.fault(sandbox.Faults{Truncate: true, Count: 1})
	res, err := r.http.Do(r.postRequest(r.Endpoints().Token, r.Clients().App, true, refreshForm(got.Refresh)))
	require.NoError(t, err)
	_ = res.Body.Close()
	r.refresh(got.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant") // spent
	r.presentations(sandbox.OutcomeLost, sandbox.OutcomeReuse)
}

func TestFault_PadBytes(t *testing.T) {
	t.Parallel()
	const pad = 3 << 20
	r := newRig(t)
	r.fault(sandbox.Faults{PadBytes: pad, Count: 1})
	a := r.machine()
	a.tokens(t) // still JSON
	require.Empty(t, a.header.Get("Content-Length"))
	require.Greater(t, len(a.body), pad)
	r.fault(sandbox.Faults{PadBytes: pad, Status: 502, Body: "<html>"})
	require.Equal(t, "<html>"+strings.Repeat(" ", pad), r.machine().body)
}

func TestPresentations_TellTheCommit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	start := r.clock.Now()
	first := r.connect()
	r.clock.Advance(time.Second)
	second := r.refresh(first.Refresh).tokens(t)
	r.clock.Advance(time.Second)
	r.fault(sandbox.Faults{LoseReplyAfter: true, Count: 1})
	r.requireCut(second.Refresh)
	r.clock.Advance(time.Second)
	r.fault(sandbox.Faults{LoseReplyBefore: true, Count: 1})
	r.requireCut(second.Refresh)
	r.refresh("made-up").requireError(t, http.StatusBadRequest, "invalid_grant")
	r.post(r.Endpoints().Token, r.Clients().Machine, true, url.Values{"grant_type": {"refresh_token"}})

	seen := r.presentations(sandbox.OutcomeIssued, sandbox.OutcomeLost, sandbox.OutcomeCut, "invalid_grant")
	for i := range 2 {
		at := start.Add(time.Duration(i+1) * time.Second).Truncate(time.Millisecond).UTC()
		require.Equal(t, at, seen[i].At)
		require.Equal(t, at, seen[i].CommittedAt)
		require.NotEmpty(t, seen[i].Family)
	}
	require.Equal(t, sandbox.TokenHash(second.Refresh), seen[0].Successor)
	require.NotEmpty(t, seen[1].Successor, "it was lost, but it is there")
	require.NotEqual(t, seen[0].Successor, seen[1].Successor)
	for _, one := range seen[2:] {
		require.True(t, one.CommittedAt.IsZero())
		require.Empty(t, one.Successor)
	}
	require.Equal(t, seen[0].Family, seen[2].Family)
	require.Empty(t, seen[3].Family)
}
