package sandbox_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"golang.org/x/oauth2"

	"github.com/acme/connections/internal/sandbox"
)

const (
	redirectURI = "http://127.0.0.1:9/callback"
	allScopes   = "openid profile email offline_access"
)

// clock is a hand-moved clock.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// rig is a running sandbox and its clients.
type rig struct {
	*sandbox.Provider
	t     testing.TB
	clock *clock
	http  *http.Client
}

func newRig(t testing.TB, mod ...func(*sandbox.Options)) *rig {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	r := &rig{t: t, clock: &clock{now: time.Now()}}
	opts := sandbox.Options{
		Issuer:       "http://" + srv.Listener.Addr().String(),
		RedirectURIs: []string{redirectURI},
		Now:          r.clock.Now,
		Log:          slog.New(slog.DiscardHandler),
	}
	for _, m := range mod {
		m(&opts)
	}
	p, err := sandbox.Open(context.Background(), opts)
	require.NoError(t, err)
	r.Provider = p
	srv.Config.Handler = p.Handler()
	srv.Start()
	r.http = srv.Client()
	t.Cleanup(func() {
		srv.Close()
		require.NoError(t, p.Close())
	})
	return r
}

// in is the same rig for a subtest.
func (r *rig) in(t testing.TB) *rig {
	sub := *r
	sub.t = t
	return &sub
}

func inFile(path string) func(*sandbox.Options) {
	return func(o *sandbox.Options) { o.StateFile = path }
}

func (r *rig) send(req *http.Request) *answer {
	r.t.Helper()
	res, err := r.http.Do(req)
	require.NoError(r.t, err)
	return read(r.t, res)
}

// answer is a response read to its end.
type answer struct {
	status int
	header http.Header
	url    *url.URL // of the request that it answers
	body   string
}

func read(t testing.TB, res *http.Response) *answer {
	t.Helper()
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return &answer{status: res.StatusCode, header: res.Header, url: res.Request.URL, body: string(body)}
}

// json returns the body as an object.
func (a *answer) json(t testing.TB) map[string]any {
	t.Helper()
	m := map[string]any{}
	require.NoError(t, json.Unmarshal([]byte(a.body), &m), a.body)
	return m
}

// requireError checks an RFC 6749 §5.2 answer.
func (a *answer) requireError(t testing.TB, status int, code string) {
	t.Helper()
	require.Equal(t, code, a.json(t)["error"], a.body)
	require.Equal(t, status, a.status, a.body)
	require.Equal(t, "application/json", a.header.Get("Content-Type"))
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
}

// tokens is a good answer of the token endpoint.
type tokens struct {
	Access    string  `json:"access_token"`
	Refresh   string  `json:"refresh_token"`
	ID        string  `json:"id_token"`
	Type      string  `json:"token_type"`
	Scope     string  `json:"scope"`
	ExpiresIn float64 `json:"expires_in"`
}

func (a *answer) tokens(t testing.TB) tokens {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, a.body)
	var got tokens
	require.NoError(t, json.Unmarshal([]byte(a.body), &got))
	require.NotEmpty(t, got.Access)
	return got
}

// post sends a form as a client: by Basic, or in the body.
func (r *rig) post(endpoint string, c sandbox.Client, basic bool, form url.Values) *answer {
	r.t.Helper()
	return r.send(r.postRequest(endpoint, c, basic, form))
}

func (r *rig) postRequest(endpoint string, c sandbox.Client, basic bool, form url.Values) *http.Request {
	r.t.Helper()
	if form = cloneForm(form); !basic {
		form.Set("client_id", c.ID)
		form.Set("client_secret", c.Secret.Reveal())
	}
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	require.NoError(r.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if basic {
		req.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret.Reveal()))
	}
	return req
}

func cloneForm(form url.Values) url.Values {
	out := url.Values{}
	for k, v := range form {
		out[k] = append([]string(nil), v...)
	}
	return out
}

func (r *rig) token(form url.Values) *answer {
	r.t.Helper()
	return r.post(r.Endpoints().Token, r.Clients().App, true, form)
}

func codeForm(code, verifier string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code},
		"redirect_uri": {redirectURI}, "code_verifier": {verifier},
	}
}

func refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

func machineForm() url.Values { return url.Values{"grant_type": {"client_credentials"}} }

func (r *rig) refresh(token string) *answer {
	r.t.Helper()
	return r.token(refreshForm(token))
}

// get calls an API with a bearer token.
func (r *rig) get(endpoint, token string) *answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, endpoint, nil)
	require.NoError(r.t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return r.send(req)
}

func (r *rig) requireLive(token string) {
	r.t.Helper()
	require.Equal(r.t, http.StatusOK, r.get(r.Endpoints().Me, token).status)
}

