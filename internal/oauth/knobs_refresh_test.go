package oauth_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

// TestKnob_Facebook: there is no refresh token; the access token is exchanged for a younger one, by GET (K14).
func TestKnob_Facebook(t *testing.T) {
	t.Parallel()
	facebook := func(c *connector.Connector) {
		c.Token.Auth = connector.AuthPost
		c.Refresh = connector.Refresh{
			URL: dir(c.Token.URL) + "/oauth/access_token", Method: http.MethodGet, TokenSource: connector.FromAccessToken,
			TokenParam: "fb_exchange_token", Params: map[string]string{"grant_type": "fb_exchange_token"},
		}
	}
	requireKnob(t, expected{method: http.MethodGet, path: "/oauth/access_token", query: map[string]string{
		"grant_type": "fb_exchange_token", "client_id": "id", "client_secret": canary + "-secret", "fb_exchange_token": theToken,
	}}, refreshAs, facebook)
	require.False(t, at("https://provider.test", facebook).MayRotate(), "it spends nothing")
}

// instagram is Instagram's way, and Threads' with another prefix: the credentials only where they are asked for.
func instagram(prefix string) func(*connector.Connector) {
	return func(c *connector.Connector) {
		c.Token.Auth = connector.AuthPost
		graph := dir(c.Token.URL)
		c.Upgrade = &connector.Upgrade{
			URL: graph + "/access_token", TokenParam: "access_token",
			Params: map[string]string{"grant_type": prefix + "_exchange_token", "client_id": ""},
		}
		c.Refresh = connector.Refresh{
			URL: graph + "/refresh_access_token", Method: http.MethodGet, TokenSource: connector.FromAccessToken, TokenParam: "access_token",
			Params: map[string]string{"grant_type": prefix + "_refresh_token", "client_id": "", "client_secret": ""},
		}
	}
}

// TestKnob_Instagram: a long-lived token for the short-lived one, which then renews itself (K14, K18).
func TestKnob_Instagram(t *testing.T) {
	t.Parallel()
	for name, prefix := range map[string]string{"Instagram": "ig", "Threads": "th"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireKnob(t, expected{method: http.MethodGet, path: "/access_token", query: map[string]string{
				"grant_type": prefix + "_exchange_token", "client_secret": canary + "-secret", "access_token": theToken,
			}}, upgradeAs, instagram(prefix))
			requireKnob(t, expected{method: http.MethodGet, path: "/refresh_access_token", query: map[string]string{
				"grant_type": prefix + "_refresh_token", "access_token": theToken,
			}}, refreshAs, instagram(prefix))
		})
	}
}

// TestKnob_Upgrade_Post: the exchange's own parameters do not go with it.
func TestKnob_Upgrade_Post(t *testing.T) {
	t.Parallel()
	requireKnob(t, expected{
		path: "/upgrade", header: map[string]string{"Authorization": basic("id", canary+"-secret")},
		form: map[string]string{"grant_type": "swap", "token": theToken},
	}, upgradeAs, func(c *connector.Connector) {
		swap(c)
		c.Token.Params = map[string]string{"not": "here"}
		c.Refresh.Params = map[string]string{"nor": "here"}
	})
}

// TestKnob_Upgrade_FailsAsARefresh does: the token in hand stays.
func TestKnob_Upgrade_FailsAsARefresh(t *testing.T) {
	t.Parallel()
	p := replying(t, 400, `{"error":{"code":190,"message":"`+canary+`"}}`)
	_, err := upgradeAs(t, p.connector(instagram("ig")), app())
	require.Equal(t, oauth.Refresh, failureOf(t, err, oauth.UnknownError).Phase)
}

// TestKnob_Gusto: the redirect URI of the exchange goes with every refresh (K8).
func TestKnob_Gusto(t *testing.T) {
	t.Parallel()
	requireKnob(t, expected{form: map[string]string{
		"grant_type": "refresh_token", "refresh_token": theToken, "redirect_uri": theRedirect, "client_id": "id", "client_secret": canary + "-secret",
	}}, refreshAs, func(c *connector.Connector) {
		c.Token.Auth = connector.AuthPost
		c.Refresh.RedirectURI = true
	})
}

// TestKnob_Keap: Basic with a refresh, and in the body with the exchange (K7).
func TestKnob_Keap(t *testing.T) {
	t.Parallel()
	keap := func(c *connector.Connector) {
		c.Authorize.PKCE, c.Token.Auth, c.Refresh.Auth = "none", connector.AuthPost, connector.AuthBasic
	}
	requireKnob(t, expected{form: map[string]string{
		"grant_type": "authorization_code", "code": theCode, "redirect_uri": theRedirect, "client_id": "id", "client_secret": canary + "-secret",
	}}, exchangeAs, keap)
	s := newStrict(t, expected{
		header: map[string]string{"Authorization": basic("id", canary+"-secret")},
		form:   map[string]string{"grant_type": "refresh_token", "refresh_token": theToken},
	}, goodReply)
	_, err := refreshAs(t, s.connector(keap), app())
	require.NoError(t, err)
	_, err = refreshAs(t, s.connector(post), app())
	requireFailure(t, err, oauth.AppRefused)
}

