package web

import (
	"log/slog"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/sandbox"
)

// second is another authorization server, with a connector of its own.
func (r *rig) second() *sandbox.Provider {
	r.t.Helper()
	server := httptest.NewUnstartedServer(nil)
	provider, err := sandbox.Open(r.t.Context(), sandbox.Options{
		Issuer: "http://" + server.Listener.Addr().String(), RedirectURIs: []string{r.base + "/callback"}, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(r.t, err)
	server.Config.Handler = provider.Handler()
	server.Start()
	r.t.Cleanup(func() {
		server.Close()
		require.NoError(r.t, provider.Close())
	})
	at := provider.Endpoints()
	conn := config.Sandbox{Issuer: at.Issuer, Authorization: at.Authorization, Token: at.Token, Revocation: at.Revocation, Userinfo: at.Userinfo}.Connector()
	conn.ID, conn.Name = "second", "Second"
	require.NoError(r.t, r.Catalogue.Add(conn))
	app := provider.Clients().App
	_, err = r.Client.PutIntegration(r.t.Context(), connections.IntegrationRequest{Connector: "second", ClientID: app.ID, ClientSecret: app.Secret})
	require.NoError(r.t, err)
	return provider
}

// TestAttackMixUp: the answer of one authorization server to the request that another was sent (RFC 9700 §4.4). With
// "iss" it is refused; where a server announces none, the code still goes to no one but the server that was asked.
func TestAttackMixUp(t *testing.T) {
	t.Parallel()
	for name, announced := range map[string]bool{"iss announced": true, "no iss": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(o *options) {
				o.Connector = func(c *connector.Connector) {
					c.Authorize.IssRequired = announced
					if !announced {
						c.Issuer = ""
					}
				}
			})
			other := r.second()
			_, mine := r.create()
			_, theirs := r.create(func(q *connections.CreateRequest) { q.Connector = "second" })
			b := r.browser()
			honest := b.press(mine)
			// The browser consents at the other server, whose answer is brought under the first one's state.
			elsewhere := b.post(theirs, nil).location
			id := query(t, b.get(elsewhere).location).Get("id")
			b.post(other.Endpoints().Issuer+"/login", url.Values{"id": {id}, "username": {"demo"}, "password": {"demo"}})
			answer := query(t, b.post(other.Endpoints().Issuer+"/consent", url.Values{"id": {id}, "decision": {"allow"}}).location)
			code := r.secret("code", answer.Get("code"))
			issuer := other.Endpoints().Issuer
			if !announced {
				issuer = "-"
			}
			mixed := with(t, r.answerTo(honest, url.Values{"code": {code}}), "iss", issuer)
			p := b.settled(b.back(mixed))
			require.Contains(t, p.body, "Not connected")
			require.Zero(t, other.Stats().Tokens["authorization_code"], "the other server's token endpoint is never asked")
			require.Zero(t, r.Sandbox.Stats().Tokens["authorization_code"][sandbox.OutcomeIssued])
			if announced {
				require.Zero(t, r.TokenRequests("authorization_code"))
			}
		})
	}
}
