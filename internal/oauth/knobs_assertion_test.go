package oauth_test

import (
	"crypto/elliptic"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// claims are those of RFC 7523 §3, and no other.
type claims struct {
	Iss string `json:"iss"`
	Sub string `json:"sub"`
	// Aud is a text, not a list of one: rfc7523bis §4.
	Aud string `json:"aud"`
	Jti string `json:"jti"`
	Iat int64  `json:"iat"`
	Exp int64  `json:"exp"`
}

// verified reads a request's assertion as a strict provider does, which remembers what it has seen.
func verified(t testing.TB, r request, key any, algorithm jose.SignatureAlgorithm) (claims, jose.Header) {
	t.Helper()
	require.Empty(t, r.header.Get("Authorization"))
	require.NotContains(t, r.form, "client_secret")
	require.Equal(t, []string{jwtBearer}, r.form["client_assertion_type"])
	require.Equal(t, []string{"id"}, r.form["client_id"])
	require.Len(t, r.form["client_assertion"], 1)
	signed, err := jose.ParseSigned(r.form.Get("client_assertion"), []jose.SignatureAlgorithm{algorithm})
	require.NoError(t, err)
	payload, err := signed.Verify(key)
	require.NoError(t, err)
	var c claims
	decoder := json.NewDecoder(strings.NewReader(string(payload)))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&c), "%s", payload)
	require.Equal(t, "id", c.Iss)
	require.Equal(t, "id", c.Sub)
	require.Equal(t, noon().Unix(), c.Iat)
	require.Greater(t, c.Exp, noon().Unix())
	require.LessOrEqual(t, c.Exp, noon().Add(time.Minute).Unix())
	require.GreaterOrEqual(t, len(c.Jti), 16)
	header := signed.Signatures[0].Protected
	require.Equal(t, string(algorithm), header.Algorithm)
	return c, header
}

// TestKnob_Assertion_EveryCallSignsItsOwn, at a provider that takes no jti twice (RFC 7523 §3, K7).
func TestKnob_Assertion_EveryCallSignsItsOwn(t *testing.T) {
	t.Parallel()
	key := ecKey(t, elliptic.P256())
	sharedSecret := strings.Repeat(canary, 6)
	for auth, c := range map[string]struct {
		secret    string
		verifier  any
		algorithm jose.SignatureAlgorithm
	}{
		connector.AuthPrivateKeyJWT: {pkcs8(t, key), key.Public(), jose.ES256},
		connector.AuthSecretJWT:     {sharedSecret, []byte(sharedSecret), jose.HS256},
	} {
		t.Run(auth, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			seen := make(map[string]bool)
			var p *provider
			p = newProvider(t, func(w http.ResponseWriter, _ *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				all := p.requests()
				got := all[len(all)-1].form.Get("client_assertion")
				if seen[got] {
					w.WriteHeader(http.StatusUnauthorized)
				}
				seen[got] = true
				_, _ = io.WriteString(w, goodReply)
			})
			a := oauth.App{ClientID: "id", Secret: secret.New(c.secret)}
			conn := p.connector(swap, func(c *connector.Connector) {
				c.Token.Auth = auth
				c.Issuer = "https://issuer.test"
			})
			for range 2 {
				for name, phase := range phases() {
					_, err := phase.do(t, conn, a)
					require.NoError(t, err, name)
				}
			}
			ids := make(map[string]bool)
			for _, r := range p.requests() {
				got, _ := verified(t, r, c.verifier, c.algorithm)
				require.Equal(t, "https://issuer.test", got.Aud)
				require.False(t, ids[got.Jti])
				ids[got.Jti] = true
			}
			require.Len(t, ids, 10)
		})
	}
}

// TestKnob_Assertion_Audience: one text, as rfc7523bis wants it; the token URL for those who know only that.
func TestKnob_Assertion_Audience(t *testing.T) {
	t.Parallel()
	key := edKey(t)
	for name, c := range map[string]struct{ issuer, audience, want string }{
		"the issuer":                         {"https://issuer.test/", "issuer", "https://issuer.test/"},
		"the issuer, if nothing is said":     {"https://issuer.test", "", "https://issuer.test"},
		"the token URL, if there is none":    {"", "", "token_url"},
		"the token URL instead of no issuer": {"", "issuer", "token_url"},
		"the token URL":                      {"https://issuer.test", "token_url", "token_url"},
		"DocuSign: a text":                   {"https://issuer.test", "account.docusign.com", "account.docusign.com"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := replying(t, 200, goodReply)
			conn := p.connector(func(conn *connector.Connector) {
				conn.Token.Auth, conn.Token.Audience, conn.Issuer = connector.AuthPrivateKeyJWT, c.audience, c.issuer
				conn.Refresh.URL = dir(conn.Token.URL) + "/renew"
			})
			_, err := refreshAs(t, conn, oauth.App{ClientID: "id", Secret: secret.New(pkcs8(t, key))})
			require.NoError(t, err)
			want := c.want
			if want == "token_url" {
				want = p.URL + "/token"
			}
			got, _ := verified(t, p.only(t), key.Public(), jose.EdDSA)
			require.Equal(t, want, got.Aud)
		})
	}
}

