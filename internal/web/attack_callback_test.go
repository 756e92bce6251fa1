package web

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/workflows"
)

func TestAttackReplayAfterSuccess(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.create()
	b := r.browser()
	authorize := b.press(link)
	callback := b.consent(authorize, "allow")
	result := b.back(callback)
	b.settled(result)
	r.AwaitStatus(id, workflows.StatusActive)
	require.Equal(t, result, b.back(callback), "its own browser is shown the result again")
	require.Equal(t, result, b.back(with(t, callback, "code", "other")))
	require.Equal(t, http.StatusForbidden, r.browser().get(callback).status)
	require.Equal(t, 1, r.TokenRequests("authorization_code"))
	require.Zero(t, r.Sandbox.Stats().Reuses)
	require.Equal(t, resultConnected, r.requestOf(authorize).Outcome)
}

// TestAttackCodeInjection: a code that another person got, with this browser's state.
func TestAttackCodeInjection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, mine := r.create()
	_, theirs := r.create()
	me, them := r.browser(), r.browser()
	stolen := query(t, them.consent(them.press(theirs), "allow")).Get("code")
	p := me.settled(me.back(r.answerTo(me.press(mine), url.Values{"code": {stolen}})))
	require.Contains(t, p.body, "Not connected")
	require.Zero(t, r.Sandbox.Stats().Tokens["authorization_code"][sandbox.OutcomeIssued], "PKCE stops it")
}

// TestAttackStateOfAnotherConnection: a browser that has begun one consent finishes another's.
func TestAttackStateOfAnotherConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, mine := r.create()
	victim, theirs := r.create()
	me, them := r.browser(), r.browser()
	me.press(mine)
	authorize := them.press(theirs)
	code := r.secret("code", "the attackers own")
	require.Equal(t, http.StatusForbidden, me.get(r.answerTo(authorize, url.Values{"code": {code}})).status)
	r.requireUntouched(authorize)
	require.Zero(t, r.TokenRequests("authorization_code"))
	them.back(them.consent(authorize, "allow"))
	r.AwaitStatus(victim, workflows.StatusActive)
}

func TestAttackFinishInAnotherBrowser(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	a, b := r.browser(), r.browser()
	authorize := a.press(link)
	callback := a.consent(authorize, "allow")
	p := b.get(callback)
	require.Equal(t, http.StatusForbidden, p.status)
	require.Contains(t, p.body, "Please finish in the browser you began in")
	require.Equal(t, http.StatusForbidden, b.get(with(t, callback, "code", "-", "error", "access_denied")).status)
	r.requireUntouched(authorize)
	require.Contains(t, a.settled(a.back(callback)).body, "Connected to Sandbox")
}

func TestAttackForgedCookie(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	a, b := r.browser(), r.browser()
	authorize := a.press(link)
	for _, cookie := range a.http.Jar.Cookies(mustURL(t, r.base)) {
		for _, value := range []string{"", "x", strings.Repeat("A", 43), cookie.Value + "A", cookie.Value[:42]} {
			p := b.do(http.MethodGet, r.answerTo(authorize, url.Values{"code": {"x"}}), "", "Cookie", cookie.Name+"="+value)
			require.Equal(t, http.StatusForbidden, p.status)
		}
	}
	r.requireUntouched(authorize)
}

func TestAttackParallelCallbacks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.create()
	b := r.browser()
	callback := b.consent(b.press(link), "allow")
	results := make([]string, 8)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() { results[i] = b.get(callback).location })
	}
	all.Wait()
	for _, result := range results {
		require.Equal(t, results[0], result)
	}
	require.Contains(t, b.settled(results[0]).body, "Connected to Sandbox")
	require.EqualValues(t, 1, r.AwaitStatus(id, workflows.StatusActive).Generation)
	require.Equal(t, map[string]int{sandbox.OutcomeIssued: 1}, r.Sandbox.Stats().Tokens["authorization_code"])
}

