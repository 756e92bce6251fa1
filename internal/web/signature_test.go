package web

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

func mac(key, message string) string {
	m := hmac.New(sha256.New, []byte(key))
	_, _ = m.Write([]byte(message))
	return hex.EncodeToString(m.Sum(nil))
}

// TestSigned: the example of shopify.dev, and what a forger could make of it.
func TestSigned(t *testing.T) {
	t.Parallel()
	const (
		key     = "hush"
		message = "code=0907a61c0c8d55e99db179b68161bc00&shop=some-shop.myshopify.com&state=0.6784241404160823&timestamp=1337178173"
	)
	documented := "700e2dadb827fcc8609e9d5ce208b2e9cdaab9df07390d2cbca10d7c328fc4bf"
	require.Equal(t, documented, mac(key, message))
	good := message + "&hmac=" + documented
	for name, c := range map[string]struct {
		keys  []string
		query string
		want  bool
	}{
		"as documented":             {[]string{key}, good, true},
		"in another order":          {[]string{key}, "hmac=" + documented + "&" + message, true},
		"the second key":            {[]string{"new", key}, good, true},
		"the third key":             {[]string{"newest", "new", key}, good, true},
		"another key":               {[]string{"new"}, good, false},
		"no key":                    {nil, good, false},
		"an empty key":              {[]string{""}, message + "&hmac=" + mac("", message), false},
		"missing":                   {[]string{key}, message, false},
		"empty":                     {[]string{key}, message + "&hmac=", false},
		"twice":                     {[]string{key}, good + "&hmac=" + documented, false},
		"twice, the first wrong":    {[]string{key}, "hmac=" + mac("x", message) + "&" + good, false},
		"twice, the second wrong":   {[]string{key}, good + "&hmac=x", false},
		"under another case":        {[]string{key}, message + "&HMAC=" + documented, false},
		"one parameter more":        {[]string{key}, good + "&host=x", false},
		"one parameter twice":       {[]string{key}, good + "&shop=other.myshopify.com", false},
		"two merged into one":       {[]string{key}, "code=0907a61c0c8d55e99db179b68161bc00%26shop=some-shop.myshopify.com&state=0.6784241404160823&timestamp=1337178173&hmac=" + documented, false},
		"one split off":             {[]string{key}, "a=1&b=2%26c%3D3&hmac=" + mac(key, "a=1&b=2&c=3"), false},
		"a name with a sign":        {[]string{key}, "a%3D1=2&hmac=" + mac(key, "a=1=2"), false},
		"encoded, with such values": {[]string{key}, "a=1&b=2%26c%3D3&hmac=" + mac(key, "a=1&b=2%26c%3D3"), true},
		"a value with a sign":       {[]string{key}, "host=YWRtaW4%3D&hmac=" + mac(key, "host=YWRtaW4="), true},
		"a list":                    {[]string{key}, "a=2&a=1&hmac=" + mac(key, "a=1&a=2"), true},
		"not a query":               {[]string{key}, "a=%zz&hmac=" + mac(key, "a=%zz"), false},
	} {
		var keys []secret.String
		for _, k := range c.keys {
			keys = append(keys, secret.New(k))
		}
		require.Equal(t, c.want, signed(keys, "hmac", c.query), name)
	}
}

func signs(o *options) { shop(connector.Callback{HMAC: &connector.CallbackHMAC{Param: "hmac"}})(o) }

// TestCallback_SignedWithAnyOfTheSecrets, while one of them is rotated.
func TestCallback_SignedWithAnyOfTheSecrets(t *testing.T) {
	t.Parallel()
	r := newRig(t, signs)
	app := r.Sandbox.Clients().App
	_, err := r.Client.PutIntegration(t.Context(), connections.IntegrationRequest{Connector: "sandbox", ClientID: app.ID, ClientSecret: secret.New("not yet in force")})
	require.NoError(t, err)
	for _, key := range []string{"not yet in force", app.Secret.Reveal()} {
		id, link := r.create(myStore)
		b := r.browser()
		callback := b.consent(b.press(link), "allow")
		b.back(with(t, callback, "hmac", mac(key, query(t, callback).Encode())))
		r.AwaitStatus(id, workflows.StatusActive)
	}
}

// awayVault has lost its integrations.
type awayVault struct {
	vault.Store
}

func (awayVault) Integration(context.Context, string) (vault.Integration, error) {
	return vault.Integration{}, errors.New("away")
}

// TestCallback_TheKeyIsAway: an answer that cannot be checked is not refused, but asked for again.
func TestCallback_TheKeyIsAway(t *testing.T) {
	t.Parallel()
	r := newRig(t, signs)
	id, link := r.create(myStore)
	b := r.browser()
	authorize := b.press(link)
	callback := b.consent(authorize, "allow")
	callback = with(t, callback, "hmac", mac(r.Sandbox.Clients().App.Secret.Reveal(), query(t, callback).Encode()))

	config := r.pages.Config
	config.Vault = awayVault{config.Vault}
	pages, err := New(config)
	require.NoError(t, err)
	t.Cleanup(pages.Close)
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, callback, nil)
	for _, cookie := range b.http.Jar.Cookies(&url.URL{Scheme: "http", Host: request.Host, Path: "/"}) {
		request.AddCookie(cookie)
	}
	answer := httptest.NewRecorder()
	pages.ServeHTTP(answer, request)
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	r.requireUntouched(authorize)

	b.back(callback)
	r.AwaitStatus(id, workflows.StatusActive)
}
