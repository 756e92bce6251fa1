package sandbox_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/secret"
)

func TestRefresh_RotatesAndKeepsTheOldAccessToken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.connect()
	second := r.refresh(first.Refresh).tokens(t)
	require.NotEqual(t, first.Refresh, second.Refresh)
	require.NotEqual(t, first.Access, second.Access)
	require.Equal(t, allScopes, second.Scope)
	r.requireLive(first.Access)
	r.requireLive(second.Access)
	third := r.refresh(second.Refresh).tokens(t)
	r.requireLive(third.Access)
	require.Equal(t, 2, r.Stats().Tokens["refresh_token"][sandbox.OutcomeIssued])
}

func TestRefresh_ReuseRevokesTheFamily(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first, bystander := r.connect(), r.connect()
	second := r.refresh(first.Refresh).tokens(t)
	r.refresh(first.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant")
	r.requireDead(first.Access)
	r.requireDead(second.Access)
	r.refresh(second.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant")
	r.requireLive(bystander.Access)
	r.refresh(bystander.Refresh).tokens(t)
	require.Equal(t, 1, r.Stats().Reuses)

	seen, err := r.Presentations(t.Context())
	require.NoError(t, err)
	require.Len(t, seen, 4)
	for i, want := range []struct{ token, outcome string }{
		{first.Refresh, sandbox.OutcomeIssued},
		{first.Refresh, sandbox.OutcomeReuse},
		{second.Refresh, "invalid_grant"},
		{bystander.Refresh, sandbox.OutcomeIssued},
	} {
		require.Equal(t, sandbox.TokenHash(want.token), seen[i].Hash)
		require.Equal(t, want.outcome, seen[i].Outcome)
		require.WithinDuration(t, r.clock.Now(), seen[i].At, time.Second)
	}
}

func TestRefresh_InParallelLeavesTheFamilyDead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.connect()
	const callers = 4
	answers := make([]*answer, callers)
	requests := make([]*http.Request, callers)
	for i := range requests {
		requests[i] = r.postRequest(r.Endpoints().Token, r.Clients().App, true, refreshForm(first.Refresh))
	}
	var wg sync.WaitGroup
	for i, req := range requests {
		wg.Go(func() {
			if res, err := r.http.Do(req); err == nil {
				answers[i] = read(t, res)
			}
		})
	}
	wg.Wait()
	var won []tokens
	for _, a := range answers {
		require.NotNil(t, a)
		if a.status == http.StatusOK {
			won = append(won, a.tokens(t))
			continue
		}
		a.requireError(t, http.StatusBadRequest, "invalid_grant")
	}
	require.Len(t, won, 1)
	r.requireDead(first.Access)
	r.requireDead(won[0].Access)
	r.refresh(won[0].Refresh).requireError(t, http.StatusBadRequest, "invalid_grant")
	require.Equal(t, callers-1, r.Stats().Reuses)
}

func TestRefresh_BelongsToItsClient(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	other := sandbox.Client{ID: "other", Secret: secret.New("other-secret"), RedirectURIs: []string{redirectURI}, Scopes: []string{"openid"}}
	require.NoError(t, r.AddClient(t.Context(), other))
	first := r.connect()
	second := r.refresh(first.Refresh).tokens(t)
	for _, token := range []string{first.Refresh, second.Refresh} {
		r.post(r.Endpoints().Token, other, true, refreshForm(token)).requireError(t, http.StatusBadRequest, "invalid_grant")
		r.post(r.Endpoints().Revocation, other, true, url.Values{"token": {token}}).requireError(t, http.StatusBadRequest, "unauthorized_client")
	}
	r.requireLive(second.Access)
	r.refresh(second.Refresh).tokens(t)
}

func TestRefresh_NarrowsScopesForOneAccessToken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	form := refreshForm(r.connect().Refresh)
	form.Set("scope", "openid email")
	narrow := r.token(form).tokens(t)
	require.Equal(t, "openid email", narrow.Scope)
	require.Equal(t, allScopes, r.refresh(narrow.Refresh).tokens(t).Scope)

	form = refreshForm(r.connect().Refresh)
	form.Set("scope", "contacts.write")
	r.token(form).requireError(t, http.StatusBadRequest, "invalid_scope")
}

func TestRefresh_Unknown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.refresh("made-up").requireError(t, http.StatusBadRequest, "invalid_grant")
	r.refresh("").requireError(t, http.StatusBadRequest, "invalid_request")
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *sandbox.Options) {
		o.AccessTokenLifetime = 5 * time.Minute
		o.Behaviour.RefreshTokenIdle = time.Hour
	})
	first := r.connect()
	require.InDelta(t, 300, first.ExpiresIn, 0)
	r.clock.Advance(5*time.Minute - time.Millisecond)
	r.requireLive(first.Access)
	r.clock.Advance(time.Millisecond)
	r.requireDead(first.Access)

	second := r.refresh(first.Refresh).tokens(t)
	require.InDelta(t, 300, second.ExpiresIn, 0)
	r.clock.Advance(59 * time.Minute)
	third := r.refresh(second.Refresh).tokens(t) // each rotation starts anew
	r.clock.Advance(time.Hour)
	r.refresh(third.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant")
	require.Zero(t, r.Stats().Reuses)
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	odd := sandbox.Client{ID: "odd id", Secret: secret.New("s+e/c=%: ü"), Scopes: []string{"a", "b"}}
	require.NoError(t, r.AddClient(t.Context(), odd))
	for _, c := range []sandbox.Client{odd, r.Clients().Machine} {
		for _, basic := range []bool{true, false} {
			a := r.post(r.Endpoints().Token, c, basic, machineForm())
			got := a.tokens(t)
			require.Empty(t, got.Refresh)
			require.Empty(t, got.ID)
			require.InDelta(t, 60, got.ExpiresIn, 0)
			require.Equal(t, map[string]any{"sub": c.ID, "client_id": c.ID, "scope": strings.Join(c.Scopes, " ")},
				r.get(r.Endpoints().Me, got.Access).json(t))
			require.Equal(t, http.StatusForbidden, r.get(r.Endpoints().Userinfo, got.Access).status)
		}
	}
	form := machineForm()
	form.Set("scope", "b c")
	require.Equal(t, "b", r.post(r.Endpoints().Token, odd, true, form).tokens(t).Scope)
	form.Set("scope", "c")
	r.post(r.Endpoints().Token, odd, true, form).requireError(t, http.StatusBadRequest, "invalid_scope")
}

