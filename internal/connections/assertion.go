package connections

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/acme/connections/internal/secret"
)

// AssertionKey checks the assertions that the platform signs for its end users: compact JWTs (RFC 7519) with "sub" the
// end user, "aud" the session's id and nothing else, "exp" at most five minutes ahead, and "jti", which works once.
type AssertionKey struct {
	algorithm jose.SignatureAlgorithm
	public    ed25519.PublicKey
	shared    secret.String
}

// Bounds of an assertion.
const (
	assertionLife   = 5 * time.Minute
	assertionLeeway = 30 * time.Second
	shortestKey     = 32
	maxAssertion    = 4 << 10
)

// ParseAssertionKey reads a key file: an Ed25519 public key in PEM (EdDSA), or a shared secret of at least 32 bytes
// (HS256; RFC 7518 §3.2).
func ParseAssertionKey(content []byte) (*AssertionKey, error) {
	if block, _ := pem.Decode(content); block != nil {
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		public, ok := key.(ed25519.PublicKey)
		if err != nil || !ok {
			return nil, errors.New("the key for end users' assertions must be an Ed25519 public key in PEM, or a shared secret")
		}
		return &AssertionKey{algorithm: jose.EdDSA, public: public}, nil
	}
	text := strings.TrimRight(string(content), "\r\n")
	if looksPublic(text) {
		return nil, errors.New("the key for end users' assertions looks like a public key in another form than PEM, which everybody may know: give an Ed25519 public key in PEM, or a shared secret made with \"openssl rand -hex 32\"")
	}
	if len(text) < shortestKey {
		return nil, errors.New("the shared secret for end users' assertions is shorter than 32 bytes: make one with \"openssl rand -hex 32\"")
	}
	return &AssertionKey{algorithm: jose.HS256, shared: secret.New(text)}, nil
}

// looksPublic reports whether a text is a public key as other tools write it: as OpenSSH does, as a JWK, in bare base64.
func looksPublic(text string) bool {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "ssh-") || strings.HasPrefix(text, "ecdsa-") || strings.HasPrefix(text, "{") {
		return true
	}
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	_, err = x509.ParsePKIXPublicKey(der)
	return err == nil
}

// errAssertion says nothing of why: whoever made it up should not learn.
var errAssertion = errors.New("the assertion is not right for this session")

// Check returns the id of an assertion that holds for a session and its end user.
func (k *AssertionKey) Check(compact, sessionID, endUser string, now time.Time) (id string, err error) {
	if len(compact) > maxAssertion {
		return "", errAssertion
	}
	token, err := jwt.ParseSigned(compact, []jose.SignatureAlgorithm{k.algorithm})
	if err != nil {
		return "", errAssertion
	}
	var key any = k.public
	if k.algorithm == jose.HS256 {
		key = []byte(k.shared.Reveal())
	}
	var claims jwt.Claims
	if err := token.Claims(key, &claims); err != nil {
		return "", errAssertion
	}
	switch {
	case endUser == "" || claims.Subject != endUser,
		len(claims.Audience) != 1 || claims.Audience[0] != sessionID,
		claims.Expiry == nil || !now.Before(claims.Expiry.Time()),
		claims.Expiry.Time().After(now.Add(assertionLife + assertionLeeway)),
		claims.NotBefore != nil && claims.NotBefore.Time().After(now.Add(assertionLeeway)),
		claims.IssuedAt != nil && claims.IssuedAt.Time().After(now.Add(assertionLeeway)),
		claims.ID == "" || !printable(claims.ID):
		return "", errAssertion
	}
	return claims.ID, nil
}
