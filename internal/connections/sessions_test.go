package connections_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/workflows"
)

const sharedKey = "a shared secret of 32 bytes or more"

// withSessions is the rig's client with return URLs and a key for assertions.
func withSessions(t *testing.T, r *connectionstest.Rig) *connections.Client {
	t.Helper()
	config := r.Client.Config
	var err error
	config.ReturnURLs, err = connections.ParseReturnURLs("https://app.example/done, https://any.example/*")
	require.NoError(t, err)
	config.AssertionKey, err = connections.ParseAssertionKey([]byte(sharedKey + "\n"))
	require.NoError(t, err)
	return connections.New(config)
}

func TestConnectSession(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	c := withSessions(t, r)
	made, err := c.CreateConnectSession(t.Context(), connections.ConnectSessionRequest{
		Connectors: []string{"sandbox", "sandbox"}, Owner: "acme", EndUser: "ada", ReturnURL: "https://app.example/done",
		Tags: map[string]string{"team": "x"}, ConfirmUser: true,
	})
	require.NoError(t, err)
	require.Regexp(t, `^cs_[0-9a-v]{26}$`, made.ID)
	require.WithinDuration(t, r.Clock.Now().Add(time.Hour), made.ExpiresAt, time.Minute)
	secret, ok := strings.CutPrefix(made.URL, c.BaseURL+connections.SessionPath)
	require.True(t, ok)
	stored, err := r.Vault.Session(t.Context(), connections.HashSecret(secret))
	require.NoError(t, err)
	require.Equal(t, made.ID, stored.ID)
	require.Equal(t, []string{"sandbox"}, stored.Connectors)
	require.True(t, stored.ConfirmUser)
	require.Zero(t, stored.ConsumedAt)
	seen, err := c.ConnectSession(t.Context(), made.ID)
	require.NoError(t, err)
	require.Equal(t, connections.ConnectSessionView{ID: made.ID, Owner: "acme", EndUser: "ada", ExpiresAt: stored.ExpiresAt}, seen)
	_, err = c.ConnectSession(t.Context(), "cs_none")
	require.Equal(t, string(workflows.ReasonNotFound), connections.CodeOf(err))
}

func TestConnectSessionRefused(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	c := withSessions(t, r)
	created, err := c.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme"})
	require.NoError(t, err)
	one := []string{"sandbox"}
	for name, request := range map[string]connections.ConnectSessionRequest{
		"nothing":           {Owner: "acme"},
		"two things":        {Connectors: one, Manage: true, Owner: "acme"},
		"no owner":          {Connectors: one},
		"unprintable owner": {Connectors: one, Owner: "a\u202eb"},
		"unknown connector": {Connectors: []string{"sandbox", "no-such"}, Owner: "acme"},
		"too short":         {Connectors: one, Owner: "acme", Expires: time.Second},
		"too long":          {Connectors: one, Owner: "acme", Expires: 48 * time.Hour},
		"return URL":        {Connectors: one, Owner: "acme", ReturnURL: "https://evil.example/"},
		"no connection":     {Connection: "con_06eg2v00000000000000000000"},
		"another's":         {Connection: created.ID, Owner: "other"},
		"tags":              {Connection: created.ID, Tags: map[string]string{"a": "b"}},
	} {
		_, err := c.CreateConnectSession(t.Context(), request)
		var refused *connections.Error
		require.ErrorAs(t, err, &refused, name)
		require.NotEqual(t, string(workflows.ReasonVaultUnavailable), refused.Code, name)
	}
	again, err := c.CreateConnectSession(t.Context(), connections.ConnectSessionRequest{Connection: created.ID})
	require.NoError(t, err)
	seen, err := c.ConnectSession(t.Context(), again.ID)
	require.NoError(t, err)
	require.Equal(t, "acme", seen.Owner)
	require.Equal(t, created.ID, seen.ConnectionID)

	config := c.Config
	config.AssertionKey = nil
	_, err = connections.New(config).CreateConnectSession(t.Context(), connections.ConnectSessionRequest{Connectors: one, Owner: "acme", EndUser: "ada"})
	require.ErrorContains(t, err, "CONNECTIONS_ASSERTION_KEY_FILE")
}

