package web

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"github.com/stretchr/testify/require"
)

// browser keeps cookies and follows no redirect by itself.
type browser struct {
	r    *rig
	http *http.Client
}

func (r *rig) browser() *browser {
	r.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(r.t, err)
	return &browser{r: r, http: &http.Client{
		Jar: jar, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// page is an answer read to its end.
type page struct {
	url, location, body string
	status              int
	header              http.Header
	cookies             []*http.Cookie
}

// do sends a request; of pairs, the odd ones are names of headers. Answers of the pages are checked and kept.
func (b *browser) do(method, address, body string, pairs ...string) page {
	b.r.t.Helper()
	request, err := http.NewRequestWithContext(b.r.t.Context(), method, address, strings.NewReader(body))
	require.NoError(b.r.t, err)
	if body != "" {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(pairs); i += 2 {
		request.Header.Set(pairs[i], pairs[i+1])
	}
	response, err := b.http.Do(request)
	require.NoError(b.r.t, err)
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	require.NoError(b.r.t, err)
	p := page{
		url: address, location: response.Header.Get("Location"), body: string(content), status: response.StatusCode,
		header: response.Header, cookies: response.Cookies(),
	}
	if strings.HasPrefix(address, b.r.base) {
		b.r.keep(p)
	}
	return p
}

func (r *rig) keep(p page) {
	r.t.Helper()
	checkHeaders(r.t, p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers = append(r.answers, p)
}

func (b *browser) get(address string) page { b.r.t.Helper(); return b.do(http.MethodGet, address, "") }

func (b *browser) post(address string, form url.Values, pairs ...string) page {
	b.r.t.Helper()
	return b.do(http.MethodPost, address, form.Encode(), pairs...)
}

// press opens the link and presses the button, and returns where the provider asks for consent.
func (b *browser) press(link string) (authorize string) {
	b.r.t.Helper()
	require.Equal(b.r.t, http.StatusOK, b.get(link).status)
	return b.begin(link)
}

// begin presses the button.
func (b *browser) begin(link string) (authorize string) {
	b.r.t.Helper()
	p := b.post(link, nil, "Sec-Fetch-Site", "same-origin")
	require.Equal(b.r.t, http.StatusSeeOther, p.status, p.body)
	b.r.secret("state", query(b.r.t, p.location).Get("state"))
	return p.location
}

// consent signs in at the provider and decides, and returns where the provider sends the browser.
func (b *browser) consent(authorize, decision string) (callback string) {
	b.r.t.Helper()
	return b.consentAs("demo", authorize, decision)
}

// consentAs is consent for another user of the sandbox.
func (b *browser) consentAs(user, authorize, decision string) (callback string) {
	b.r.t.Helper()
	home := b.r.Sandbox.Endpoints().Issuer
	p := b.get(authorize)
	require.Equal(b.r.t, http.StatusSeeOther, p.status, p.body)
	id := query(b.r.t, p.location).Get("id")
	p = b.post(home+"/login", url.Values{"id": {id}, "username": {user}, "password": {user}})
	require.Equal(b.r.t, http.StatusSeeOther, p.status, p.body)
	p = b.post(home+"/consent", url.Values{"id": {id}, "decision": {decision}})
	require.Equal(b.r.t, http.StatusSeeOther, p.status, p.body)
	if decision == "allow" {
		b.r.secret("code", query(b.r.t, p.location).Get("code"))
	}
	return p.location
}

// come back from the provider: the answer must be a redirect to a clean result page.
func (b *browser) back(callback string) (result string) {
	b.r.t.Helper()
	p := b.get(callback)
	require.Equal(b.r.t, http.StatusSeeOther, p.status, p.body)
	require.Regexp(b.r.t, "^"+b.r.base+"/result/[0-9a-f-]{36}$", p.location)
	return p.location
}

// settled polls as the page's script does, and returns the result page when the outcome is known.
func (b *browser) settled(result string) page {
	b.r.t.Helper()
	require.Eventually(b.r.t, func() bool {
		p := b.get(result + "/state")
		return p.status == http.StatusOK && !strings.Contains(p.body, resultWaiting)
	}, patience, pollEvery)
	return b.get(result)
}

// connect walks all the way.
func (b *browser) connect(link string) (result string) {
	b.r.t.Helper()
	result = b.back(b.consent(b.press(link), "allow"))
	require.Contains(b.r.t, b.settled(result).body, "Connected to Sandbox")
	return result
}

func mustURL(t require.TestingT, address string) *url.URL {
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u
}
