package oauth_test

import (
	"encoding/base64"
	"maps"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

// phases are all calls that a client authenticates, and what each sends beside its credentials.
func phases() map[string]struct {
	do   ask
	want expected
} {
	return map[string]struct {
		do   ask
		want expected
	}{
		"exchange": {exchangeAs, expected{form: map[string]string{
			"grant_type": "authorization_code", "code": theCode, "redirect_uri": theRedirect, "code_verifier": theVerifier,
		}}},
		"refresh":            {refreshAs, expected{form: map[string]string{"grant_type": "refresh_token", "refresh_token": theToken}}},
		"client credentials": {clientCredentialsAs, expected{form: map[string]string{"grant_type": "client_credentials", "scope": "a b"}}},
		"upgrade":            {upgradeAs, expected{path: "/upgrade", form: map[string]string{"grant_type": "swap", "token": theToken}}},
		"revoke":             {revokeAs, expected{path: "/revoke", form: map[string]string{"token": theToken, "token_type_hint": "refresh_token"}}},
	}
}

// swap is an upgrade for whatever is at the URL.
func swap(c *connector.Connector) {
	c.Upgrade = &connector.Upgrade{
		URL: dir(c.Token.URL) + "/upgrade", Method: "POST", TokenParam: "token", Params: map[string]string{"grant_type": "swap"},
	}
}

// TestKnob_ClientAuthentication: a secret of any characters arrives whole, at one place only, on every call (K7).
func TestKnob_ClientAuthentication(t *testing.T) {
	t.Parallel()
	const id, key = "a:b c@d/e", canary + `s+e/c=%: ü`
	encoded := url.QueryEscape
	stripe := func(c *connector.Connector) { c.Token.Basic = &connector.BasicTemplate{User: "{client_secret}"} }
	for name, c := range map[string]struct {
		auth   string
		mod    func(*connector.Connector)
		header string
		body   map[string]string
	}{
		"RFC 6749 §2.3.1: encoded, then Basic": {auth: connector.AuthBasic, header: basic(encoded(id), encoded(key))},
		"Basic as it stands":                   {auth: connector.AuthBasicRaw, header: basic(id, key)},
		"Stripe Apps: the key as user":         {auth: connector.AuthTemplate, mod: stripe, header: basic(key, "")},
		"a template of both": {auth: connector.AuthTemplate, mod: func(c *connector.Connector) {
			c.Token.Basic = &connector.BasicTemplate{User: "app:{client_id}", Password: "{client_secret}:{client_id}"}
		}, header: basic("app:"+id, key+":"+id)},
		"Sabre: each in base64, then Basic": {auth: connector.AuthTemplate, mod: func(c *connector.Connector) {
			c.Token.Basic = &connector.BasicTemplate{User: "{client_id_base64}", Password: "{client_secret_base64}"}
		}, header: basic(base64.StdEncoding.EncodeToString([]byte(id)), base64.StdEncoding.EncodeToString([]byte(key)))},
		"RFC 6749 §2.3.1: in the body": {auth: connector.AuthPost, body: map[string]string{"client_id": id, "client_secret": key}},
		"RFC 7636: a public client":    {auth: connector.AuthNone, body: map[string]string{"client_id": id}},
	} {
		for phase, p := range phases() {
			t.Run(name+", "+phase, func(t *testing.T) {
				t.Parallel()
				mods := []func(*connector.Connector){swap, func(conn *connector.Connector) { conn.Token.Auth = c.auth }}
				if c.mod != nil {
					mods = append(mods, c.mod)
				}
				p.want.header = map[string]string{"Authorization": c.header}
				maps.Copy(p.want.form, c.body)
				s := newStrict(t, p.want, goodReply)
				_, err := p.do(t, s.connector(mods...), oauth.App{ClientID: id, Secret: secret.New(key)})
				require.Empty(t, s.refusals())
				require.NoError(t, err)
				s.only(t)
			})
		}
	}
}

// TestKnob_BasicAndClientID: X and others want the client's name in the body too.
func TestKnob_BasicAndClientID(t *testing.T) {
	t.Parallel()
	requireKnob(t, expected{
		header: map[string]string{"Authorization": basic("id", canary+"-secret")},
		form:   map[string]string{"grant_type": "refresh_token", "refresh_token": theToken, "client_id": "id"},
	}, refreshAs, func(c *connector.Connector) { c.Refresh.Params = map[string]string{"client_id": "{client_id}"} })
}
