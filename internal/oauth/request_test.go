package oauth_test

import (
	"io"
	"log"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

func discard() *log.Logger { return log.New(io.Discard, "", 0) }

// flat is a form in which every parameter is given once.
func flat(t testing.TB, form url.Values) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, values := range form {
		require.Len(t, values, 1, name)
		out[name] = values[0]
	}
	return out
}

func TestRequest_Headers(t *testing.T) {
	t.Parallel()
	for phase, call := range calls() {
		p := replying(t, 200, goodReply)
		require.NoError(t, call(t, p.connector(), oauth.Hooks{}), phase)
		r := p.only(t)
		require.Equal(t, "/token", r.path)
		require.Empty(t, r.query)
		require.Equal(t, "application/json", r.header.Get("Accept"))
		require.Equal(t, "identity", r.header.Get("Accept-Encoding"))
		require.Equal(t, "application/x-www-form-urlencoded", r.header.Get("Content-Type"))
		require.Equal(t, "close", r.header.Get("Connection"))
		require.NotContains(t, r.header.Get("User-Agent"), "Go-http-client")
	}
}

// TestRequest_ClientAuthentication: one way only, and a secret of any characters arrives (RFC 6749 §2.3.1).
func TestRequest_ClientAuthentication(t *testing.T) {
	t.Parallel()
	odd := oauth.App{ClientID: "a:b c@d/e", Secret: secret.New(`s+e/c=%: ü`)}
	for name, call := range map[string]func(connector.Connector) error{
		"exchange": func(c connector.Connector) error {
			_, err := newClient().Exchange(t.Context(), c, odd, secret.New("code"), oauth.NewVerifier(), "https://app.test/cb", oauth.Hooks{})
			return err
		},
		"refresh": func(c connector.Connector) error {
			_, err := newClient().Refresh(t.Context(), c, odd, oauth.Renewal{Token: secret.New("rt")}, oauth.Hooks{})
			return err
		},
		"client credentials": func(c connector.Connector) error {
			_, err := newClient().ClientCredentials(t.Context(), c, odd, nil, oauth.Hooks{})
			return err
		},
		"revoke": func(c connector.Connector) error {
			return newClient().Revoke(t.Context(), c, odd, secret.New("rt"), "refresh_token")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := replying(t, 200, goodReply)
			require.NoError(t, call(p.connector()))
			r := p.only(t)
			id, password, ok := (&http.Request{Header: r.header}).BasicAuth()
			require.True(t, ok)
			for _, pair := range [][2]string{{id, odd.ClientID}, {password, odd.Secret.Reveal()}} {
				plain, err := url.QueryUnescape(pair[0])
				require.NoError(t, err)
				require.Equal(t, pair[1], plain)
			}
			require.NotContains(t, r.form, "client_secret")

			p = replying(t, 200, goodReply)
			require.NoError(t, call(p.connector(post)))
			r = p.only(t)
			require.Empty(t, r.header.Get("Authorization"))
			require.Equal(t, odd.ClientID, r.form.Get("client_id"))
			require.Equal(t, odd.Secret.Reveal(), r.form.Get("client_secret"))
			require.Empty(t, r.query)
		})
	}
}

func TestRequest_Exchange(t *testing.T) {
	t.Parallel()
	verifier := oauth.NewVerifier()
	call := func(mod ...func(*connector.Connector)) map[string]string {
		p := replying(t, 200, goodReply)
		_, err := newClient().Exchange(t.Context(), p.connector(mod...), app(), secret.New("c+/ d"), verifier, "https://app.test/cb?x=1", oauth.Hooks{})
		require.NoError(t, err)
		return flat(t, p.only(t).form)
	}
	want := map[string]string{
		"grant_type": "authorization_code", "code": "c+/ d", "redirect_uri": "https://app.test/cb?x=1", "code_verifier": verifier.Reveal(),
	}
	require.Equal(t, want, call(), "RFC 6749 §4.1.3, RFC 7636 §4.5")

	more := maps.Clone(want)
	more["expiring"] = "1"
	require.Equal(t, more, call(func(c *connector.Connector) {
		c.Token.Params = map[string]string{"expiring": "1"}
		c.Refresh.Params = map[string]string{"not": "here"}
	}), "Shopify")

	delete(want, "code_verifier")
	require.Equal(t, want, call(func(c *connector.Connector) { c.Authorize.PKCE = "none" }))
}

func TestRequest_Refresh(t *testing.T) {
	t.Parallel()
	// Token sizes are not assumed (RFC 6749 §5.1).
	for _, token := range []string{"rt", "1//0g +/=&%ü", strings.Repeat("long-", 20<<10)} {
		for _, params := range []map[string]string{nil, {"redirect_uri": "https://app.test/cb", "scope": "a b"}} {
			p := replying(t, 200, goodReply)
			_, err := newClient().Refresh(t.Context(), p.connector(func(c *connector.Connector) {
				c.Refresh.Params = params
				c.Token.Params = map[string]string{"not": "here"}
			}), app(), oauth.Renewal{Token: secret.New(token)}, oauth.Hooks{})
			require.NoError(t, err)
			want := map[string]string{"grant_type": "refresh_token", "refresh_token": token}
			maps.Copy(want, params)
			require.Equal(t, want, flat(t, p.only(t).form), "RFC 6749 §6")
		}
	}
}

func TestRequest_ClientCredentials(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mod    func(*connector.Connector)
		scopes []string
		want   map[string]string
	}{
		"RFC 6749 §4.4.2": {func(*connector.Connector) {}, nil, map[string]string{"grant_type": "client_credentials"}},
		"scopes":          {func(*connector.Connector) {}, []string{"a", "b"}, map[string]string{"grant_type": "client_credentials", "scope": "a b"}},
		"commas":          {comma, []string{"a", "b"}, map[string]string{"grant_type": "client_credentials", "scope": "a,b"}},
		"shared parameters": {
			func(c *connector.Connector) { c.Token.Params = map[string]string{"audience": "x"} },
			nil,
			map[string]string{"grant_type": "client_credentials", "audience": "x"},
		},
		"own parameters": {
			func(c *connector.Connector) {
				c.Token.Params = map[string]string{"not": "here"}
				c.ClientCredentials = &connector.ClientCredentialsCall{Params: map[string]string{"grant_type": "account_credentials", "account_id": "7"}}
			},
			nil,
			map[string]string{"grant_type": "account_credentials", "account_id": "7"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := replying(t, 200, goodReply)
			_, err := newClient().ClientCredentials(t.Context(), p.connector(c.mod), app(), c.scopes, oauth.Hooks{})
			require.NoError(t, err)
			require.Equal(t, c.want, flat(t, p.only(t).form))
		})
	}
}

func TestNewVerifier(t *testing.T) {
	t.Parallel()
	one, two := oauth.NewVerifier(), oauth.NewVerifier()
	require.Regexp(t, `^[A-Za-z0-9_-]{43}$`, one.Reveal()) // 32 bytes (RFC 7636 §4.1)
	require.False(t, one.Equal(two))
	require.NotEqual(t, one.Reveal(), oauth2.S256ChallengeFromVerifier(one.Reveal()))
}
