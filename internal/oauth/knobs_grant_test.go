package oauth_test

import (
	"crypto/elliptic"
	"encoding/json"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

// asserting is a connector as DocuSign's grant for servers has it: one user's consent, and the app's key ever after.
func asserting(c *connector.Connector) {
	c.Token.Auth, c.Token.Audience, c.Token.Drop = connector.AuthNone, "account.docusign.com", []string{"client_id"}
	c.ClientCredentials = &connector.ClientCredentialsCall{
		Params:    map[string]string{"region": "eu"},
		Assertion: map[string]string{"sub": "b2f8-user", "scope": "signature impersonation", "azp": "{client_id}"},
	}
}

// TestKnob_JWTBearer: the grant is a JWT that the app signs, anew each time (RFC 7523 §2.1, K14).
func TestKnob_JWTBearer(t *testing.T) {
	t.Parallel()
	key := ecKey(t, elliptic.P256())
	p := replying(t, 200, `{"access_token":"at","expires_in":3600,"token_type":"Bearer"}`)
	a := oauth.App{ClientID: "id", Secret: secret.New(pkcs8(t, key))}
	conn := p.connector(asserting)
	require.True(t, oauth.UsableCredential(conn, a.Secret))
	ids := make(map[string]bool)
	for range 3 {
		got, err := newClient().ClientCredentials(t.Context(), conn, a, nil, oauth.Hooks{})
		require.NoError(t, err)
		require.Equal(t, "at", got.AccessToken.Reveal())
	}
	for _, r := range p.requests() {
		require.Empty(t, r.header.Get("Authorization"))
		form := flat(t, r.form)
		require.Equal(t, "urn:ietf:params:oauth:grant-type:jwt-bearer", form["grant_type"])
		require.Equal(t, "eu", form["region"])
		require.Len(t, form, 3, "nothing else: no client, no secret")
		signed, err := jose.ParseSigned(form["assertion"], []jose.SignatureAlgorithm{jose.ES256})
		require.NoError(t, err)
		payload, err := signed.Verify(key.Public())
		require.NoError(t, err)
		var claims map[string]any
		require.NoError(t, json.Unmarshal(payload, &claims))
		id, ok := claims["jti"].(string)
		require.True(t, ok && len(id) >= 16 && !ids[id], "a JWT of its own for each request")
		ids[id] = true
		delete(claims, "jti")
		require.Equal(t, map[string]any{
			"iss": "id", "sub": "b2f8-user", "aud": "account.docusign.com", "scope": "signature impersonation", "azp": "id",
			"iat": float64(noon().Unix()), "exp": float64(noon().Unix() + 60),
		}, claims)
	}
	require.Len(t, ids, 3)
}

// TestKnob_JWTBearer_Fails as client credentials do: the app is at fault, and no user is asked.
func TestKnob_JWTBearer_Fails(t *testing.T) {
	t.Parallel()
	p := replying(t, 400, `{"error":"consent_required","error_description":"`+canary+`"}`)
	conn := p.connector(asserting)
	_, err := clientCredentialsAs(t, conn, oauth.App{ClientID: "id", Secret: secret.New(pkcs8(t, edKey(t)))})
	require.Equal(t, oauth.ClientCredentials, failureOf(t, err, oauth.InteractionRequired).Phase)
	p.only(t)

	for _, text := range []string{"", canary, publicPEM(t, ecKey(t, elliptic.P256()))} {
		require.False(t, oauth.UsableCredential(conn, secret.New(text)))
		_, err := newClient().ClientCredentials(t.Context(), conn, oauth.App{ClientID: "id", Secret: secret.New(text)}, nil, oauth.Hooks{BeforeSend: never})
		require.False(t, failureOf(t, err, oauth.CredentialUnusable).Sent)
	}
	p.only(t)
}