func (r *rig) requireDead(token string) {
	r.t.Helper()
	for _, endpoint := range []string{r.Endpoints().Me, r.Endpoints().Userinfo} {
		a := r.get(endpoint, token)
		require.Equal(r.t, http.StatusUnauthorized, a.status)
		require.Contains(r.t, a.header.Get("WWW-Authenticate"), `error="invalid_token"`)
	}
}

// browser walks the pages as a person would.
type browser struct {
	r    *rig
	http *http.Client
}

func (r *rig) browser() *browser {
	r.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(r.t, err)
	home, err := url.Parse(r.Endpoints().Issuer)
	require.NoError(r.t, err)
	return &browser{r: r, http: &http.Client{Jar: jar, Transport: r.http.Transport, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if req.URL.Host != home.Host {
			return http.ErrUseLastResponse // back at the app
		}
		return nil
	}}}
}

func (b *browser) open(address string) *answer {
	b.r.t.Helper()
	req, err := http.NewRequestWithContext(b.r.t.Context(), http.MethodGet, address, nil)
	require.NoError(b.r.t, err)
	res, err := b.http.Do(req)
	require.NoError(b.r.t, err)
	return read(b.r.t, res)
}

// submit fills in the form of a page and posts it.
func (b *browser) submit(page *answer, fields map[string]string) *answer {
	b.r.t.Helper()
	action, values := formOf(b.r.t, page)
	for k, v := range fields {
		values.Set(k, v)
	}
	req, err := http.NewRequestWithContext(b.r.t.Context(), http.MethodPost, action, strings.NewReader(values.Encode()))
	require.NoError(b.r.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := b.http.Do(req)
	require.NoError(b.r.t, err)
	return read(b.r.t, res)
}

// formOf returns the action and the hidden fields of a page's only form.
func formOf(t testing.TB, page *answer) (string, url.Values) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page.body))
	require.NoError(t, err)
	action, values := "", url.Values{}
	for n := range doc.Descendants() {
		attr := map[string]string{}
		for _, a := range n.Attr {
			attr[a.Key] = a.Val
		}
		switch {
		case n.Data == "form":
			target, err := page.url.Parse(attr["action"])
			require.NoError(t, err)
			action = target.String()
		case n.Data == "input" && attr["type"] == "hidden":
			values.Set(attr["name"], attr["value"])
		}
	}
	require.NotEmpty(t, action, page.body)
	return action, values
}

// authorizeURL is the request of a well-behaved app; mod may spoil it.
func (r *rig) authorizeURL(verifier string, mod ...func(url.Values)) string {
	q := url.Values{
		"client_id": {sandbox.AppClientID}, "redirect_uri": {redirectURI}, "response_type": {"code"},
		"scope": {allScopes}, "state": {"st&te=1"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}
	for _, m := range mod {
		m(q)
	}
	return r.Endpoints().Authorization + "?" + q.Encode()
}

// consentPage signs in as demo.
func (b *browser) consentPage(authorizeURL string) *answer {
	b.r.t.Helper()
	return b.signIn("demo", authorizeURL)
}

// signIn leads to the consent page; passwords are the usernames.
func (b *browser) signIn(user, authorizeURL string) *answer {
	b.r.t.Helper()
	page := b.open(authorizeURL)
	require.Equal(b.r.t, http.StatusOK, page.status, page.body)
	require.Contains(b.r.t, page.body, "Sandbox: sign in as")
	page = b.submit(page, map[string]string{"username": user, "password": user})
	require.Equal(b.r.t, http.StatusOK, page.status, page.body)
	return page
}

// back returns the parameters with which the browser came back to the app.
func (a *answer) back(t testing.TB) url.Values {
	t.Helper()
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	location := a.header.Get("Location")
	require.True(t, strings.HasPrefix(location, redirectURI+"?"), location)
	u, err := url.Parse(location)
	require.NoError(t, err)
	return u.Query()
}

// consent walks all the way and returns the code.
func (r *rig) consent(verifier string, mod ...func(url.Values)) string {
	r.t.Helper()
	return r.consentAs("demo", verifier, mod...)
}

func (r *rig) consentAs(user, verifier string, mod ...func(url.Values)) string {
	r.t.Helper()
	b := r.browser()
	q := b.submit(b.signIn(user, r.authorizeURL(verifier, mod...)), map[string]string{"decision": "allow"}).back(r.t)
	require.NotEmpty(r.t, q.Get("code"), q)
	return q.Get("code")
}

// connect walks the whole code flow, as demo.
func (r *rig) connect() tokens {
	r.t.Helper()
	return r.connectAs("demo")
}

func (r *rig) connectAs(user string) tokens {
	r.t.Helper()
	verifier := oauth2.GenerateVerifier()
	return r.token(codeForm(r.consentAs(user, verifier), verifier)).tokens(r.t)
}
