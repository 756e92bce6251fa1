package oauth_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

// TestKnob_AuthorizeURL compares the whole query: what a provider is not used to, it refuses (K2 … K6).
func TestKnob_AuthorizeURL(t *testing.T) {
	t.Parallel()
	challenge := oauth2.S256ChallengeFromVerifier(theVerifier)
	for name, c := range map[string]struct {
		knob   func(*connector.Connector)
		scopes []string
		want   map[string]string
	}{
		"TikTok: client_key, commas": {
			func(c *connector.Connector) {
				comma(c)
				c.Authorize.Rename = map[string]string{"client_id": "client_key"}
			},
			[]string{"user.info.basic", "video.list"},
			map[string]string{
				"client_key": "id", "response_type": "code", "redirect_uri": theRedirect, "state": "st", "scope": "user.info.basic,video.list",
				"code_challenge": challenge, "code_challenge_method": "S256",
			},
		},
		"TikTok Ads: app_id, and little else": {
			func(c *connector.Connector) {
				c.Authorize.PKCE = "none"
				c.Authorize.Rename = map[string]string{"client_id": "app_id"}
				c.Authorize.Drop = []string{"response_type", "scope"}
			},
			[]string{"a"},
			map[string]string{"app_id": "id", "redirect_uri": theRedirect, "state": "st"},
		},
		"Monday: no response_type": {
			func(c *connector.Connector) {
				c.Authorize.PKCE = "none"
				c.Authorize.Drop = []string{"response_type"}
			},
			[]string{"boards:read", "me:read"},
			map[string]string{"client_id": "id", "redirect_uri": theRedirect, "state": "st", "scope": "boards:read me:read"},
		},
		"Slack: user_scope beside scope": {
			func(c *connector.Connector) {
				comma(c)
				c.Authorize.PKCE = "none"
				c.Scopes.Second = &connector.SecondScopes{Param: "user_scope", Scopes: []string{"search:read", "users:read"}}
			},
			[]string{"chat:write", "team:read"},
			map[string]string{
				"client_id": "id", "response_type": "code", "redirect_uri": theRedirect, "state": "st",
				"scope": "chat:write,team:read", "user_scope": "search:read,users:read",
			},
		},
		"Slack, for a user: user_scope alone": {
			func(c *connector.Connector) {
				comma(c)
				c.Authorize.PKCE = "none"
				c.Scopes.Param = "user_scope"
			},
			[]string{"search:read", "users:read"},
			map[string]string{"client_id": "id", "response_type": "code", "redirect_uri": theRedirect, "state": "st", "user_scope": "search:read,users:read"},
		},
		"Notion: owner=user, no scope": {
			func(c *connector.Connector) {
				c.Authorize.PKCE = "none"
				c.Authorize.Params = map[string]string{"owner": "user"}
			},
			nil,
			map[string]string{"client_id": "id", "response_type": "code", "redirect_uri": theRedirect, "state": "st", "owner": "user"},
		},
		"Atlassian: audience and prompt": {
			func(c *connector.Connector) {
				c.Authorize.PKCE = "none"
				c.Authorize.Params = map[string]string{"audience": "api.atlassian.com", "prompt": "consent"}
			},
			[]string{"read:me", "offline_access"},
			map[string]string{
				"client_id": "id", "response_type": "code", "redirect_uri": theRedirect, "state": "st", "scope": "read:me offline_access",
				"audience": "api.atlassian.com", "prompt": "consent",
			},
		},
		"Amazon SP-API: application_id instead of the client": {
			func(c *connector.Connector) {
				c.Authorize.PKCE = "none"
				c.Authorize.Params = map[string]string{"application_id": "amzn1.sp.7"}
				c.Authorize.Drop = []string{"client_id", "response_type", "redirect_uri"}
			},
			nil,
			map[string]string{"application_id": "amzn1.sp.7", "state": "st"},
		},
		"eBay: a RuName instead of the redirect URI": {
			func(c *connector.Connector) {
				c.Authorize.PKCE = "none"
				c.Authorize.RedirectURI = "Acme-AcmeApp-PRD-abc"
			},
			nil,
			map[string]string{"client_id": "id", "response_type": "code", "redirect_uri": "Acme-AcmeApp-PRD-abc", "state": "st"},
		},
		"a state of another name comes and goes by it": {
			func(c *connector.Connector) {
				c.Authorize.PKCE = "none"
				c.Callback = &connector.Callback{StateParam: "relay"}
			},
			nil,
			map[string]string{"client_id": "id", "response_type": "code", "redirect_uri": theRedirect, "relay": "st"},
		},
		"WeChat: a fragment at the end": {
			func(c *connector.Connector) {
				comma(c)
				c.Authorize.PKCE, c.Authorize.Fragment = "none", "wechat_redirect"
				c.Authorize.Rename = map[string]string{"client_id": "appid"}
			},
			[]string{"snsapi_login"},
			map[string]string{"appid": "id", "response_type": "code", "redirect_uri": theRedirect, "state": "st", "scope": "snsapi_login"},
		},
		"two names change places": {
			func(c *connector.Connector) {
				c.Authorize.PKCE = "none"
				c.Authorize.Rename = map[string]string{"client_id": "app", "app": "client_id"}
				c.Authorize.Params = map[string]string{"app": "mine"}
			},
			nil,
			map[string]string{"app": "id", "client_id": "mine", "response_type": "code", "redirect_uri": theRedirect, "state": "st"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := at("https://provider.test", c.knob)
			before := len(conn.Authorize.Rename)
			for range 8 { // the order of a map
				full := oauth.AuthorizeURL(conn, "id", oauth.RedirectURI(conn, theRedirect), "st", secret.New(theVerifier), c.scopes)
				u, err := url.Parse(full)
				require.NoError(t, err)
				require.Equal(t, c.want, flat(t, u.Query()))
				require.Equal(t, conn.Authorize.Fragment, u.Fragment)
			}
			require.Len(t, conn.Authorize.Rename, before, "a connector is shared: nothing writes to it")
		})
	}
}

func TestKnob_RedirectURI(t *testing.T) {
	t.Parallel()
	require.Equal(t, theRedirect, oauth.RedirectURI(at("https://provider.test"), theRedirect))
	require.Equal(t, theRedirect, oauth.RedirectURI(connector.Connector{}, theRedirect), "client credentials only")
	ebay := func(c *connector.Connector) { c.Authorize.RedirectURI = "Acme-AcmeApp-PRD-abc" }
	require.Equal(t, "Acme-AcmeApp-PRD-abc", oauth.RedirectURI(at("https://provider.test", ebay), theRedirect))
	requireKnob(t, expected{
		header: map[string]string{"Authorization": basic("id", canary+"-secret")},
		form: map[string]string{
			"grant_type": "authorization_code", "code": theCode, "redirect_uri": "Acme-AcmeApp-PRD-abc", "code_verifier": theVerifier,
		},
	}, exchangeAs, ebay)
}
