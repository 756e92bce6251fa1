package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// shop makes the sandbox a provider with an input, as Shopify and Zoho are.
func shop(callback connector.Callback) func(*options) {
	return func(o *options) {
		o.Options = connectionstest.Options{Connector: func(c *connector.Connector) {
			c.Inputs = []connector.Input{{Name: "shop", Label: "Shop name", Example: "my-store", Pattern: "^[a-z0-9-]+$"}}
			c.Authorize.Params = map[string]string{"shop": "{shop}"}
			c.Callback = &callback
		}}
	}
}

func myStore(r *connections.CreateRequest) { r.Inputs = map[string]string{"shop": "my-store"} }

func (r *rig) row(id string) vault.Connection {
	r.t.Helper()
	row, err := r.Vault.Connection(r.t.Context(), id)
	require.NoError(r.t, err)
	return row
}

// renamed gives parameters of an address other names.
func renamed(t *testing.T, address string, names ...string) string {
	t.Helper()
	u := mustURL(t, address)
	q := u.Query()
	for i := 0; i < len(names); i += 2 {
		q[names[i+1]] = q[names[i]]
		q.Del(names[i])
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// TestCallback_Names: TikTok Ads has the code under "auth_code", Amazon under "spapi_oauth_code", some the state too.
func TestCallback_Names(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(connector.Callback{CodeParam: "auth_code", StateParam: "back"}))
	id, link := r.create(myStore)
	b := r.browser()
	authorize := renamed(t, b.pressForeign(link), "back", "state")
	callback := b.consent(authorize, "allow")
	b.back(renamed(t, callback, "code", "auth_code", "state", "back"))
	r.AwaitStatus(id, workflows.StatusActive)

	// Its own name alone counts.
	_, link = r.create(myStore)
	authorize = renamed(t, b.pressForeign(link), "back", "state")
	b.back(renamed(t, b.consent(authorize, "allow"), "state", "back"))
	require.Equal(t, string(workflows.ReasonConsentFailed), r.requestOf(authorize).Outcome)
}

// pressForeign is press for a provider whose authorization URL the sandbox would not understand.
func (b *browser) pressForeign(link string) string {
	b.r.t.Helper()
	b.get(link)
	p := b.post(link, nil)
	require.Equal(b.r.t, http.StatusSeeOther, p.status, p.body)
	return p.location
}

func TestCallback_Captures(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(connector.Callback{ScopeParam: "granted", Capture: []connector.CallbackValue{
		{Param: "realmId", Pattern: "^[0-9]{1,32}$", As: "realm"},
		{Param: "odd", Pattern: "^[a-z]+$"},
		{Param: "server", Pattern: `^https://([a-z0-9-]+)\.shops\.test$`, Input: "shop"},
	}}))
	id, link := r.create(myStore)
	b := r.browser()
	callback := b.consent(b.press(link), "allow")
	b.back(with(t, callback, "realmId", "4620816365", "odd", "<script>", "server", "https://other-store.shops.test", "granted", "a,b c"))
	r.AwaitStatus(id, workflows.StatusActive)
	row := r.row(id)
	require.Equal(t, "4620816365", row.Metadata["realm"], "QuickBooks: realmId")
	require.NotContains(t, row.Metadata, "odd", "what does not fit is left out")
	require.Equal(t, map[string]string{"shop": "other-store"}, row.Inputs, "Zoho: the callback names the data centre")
}

// TestCallback_NeverLeadsElsewhere: a value that routes the code and the secret fits to the letter, or all is refused.
func TestCallback_NeverLeadsElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(connector.Callback{Capture: []connector.CallbackValue{
		{Param: "accounts-server", Pattern: `^https://accounts\.shops\.(com|eu)$`, Input: "shop"},
		{Param: "shop", Pattern: `^([a-z0-9-]+)\.shops\.test$`, Input: "shop", Match: true},
		{Param: "must", Pattern: "^[a-z]+$", Required: true},
	}}))
	for name, pairs := range map[string][]string{
		"another host":            {"accounts-server", "https://accounts.shops.evil.com"},
		"behind the host":         {"accounts-server", "https://accounts.shops.com.evil.com"},
		"before the host":         {"accounts-server", "https://accounts.shops.com@evil.com"},
		"a path":                  {"accounts-server", "https://accounts.shops.com/"},
		"a newline":               {"accounts-server", "https://accounts.shops.com\n"},
		"another scheme":          {"accounts-server", "http://accounts.shops.com"},
		"another case":            {"accounts-server", "https://Accounts.shops.com"},
		"longer than anything":    {"accounts-server", "https://accounts.shops.com" + strings.Repeat("x", 4<<10)},
		"another shop":            {"shop", "other-store.shops.test"},
		"a shop of nobody":        {"shop", "my-store.shops.test.evil.com"},
		"a required value absent": {"must", "-"},
		"a required value odd":    {"must", "7"},
	} {
		t.Run(name, func(t *testing.T) {
			_, link := r.create(myStore)
			b := r.browser()
			authorize := b.press(link)
			callback := with(t, b.consent(authorize, "allow"), "must", "x")
			b.back(with(t, callback, pairs...))
			request := r.requestOf(authorize)
			require.Contains(t, []string{string(workflows.ReasonIssuerMismatch), string(workflows.ReasonConsentFailed)}, request.Outcome)
			require.Nil(t, request.Code)
			require.Nil(t, request.Inputs)
			require.Zero(t, r.TokenRequests("authorization_code"))
		})
	}
}