func TestClientAuthentication(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.Endpoints()
	live := r.connect()
	wrong := r.Clients().App
	wrong.Secret = secret.New("wrong")
	for _, c := range []sandbox.Client{wrong, {ID: "nobody", Secret: secret.New("x")}, {ID: sandbox.AppClientID}} {
		for _, basic := range []bool{true, false} {
			for _, form := range []url.Values{refreshForm(live.Refresh), codeForm("c", "v"), machineForm()} {
				a := r.post(e.Token, c, basic, form)
				a.requireError(t, http.StatusUnauthorized, "invalid_client")
				require.Contains(t, a.header.Get("WWW-Authenticate"), "Basic")
			}
			for _, endpoint := range []string{e.Revocation, e.Introspection} {
				r.post(endpoint, c, basic, url.Values{"token": {live.Access}}).requireError(t, http.StatusUnauthorized, "invalid_client")
			}
		}
	}
	both := r.postRequest(e.Token, r.Clients().App, false, refreshForm(live.Refresh))
	both.SetBasicAuth(sandbox.AppClientID, r.Clients().App.Secret.Reveal())
	r.send(both).requireError(t, http.StatusBadRequest, "invalid_request")

	r.requireLive(live.Access)
	r.refresh(live.Refresh).tokens(t) // no failure above spent it
}

func TestTokenEndpoint_RefusesWhatIsNotARequest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e, m := r.Endpoints(), r.Clients().Machine
	r.post(e.Token, m, true, url.Values{}).requireError(t, http.StatusBadRequest, "invalid_request")
	r.post(e.Token, m, true, url.Values{"grant_type": {"password"}}).requireError(t, http.StatusBadRequest, "unsupported_grant_type")
	jwt := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {"x"}}
	r.post(e.Token, m, true, jwt).requireError(t, http.StatusBadRequest, "unsupported_grant_type")
	r.post(e.Token, m, true, url.Values{"grant_type": {"client_credentials"}, "scope": {"a", "b"}}).requireError(t, http.StatusBadRequest, "invalid_request")
	r.post(e.Token, m, true, refreshForm("x")).requireError(t, http.StatusBadRequest, "unauthorized_client")
	r.post(e.Token, r.Clients().App, true, machineForm()).requireError(t, http.StatusBadRequest, "unauthorized_client")
	r.get(e.Token+"?grant_type=client_credentials", "").requireError(t, http.StatusMethodNotAllowed, "invalid_request")
	r.post(e.Token+"?grant_type=client_credentials", m, true, nil).requireError(t, http.StatusBadRequest, "invalid_request")
}

func TestRevocation(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	revoke := func(basic bool, form url.Values) {
		t.Helper()
		require.Equal(t, http.StatusOK, r.post(r.Endpoints().Revocation, r.Clients().App, basic, form).status)
	}
	for _, hint := range []string{"", "refresh_token", "access_token", "nonsense"} {
		got := r.connect()
		revoke(true, url.Values{"token": {got.Access}, "token_type_hint": {hint}})
		r.requireDead(got.Access)
		next := r.refresh(got.Refresh).tokens(t)
		r.requireLive(next.Access)

		revoke(false, url.Values{"token": {next.Refresh}, "token_type_hint": {hint}})
		r.requireDead(next.Access)
		r.refresh(next.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant")
		revoke(true, url.Values{"token": {next.Refresh}, "token_type_hint": {hint}}) // again is no error
		revoke(true, url.Values{"token": {"made-up"}, "token_type_hint": {hint}})
	}
	require.Equal(t, 16, r.Stats().Revocations)
	r.post(r.Endpoints().Revocation, r.Clients().App, true, url.Values{}).requireError(t, http.StatusBadRequest, "invalid_request")
}

func TestIntrospection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.connect()
	for _, basic := range []bool{true, false} {
		m := r.post(r.Endpoints().Introspection, r.Clients().App, basic, url.Values{"token": {got.Access}}).json(t)
		require.Equal(t, true, m["active"])
		require.Equal(t, sandbox.AppClientID, m["client_id"])
		require.Equal(t, allScopes, m["scope"])
	}
	r.clock.Advance(time.Minute)
	for _, token := range []string{got.Access, "made-up"} {
		m := r.post(r.Endpoints().Introspection, r.Clients().App, true, url.Values{"token": {token}}).json(t)
		require.Equal(t, map[string]any{"active": false}, m)
	}
}

func TestAPI_WithoutAToken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, endpoint := range []string{r.Endpoints().Me, r.Endpoints().Userinfo} {
		a := r.get(endpoint, "")
		require.Equal(t, http.StatusUnauthorized, a.status)
		require.Equal(t, `Bearer realm="sandbox"`, a.header.Get("WWW-Authenticate"))
	}
	r.requireDead("made-up")
}
