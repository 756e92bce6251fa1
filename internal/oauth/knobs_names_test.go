package oauth_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

// TestKnob_TikTok: client_key on every call to the token endpoint, and to revocation (K4).
func TestKnob_TikTok(t *testing.T) {
	t.Parallel()
	tiktok := func(c *connector.Connector) {
		c.Token.Auth = connector.AuthPost
		c.Token.Rename = map[string]string{"client_id": "client_key"}
	}
	with := func(form map[string]string) expected {
		form["client_key"], form["client_secret"] = "id", canary+"-secret"
		return expected{form: form}
	}
	requireKnob(t, with(map[string]string{
		"grant_type": "authorization_code", "code": theCode, "redirect_uri": theRedirect, "code_verifier": theVerifier,
	}), exchangeAs, tiktok)
	requireKnob(t, with(map[string]string{"grant_type": "refresh_token", "refresh_token": theToken}), refreshAs, tiktok)
	requireKnob(t, with(map[string]string{"grant_type": "client_credentials", "scope": "a b"}), clientCredentialsAs, tiktok)
	want := with(map[string]string{"token": theToken, "token_type_hint": "refresh_token"})
	want.path = "/revoke"
	requireKnob(t, want, revokeAs, tiktok)
}

// TestKnob_TikTokAds: other names, in JSON, and no grant_type (K4, K8).
func TestKnob_TikTokAds(t *testing.T) {
	t.Parallel()
	requireKnob(t, expected{
		path: "/open_api/v1.3/oauth2/access_token/",
		json: map[string]string{"app_id": "id", "secret": canary + "-secret", "auth_code": theCode},
	}, exchangeAs, func(c *connector.Connector) {
		c.Authorize.PKCE = "none"
		c.Token.URL = dir(c.Token.URL) + "/open_api/v1.3/oauth2/access_token/"
		c.Token.Auth, c.Token.Body = connector.AuthPost, connector.BodyJSON
		c.Token.Rename = map[string]string{"client_id": "app_id", "client_secret": "secret", "code": "auth_code"}
		c.Token.Drop = []string{"grant_type", "redirect_uri"}
	})
}

// TestKnob_Monday: no PKCE verifier, no scope.
func TestKnob_Monday(t *testing.T) {
	t.Parallel()
	requireKnob(t, expected{form: map[string]string{
		"grant_type": "authorization_code", "code": theCode, "redirect_uri": theRedirect, "client_id": "id", "client_secret": canary + "-secret",
	}}, exchangeAs, func(c *connector.Connector) {
		c.Authorize.PKCE = "none"
		c.Token.Auth = connector.AuthPost
	})
}

// TestKnob_Pipedrive: whatever would be empty is left out, on every leg.
func TestKnob_Pipedrive(t *testing.T) {
	t.Parallel()
	empty := func(c *connector.Connector) {
		c.Token.Params = map[string]string{"scope": "", "resource": ""}
		c.Refresh = connector.Refresh{RedirectURI: true, Scope: true, Params: map[string]string{"resource": ""}}
	}
	header := map[string]string{"Authorization": basic("id", canary+"-secret")}
	s := newStrict(t, expected{header: header, form: map[string]string{"grant_type": "refresh_token", "refresh_token": theToken}}, goodReply)
	_, err := newClient().Refresh(t.Context(), s.connector(empty), app(), oauth.Renewal{Token: secret.New(theToken)}, oauth.Hooks{})
	require.Empty(t, s.refusals())
	require.NoError(t, err)

	s = newStrict(t, expected{header: header, form: map[string]string{"grant_type": "client_credentials"}}, goodReply)
	_, err = newClient().ClientCredentials(t.Context(), s.connector(empty), app(), nil, oauth.Hooks{})
	require.Empty(t, s.refusals())
	require.NoError(t, err)

	s = newStrict(t, expected{header: header, form: map[string]string{"grant_type": "authorization_code", "code": theCode}}, goodReply)
	_, err = newClient().Exchange(t.Context(), s.connector(empty, func(c *connector.Connector) { c.Authorize.PKCE = "none" }),
		app(), secret.New(theCode), secret.String{}, "", oauth.Hooks{})
	require.Empty(t, s.refusals())
	require.NoError(t, err)
}

// TestKnob_SecondNameOfTheToken: a refresh's parameter has its own name without a change to the exchange's.
func TestKnob_SecondNameOfTheToken(t *testing.T) {
	t.Parallel()
	conn := at("https://provider.test", func(c *connector.Connector) {
		c.Token.Rename = map[string]string{"client_id": "client_key"}
		c.Refresh.TokenParam = "token"
	})
	require.Equal(t, map[string]string{"client_id": "client_key", "refresh_token": "token"}, conn.RefreshCall().Rename)
	require.Equal(t, map[string]string{"client_id": "client_key"}, conn.Token.Rename)
}