// TestCallback_HMAC: Shopify signs the query with the client secret.
func TestCallback_HMAC(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(connector.Callback{HMAC: &connector.CallbackHMAC{Param: "hmac"}}))
	key := r.Sandbox.Clients().App.Secret.Reveal()
	encoded := func(q url.Values) string { return q.Encode() }
	plain := func(q url.Values) string {
		var pairs []string
		for name := range q {
			pairs = append(pairs, name+"="+q.Get(name))
		}
		slices.Sort(pairs)
		return strings.Join(pairs, "&")
	}
	sign := func(address, key string, message func(url.Values) string) string {
		mac := hmac.New(sha256.New, []byte(key))
		_, _ = mac.Write([]byte(message(query(t, address))))
		return hex.EncodeToString(mac.Sum(nil))
	}
	for name, c := range map[string]struct {
		sign func(address string) string
		good bool
	}{
		"over what is encoded": {func(a string) string { return sign(a, key, encoded) }, true},
		"over what is decoded": {func(a string) string { return sign(a, key, plain) }, true},
		"in capitals":          {func(a string) string { return strings.ToUpper(sign(a, key, encoded)) }, true},
		"with another key":     {func(a string) string { return sign(a, "other", encoded) }, false},
		"with no key":          {func(a string) string { return sign(a, "", encoded) }, false},
		"over something else":  {func(a string) string { return sign(with(t, a, "code", "x"), key, encoded) }, false},
		"cut":                  {func(a string) string { return sign(a, key, encoded)[:62] }, false},
		"no hexadecimal":       {func(string) string { return strings.Repeat("z", 64) }, false},
		"none":                 {func(string) string { return "-" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			id, link := r.create(myStore)
			b := r.browser()
			authorize := b.press(link)
			callback := with(t, b.consent(authorize, "allow"), "host", "YWRtaW4vc3RvcmU=", "timestamp", "1")
			b.back(with(t, callback, "hmac", c.sign(callback)))
			if c.good {
				r.AwaitStatus(id, workflows.StatusActive)
				return
			}
			require.Equal(t, string(workflows.ReasonIssuerMismatch), r.requestOf(authorize).Outcome)
			require.Nil(t, r.requestOf(authorize).Code)
		})
	}
}

// TestCallback_Issuer is the table of RFC 9207 §2.4: announced or not, present or absent.
func TestCallback_Issuer(t *testing.T) {
	t.Parallel()
	const own = "https://as.test"
	for _, c := range []struct {
		announced, present bool
		issuer             string
		want               bool
	}{
		{true, true, own, true},
		{true, false, "", false},
		{false, true, own, true},
		{false, false, "", true},
		{false, true, "https://evil.test", false},
		{true, true, own + "/", false},
		{false, true, "", false},
		{true, true, "HTTPS://as.test", false},
	} {
		q := asked{request: vault.AuthRequest{Issuer: own}, connector: connector.Connector{Authorize: &connector.Authorize{IssRequired: c.announced}}}
		require.Equal(t, c.want, fromIssuer(q, answer{issuer: c.issuer, hasIssuer: c.present}), "%+v", c)
	}
	require.True(t, fromIssuer(asked{}, answer{issuer: "https://any.test", hasIssuer: true}), "a connector without an issuer")
}

func TestConnectPage_SaysWhatWasEnteredAndWhatToRegister(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(connector.Callback{}), func(o *options) {
		set := o.Connector
		o.Connector = func(c *connector.Connector) {
			set(c)
			c.Inputs[0].Pattern = "^.+$"
		}
	})
	b := r.browser()
	_, link := r.create(func(q *connections.CreateRequest) { q.Inputs = map[string]string{"shop": "<b>my&store</b>"} })
	p := b.get(link)
	require.Contains(t, p.body, "&lt;b&gt;my&amp;store&lt;/b&gt;")
	require.NotContains(t, p.body, r.base+"/callback", "the platform's own app is the platform's business")

	_, link = r.create(myStore, func(q *connections.CreateRequest) {
		app := r.Sandbox.Clients().App
		q.ClientID, q.ClientSecret = app.ID, app.Secret
	})
	require.Contains(t, b.get(link).body, "<code>"+r.base+"/callback</code>")
}
