package web

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
)

const markup = `"><script>alert(1)</script><img/src=x/onerror=alert(1)>{{.}}'`

// revokesNowhere has a revocation endpoint that is never there.
func revokesNowhere(c *connector.Connector) {
	c.Revoke = &connector.Revoke{URL: "http://127.0.0.1:9/revoke"}
}

func TestAttackMarkup(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create(func(c *connections.CreateRequest) {
		c.Owner, c.Scopes = markup, []string{markup, "javascript:alert(1)"}
	})
	b := r.browser()
	p := b.get(link)
	require.Equal(t, http.StatusOK, p.status)
	requireNoMarkup(t, p)
	require.Contains(t, p.body, "&lt;script&gt;")
	authorize := b.press(link)
	result := b.back(r.answerTo(authorize, url.Values{"error": {markup}, "error_description": {markup}, "error_uri": {"javascript:alert(1)"}}))
	p = b.get(result)
	requireNoMarkup(t, p)
	require.NotContains(t, p.body, "alert")
	requireNoMarkup(t, b.get(r.base+"/"+url.PathEscape(markup)))
	requireNoMarkup(t, b.get(r.base+"/connect/"+url.PathEscape(markup)))
	requireNoMarkup(t, b.get(r.base+"/result/"+url.PathEscape(markup)))
	requireNoMarkup(t, b.get(r.base+"/callback?state="+url.QueryEscape(markup)+"&error="+url.QueryEscape(markup)))
}

func requireNoMarkup(t *testing.T, p page) {
	t.Helper()
	require.NotContains(t, p.body, "<script>")
	require.NotContains(t, p.body, "<img")
}

func TestAttackMarkupInTheOwnerOnceConnected(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create(func(c *connections.CreateRequest) { c.Owner = markup })
	b := r.browser()
	requireNoMarkup(t, b.get(b.connect(link)))
}

func TestAttackSizes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	b := r.browser()
	authorize := b.press(link)
	callback := b.consent(authorize, "allow")
	huge := strings.Repeat("A", 1<<20)
	// The HTTP server itself refuses lines and headers of that size, before any handler.
	for _, address := range []string{callback + "&x=" + huge, r.base + "/connect/" + huge, r.base + "/" + huge} {
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, b.bare(address))
	}
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, b.bare(callback, "X-Huge", huge))
	// Below that, ours are the limits.
	for _, extra := range []string{"&x=" + huge[:maxQuery], "&error=" + huge[:maxValue+1]} {
		require.Equal(t, http.StatusBadRequest, b.get(callback+extra).status)
	}
	require.Equal(t, http.StatusBadRequest, b.get(with(t, callback, "code", huge[:maxValue+1])).status)
	require.Equal(t, http.StatusBadRequest, b.get(with(t, callback, "state", huge[:maxValue])).status)
	require.Equal(t, http.StatusBadRequest, b.get(r.base+"/callback?"+strings.Repeat("&", maxQuery)).status)
	r.requireUntouched(authorize)
	// A body is not even read.
	_, fresh := r.create()
	for address, want := range map[string]int{fresh: http.StatusSeeOther, r.base + "/callback": http.StatusMethodNotAllowed} {
		answer := httptest.NewRecorder()
		r.pages.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPost, address, iotest.ErrReader(io.ErrUnexpectedEOF)))
		require.Equal(t, want, answer.Code)
	}
	require.Contains(t, b.settled(b.back(callback)).body, "Connected to Sandbox")
}

// bare gets an answer that is the HTTP server's own. It may cut the connection off before all is sent.
func (b *browser) bare(address string, pairs ...string) int {
	b.r.t.Helper()
	request, err := http.NewRequestWithContext(b.r.t.Context(), http.MethodGet, address, nil)
	require.NoError(b.r.t, err)
	for i := 0; i < len(pairs); i += 2 {
		request.Header.Set(pairs[i], pairs[i+1])
	}
	response, err := b.http.Do(request)
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return http.StatusRequestHeaderFieldsTooLarge
	}
	require.NoError(b.r.t, err)
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode
}
