package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/workflows"
)

func TestAttackForwardedLink(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	a, b := r.browser(), r.browser()
	require.Equal(t, http.StatusOK, b.get(link).status, "b opens it before a uses it")
	authorize := a.press(link)
	for _, p := range []page{b.get(link), b.post(link, nil)} {
		require.Equal(t, http.StatusGone, p.status)
		require.Contains(t, p.body, "This link has been used")
		require.Empty(t, p.cookies)
	}
	require.Equal(t, http.StatusOK, a.get(link).status)
	require.Contains(t, a.settled(a.back(a.consent(authorize, "allow"))).body, "Connected to Sandbox")
}

func TestAttackLinkExpired(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	b := r.browser()
	b.press(link)
	r.Clock.Move(connections.LinkLife)
	for _, who := range []*browser{b, r.browser()} {
		for _, p := range []page{who.get(link), who.post(link, nil)} {
			require.Equal(t, http.StatusGone, p.status)
			require.Contains(t, p.body, "This link has expired")
			require.Empty(t, p.location)
		}
	}
}

func TestAttackLinkOfAnExpiredConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.Clock.Move(-connections.ConsentWindow - time.Minute)
	id, link := r.create()
	r.AwaitStatus(id, workflows.StatusExpired)
	require.Equal(t, http.StatusNotFound, r.browser().get(link).status)
}

// TestAttackGuessing: a link that never was and one that cannot be are answered alike.
func TestAttackGuessing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := r.browser()
	unknown, _ := connections.NewSecret()
	want := b.get(r.base + "/connect/" + unknown)
	require.Equal(t, http.StatusNotFound, want.status)
	for _, malformed := range []string{
		"x", unknown[:42], unknown + "A", strings.Repeat("A", maxSecret+1), strings.Repeat("A", 10_000), "%00", "%ff", "..%2f..%2fetc", "a%2fb",
		"%3Cscript%3E", "'%20OR%201=1--", "con_1", "%F0%9F%92%A9",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			got := b.do(method, r.base+"/connect/"+malformed, "")
			require.Equal(t, want.status, got.status, malformed)
			require.Equal(t, want.body, got.body, malformed)
			require.Empty(t, got.cookies)
		}
	}
}

func TestAttackCrossSiteForm(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	b := r.browser()
	b.get(link)
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
		{"Origin", r.Sandbox.Endpoints().Issuer},
		{"Sec-Fetch-Site", "cross-site", "Origin", r.base},
	} {
		p := b.post(link, nil, header...)
		require.Equal(t, http.StatusForbidden, p.status, header)
		require.Contains(t, p.body, "This came from another site")
		require.Empty(t, p.location)
	}
	found, err := r.Vault.Link(t.Context(), connections.HashSecret(strings.TrimPrefix(link, r.base+"/connect/")))
	require.NoError(t, err)
	require.Zero(t, found.ConsumedAt)
	require.Equal(t, http.StatusSeeOther, b.post(link, nil, "Origin", r.base).status)
}

func TestAttackMethods(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	b := r.browser()
	authorize := b.press(link)
	callback := b.consent(authorize, "allow")
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, "TRACE", "LOCK"} {
		require.Equal(t, http.StatusMethodNotAllowed, b.do(method, callback, "").status, method)
		if method != http.MethodPost {
			require.Equal(t, http.StatusMethodNotAllowed, b.do(method, link, "").status, method)
		}
	}
	// An overriding header or field changes nothing.
	require.Equal(t, http.StatusMethodNotAllowed, b.do(http.MethodPost, callback, "_method=GET", "X-Http-Method-Override", "GET").status)
	require.Equal(t, http.StatusOK, b.do(http.MethodGet, link, "", "X-Http-Method-Override", "POST").status)
	r.requireUntouched(authorize)
}

func TestAttackResultOfAnotherBrowser(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	a, b := r.browser(), r.browser()
	result := a.connect(link)
	want := b.get(r.base + "/result/00000000-0000-4000-8000-000000000000")
	require.Equal(t, http.StatusNotFound, want.status)
	id := strings.TrimPrefix(result, r.base+"/result/")
	for _, address := range []string{
		result, result + "/state", r.base + "/result/x", r.base + "/result/" + strings.ToUpper(id), r.base + "/result/%7B" + id + "%7D",
		r.base + "/result/urn:uuid:" + id,
	} {
		got := b.get(address)
		require.Equal(t, want.status, got.status, address)
		require.Equal(t, want.body, got.body, address)
	}
	for _, odd := range []string{"urn:uuid:" + id, "%7B" + id + "%7D", strings.ReplaceAll(id, "-", "")} {
		require.Equal(t, http.StatusNotFound, a.get(r.base+"/result/"+odd).status, "one URL a result")
	}
	require.Equal(t, http.StatusOK, a.get(result).status)
}

func TestAttackOpenRedirect(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	b := r.browser()
	var parameters strings.Builder
	for _, name := range []string{"return_to", "redirect_uri", "redirect", "next", "url", "continue", "state", "client_id", "scope"} {
		for _, value := range []string{"//evil.example", "https://evil.example", "/%5Cevil.example", "javascript:alert(1)", "%0d%0aLocation:%20https://evil.example"} {
			parameters.WriteString("&" + name + "=" + value)
		}
	}
	junk := parameters.String()
	require.NotContains(t, b.get(link+"?"+junk[1:]).body, "evil")
	p := b.post(link+"?"+junk[1:], nil)
	require.Equal(t, http.StatusSeeOther, p.status)
	require.NotContains(t, p.location, "evil")
	require.Equal(t, r.base+"/callback", query(t, p.location).Get("redirect_uri"))
	r.secret("state", query(t, p.location).Get("state"))
	callback := b.consent(p.location, "allow")
	result := b.back(callback + strings.ReplaceAll(junk, "&state=", "&other="))
	require.NotContains(t, b.settled(result).body, "evil")
	for _, path := range []string{"//evil.example/", "//evil.example/..", "/%5Cevil.example/..", "/connect//evil.example", "///evil.example/%2e%2e"} {
		p := b.get(r.base + path)
		require.False(t, strings.HasPrefix(p.location, "//") || strings.HasPrefix(p.location, "http"), "%s leads to %s", path, p.location)
	}
}
