package oauth_test

import (
	"crypto/elliptic"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

// TestKnob_UnusableCredential: what cannot authenticate is told from a provider that refuses, and nobody is asked.
func TestKnob_UnusableCredential(t *testing.T) {
	t.Parallel()
	p256 := ecKey(t, elliptic.P256())
	certificate, key := newAuthority(t, "ca").issue(t, "id")
	_, other := newAuthority(t, "ca").issue(t, "id")
	pair := certificate + sec1(t, key)
	symmetric := jwk(t, jose.JSONWebKey{Key: []byte(strings.Repeat(canary, 6))})
	for name, c := range map[string]struct{ auth, algorithm, secret string }{
		"none":                            {connector.AuthPrivateKeyJWT, "", ""},
		"a shared secret":                 {connector.AuthPrivateKeyJWT, "", canary},
		"a public key":                    {connector.AuthPrivateKeyJWT, "", publicPEM(t, p256)},
		"a certificate":                   {connector.AuthPrivateKeyJWT, "", certificate},
		"half a PEM":                      {connector.AuthPrivateKeyJWT, "", pkcs8(t, p256)[:60]},
		"PEM without its lines":           {connector.AuthPrivateKeyJWT, "", strings.ReplaceAll(pkcs8(t, p256), "\n", " ")},
		"PEM of something else":           {connector.AuthPrivateKeyJWT, "", block("PRIVATE KEY", []byte(canary))},
		"an encrypted key":                {connector.AuthPrivateKeyJWT, "", block("ENCRYPTED PRIVATE KEY", []byte(canary))},
		"a public JWK":                    {connector.AuthPrivateKeyJWT, "", jwk(t, jose.JSONWebKey{Key: p256.Public()})},
		"a symmetric JWK":                 {connector.AuthPrivateKeyJWT, "", symmetric},
		"half a JWK":                      {connector.AuthPrivateKeyJWT, "", jwk(t, jose.JSONWebKey{Key: p256})[:40]},
		"a set of JWKs":                   {connector.AuthPrivateKeyJWT, "", `{"keys":[` + jwk(t, jose.JSONWebKey{Key: p256}) + `]}`},
		"a JWK for encryption":            {connector.AuthPrivateKeyJWT, "", jwk(t, jose.JSONWebKey{Key: rsaKey(), Algorithm: "RSA-OAEP"})},
		"a service account":               {connector.AuthPrivateKeyJWT, "", `{"type":"service_account","private_key":"` + canary + `"}`},
		"another kind of key":             {connector.AuthPrivateKeyJWT, "RS256", pkcs8(t, p256)},
		"another curve":                   {connector.AuthPrivateKeyJWT, "ES384", pkcs8(t, p256)},
		"a curve that nobody signs with":  {connector.AuthPrivateKeyJWT, "", pkcs8(t, ecKey(t, elliptic.P224()))},
		"a key for agreement":             {connector.AuthPrivateKeyJWT, "", pkcs8(t, xKey(t))},
		"a MAC over a private key":        {connector.AuthPrivateKeyJWT, "HS256", pkcs8(t, p256)},
		"RFC 7518 §3.2: a short secret":   {connector.AuthSecretJWT, "", strings.Repeat("x", 31)},
		"RFC 7518 §3.2: short for HS512":  {connector.AuthSecretJWT, "HS512", strings.Repeat("x", 63)},
		"no secret":                       {connector.AuthSecretJWT, "", ""},
		"a signature with a secret":       {connector.AuthSecretJWT, "RS256", strings.Repeat("x", 99)},
		"no certificate":                  {connector.AuthTLS, "", ""},
		"a secret for a certificate":      {connector.AuthTLS, "", canary},
		"a certificate without its key":   {connector.AuthTLS, "", certificate},
		"a key without its certificate":   {connector.AuthTLS, "", sec1(t, key)},
		"a certificate and another's key": {connector.AuthTLS, "", certificate + sec1(t, other)},
		"half a certificate":              {connector.AuthTLS, "", pair[:100]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := replying(t, 200, goodReply)
			conn := p.connector(swap, func(conn *connector.Connector) { conn.Token.Auth, conn.Token.Algorithm = c.auth, c.algorithm })
			a := oauth.App{ClientID: "id", Secret: secret.New(c.secret)}
			if c.auth != connector.AuthSecretJWT {
				require.False(t, oauth.UsableCredential(conn, a.Secret))
			}
			for name, phase := range phases() {
				_, err := phase.do(t, conn, a)
				f := failureOf(t, err, oauth.CredentialUnusable)
				require.False(t, f.Sent, name)
				require.Zero(t, f.Status, name)
			}
			_, err := newClient().Refresh(t.Context(), conn, a, oauth.Renewal{Token: secret.New("rt")}, oauth.Hooks{BeforeSend: never, OnReply: noReply})
			requireFailure(t, err, oauth.CredentialUnusable)
			p.Close()
			require.Empty(t, p.requests())
		})
	}
}
