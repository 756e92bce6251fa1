package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
)

// An OAuth app's secret is rotated without a gap: first we know the new one, then the provider does, then the old one
// is gone. The refresh token family lives through all of it.
func TestProviderSecretRotation(t *testing.T) {
	t.Parallel()
	s, p := newSystem(t), newProvider(t)
	p.knows(p.app(s, "acme", "old-secret"))
	s.addConnector(p.connector("certified"))
	s.setApp("certified", "acme", "old-secret")
	created := s.view("connect", "certified", "--owner", "acme")
	newBrowser(t).consentAt(p, *created.ConnectURL)
	generation := s.await(created.ID, active).Generation
	counted := 0
	// rejections is how many secrets the provider has rejected since it was last asked.
	rejections := func() int {
		refused := p.said("refused")[counted:]
		for _, e := range refused {
			require.Equal(t, "invalid_client", e.Error)
		}
		counted += len(refused)
		return len(refused)
	}
	// refreshed forces a refresh that succeeds, and tells how many secrets were rejected on the way.
	refreshed := func() int {
		v := s.view("refresh", created.ID)
		require.Equal(t, generation+1, v.Generation)
		generation = v.Generation
		return rejections()
	}
	require.Zero(t, refreshed())

	s.setApp("certified", "acme", oddSecret)
	require.Equal(t, 1, refreshed(), "the new secret first, then the old one")
	require.Zero(t, refreshed(), "the old one is known to be the one in force")

	p.knows(p.app(s, "acme", oddSecret))
	require.Equal(t, 1, refreshed(), "the old secret is gone, and the new one is in force")
	require.Zero(t, refreshed())

	// A code survives it as well.
	s.setApp("certified", "acme", "a-secret-that-is-yet-to-be")
	again := s.view("reconnect", created.ID)
	newBrowser(t).consentAt(p, *again.ConnectURL)
	generation = s.await(created.ID, func(v connections.View) bool { return v.Generation > generation }).Generation
	require.Equal(t, 1, rejections())
	require.Len(t, p.said("issued", "authorization_code"), 2)

	s.setApp("certified", "acme", oddSecret, "--only")
	require.Zero(t, refreshed())
	token := s.token(created.ID)
	s.view("disconnect", created.ID)
	s.await(created.ID, func(v connections.View) bool { return v.Status == "disconnected" })
	require.False(t, p.live(token))
	s.replayAll()
}
