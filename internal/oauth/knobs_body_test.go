package oauth_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
)

// TestKnob_Notion: JSON, authenticated with Basic, and the API's version as header (K8).
func TestKnob_Notion(t *testing.T) {
	t.Parallel()
	notion := func(c *connector.Connector) {
		c.Authorize.PKCE = "none"
		c.Token.Body = connector.BodyJSON
		c.Token.Headers = map[string]string{"Notion-Version": "2022-06-28"}
	}
	header := map[string]string{"Authorization": basic("id", canary+"-secret"), "Notion-Version": "2022-06-28"}
	requireKnob(t, expected{header: header, json: map[string]string{
		"grant_type": "authorization_code", "code": theCode, "redirect_uri": theRedirect,
	}}, exchangeAs, notion)
	requireKnob(t, expected{header: header, json: map[string]string{"grant_type": "refresh_token", "refresh_token": theToken}}, refreshAs, notion)
}

// TestKnob_Atlassian: JSON, with the credentials in it.
func TestKnob_Atlassian(t *testing.T) {
	t.Parallel()
	atlassian := func(c *connector.Connector) {
		c.Authorize.PKCE = "none"
		c.Token.Auth, c.Token.Body = connector.AuthPost, connector.BodyJSON
	}
	requireKnob(t, expected{json: map[string]string{
		"grant_type": "authorization_code", "code": theCode, "redirect_uri": theRedirect, "client_id": "id", "client_secret": canary + "-secret",
	}}, exchangeAs, atlassian)
	requireKnob(t, expected{json: map[string]string{
		"grant_type": "refresh_token", "refresh_token": theToken, "client_id": "id", "client_secret": canary + "-secret",
	}}, refreshAs, atlassian)
	requireKnob(t, expected{json: map[string]string{
		"grant_type": "client_credentials", "scope": "a b", "client_id": "id", "client_secret": canary + "-secret",
	}}, clientCredentialsAs, atlassian)
}

// weChat takes everything in the URL, and has a URL of its own for renewals, without the secret.
func weChat(c *connector.Connector) {
	c.Authorize.PKCE = "none"
	c.Token.URL += "?lang=en"
	c.Token.Auth, c.Token.Method = connector.AuthPost, http.MethodGet
	c.Token.Rename = map[string]string{"client_id": "appid", "client_secret": "secret"}
	c.Token.Drop = []string{"redirect_uri"}
	c.Refresh.URL = dir(c.Token.URL) + "/refresh"
	c.Refresh.Params = map[string]string{"client_secret": ""}
}

func TestKnob_WeChat(t *testing.T) {
	t.Parallel()
	header := map[string]string{"Content-Type": ""}
	requireKnob(t, expected{method: http.MethodGet, header: header, query: map[string]string{
		"lang": "en", "appid": "id", "secret": canary + "-secret", "code": theCode, "grant_type": "authorization_code",
	}}, exchangeAs, weChat)
	requireKnob(t, expected{method: http.MethodGet, path: "/refresh", header: header, query: map[string]string{
		"appid": "id", "grant_type": "refresh_token", "refresh_token": theToken,
	}}, refreshAs, weChat)
}

// TestKnob_WeChat_NoErrorHoldsTheURL, in which everything secret stands.
func TestKnob_WeChat_NoErrorHoldsTheURL(t *testing.T) {
	t.Parallel()
	closed := replying(t, 200, goodReply)
	closed.Close()
	for name, p := range map[string]*provider{
		"refusal":     replying(t, 400, `{"errcode":40029,"errmsg":"`+canary+`"}`),
		"page":        replying(t, 200, "<html>"+canary),
		"redirect":    replying(t, 302, "", "Location", "https://"+canary+".test/"),
		"bad target":  replying(t, 302, "", "Location", "://"),
		"503":         replying(t, 503, ""),
		"cut":         newProvider(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		"no HTTP":     newProvider(t, raw("SSH-2.0-"+canary+"\r\n")),
		"unreachable": closed,
		"outside":     replying(t, 200, goodReply),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for phase, call := range calls() {
				err := call(t, p.connector(weChat, func(c *connector.Connector) { c.Loopback = name != "outside" }), oauth.Hooks{})
				require.Error(t, err, phase)
				requireSilent(t, err)
			}
		})
	}
	p := replying(t, 200, goodReply)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newClient().Refresh(ctx, p.connector(weChat), app(), oauth.Renewal{}, oauth.Hooks{})
	require.False(t, failureOf(t, err, oauth.Unreachable).Sent)
}

// TestKnob_Headers: data may say how it wants to be asked, but not that it may compress its reply.
func TestKnob_Headers(t *testing.T) {
	t.Parallel()
	requireKnob(t, expected{
		header: map[string]string{
			"Authorization": basic("id", canary+"-secret"), "Accept": "application/vnd.vimeo.*+json;version=3.4",
			"User-Agent": "Acme (ops@acme.test)", "Accept-Encoding": "identity", "X-Client": "id",
		},
		form: map[string]string{"grant_type": "refresh_token", "refresh_token": theToken},
	}, refreshAs, func(c *connector.Connector) {
		c.Token.Headers = map[string]string{
			"Accept": "application/vnd.vimeo.*+json;version=3.4", "User-Agent": "Acme (ops@acme.test)", "Accept-Encoding": "gzip",
			"X-Client": "{client_id}",
		}
	})
}
