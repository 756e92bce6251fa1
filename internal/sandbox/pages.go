package sandbox

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

//go:embed pages
var pageFiles embed.FS

// pages renders the HTML. Everything in it is escaped by html/template; there is no script.
type pages struct {
	path      string
	templates map[string]*template.Template
	css       []byte
}

type loginPage struct {
	ID, App, Username string
	Failed            bool
}

type consentPage struct {
	ID, App, User, Username string
	Scopes                  []string
	LoginURL, RedirectURI   string
}

func loadPages(path string) (*pages, error) {
	p := &pages{path: path, templates: map[string]*template.Template{}}
	for _, name := range []string{"login", "consent", "problem"} {
		t, err := template.ParseFS(pageFiles, "pages/layout.html", "pages/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("sandbox: page %s: %w", name, err)
		}
		p.templates[name] = t
	}
	css, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		return nil, fmt.Errorf("sandbox: style sheet: %w", err)
	}
	p.css = css
	return p, nil
}

func (p *pages) login(w http.ResponseWriter, status int, data loginPage) {
	p.render(w, status, "login", "", data)
}

func (p *pages) consent(w http.ResponseWriter, data consentPage) {
	p.render(w, http.StatusOK, "consent", formTarget(data.RedirectURI), data)
}

// problem answers with a page that says what is wrong.
func (p *Provider) problem(w http.ResponseWriter, status int, sentence string) {
	p.pages.render(w, status, "problem", "", sentence)
}

// render answers with a page whose forms may lead to this server and to formTarget.
func (p *pages) render(w http.ResponseWriter, status int, name, formTarget string, data any) {
	var body bytes.Buffer
	err := p.templates[name].ExecuteTemplate(&body, "layout.html", struct {
		Base string
		Page any
	}{p.path, data})
	if err != nil {
		http.Error(w, sentenceFailed, http.StatusInternalServerError)
		return
	}
	pageHeaders(w.Header(), formTarget)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // a failure here is the browser's connection
}

func (p *pages) style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(p.css) // a failure here is the browser's connection
}

// pageHeaders keeps pages and redirects out of caches, frames and referrers.
// Referrers stay within the server, rather than nowhere, so that browsers send Origin with our own forms.
func pageHeaders(h http.Header, formTarget string) {
	noStore(h)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'; "+
		strings.TrimSpace("form-action 'self' "+formTarget))
}

// formTarget is the CSP source of the redirect URI: browsers hold the redirect after a form to form-action too.
// What CSP cannot name as a host (an IPv6 address, a custom scheme) is named by its scheme.
func formTarget(redirectURI string) string {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Scheme == "" {
		return ""
	}
	if u.Host == "" || strings.ContainsAny(u.Host, "[;, ") {
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + u.Host
}

// scopeSentences says in words what each scope allows.
func scopeSentences(scopes []string) []string {
	sentences := make([]string, len(scopes))
	for i, scope := range scopes {
		switch scope {
		case "openid":
			sentences[i] = "Know who you are"
		case "profile":
			sentences[i] = "See your name and username"
		case "email":
			sentences[i] = "See your email address"
		case "offline_access":
			sentences[i] = "Keep this access while you are away"
		case "contacts.read":
			sentences[i] = "Read your contacts"
		case "contacts.write":
			sentences[i] = "Create and change your contacts"
		default:
			sentences[i] = "Use “" + scope + "”"
		}
	}
	return sentences
}
