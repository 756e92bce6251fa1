package oauth_test

import (
	"maps"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

func TestAuthorizeURL(t *testing.T) {
	t.Parallel()
	// The example of RFC 7636 appendix B.
	verifier := secret.New("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
	base := map[string]string{
		"response_type": "code", "client_id": "id&1", "redirect_uri": "https://app.test/cb?a=1&b=2", "state": "s&t=1",
		"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
	}
	with := func(pairs ...string) map[string]string {
		want := maps.Clone(base)
		for i := 0; i < len(pairs); i += 2 {
			want[pairs[i]] = pairs[i+1]
		}
		return want
	}
	without := maps.Clone(base)
	delete(without, "code_challenge")
	delete(without, "code_challenge_method")
	for name, c := range map[string]struct {
		mod    func(*connector.Connector)
		scopes []string
		want   map[string]string
	}{
		"RFC 6749 §4.1.1, RFC 7636 §4.3": {func(*connector.Connector) {}, nil, base},
		"scopes":                         {func(*connector.Connector) {}, []string{"a", "b:c"}, with("scope", "a b:c")},
		"Slack: commas":                  {comma, []string{"a", "b"}, with("scope", "a,b")},
		"Google: offline": {func(c *connector.Connector) {
			c.Authorize.Params = map[string]string{"access_type": "offline", "prompt": "consent"}
		}, nil, with("access_type", "offline", "prompt", "consent")},
		"a URL with a query":           {func(c *connector.Connector) { c.Authorize.URL += "?tenant=7" }, nil, with("tenant", "7")},
		"a provider that refuses PKCE": {func(c *connector.Connector) { c.Authorize.PKCE = "none" }, nil, without},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(oauth.AuthorizeURL(at("https://provider.test", c.mod), "id&1", "https://app.test/cb?a=1&b=2", "s&t=1", verifier, c.scopes))
			require.NoError(t, err)
			require.Equal(t, "https://provider.test/authorize", u.Scheme+"://"+u.Host+u.Path)
			require.Equal(t, c.want, flat(t, u.Query()))
			require.NotContains(t, u.String(), verifier.Reveal())
		})
	}
}
