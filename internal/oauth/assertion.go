package oauth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
)

// assertionType is the value of client_assertion_type (RFC 7523 §2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// jwtGrant is the grant type of RFC 7523 §2.1.
const jwtGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// assertionLife is short: each attempt makes its own.
const assertionLife = time.Minute

// errCredential: the integration's secret is not what its way of authentication needs.
var errCredential = errors.New("oauth: unusable credential")

// clientAssertion is a JWT that proves who the client is (RFC 7523 §2.2).
func clientAssertion(conn connector.Connector, call connector.TokenCall, app App, now time.Time) (string, error) {
	return assertion(conn, call, app, map[string]string{"sub": app.ClientID}, now)
}

// grantAssertion is a JWT that is the grant itself (RFC 7523 §2.1).
func grantAssertion(conn connector.Connector, call connector.TokenCall, app App, now time.Time) (string, error) {
	claims := make(map[string]string, len(conn.ClientCredentials.Assertion))
	for name, text := range conn.ClientCredentials.Assertion {
		claims[name] = strings.ReplaceAll(text, "{client_id}", app.ClientID)
	}
	return assertion(conn, call, app, claims, now)
}

// assertion is a JWT of the client's with these claims and those that each must have (RFC 7523 §3): a new one for each
// attempt.
func assertion(conn connector.Connector, call connector.TokenCall, app App, said map[string]string, now time.Time) (string, error) {
	key, err := signingKey(call.Auth, app.Secret.Reveal())
	if err != nil {
		return "", err
	}
	algorithm := jose.SignatureAlgorithm(orElse(call.Algorithm, key.Algorithm))
	if algorithm == "" {
		algorithm = defaultAlgorithm(key.Key)
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	if key.KeyID != "" {
		options = options.WithHeader("kid", key.KeyID)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key.Key}, options)
	if err != nil {
		return "", errCredential
	}
	claims := map[string]any{
		"iss": app.ClientID, "aud": audience(conn, call), "jti": uuid.NewString(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	}
	for name, text := range said {
		claims[name] = text
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", errCredential
	}
	return signed.CompactSerialize()
}

func audience(conn connector.Connector, call connector.TokenCall) string {
	switch a := call.Audience; {
	case a == "token_url", a == "" && conn.Issuer == "", a == "issuer" && conn.Issuer == "":
		return conn.Token.URL
	case a == "", a == "issuer":
		return conn.Issuer
	default:
		return a
	}
}

// UsableCredential reports whether a secret is what the connector's way to authenticate needs.
func UsableCredential(conn connector.Connector, s secret.String) bool {
	app, certificate := App{Secret: s}.split(conn.Token)
	switch {
	case conn.Token.Auth == connector.AuthTLS, conn.Token.Certificate:
		_, err := tls.X509KeyPair([]byte(certificate), []byte(certificate))
		return err == nil && !app.Secret.Empty()
	case conn.Token.Auth == connector.AuthPrivateKeyJWT, conn.ClientCredentials != nil && conn.ClientCredentials.Assertion != nil:
		_, err := clientAssertion(conn, conn.Token, app, time.Time{})
		return err == nil
	default:
		return true
	}
}

// signingKey reads the key: the secret itself for client_secret_jwt; else PEM (PKCS #8, PKCS #1, SEC 1) or a JWK.
func signingKey(auth, secret string) (jose.JSONWebKey, error) {
	if auth == connector.AuthSecretJWT {
		return jose.JSONWebKey{Key: []byte(secret)}, nil
	}
	secret = strings.TrimSpace(secret)
	if strings.HasPrefix(secret, "{") {
		var jwk jose.JSONWebKey
		if err := json.Unmarshal([]byte(secret), &jwk); err != nil || jwk.IsPublic() || !jwk.Valid() {
			return jose.JSONWebKey{}, errCredential
		}
		return jwk, nil
	}
	// Not every block is a key: "openssl ecparam -genkey" writes the curve's parameters before it.
	for block, rest := pem.Decode([]byte(secret)); block != nil; block, rest = pem.Decode(rest) {
		for _, read := range []func([]byte) (any, error){
			x509.ParsePKCS8PrivateKey,
			func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
			func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) },
		} {
			if key, err := read(block.Bytes); err == nil {
				return jose.JSONWebKey{Key: key}, nil
			}
		}
	}
	return jose.JSONWebKey{}, errCredential
}

func defaultAlgorithm(key any) jose.SignatureAlgorithm {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return jose.RS256
	case *ecdsa.PrivateKey:
		switch k.Curve.Params().BitSize {
		case 384:
			return jose.ES384
		case 521:
			return jose.ES512
		default:
			return jose.ES256
		}
	case ed25519.PrivateKey:
		return jose.EdDSA
	default:
		return jose.HS256
	}
}