// TestKnob_Wrike: an account's refreshes go to its own host, once the provider has told it (K8, K13).
func TestKnob_Wrike(t *testing.T) {
	t.Parallel()
	common, own := replying(t, 200, `{"access_token":"at","refresh_token":"rt","host":"www.wrike.com"}`), replying(t, 200, goodReply)
	conn := common.connector(func(c *connector.Connector) {
		c.Hosts = []string{"wrike.com"}
		c.Metadata = []connector.Capture{{Path: "host", Hosts: []string{"wrike.com"}}}
		c.Refresh.URL = "http://{metadata.host}/oauth2/token"
	})
	got, err := exchangeAs(t, conn, app())
	require.NoError(t, err)
	require.Equal(t, map[string]string{"host": "www.wrike.com"}, got.Metadata)
	for _, unknown := range []connector.Connector{conn, conn.WithMetadata(nil), conn.WithMetadata(map[string]string{"host": "evil.example"})} {
		_, err = refreshAs(t, unknown, app())
		require.NoError(t, err)
	}
	require.Len(t, common.requests(), 4)
	_, err = refreshAs(t, conn.WithMetadata(map[string]string{"host": own.Listener.Addr().String()}), app())
	require.NoError(t, err)
	require.Equal(t, "/oauth2/token", own.only(t).path)
	require.Len(t, common.requests(), 4)
}

// TestKnob_EBay: the scopes go with every refresh, in the provider's way to write them.
func TestKnob_EBay(t *testing.T) {
	t.Parallel()
	header := map[string]string{"Authorization": basic("id", canary+"-secret")}
	form := map[string]string{"grant_type": "refresh_token", "refresh_token": theToken, "scope": "a b"}
	requireKnob(t, expected{header: header, form: form}, refreshAs, func(c *connector.Connector) { c.Refresh.Scope = true })
	form["scope"] = "a,b"
	requireKnob(t, expected{header: header, form: form}, refreshAs, func(c *connector.Connector) {
		comma(c)
		c.Refresh.Scope = true
	})
}

// TestKnob_Withings: both legs name their action.
func TestKnob_Withings(t *testing.T) {
	t.Parallel()
	withings := func(c *connector.Connector) {
		c.Authorize.PKCE = "none"
		c.Token.Auth = connector.AuthPost
		c.Token.Params = map[string]string{"action": "requesttoken"}
		c.Refresh.Params = c.Token.Params
	}
	requireKnob(t, expected{form: map[string]string{
		"action": "requesttoken", "grant_type": "authorization_code", "code": theCode, "redirect_uri": theRedirect,
		"client_id": "id", "client_secret": canary + "-secret",
	}}, exchangeAs, withings)
	requireKnob(t, expected{form: map[string]string{
		"action": "requesttoken", "grant_type": "refresh_token", "refresh_token": theToken, "client_id": "id", "client_secret": canary + "-secret",
	}}, refreshAs, withings)
}

// TestKnob_Zoom_ServerToServer: client credentials under a name of its own.
func TestKnob_Zoom_ServerToServer(t *testing.T) {
	t.Parallel()
	requireKnob(t, expected{
		header: map[string]string{"Authorization": basic("id", canary+"-secret")},
		form:   map[string]string{"grant_type": "account_credentials", "account_id": "7"},
	}, clientCredentialsAs, func(c *connector.Connector) {
		c.Token.Drop = []string{"scope"}
		c.ClientCredentials = &connector.ClientCredentialsCall{Params: map[string]string{"grant_type": "account_credentials", "account_id": "7"}}
	})
}

// TestKnob_Refresh_AnotherURL: nothing of a refresh goes to the token endpoint.
func TestKnob_Refresh_AnotherURL(t *testing.T) {
	t.Parallel()
	token, renew := replying(t, 200, goodReply), replying(t, 200, goodReply)
	_, err := newClient().Refresh(t.Context(), token.connector(func(c *connector.Connector) { c.Refresh.URL = renew.URL + "/renew" }),
		app(), oauth.Renewal{Token: secret.New("rt")}, oauth.Hooks{})
	require.NoError(t, err)
	require.Equal(t, "/renew", renew.only(t).path)
	require.Empty(t, token.requests())
}