// TestAttackReturnURL: only what is on the list to the letter, or on the origin that is.
func TestAttackReturnURL(t *testing.T) {
	t.Parallel()
	urls, err := connections.ParseReturnURLs("https://app.example/done?x=1 https://any.example/*,http://127.0.0.1:8080/back")
	require.NoError(t, err)
	c := connections.New(connections.Config{ReturnURLs: urls})
	for _, good := range []string{"https://app.example/done?x=1", "https://any.example/a/b?c=d", "https://any.example", "http://127.0.0.1:8080/back"} {
		require.True(t, c.AllowsReturn(good), good)
	}
	for _, evil := range []string{
		"", "//evil", "//app.example/done?x=1", "/done", `\evil`, `\\evil`, `/\evil`, `https:\\any.example\`, "https:/any.example/", "https:any.example/a",
		"https://any.example@evil.example/", "https://user@any.example/", "https://user:pass@any.example/", "https://any.example\\@evil.example/",
		"https://any.example.evil.example/", "https://any.example:444/", "https://ANY.example/", "HTTPS://any.example/", "http://any.example/",
		"https://any.example/\r\nLocation: https://evil.example", "https://any.example/%0d%0a\n", "https://any.example/\x00", "https://any.example/ x",
		"https://any.example/#x", "https://any.example#", "javascript:alert(1)", "data:text/html,x", "https://app.example/done", "https://app.example/done?x=1&y=2",
		"https://app.example/done/?x=1", "https://any.example%2eevil.example/", "https://[::1]/", "https://any.example/<script>", "https://an\u0131y.example/",
		"https://any.example/" + strings.Repeat("a", 2000), " https://any.example/", "https://any.example/*\t", "https:///any.example/",
	} {
		require.False(t, c.AllowsReturn(evil), "%q", evil)
		require.Empty(t, c.ReturnTarget(evil, nil))
	}
	require.Equal(t, "https://app.example/done?status=connected&x=1", c.ReturnTarget(urls[0], map[string][]string{"status": {"connected"}}))
	for _, list := range []string{"//evil", "https://a.example/x/*", "ftp://x/", "http://a.example/", "https://*", "*"} {
		_, err := connections.ParseReturnURLs(list)
		require.Error(t, err, list)
	}
}

func assertion(t *testing.T, alg jose.SignatureAlgorithm, key any, claims jwt.Claims) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	require.NoError(t, err)
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(t, err)
	return text
}

func TestAssertionKey(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	good := func(mod ...func(*jwt.Claims)) jwt.Claims {
		c := jwt.Claims{Subject: "ada", Audience: jwt.Audience{"cs_1"}, Expiry: jwt.NewNumericDate(now.Add(time.Minute)), ID: "1"}
		for _, m := range mod {
			m(&c)
		}
		return c
	}
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	signed, err := connections.ParseAssertionKey(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	require.NoError(t, err)
	shared, err := connections.ParseAssertionKey([]byte(sharedKey))
	require.NoError(t, err)

	id, err := signed.Check(assertion(t, jose.EdDSA, private, good()), "cs_1", "ada", now)
	require.NoError(t, err)
	require.Equal(t, "1", id)
	_, err = shared.Check(assertion(t, jose.HS256, []byte(sharedKey), good()), "cs_1", "ada", now)
	require.NoError(t, err)

	refused := func(name string, k *connections.AssertionKey, text string) {
		t.Helper()
		_, err := k.Check(text, "cs_1", "ada", now)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "ada")
	}
	refused("nothing", shared, "")
	refused("junk", shared, "a.b.c")
	refused("huge", shared, strings.Repeat("A", 1<<20))
	refused("unsigned", shared, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.")
	refused("other algorithm", shared, assertion(t, jose.HS512, []byte(sharedKey+sharedKey), good()))
	refused("other key", shared, assertion(t, jose.HS256, []byte(strings.ToUpper(sharedKey)), good()))
	refused("the public key as a secret", signed, assertion(t, jose.HS256, []byte(public), good()))
	for name, mod := range map[string]func(*jwt.Claims){
		"another user":    func(c *jwt.Claims) { c.Subject = "eve" },
		"no user":         func(c *jwt.Claims) { c.Subject = "" },
		"another session": func(c *jwt.Claims) { c.Audience = jwt.Audience{"cs_2"} },
		"two sessions":    func(c *jwt.Claims) { c.Audience = jwt.Audience{"cs_1", "cs_2"} },
		"no session":      func(c *jwt.Claims) { c.Audience = nil },
		"expired":         func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(now) },
		"never expires":   func(c *jwt.Claims) { c.Expiry = nil },
		"lives too long":  func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(now.Add(6 * time.Minute)) },
		"not yet":         func(c *jwt.Claims) { c.NotBefore = jwt.NewNumericDate(now.Add(time.Minute)) },
		"from the future": func(c *jwt.Claims) { c.IssuedAt = jwt.NewNumericDate(now.Add(time.Minute)) },
		"no id":           func(c *jwt.Claims) { c.ID = "" },
	} {
		refused(name, shared, assertion(t, jose.HS256, []byte(sharedKey), good(mod)))
		refused(name, signed, assertion(t, jose.EdDSA, private, good(mod)))
	}
	for _, bad := range []string{
		"", "short", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
		// Public keys as other tools write them: whoever knows one could sign with it.
		base64.StdEncoding.EncodeToString(der), `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB2kFzZ0kLwJm8CIuGyuqSZJoLCXFQ2vXl0YqwJ0cA1B ada@example",
	} {
		_, err := connections.ParseAssertionKey([]byte(bad))
		require.Error(t, err)
	}
}
