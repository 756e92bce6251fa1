package web

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/workflows"
)

func TestConnectPageSaysWhoAsksForWhat(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create(func(c *connections.CreateRequest) { c.Scopes = []string{"openid", "contacts.read"} })
	p := r.browser().get(link)
	require.Equal(t, http.StatusOK, p.status)
	for _, text := range []string{"Connect to Sandbox", platform, "Northwind Traders", "<code>openid</code>", "<code>contacts.read</code>", `<form method="post">`} {
		require.Contains(t, p.body, text)
	}
	require.NotContains(t, p.body, "offline_access")
	require.NotContains(t, p.body, "<script")
}

func TestOpeningTheLinkConsumesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	for range 3 {
		require.Equal(t, http.StatusOK, r.browser().get(link).status)
		require.Equal(t, http.StatusOK, r.browser().do(http.MethodHead, link, "").status)
	}
	found, err := r.Vault.Link(t.Context(), connections.HashSecret(strings.TrimPrefix(link, r.base+"/connect/")))
	require.NoError(t, err)
	require.Zero(t, found.ConsumedAt)
	require.Nil(t, found.BrowserHash)
	r.browser().press(link)
}

func TestButtonSendsToTheProvider(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	authorize := r.browser().press(link)
	require.True(t, strings.HasPrefix(authorize, r.Sandbox.Endpoints().Authorization+"?"), authorize)
	q := query(t, authorize)
	require.Equal(t, "code", q.Get("response_type"))
	require.Equal(t, "sandbox-app", q.Get("client_id"))
	require.Equal(t, r.base+"/callback", q.Get("redirect_uri"))
	require.Equal(t, "openid profile email offline_access contacts.read", q.Get("scope"))
	require.Equal(t, "S256", q.Get("code_challenge_method"))
	for _, name := range []string{"state", "code_challenge"} {
		random, err := base64.RawURLEncoding.DecodeString(q.Get(name))
		require.NoError(t, err)
		require.Len(t, random, 32, name)
	}
	require.Len(t, q, 7, "nothing else")
}

func TestEveryConsentIsNew(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	b := r.browser()
	first, second := query(t, b.press(link)), query(t, b.press(link))
	require.NotEqual(t, first.Get("state"), second.Get("state"))
	require.NotEqual(t, first.Get("code_challenge"), second.Get("code_challenge"))
}

func TestConnected(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.create()
	b := r.browser()
	authorize := b.press(link)
	verifier, err := r.Keys.Vault.OpenString(keyring.Verifier(r.requestOf(authorize).ID), r.requestOf(authorize).Verifier)
	require.NoError(t, err)
	r.secret("verifier", verifier.Reveal())
	callback := b.consent(authorize, "allow")

	began := time.Now()
	result := b.back(callback)
	p := b.settled(result)
	t.Logf("from the callback to the outcome: %v", time.Since(began))
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.body, "Connected to Sandbox")
	require.Contains(t, p.body, "Northwind Traders")
	require.NotContains(t, p.body, "<script")
	require.Equal(t, p.body, b.get(result).body, "a reload shows the same")

	row := r.AwaitStatus(id, workflows.StatusActive)
	require.EqualValues(t, 1, row.Generation)
	require.Equal(t, 1, r.TokenRequests("authorization_code"))
	token, err := r.Client.Token(t.Context(), id, 0)
	require.NoError(t, err)
	r.secret("access token", token.Text.Reveal())
	refresh, err := r.Keys.Vault.OpenString(keyring.RefreshToken(id, 1), row.RefreshToken)
	require.NoError(t, err)
	r.secret("refresh token", refresh.Reveal())
	request := r.requestOf(authorize)
	require.Equal(t, resultConnected, request.Outcome)
	require.Nil(t, request.Code, "the code is erased")
	require.Nil(t, request.Verifier, "the verifier is erased")
}

// TestWaitingPageGoesOnWithoutJavaScript: between callback and outcome the page reloads itself.
func TestWaitingPageGoesOnWithoutJavaScript(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.NoError(t, r.Sandbox.SetFaults(slowly(time.Second)))
	_, link := r.create()
	b := r.browser()
	result := b.back(b.consent(b.press(link), "allow"))
	p := b.get(result)
	require.Contains(t, p.body, "Connecting to Sandbox")
	require.Contains(t, p.body, `<noscript><meta http-equiv="refresh" content="1"></noscript>`)
	require.Contains(t, p.body, `data-poll="`+result+`/state"`)
	require.JSONEq(t, `{"state":"waiting"}`, b.get(result+"/state").body)
	p = b.settled(result)
	require.Contains(t, p.body, "Connected to Sandbox")
	require.NotContains(t, p.body, "refresh")
	require.JSONEq(t, `{"state":"connected"}`, b.get(result+"/state").body)
}

func TestReconnectSaysSo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.create()
	r.browser().connect(link)
	r.AwaitStatus(id, workflows.StatusActive)
	view, err := r.Client.Reconnect(t.Context(), id)
	require.NoError(t, err)
	r.secret("link", strings.TrimPrefix(*view.ConnectURL, r.base+"/connect/"))
	b := r.browser()
	require.Contains(t, b.get(*view.ConnectURL).body, "Reconnect to Sandbox")
	b.connect(*view.ConnectURL)
	row, err := r.Vault.Connection(t.Context(), id)
	require.NoError(t, err)
	require.EqualValues(t, 2, row.Generation)
}

// TestButtonPressedTwice: the browser drops the first answer, cookie and all, and still gets through.
func TestButtonPressedTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	b := r.browser()
	require.Equal(t, http.StatusOK, b.get(link).status)
	twin := r.browser()
	twin.http.Jar.SetCookies(mustURL(t, r.base), b.http.Jar.Cookies(mustURL(t, r.base)))
	twin.begin(link)
	result := b.back(b.consent(b.begin(link), "allow"))
	require.Contains(t, b.settled(result).body, "Connected to Sandbox")
}

func TestHealth(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := r.browser()
	require.Equal(t, http.StatusOK, b.get(r.base+"/readyz").status)
	require.NoError(t, r.Vault.Close())
	require.Equal(t, http.StatusServiceUnavailable, b.get(r.base+"/readyz").status)
	require.Equal(t, http.StatusOK, b.get(r.base+"/healthz").status)
}
