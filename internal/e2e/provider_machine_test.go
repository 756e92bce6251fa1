package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
)

// oddSecret has all that a form or a Basic header can break. More than printable ASCII is no client secret
// (RFC 6749 appendix A.2).
const oddSecret = `s+e/c=%: %2B&"\~`

// Client credentials, with every way to authenticate that a secret or a key allows, at a server that decodes strictly.
func TestProviderMachines(t *testing.T) {
	t.Parallel()
	s, p := newSystem(t), newProvider(t)
	pemKey, pemSet := ecKey(t)
	jwkKey, jwkSet := rsaKey(t)
	cases := map[string]struct {
		auth, secret string
		keys         *jose.JSONWebKeySet
	}{
		"basic":      {auth: "client_secret_basic", secret: "a-secret"},
		"post":       {auth: "client_secret_post", secret: "a-secret"},
		"odd-basic":  {auth: "client_secret_basic", secret: oddSecret},
		"odd-post":   {auth: "client_secret_post", secret: oddSecret},
		"assert-pem": {auth: "private_key_jwt", secret: pemKey, keys: pemSet},
		"assert-jwk": {auth: "private_key_jwt", secret: jwkKey, keys: jwkSet},
	}
	var clients []providerClient
	for id, c := range cases {
		client := providerClient{
			"client_id": id, "token_endpoint_auth_method": c.auth,
			"grant_types": []string{"client_credentials"}, "redirect_uris": []string{}, "response_types": []string{},
		}
		if c.keys != nil {
			client["jwks"] = c.keys
		} else {
			client["client_secret"] = c.secret
		}
		clients = append(clients, client)
	}
	p.knows(clients...)

	for id, c := range cases {
		connector := p.connector(id)
		connector["token"] = map[string]any{"auth": c.auth}
		s.addConnector(connector)
		file := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(file, []byte(c.secret), 0o600))
		before := len(p.said("issued"))
		v := s.view("connect", id, "--grant", "client_credentials", "--client-id", id, "--client-secret-file", file, "--wait")
		require.Equal(t, "active", v.Status, id)
		issued := p.said("issued")[before:]
		require.Len(t, issued, 1, id)
		require.Equal(t, providerEvent{Event: "issued", Grant: "client_credentials", Client: id, Auth: c.auth}, issued[0])
		token := s.token(v.ID)
		require.True(t, p.live(token), id)

		require.Greater(t, s.view("refresh", v.ID).Generation, v.Generation, id)
		next := s.token(v.ID)
		require.NotEqual(t, token, next)
		s.view("disconnect", v.ID)
		s.await(v.ID, func(now connections.View) bool { return now.Status == "disconnected" })
		require.False(t, p.live(next), "%s: revoked with the same credentials", id)
	}
	require.Empty(t, p.said("refused"))

	// Another's key, and a text that is no key at all.
	other, _ := ecKey(t)
	r := s.starterWith(other, "connect", "assert-pem", "--grant", "client_credentials", "--client-id", "assert-pem", "--client-secret-file", "-", "--wait")
	require.Equal(t, 1, r.exit)
	require.Contains(t, r.stderr, "client id or secret")
	r = s.starterWith("a-secret", "connect", "assert-pem", "--grant", "client_credentials", "--client-id", "assert-pem", "--client-secret-file", "-", "--wait")
	require.Equal(t, 2, r.exit)
	require.Contains(t, r.stderr, "PEM")
	s.replayAll()
}

// ecKey makes a private key in PEM, and the set of its public part.
func ecKey(t *testing.T) (string, *jose.JSONWebKeySet) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		&jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public()}}}
}

// rsaKey makes a private key as a JWK with an id, and the set of its public part.
func rsaKey(t *testing.T) (string, *jose.JSONWebKeySet) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	jwk := jose.JSONWebKey{Key: key, KeyID: "2026-a", Algorithm: "PS256", Use: "sig"}
	content, err := json.Marshal(jwk)
	require.NoError(t, err)
	return string(content), &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk.Public()}}
}