// TestKnob_Assertion_Keys: every key that a provider's console gives out, in every form.
func TestKnob_Assertion_Keys(t *testing.T) {
	t.Parallel()
	p256, p384, p521, ed := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384()), ecKey(t, elliptic.P521()), edKey(t)
	parameters := block("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7})
	long := strings.Repeat(canary, 11)
	for name, c := range map[string]struct {
		secret, algorithm string
		verifier          any
		want              jose.SignatureAlgorithm
		kid               string
	}{
		"RSA, PKCS #8":                   {pkcs8(t, rsaKey()), "", rsaKey().Public(), jose.RS256, ""},
		"RSA, PKCS #1":                   {pkcs1(rsaKey()), "", rsaKey().Public(), jose.RS256, ""},
		"RSA, JWK":                       {jwk(t, jose.JSONWebKey{Key: rsaKey(), KeyID: "k1"}), "", rsaKey().Public(), jose.RS256, "k1"},
		"RSA, PS256 by data":             {pkcs8(t, rsaKey()), "PS256", rsaKey().Public(), jose.PS256, ""},
		"RSA, RS512 by data":             {pkcs8(t, rsaKey()), "RS512", rsaKey().Public(), jose.RS512, ""},
		"RSA, PS384 by the JWK":          {jwk(t, jose.JSONWebKey{Key: rsaKey(), Algorithm: "PS384"}), "", rsaKey().Public(), jose.PS384, ""},
		"RSA, data before the JWK":       {jwk(t, jose.JSONWebKey{Key: rsaKey(), Algorithm: "PS384"}), "RS384", rsaKey().Public(), jose.RS384, ""},
		"P-256, SEC 1":                   {sec1(t, p256), "", p256.Public(), jose.ES256, ""},
		"P-256, PKCS #8":                 {pkcs8(t, p256), "ES256", p256.Public(), jose.ES256, ""},
		"P-256, JWK":                     {"\n " + jwk(t, jose.JSONWebKey{Key: p256, KeyID: "7"}) + "\n", "", p256.Public(), jose.ES256, "7"},
		"P-256, as openssl writes it":    {parameters + sec1(t, p256), "", p256.Public(), jose.ES256, ""},
		"P-384, SEC 1":                   {sec1(t, p384), "", p384.Public(), jose.ES384, ""},
		"P-521, PKCS #8":                 {pkcs8(t, p521), "", p521.Public(), jose.ES512, ""},
		"Ed25519, PKCS #8":               {pkcs8(t, ed), "", ed.Public(), jose.EdDSA, ""},
		"Ed25519, JWK":                   {jwk(t, jose.JSONWebKey{Key: ed, KeyID: "ed"}), "", ed.Public(), jose.EdDSA, "ed"},
		"words before and after the PEM": {"Key of app 7:\n" + pkcs8(t, ed) + "end\n", "", ed.Public(), jose.EdDSA, ""},
		"a shared secret, HS256":         {long, "", []byte(long), jose.HS256, ""},
		"a shared secret, HS512":         {long, "HS512", []byte(long), jose.HS512, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := replying(t, 200, goodReply)
			_, err := refreshAs(t, p.connector(func(conn *connector.Connector) {
				conn.Token.Auth, conn.Token.Algorithm = connector.AuthPrivateKeyJWT, c.algorithm
				if strings.HasPrefix(name, "a shared") {
					conn.Token.Auth = connector.AuthSecretJWT
				}
				require.True(t, oauth.UsableCredential(*conn, secret.New(c.secret)))
			}), oauth.App{ClientID: "id", Secret: secret.New(c.secret)})
			require.NoError(t, err)
			_, header := verified(t, p.only(t), c.verifier, c.want)
			require.Equal(t, c.kid, header.KeyID)
			require.Equal(t, jose.ContentType("JWT"), jose.ContentType(header.ExtraHeaders[jose.HeaderType].(string)))
		})
	}
}
