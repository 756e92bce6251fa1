package sandbox

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// preflight carries what the authorize handler knows before the engine has checked client and redirect URI.
type preflight struct {
	session string      // hash of the browser's session
	state   string      // kept from the engine, which would log it
	problem *oidc.Error // to be told to the client, once it is known to be one
}

type preflightKey struct{}

func preflightFrom(ctx context.Context) *preflight {
	pre, _ := ctx.Value(preflightKey{}).(*preflight)
	return pre
}

// authorize is the authorization endpoint: our rules and the session cookie around the engine.
func (p *Provider) authorize(engine http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			p.problem(w, http.StatusBadRequest, "The request cannot be read.")
			return
		}
		if len(r.Form["client_id"]) > 1 || len(r.Form["redirect_uri"]) > 1 {
			p.problem(w, http.StatusBadRequest, "client_id or redirect_uri is given twice.")
			return
		}
		pre := &preflight{session: p.sessions.ensure(w, r), problem: checkParameters(r.Form)}
		pre.state = r.Form.Get("state")
		r.Form.Del("state")
		out := newReply()
		engine.ServeHTTP(out, r.WithContext(context.WithValue(r.Context(), preflightKey{}, pre)))
		p.answerBrowser(w, out, pre.state)
	})
}

// checkParameters finds what the client did wrong, and brings the form into a shape in which the engine answers by
// query redirect, whatever response mode was asked for.
func checkParameters(form url.Values) *oidc.Error {
	var problem *oidc.Error
	if mode := form.Get("response_mode"); mode != "" && mode != "query" {
		problem = oidc.ErrInvalidRequest().WithDescription("response_mode must be query")
	}
	form.Del("response_mode")
	if kind := form.Get("response_type"); kind != "" && kind != "code" {
		problem = &oidc.Error{ErrorType: "unsupported_response_type", Description: "response_type must be code"}
		form.Set("response_type", "code")
	}
	for name, values := range form {
		if len(values) > 1 { // RFC 6749 §3.1
			problem = oidc.ErrInvalidRequest().WithDescription("a parameter is given twice")
			form[name] = values[:1]
		}
	}
	return problem
}

// answerBrowser sends the engine's answer on: redirects to the client gain their state and the iss parameter
// (RFC 9207), and what cannot be told to a client becomes a page.
func (p *Provider) answerBrowser(w http.ResponseWriter, out *reply, state string) {
	location := out.header.Get("Location")
	switch {
	case out.status >= http.StatusInternalServerError:
		p.problem(w, out.status, "The sandbox failed; its log says why.")
	case location == "":
		p.problem(w, http.StatusBadRequest, strings.TrimSpace(out.body.String()))
	case strings.HasPrefix(location, p.storage.loginPath+"?"):
		p.redirect(w, location)
	default:
		p.redirect(w, withStateAndIssuer(location, state, p.opts.Issuer))
	}
}

// withStateAndIssuer extends the query of a redirect, which always has one.
func withStateAndIssuer(location, state, issuer string) string {
	if state != "" {
		location += "&state=" + url.QueryEscape(state)
	}
	return location + "&iss=" + url.QueryEscape(issuer)
}

// redirect answers 303, so that a form's POST becomes a GET, and with no body that would repeat the code.
func (p *Provider) redirect(w http.ResponseWriter, location string) {
	pageHeaders(w.Header(), "")
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}