// TestAttackIssuer: RFC 9207 §2.4. The answer of another server is not used, and the state is spent.
func TestAttackIssuer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	own := r.Sandbox.Endpoints().Issuer
	for name, issuer := range map[string]string{
		"missing": "-", "empty": "", "other": "https://evil.example", "trailing slash": own + "/",
		"upper case": strings.ToUpper(own), "port": own + "0", "with a path": own + "/x",
	} {
		for _, decision := range []string{"allow", "deny"} {
			_, link := r.create()
			b := r.browser()
			authorize := b.press(link)
			callback := b.consent(authorize, decision)
			p := b.settled(b.back(with(t, callback, "iss", issuer)))
			require.Contains(t, p.body, "did not come from the server that was asked", name)
			r.requireOutcome(authorize, workflows.ReasonIssuerMismatch)
			b.back(callback)
			r.requireOutcome(authorize, workflows.ReasonIssuerMismatch)
		}
	}
}

func TestAttackCodeAndError(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	b := r.browser()
	authorize := b.press(link)
	callback := b.consent(authorize, "allow")
	p := b.settled(b.back(with(t, callback, "error", "access_denied")))
	require.Contains(t, p.body, "Not connected")
	r.requireOutcome(authorize, workflows.ReasonConsentFailed)
}

func TestAttackNeitherCodeNorError(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	b := r.browser()
	authorize := b.press(link)
	b.back(r.answerTo(authorize, url.Values{}))
	r.requireOutcome(authorize, workflows.ReasonConsentFailed)
}

func TestAttackRepeatedParameters(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	b := r.browser()
	authorize := b.press(link)
	callback := b.consent(authorize, "allow")
	for _, extra := range []string{
		"&state=x", "&code=x", "&iss=x", "&error=x&error=y", "&code=", "&state=", "&co%64e=x", "&%73tate=x", "&code",
	} {
		p := b.get(callback + extra)
		require.Equal(t, http.StatusBadRequest, p.status, extra)
	}
	r.requireUntouched(authorize)
	require.Zero(t, r.TokenRequests("authorization_code"))
	require.Contains(t, b.settled(b.back(callback)).body, "Connected to Sandbox")
}

func TestAttackRequestExpired(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	b := r.browser()
	authorize := b.press(link)
	callback := b.consent(authorize, "allow")
	r.Clock.Move(requestLife)
	p := b.get(callback)
	require.Equal(t, http.StatusGone, p.status)
	require.Contains(t, p.body, "That took too long")
	r.requireUntouched(authorize)
	require.Zero(t, r.TokenRequests("authorization_code"))
	b.connect(link)
}

// TestAttackCallbackAfterDisconnect: consent that comes too late brings nothing back to life.
func TestAttackCallbackAfterDisconnect(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.create()
	b := r.browser()
	callback := b.consent(b.press(link), "allow")
	_, err := r.Client.Disconnect(t.Context(), id)
	require.NoError(t, err)
	r.AwaitStatus(id, workflows.StatusDisconnected)
	require.Equal(t, http.StatusBadRequest, b.get(callback).status)
	require.Equal(t, http.StatusNotFound, b.get(link).status)
	require.Zero(t, r.TokenRequests("authorization_code"))
	row, err := r.Vault.Connection(t.Context(), id)
	require.NoError(t, err)
	require.Nil(t, row.AccessToken)
}

// TestAttackCallbackWhileDisconnecting: the provider holds up the revocation.
func TestAttackCallbackWhileDisconnecting(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *options) { o.Connector = revokesNowhere })
	id, link := r.create()
	b := r.browser()
	b.connect(link)
	r.AwaitStatus(id, workflows.StatusActive)
	callback := b.consent(b.press(link), "allow")
	before := r.TokenRequests("authorization_code")
	_, err := r.Client.Disconnect(t.Context(), id)
	require.NoError(t, err)
	r.AwaitStatus(id, workflows.StatusDisconnecting)
	p := b.get(b.back(callback))
	require.Contains(t, p.body, "The connection was ended")
	require.NotContains(t, p.body, "Try again")
	require.Equal(t, http.StatusGone, b.get(link).status)
	require.Equal(t, before, r.TokenRequests("authorization_code"))
	row, err := r.Vault.Connection(t.Context(), id)
	require.NoError(t, err)
	require.EqualValues(t, 1, row.Generation)
}

func TestAttackOutcomeThatNeverComes(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *options) { o.temporal = "127.0.0.1:9" })
	_, link := r.create()
	b := r.browser()
	result := b.back(b.consent(b.press(link), "allow"))
	require.Contains(t, b.get(result).body, "Connecting to Sandbox")
	r.Clock.Move(outcomeLimit + time.Second)
	require.Contains(t, b.get(result).body, "was lost on the way")
}
