// Package webhook signs and sends webhooks (https://github.com/standard-webhooks/standard-webhooks, version 1.0), to
// URLs that somebody typed: so it is guarded as calls at providers are.
package webhook

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
)

// secretPrefix marks a symmetric secret, and secretSize is how many random bytes follow it, in base64.
const (
	secretPrefix = "whsec_"
	secretSize   = 32
)

// NewSecret makes a random secret: "whsec_" and 32 bytes in base64.
func NewSecret() secret.String {
	var b [secretSize]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return secret.New(secretPrefix + base64.StdEncoding.EncodeToString(b[:]))
}

// ErrSecret: a secret is not one that NewSecret makes.
var ErrSecret = errors.New("webhook: the secret cannot be read")

// Sign makes the value of the header "webhook-signature": one signature for each secret, so that a receiver may hold
// either of two while they are exchanged (ErrSecret).
func Sign(secrets []secret.String, id string, at time.Time, body []byte) (string, error) {
	signatures := make([]string, 0, len(secrets))
	for _, s := range secrets {
		key, err := standardwebhooks.NewWebhook(s.Reveal())
		if err != nil {
			return "", ErrSecret
		}
		signature, err := key.Sign(id, at, body)
		if err != nil {
			return "", ErrSecret
		}
		signatures = append(signatures, signature)
	}
	return strings.Join(signatures, " "), nil
}

// maxURL bounds the length of an endpoint's URL.
const maxURL = 2048

// CheckURL checks an endpoint's URL by its text alone: https, on port 443, without user or fragment. With loopback it
// may also be on this machine, and then plain http on any port. Where the host leads is judged at each dial. The error is
// a sentence.
func CheckURL(text string, loopback bool) (*url.URL, error) {
	if len(text) > maxURL {
		return nil, errors.New("the URL is longer than 2048 characters: give a shorter one")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return nil, errors.New("that is no URL: give one such as https://hooks.example.com/connections")
	case u.User != nil:
		return nil, errors.New("the URL holds a user or password: leave it out, webhooks are signed instead")
	case u.Fragment != "":
		return nil, errors.New("the URL has a fragment (#…), which is never sent: leave it out")
	case loopback && connector.IsLoopback(u.Hostname()) && (u.Scheme == "http" || u.Scheme == "https"):
		return u, nil
	case u.Scheme != "https":
		return nil, errors.New("the URL must begin with https://: webhooks say what your customers' connections are doing")
	case u.Port() != "" && u.Port() != "443":
		return nil, errors.New("webhooks are sent to port 443 only: leave the port out of the URL")
	}
	return u, nil
}
