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

// mtlsProvider asks every client for its certificate, and takes no other client's (RFC 8705 §2).
type mtlsProvider struct {
	*httptest.Server
	server, clients authority
	mu              sync.Mutex
	// by says who came over which connection.
	by map[string]string
}

func newMTLSProvider(t testing.TB, version uint16) *mtlsProvider {
	t.Helper()
	p := &mtlsProvider{server: newAuthority(t, "servers"), clients: newAuthority(t, "clients"), by: make(map[string]string)}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(p.answer))
	certificate, key := p.server.issue(t, "provider.test")
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(sec1(t, key)))
	require.NoError(t, err)
	p.TLS = &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: p.clients.pool(),
		MinVersion: version, MaxVersion: version,
	}
	p.Config.ErrorLog = discard()
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

func (p *mtlsProvider) answer(w http.ResponseWriter, r *http.Request) {
	name := r.TLS.PeerCertificates[0].Subject.CommonName
	p.mu.Lock()
	defer p.mu.Unlock()
	_, again := p.by[r.RemoteAddr]
	p.by[r.RemoteAddr] = name
	if err := r.ParseForm(); err != nil || again || r.PostForm.Get("client_id") != name || r.PostForm.Has("client_secret") || r.Header.Get("Authorization") != "" {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":"invalid_client"}`)
		return
	}
	_, _ = io.WriteString(w, goodReply)
}

func (p *mtlsProvider) app(t testing.TB, name string) oauth.App {
	t.Helper()
	certificate, key := p.clients.issue(t, name)
	return oauth.App{ClientID: name, Secret: secret.New(certificate + sec1(t, key))}
}

func (p *mtlsProvider) connector() connector.Connector {
	return at(p.URL, func(c *connector.Connector) { c.Token.Auth = connector.AuthTLS })
}

func (p *mtlsProvider) refresh(t testing.TB, conn connector.Connector, a oauth.App) error {
	t.Helper()
	_, err := newClient().WithRoots(p.server.pool()).Refresh(t.Context(), conn, a, oauth.Renewal{Token: secret.New(theToken)}, oauth.Hooks{})
	return err
}

// TestKnob_ClientCertificate_AppsShareNoConnection: every call has a connection of its own, and its app's certificate.
func TestKnob_ClientCertificate_AppsShareNoConnection(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		p := newMTLSProvider(t, version)
		client := newClient().WithRoots(p.server.pool())
		apps := []oauth.App{p.app(t, "one"), p.app(t, "two")}
		const each = 4
		outcomes := make(chan error, each*len(apps))
		for range each {
			for _, a := range apps {
				go func() {
					_, err := client.ClientCredentials(t.Context(), p.connector(), a, nil, oauth.Hooks{})
					outcomes <- err
				}()
			}
		}
		for range cap(outcomes) {
			require.NoError(t, <-outcomes)
		}
		require.Len(t, p.by, cap(outcomes))
	}
}

// TestKnob_ClientCertificate_AllCalls: ADP authenticates every call so.
func TestKnob_ClientCertificate_AllCalls(t *testing.T) {
	t.Parallel()
	p := newMTLSProvider(t, tls.VersionTLS13)
	client, a := newClient().WithRoots(p.server.pool()), p.app(t, "one")
	_, err := client.Exchange(t.Context(), p.connector(), a, secret.New(theCode), secret.New(theVerifier), theRedirect, oauth.Hooks{})
	require.NoError(t, err)
	require.NoError(t, p.refresh(t, p.connector(), a))
	conn := p.connector()
	swap(&conn)
	_, err = client.Upgrade(t.Context(), conn, a, secret.New(theToken), oauth.Hooks{})
	require.NoError(t, err)
	require.NoError(t, client.Revoke(t.Context(), conn, a, secret.New(theToken), "refresh_token"))
	require.Len(t, p.by, 4)
}

func TestKnob_ClientCertificate_Refused(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		p := newMTLSProvider(t, version)
		foreign := p.app(t, "one")
		certificate, key := newAuthority(t, "clients").issue(t, "one")
		foreign.Secret = secret.New(certificate + sec1(t, key))
		withSecret := p.connector()
		withSecret.Token.Auth = connector.AuthPost
		for _, err := range []error{p.refresh(t, p.connector(), foreign), p.refresh(t, withSecret, app())} {
			require.Error(t, err)
			requireSilent(t, err)
		}
		require.Empty(t, p.by)

		impostor := p.app(t, "two")
		impostor.ClientID = "one"
		requireFailure(t, p.refresh(t, p.connector(), impostor), oauth.InvalidClient)
	}
}

// TestKnob_ClientCertificate_UnknownServer: nothing is sent to a server that cannot prove who it is.
func TestKnob_ClientCertificate_UnknownServer(t *testing.T) {
	t.Parallel()
	p := newMTLSProvider(t, tls.VersionTLS13)
	for _, client := range []*oauth.Client{newClient(), newClient().WithRoots(p.clients.pool())} {
		_, err := client.Refresh(t.Context(), p.connector(), p.app(t, "one"), oauth.Renewal{Token: secret.New(theToken)}, oauth.Hooks{BeforeSend: never})
		require.False(t, failureOf(t, err, oauth.Unreachable).Sent)
	}
	require.Empty(t, p.by)
}

// TestWithRoots_LeavesTheClientAsItWas: the certificates of one test or one deployment are not everybody's.
func TestWithRoots_LeavesTheClientAsItWas(t *testing.T) {
	t.Parallel()
	p := newMTLSProvider(t, tls.VersionTLS13)
	client := newClient()
	_, err := client.WithRoots(p.server.pool()).Refresh(t.Context(), p.connector(), p.app(t, "one"), oauth.Renewal{Token: secret.New("rt")}, oauth.Hooks{})
	require.NoError(t, err)
	_, err = client.Refresh(t.Context(), p.connector(), p.app(t, "one"), oauth.Renewal{Token: secret.New("rt")}, oauth.Hooks{})
	requireFailure(t, err, oauth.Unreachable)
}
