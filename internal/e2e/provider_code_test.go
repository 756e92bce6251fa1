package e2e_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/keyring"
)

// A provider that no code here knows, by a connector's file alone: consent, renewals under strict reuse detection,
// kill -9, and disconnect.
func TestProviderCode(t *testing.T) {
	t.Parallel()
	s, p := newSystem(t), newProvider(t)
	app := p.app(s, "acme", "acmes-secret")
	p.knows(app)
	s.addConnector(p.connector("certified"))
	s.setApp("certified", "acme", "acmes-secret")

	created := s.view("connect", "certified", "--owner", "acme")
	b := newBrowser(t)
	b.open(*created.ConnectURL).submit()
	b.open(b.url.String() + "/abort")
	require.Equal(t, "access_denied", b.query("/callback").Get("error"))
	s.await(created.ID, func(v connections.View) bool { return v.Reason == "consent_denied" })

	b.consentAt(p, *created.ConnectURL)
	require.Contains(t, b.url.Path, "/result/")
	asked, answered := b.query("/auth"), b.query("/callback")
	require.Equal(t, "S256", asked.Get("code_challenge_method"))
	require.Equal(t, p.issuer, answered.Get("iss"))

	first := s.await(created.ID, active)
	require.EqualValues(t, 1, first.Generation)
	require.ElementsMatch(t, []string{"openid", "offline_access"}, first.Scopes)
	require.Equal(t, http.StatusOK, s.call(p.userinfo(), s.token(created.ID)))

	// Nobody reads, and one generation follows the other.
	p.tokensLive(8 * time.Second)
	forced := s.view("refresh", created.ID)
	risen := s.await(created.ID, func(v connections.View) bool { return v.Generation >= forced.Generation+2 })
	require.Equal(t, "active", risen.Status)

	// The worker dies, and is away for longer than the token lives. The next one goes on with no second consent.
	p.tokensLive(25 * time.Second)
	long := s.await(created.ID, func(v connections.View) bool {
		return v.ExpiresAt != nil && v.IssuedAt != nil && v.ExpiresAt.Sub(*v.IssuedAt) > 20*time.Second
	})
	token := s.token(created.ID)
	s.kill()
	require.Eventually(t, func() bool { return !p.live(token) }, patience, 200*time.Millisecond)
	p.tokensLive(time.Hour)
	s.start()
	after := s.await(created.ID, func(v connections.View) bool { return v.Generation > long.Generation })
	require.Equal(t, "active", after.Status)
	require.Equal(t, http.StatusOK, s.call(p.userinfo(), s.token(created.ID)))

	// Each renewal was one generation, and no token was presented twice.
	require.Empty(t, p.said("refused"))
	require.Len(t, p.said("issued", "authorization_code"), 1)
	require.Len(t, p.said("issued", "refresh_token"), int(after.Generation)-1)

	in := newInsider(t, s)
	row, err := in.store.Connection(t.Context(), created.ID)
	require.NoError(t, err)
	refresh, err := in.keys.Vault.OpenString(keyring.RefreshToken(created.ID, row.Generation), row.RefreshToken)
	require.NoError(t, err)
	token = s.token(created.ID)
	require.True(t, p.live(token))
	require.True(t, p.live(refresh.Reveal()))
	s.view("disconnect", created.ID)
	s.await(created.ID, func(v connections.View) bool { return v.Status == "disconnected" })
	require.False(t, p.live(token))
	require.False(t, p.live(refresh.Reveal()))
	require.Equal(t, http.StatusUnauthorized, s.call(p.userinfo(), token))
	status, answer := p.post("/token", app, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh.Reveal()}})
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "invalid_grant", answer["error"])
	s.replayAll()
}

// query is that of the last URL with this path that the browser was sent to.
func (b *browser) query(path string) url.Values {
	b.t.Helper()
	for _, visited := range slices.Backward(b.visited) {
		if u, err := url.Parse(visited); err == nil && u.Path == path {
			return u.Query()
		}
	}
	require.Fail(b.t, "the browser was never sent to "+path)
	return nil
}

// An answer that does not name the server that was asked is not used, with a code that the server really gave
// (RFC 9207 §2.4). What follows shows that the provider had nothing against it.
func TestProviderIssuer(t *testing.T) {
	t.Parallel()
	s, p := newSystem(t), newProvider(t)
	p.knows(p.app(s, "acme", "acmes-secret"))
	s.addConnector(p.connector("certified"))
	s.setApp("certified", "acme", "acmes-secret")
	for name, tamper := range map[string]func(url.Values){
		"another": func(q url.Values) { q.Set("iss", s.dev.Sandbox.Issuer) },
		"slash":   func(q url.Values) { q.Set("iss", p.issuer+"/") },
		"none":    func(q url.Values) { q.Del("iss") },
	} {
		created := s.view("connect", "certified", "--owner", name)
		b := newBrowser(t)
		callback := b.stopBefore("/callback")
		b.consentAt(p, *created.ConnectURL)
		require.NotNil(t, *callback)
		query := (*callback).Query()
		require.NotEmpty(t, query.Get("code"))
		tamper(query)
		(*callback).RawQuery = query.Encode()
		b.open((*callback).String())
		v := s.await(created.ID, func(v connections.View) bool { return v.Reason == "issuer_mismatch" })
		require.Equal(t, "pending", v.Status, name)
	}
	require.Empty(t, p.said("issued"))
	require.Empty(t, p.said("refused"), "no code was sent anywhere")

	created := s.view("connect", "certified", "--owner", "acme")
	newBrowser(t).consentAt(p, *created.ConnectURL)
	s.await(created.ID, active)
	s.replayAll()
}

// stopBefore makes the browser stop before the first redirect to a path, and tells where it would have led.
func (b *browser) stopBefore(path string) **url.URL {
	follow, stopped := b.client.CheckRedirect, new(*url.URL)
	b.client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if *stopped == nil && strings.HasSuffix(r.URL.Path, path) {
			*stopped = r.URL
			return http.ErrUseLastResponse
		}
		return follow(r, via)
	}
	return stopped
}
