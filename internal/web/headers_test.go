package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const pollEvery = 5 * time.Millisecond

// checkHeaders holds for every answer, whatever it is.
func checkHeaders(t *testing.T, p page) {
	t.Helper()
	policy := p.header.Get("Content-Security-Policy")
	for _, directive := range []string{"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "script-src 'self'"} {
		assert.Contains(t, policy, directive, p.url)
	}
	assert.NotContains(t, policy, "unsafe", p.url)
	assert.Equal(t, "DENY", p.header.Get("X-Frame-Options"), p.url)
	assert.Equal(t, "nosniff", p.header.Get("X-Content-Type-Options"), p.url)
	assert.Equal(t, "no-referrer", p.header.Get("Referrer-Policy"), p.url)
	assert.Equal(t, "same-origin", p.header.Get("Cross-Origin-Opener-Policy"), p.url)
	if strings.Contains(p.url, "/assets/") {
		return
	}
	assert.Equal(t, "no-store", p.header.Get("Cache-Control"), p.url)
}

// TestAttackHeadersOnEveryAnswer: caching, referrers, framing. It adds the answers that no other test comes by; checkHeaders sees all of them.
func TestAttackHeadersOnEveryAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := r.browser()
	_, link := r.create()
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/", http.StatusOK},
		{http.MethodGet, "/healthz", http.StatusOK},
		{http.MethodGet, "/readyz", http.StatusOK},
		{http.MethodGet, "/nowhere", http.StatusNotFound},
		{http.MethodGet, "/callback", http.StatusBadRequest},
		{http.MethodGet, "/result/x", http.StatusNotFound},
		{http.MethodGet, "/connect/", http.StatusNotFound},
		{http.MethodGet, "/session/x", http.StatusNotFound},
		{http.MethodPost, "/session/x", http.StatusNotFound},
		{http.MethodPost, "/session/x/open", http.StatusNotFound},
		{http.MethodGet, "/setup/x", http.StatusNotFound},
		{http.MethodGet, "/setup/x/state", http.StatusNotFound},
		{http.MethodGet, "/yours/x", http.StatusNotFound},
		{http.MethodGet, "/yours/x/y/disconnect", http.StatusNotFound},
		{http.MethodPost, "/yours/x/y/reconnect", http.StatusNotFound},
		{http.MethodPost, "/result/x/confirm", http.StatusNotFound},
		{http.MethodGet, "/brand/style.css", http.StatusOK},
		{http.MethodGet, "/brand/logo", http.StatusNotFound},
		{http.MethodGet, "/connect/../connect/x", http.StatusTemporaryRedirect},
		{http.MethodGet, "/assets/style.css", http.StatusOK},
		{http.MethodGet, "/assets/result.js", http.StatusOK},
		{http.MethodGet, "/assets/icon.svg", http.StatusOK},
		{http.MethodGet, "/assets/nothing", http.StatusNotFound},
		{http.MethodGet, "/assets/", http.StatusNotFound},
		{http.MethodPost, "/callback", http.StatusMethodNotAllowed},
		{http.MethodPut, strings.TrimPrefix(link, r.base), http.StatusMethodNotAllowed},
		{http.MethodDelete, "/nowhere", http.StatusMethodNotAllowed},
		{http.MethodOptions, "/callback", http.StatusMethodNotAllowed},
	} {
		p := b.do(c.method, r.base+c.path, "")
		assert.Equal(t, c.status, p.status, "%s %s: %s", c.method, c.path, p.body)
		if c.status == http.StatusMethodNotAllowed {
			assert.NotEmpty(t, p.header.Get("Allow"))
		}
	}
}

func TestAssetsMayBeCached(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.browser().get(r.base + "/assets/style.css")
	require.Equal(t, "public, max-age=300", p.header.Get("Cache-Control"))
	require.Equal(t, "text/css; charset=utf-8", p.header.Get("Content-Type"))
}

// cookieOf presses the button at pages with the base URL.
func (r *rig) cookieOf(base, link string) (*http.Cookie, http.Header) {
	r.t.Helper()
	s := r.serverAt(base, r.NewClient(r.Temporal, base))
	defer s.Close()
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, httptest.NewRequestWithContext(r.t.Context(), http.MethodPost, strings.Replace(link, r.base, base, 1), nil))
	response := answer.Result()
	require.NoError(r.t, response.Body.Close())
	require.Equal(r.t, http.StatusSeeOther, response.StatusCode)
	require.Len(r.t, response.Cookies(), 1)
	return response.Cookies()[0], response.Header
}

func TestCookieUnderHTTPS(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	cookie, header := r.cookieOf("https://connect.example", link)
	require.Regexp(t, "^__Host-connect-[0-9a-f]{16}$", cookie.Name)
	require.True(t, cookie.Secure)
	require.True(t, cookie.HttpOnly)
	require.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
	require.Equal(t, "/", cookie.Path)
	require.Empty(t, cookie.Domain)
	require.WithinDuration(t, time.Now().Add(70*time.Minute), cookie.Expires, time.Minute)
	require.NotContains(t, header.Get("Content-Security-Policy"), "http:")
	require.NotEmpty(t, header.Get("Strict-Transport-Security"))
	require.Equal(t, "https://connect.example/callback", query(t, header.Get("Location")).Get("redirect_uri"))
}

func TestCookieInDevelopment(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	cookie, header := r.cookieOf(r.base, link)
	require.Regexp(t, "^connect-[0-9a-f]{16}$", cookie.Name)
	require.False(t, cookie.Secure)
	require.True(t, cookie.HttpOnly)
	require.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
	require.Equal(t, "/", cookie.Path)
	require.Empty(t, cookie.Domain)
	require.Empty(t, header.Get("Strict-Transport-Security"))
}

func TestBaseURLMustBeAnOrigin(t *testing.T) {
	t.Parallel()
	for _, base := range []string{
		"", "connect.example", "ftp://connect.example", "https://", "https://connect.example/", "https://connect.example/path",
		"https://connect.example?x=1", "https://connect.example#x", "://", "https://user:pass@connect.example", "https://connect.example?",
	} {
		_, err := New(Config{BaseURL: base})
		require.Error(t, err, base)
		require.ErrorContains(t, err, "CONNECTIONS_BASE_URL")
	}
}
