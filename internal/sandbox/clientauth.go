package sandbox

import (
	"errors"
	"net/http"
	"net/url"
)

// authenticated lets only requests of a known client through. See authenticate.
func (p *Provider) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noStore(w.Header())
		out := newReply()
		if p.readForm(out, r) && p.authenticate(out, r) {
			if r.PostForm.Get("token") == "" {
				out.refuse(http.StatusBadRequest, "invalid_request", "token is missing")
			} else {
				next.ServeHTTP(out, r)
			}
		}
		out.send(w)
	})
}

// readForm accepts a POST whose parameters are in the body, once each. Query parameters are ignored:
// secrets do not belong there (RFC 6749 §2.3.1).
func (p *Provider) readForm(out *reply, r *http.Request) bool {
	if r.Method != http.MethodPost {
		out.header.Set("Allow", http.MethodPost)
		out.refuse(http.StatusMethodNotAllowed, "invalid_request", "use POST")
		return false
	}
	if err := r.ParseForm(); err != nil {
		out.refuse(http.StatusBadRequest, "invalid_request", "the form cannot be read")
		return false
	}
	for _, values := range r.PostForm {
		if len(values) > 1 {
			out.refuse(http.StatusBadRequest, "invalid_request", "a parameter is given twice")
			return false
		}
	}
	r.Form = r.PostForm
	return true
}

// authenticate checks the client's secret, from the Basic header or from the form (RFC 6749 §2.3.1), and rewrites the
// request to Basic, which every endpoint of the engine understands.
func (p *Provider) authenticate(out *reply, r *http.Request) bool {
	id, secret, ok := r.BasicAuth()
	inForm := r.PostForm.Has("client_secret")
	switch {
	case ok && (inForm || r.PostForm.Has("client_assertion")):
		out.refuse(http.StatusBadRequest, "invalid_request", "the client authenticates in two ways")
		return false
	case ok:
		var err1, err2 error
		id, err1 = url.QueryUnescape(id)
		secret, err2 = url.QueryUnescape(secret)
		if err1 != nil || err2 != nil || (r.PostForm.Has("client_id") && r.PostForm.Get("client_id") != id) {
			out.refuse(http.StatusUnauthorized, "invalid_client", "the Authorization header is malformed or names another client")
			return false
		}
	default:
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	c, err := p.store.client(r.Context(), id)
	if err != nil && !errors.Is(err, errUnknownClient) {
		p.internalError(out, err)
		return false
	}
	if err != nil || !c.authenticates(secret) {
		out.refuse(http.StatusUnauthorized, "invalid_client", "unknown client or wrong secret")
		return false
	}
	r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	r.PostForm.Del("client_id")
	r.PostForm.Del("client_secret")
	return true
}

// noStore forbids every cache (RFC 6749 §5.1).
func noStore(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
}
