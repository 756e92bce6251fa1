package e2e_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/vault/pgtest"
)

func active(v connections.View) bool { return v.Status == "active" }

// The main job: connect in a browser, stay alive with nobody reading, survive kill -9, disconnect for good. On both
// vaults, on the embedded Temporal.
func TestAuthorizationCode(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]func(*testing.T) []string{
		"sqlite":   func(*testing.T) []string { return nil },
		"postgres": func(t *testing.T) []string { return []string{"DATABASE_URL=" + pgtest.URL(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, env(t)...)
			created := s.view("connect", "sandbox", "--owner", "acme")
			require.Equal(t, "pending", created.Status)
			require.Equal(t, "awaiting_consent", created.Reason)
			require.NotNil(t, created.ConnectURL)

			r := s.starter("token", created.ID)
			require.Equal(t, 3, r.exit, "a person must consent first")
			require.Contains(t, r.stderr, "consent")

			b := newBrowser(t).consent(*created.ConnectURL)
			at := time.Now()
			require.Contains(t, b.url.Path, "/result/")
			require.Empty(t, b.url.RawQuery, "a clean URL")
			require.Eventually(t, func() bool {
				return strings.Contains(b.open(b.url.String()).page, "Connected to Sandbox")
			}, patience, 50*time.Millisecond)
			t.Logf("the result page told the outcome %v after the callback", time.Since(at).Round(time.Millisecond))

			first := s.await(created.ID, active)
			require.EqualValues(t, 1, first.Generation)
			require.Contains(t, first.Scopes, "offline_access")
			token := s.token(created.ID)
			require.Equal(t, http.StatusOK, s.call(s.dev.Sandbox.Userinfo, token))

			// Nobody reads, and the generation rises: 60 s tokens are renewed after 36 to 45 s.
			risen := s.await(created.ID, func(v connections.View) bool { return v.Generation > first.Generation })
			require.Equal(t, "active", risen.Status)
			require.NotNil(t, risen.NextRefreshAt)

			forced := s.view("refresh", created.ID)
			require.Greater(t, forced.Generation, risen.Generation)

			// kill -9: the next start goes on where this one stopped, with no second consent.
			child := s.temporalPID()
			s.kill()
			require.True(t, alive(child))
			s.start()
			require.Equal(t, child, s.temporalPID(), "its own Temporal was adopted")
			after := s.view("refresh", created.ID)
			require.Greater(t, after.Generation, forced.Generation)
			token = s.token(created.ID)
			require.Equal(t, http.StatusOK, s.call(s.dev.Sandbox.Userinfo, token))

			paused := s.view("pause", created.ID)
			require.Equal(t, "paused", paused.Status)
			require.Equal(t, 1, s.starter("token", created.ID, "--reveal").exit)
			require.Equal(t, "active", s.view("resume", created.ID).Status)

			// Reconnect keeps the id and takes the next generation.
			again := s.view("reconnect", created.ID)
			require.Equal(t, created.ID, again.ID)
			require.NotNil(t, again.ConnectURL)
			b = newBrowser(t)
			b.open(*again.ConnectURL)
			require.Contains(t, b.page, "Reconnect to Sandbox")
			b.submit()
			b.submit("username", "demo", "password", "demo")
			b.submit("decision", "allow")
			reconnected := s.await(created.ID, func(v connections.View) bool { return v.Generation > after.Generation })
			require.Equal(t, "active", reconnected.Status)

			token = s.token(created.ID)
			s.view("disconnect", created.ID)
			gone := s.await(created.ID, func(v connections.View) bool { return v.Status == "disconnected" })
			require.Contains(t, gone.Message, "every secret is erased")
			require.Equal(t, http.StatusUnauthorized, s.call(s.dev.Sandbox.Userinfo, token), "the sandbox refuses the old token")
			require.Equal(t, 1, s.starter("token", created.ID, "--reveal").exit)
			require.Equal(t, 1, s.starter("refresh", created.ID).exit)
			s.replayAll()
		})
	}
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	begun := time.Now()
	v := s.view("connect", "sandbox", "--grant", "client_credentials", "--wait")
	took := time.Since(begun)
	t.Logf("connect --wait took %v", took.Round(time.Millisecond))
	require.Equal(t, "active", v.Status)
	require.Nil(t, v.ConnectURL)
	require.Equal(t, http.StatusOK, s.call(s.dev.Sandbox.API, s.token(v.ID)))

	secret, err := os.ReadFile(s.dev.MachineSecretFile())
	require.NoError(t, err)
	r := s.starterWith(string(secret), "connect", "sandbox", "--grant", "client_credentials", "--client-id", "sandbox-m2m", "--client-secret-file", "-", "--wait", "-o", "json")
	require.Zero(t, r.exit, r.stdout)
	require.NotContains(t, r.stdout+r.stderr, strings.TrimSpace(string(secret)))

	// A wrong secret fails with a sentence, and harms nobody else who uses that client id.
	r = s.starterWith("wrong", "connect", "sandbox", "--grant", "client_credentials", "--client-id", "sandbox-m2m", "--client-secret-file", "-", "--wait")
	require.Equal(t, 1, r.exit)
	require.Contains(t, r.stderr, "client id or secret")
	s.replayAll()
}

func TestConsentRefused(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	created := s.view("connect", "sandbox", "--owner", "acme")
	b := newBrowser(t)
	b.open(*created.ConnectURL).submit()
	b.submit("username", "demo", "password", "demo")
	b.submit("decision", "deny")
	require.Contains(t, b.page, "consent refused")
	v := s.await(created.ID, func(v connections.View) bool { return v.Reason == "consent_denied" })
	require.Equal(t, "pending", v.Status)
	require.Equal(t, 3, s.starter("token", created.ID).exit)

	// The same browser may change its mind, with the same link.
	b.consent(*created.ConnectURL)
	s.await(created.ID, active)
	s.replayAll()
}
