package oauth_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

// adp takes no client without a certificate, and none by its certificate alone.
type adp struct {
	*httptest.Server
	server, clients authority
	mu              sync.Mutex
	seen            []string
}

func newADP(t testing.TB) *adp {
	t.Helper()
	p := &adp{server: newAuthority(t, "servers"), clients: newAuthority(t, "clients")}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.seen = append(p.seen, r.URL.Path)
		if r.ParseForm() != nil || r.PostForm.Get("client_id") != r.TLS.PeerCertificates[0].Subject.CommonName || r.PostForm.Get("client_secret") != canary+"-secret" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"invalid_client"}`)
			return
		}
		_, _ = io.WriteString(w, goodReply)
	}))
	certificate, key := p.server.issue(t, "provider.test")
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(sec1(t, key)))
	require.NoError(t, err)
	p.TLS = &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: p.clients.pool(), MinVersion: tls.VersionTLS13,
	}
	p.Config.ErrorLog = discard()
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

func (p *adp) connector(mods ...func(*connector.Connector)) connector.Connector {
	return at(p.URL, append([]func(*connector.Connector){swap, post, func(c *connector.Connector) {
		c.Token.Certificate, c.IntrospectURL = true, p.URL+"/introspect"
	}}, mods...)...)
}

func (p *adp) app(t testing.TB, text string) oauth.App {
	t.Helper()
	certificate, key := p.clients.issue(t, "id")
	return oauth.App{ClientID: "id", Secret: secret.New(text + certificate + sec1(t, key))}
}

// TestKnob_ADP: a client secret, and a certificate beside it, on every call (K7).
func TestKnob_ADP(t *testing.T) {
	t.Parallel()
	for _, between := range []string{"\n", "", "\r\n\r\n", " "} {
		p := newADP(t)
		client, a := newClient().WithRoots(p.server.pool()), p.app(t, canary+"-secret"+between)
		conn := p.connector()
		require.True(t, oauth.UsableCredential(conn, a.Secret))
		_, err := client.ClientCredentials(t.Context(), conn, a, nil, oauth.Hooks{})
		require.NoError(t, err)
		_, err = client.Exchange(t.Context(), conn, a, secret.New(theCode), secret.New(theVerifier), theRedirect, oauth.Hooks{})
		require.NoError(t, err)
		_, err = client.Refresh(t.Context(), conn, a, oauth.Renewal{Token: secret.New(theToken)}, oauth.Hooks{})
		require.NoError(t, err)
		_, err = client.Upgrade(t.Context(), conn, a, secret.New(theToken), oauth.Hooks{})
		require.NoError(t, err)
		require.NoError(t, client.Revoke(t.Context(), conn, a, secret.New(theToken), "refresh_token"))
		_, err = client.Introspect(t.Context(), conn, a, secret.New(theToken))
		require.NoError(t, err)
		require.Equal(t, []string{"/token", "/token", "/token", "/upgrade", "/revoke", "/introspect"}, p.seen)
	}
}

// TestKnob_ADP_Refused: one of the two is not enough, and what cannot be enough is not sent.
func TestKnob_ADP_Refused(t *testing.T) {
	t.Parallel()
	p := newADP(t)
	client := newClient().WithRoots(p.server.pool())
	ask := func(conn connector.Connector, a oauth.App) error {
		_, err := client.ClientCredentials(t.Context(), conn, a, nil, oauth.Hooks{})
		require.Error(t, err)
		requireSilent(t, err)
		return err
	}
	requireFailure(t, ask(p.connector(), p.app(t, canary+"-other\n")), oauth.InvalidClient)
	require.Len(t, p.seen, 1)

	// As a provider that wants no certificate.
	_ = ask(p.connector(func(c *connector.Connector) { c.Token.Certificate = false }), app())
	_, key := p.clients.issue(t, "id")
	for _, text := range []string{canary + "-secret", canary + "-secret\n" + sec1(t, key), ""} {
		a := oauth.App{ClientID: "id", Secret: secret.New(text)}
		require.False(t, oauth.UsableCredential(p.connector(), a.Secret))
		require.False(t, failureOf(t, ask(p.connector(), a), oauth.CredentialUnusable).Sent)
	}
	require.False(t, oauth.UsableCredential(p.connector(), p.app(t, "\n").Secret), "a certificate without the client secret")
	require.Len(t, p.seen, 1)
}
