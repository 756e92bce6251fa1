package e2e_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// browser is a person at a browser without JavaScript: it follows redirects, keeps cookies and fills in forms.
type browser struct {
	t      *testing.T
	client *http.Client
	// url and page are where it is.
	url  *url.URL
	page string
	// visited are all the URLs that it was sent to, pages all that it was shown.
	visited []string
	pages   []string
}

func newBrowser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	b := &browser{t: t}
	b.client = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		b.visited = append(b.visited, r.URL.String())
		require.Less(t, len(via), 10, "redirects without end")
		return nil
	}}
	return b
}

func (b *browser) open(address string) *browser {
	b.t.Helper()
	response, err := b.client.Get(address)
	return b.take(response, err)
}

func (b *browser) take(response *http.Response, err error) *browser {
	b.t.Helper()
	require.NoError(b.t, err)
	content, err := io.ReadAll(response.Body)
	require.NoError(b.t, err)
	require.NoError(b.t, response.Body.Close())
	b.url, b.page = response.Request.URL, string(content)
	b.visited = append(b.visited, b.url.String())
	b.pages = append(b.pages, b.page)
	return b
}

var (
	formAction  = regexp.MustCompile(`<form[^>]*action="([^"]*)"`)
	hiddenField = regexp.MustCompile(`<input[^>]*type="hidden"[^>]*name="([^"]*)"[^>]*value="([^"]*)"`)
)

// submit sends the page's form with its hidden fields and the given ones.
func (b *browser) submit(fields ...string) *browser {
	b.t.Helper()
	form := url.Values{}
	for _, field := range hiddenField.FindAllStringSubmatch(b.page, -1) {
		form.Set(field[1], field[2])
	}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	target := b.url
	if action := formAction.FindStringSubmatch(b.page); action != nil && action[1] != "" {
		var err error
		target, err = b.url.Parse(strings.ReplaceAll(action[1], "&amp;", "&"))
		require.NoError(b.t, err)
	}
	response, err := b.client.PostForm(target.String(), form)
	return b.take(response, err)
}

// consent goes the whole way from a connect link to the result page.
func (b *browser) consent(link string) *browser {
	b.t.Helper()
	b.open(link)
	require.Contains(b.t, b.page, "Connect to Sandbox")
	b.submit()
	require.Contains(b.t, b.page, `name="username"`, "the sandbox's login page")
	b.submit("username", "demo", "password", "demo")
	require.Contains(b.t, b.page, `name="decision"`, "the sandbox's consent page")
	return b.submit("decision", "allow")
}
