package oauth_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

// expected is the one request that a strict provider takes. A parameter too many is as wrong as one that is missing,
// given twice or empty.
type expected struct {
	method, path string // POST and /token, if empty
	query        map[string]string
	form         map[string]string
	json         map[string]string
	// header are the headers to look at; an empty value must be absent, as is Authorization if it is not named.
	header map[string]string
}

// strict is a provider that takes one request, and refuses every other.
type strict struct {
	*provider
	mu     sync.Mutex
	faults []string
}

func newStrict(t testing.TB, want expected, reply string) *strict {
	t.Helper()
	s := &strict{}
	s.provider = newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		fault := want.fault(r)
		if fault == "" {
			_, _ = io.WriteString(w, reply)
			return
		}
		s.mu.Lock()
		s.faults = append(s.faults, fault)
		s.mu.Unlock()
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_request","error_description":"`+canary+`"}`)
	})
	return s
}

func (s *strict) refusals() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.faults)
}

// fault is what is wrong with a request; empty if nothing is.
func (e expected) fault(r *http.Request) string {
	if method := either(e.method, http.MethodPost); r.Method != method {
		return fmt.Sprintf("method %s, not %s", r.Method, method)
	}
	if path := either(e.path, "/token"); r.URL.Path != path {
		return fmt.Sprintf("path %s, not %s", r.URL.Path, path)
	}
	header := map[string]string{"Authorization": ""}
	maps.Copy(header, e.header)
	for name, value := range header {
		if got := strings.Join(r.Header.Values(name), "|"); got != value {
			return fmt.Sprintf("header %s: %q, not %q", name, got, value)
		}
	}
	if fault := differ("query", r.URL.RawQuery, e.query); fault != "" {
		return fault
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	kind := r.Header.Get("Content-Type")
	switch {
	case e.json != nil:
		var members map[string]string
		if err := json.Unmarshal(body, &members); err != nil || kind != "application/json" || !reflect.DeepEqual(members, e.json) {
			return fmt.Sprintf("JSON (%s) %s, not %v", kind, body, e.json)
		}
		return ""
	case e.form != nil && kind != "application/x-www-form-urlencoded":
		return "a body of " + kind
	default:
		return differ("form", string(body), e.form)
	}
}

func differ(what, encoded string, want map[string]string) string {
	values, err := url.ParseQuery(encoded)
	if err != nil {
		return what + ": " + err.Error()
	}
	expected := make(url.Values, len(want))
	for name, value := range want {
		expected.Set(name, value)
	}
	if values.Encode() != expected.Encode() {
		return fmt.Sprintf("%s %v, not %v", what, values, expected)
	}
	return ""
}

func either(value, standard string) string {
	if value == "" {
		return standard
	}
	return value
}

// ask is one way to ask a provider for something.
type ask func(t testing.TB, c connector.Connector, a oauth.App) (oauth.Reply, error)

// What the asks below present.
const (
	theCode     = canary + "-code"
	theToken    = canary + "-token"
	theRedirect = "https://app.test/cb"
)

var theVerifier = strings.Repeat("v", 43)

func exchangeAs(t testing.TB, c connector.Connector, a oauth.App) (oauth.Reply, error) {
	t.Helper()
	return newClient().Exchange(t.Context(), c, a, secret.New(theCode), secret.New(theVerifier), oauth.RedirectURI(c, theRedirect), oauth.Hooks{})
}

func refreshAs(t testing.TB, c connector.Connector, a oauth.App) (oauth.Reply, error) {
	t.Helper()
	renewal := oauth.Renewal{Token: secret.New(theToken), RedirectURI: oauth.RedirectURI(c, theRedirect), Scopes: []string{"a", "b"}}
	return newClient().Refresh(t.Context(), c, a, renewal, oauth.Hooks{})
}

func upgradeAs(t testing.TB, c connector.Connector, a oauth.App) (oauth.Reply, error) {
	t.Helper()
	return newClient().Upgrade(t.Context(), c, a, secret.New(theToken), oauth.Hooks{})
}

func clientCredentialsAs(t testing.TB, c connector.Connector, a oauth.App) (oauth.Reply, error) {
	t.Helper()
	return newClient().ClientCredentials(t.Context(), c, a, []string{"a", "b"}, oauth.Hooks{})
}

func revokeAs(t testing.TB, c connector.Connector, a oauth.App) (oauth.Reply, error) {
	t.Helper()
	return oauth.Reply{}, newClient().Revoke(t.Context(), c, a, secret.New(theToken), "refresh_token")
}

// requireKnob proves that a strict provider takes the request with the knob, and none without it.
func requireKnob(t *testing.T, want expected, do ask, knob func(*connector.Connector)) {
	t.Helper()
	s := newStrict(t, want, goodReply)
	_, err := do(t, s.connector(knob), app())
	require.Empty(t, s.refusals())
	require.NoError(t, err)
	s.only(t)

	s = newStrict(t, want, goodReply)
	_, err = do(t, s.connector(func(c *connector.Connector) {
		c.Upgrade = &connector.Upgrade{URL: c.Token.URL, TokenParam: "token"}
	}), app())
	require.NotEmpty(t, s.refusals())
	require.Error(t, err)
	requireSilent(t, err)
}

// basic is the value of Authorization for these two, as they are.
func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// TestStrictProvider_Refuses: what the other tests lean on.
func TestStrictProvider_Refuses(t *testing.T) {
	t.Parallel()
	good := func() *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://provider.test/token?q=1", strings.NewReader("a=1&b=2"))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Key", "k")
		return r
	}
	want := expected{
		query: map[string]string{"q": "1"}, form: map[string]string{"a": "1", "b": "2"}, header: map[string]string{"X-Key": "k", "X-None": ""},
	}
	require.Empty(t, want.fault(good()))
	body := func(s string) func(*http.Request) {
		return func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(s)) }
	}
	for name, spoil := range map[string]func(*http.Request){
		"method": func(r *http.Request) { r.Method = http.MethodGet },
		"path":   func(r *http.Request) { r.URL.Path = "/other" },
		"query":  func(r *http.Request) { r.URL.RawQuery = "" },
		"header": func(r *http.Request) { r.Header.Set("X-Key", "other") },
		"absent": func(r *http.Request) { r.Header.Set("X-None", "here") },
		"auth":   func(r *http.Request) { r.Header.Set("Authorization", "Basic eA==") },
		"JSON":   func(r *http.Request) { r.Header.Set("Content-Type", "application/json") },
		"more":   body("a=1&b=2&c=3"), "less": body("a=1"), "twice": body("a=1&b=2&b=2"), "empty": body("a=1&b=2&c="), "bad": body("a=1&b=2&%zz"),
	} {
		r := good()
		spoil(r)
		require.NotEmpty(t, want.fault(r), name)
	}
}

// dir is the scheme and host of a test provider's URL.
func dir(full string) string {
	u, err := url.Parse(full)
	if err != nil {
		panic(err)
	}
	return u.Scheme + "://" + u.Host
}
