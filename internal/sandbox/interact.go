package sandbox

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	sentenceGone     = "This sign-in has ended or was already answered. Go back to the app and start again."
	sentenceNotYours = "This sign-in was started in another browser. Go back to the app and start again in this one."
	sentenceFailed   = "The sandbox failed; its log says why."
)

// showLogin is GET /login?id=….
func (p *Provider) showLogin(w http.ResponseWriter, r *http.Request) {
	if req, c := p.openRequest(w, r, r.URL.Query().Get("id")); req != nil {
		p.pages.login(w, http.StatusOK, loginPage{ID: req.id, App: c.name})
	}
}

// submitLogin is POST /login with id, username and password.
func (p *Provider) submitLogin(w http.ResponseWriter, r *http.Request) {
	req, c := p.openRequest(w, r, r.PostFormValue("id"))
	if req == nil {
		return
	}
	name := r.PostFormValue("username")
	u, err := p.store.login(r.Context(), name, r.PostFormValue("password"))
	if err != nil {
		p.failed(w, err)
		return
	}
	if u == nil {
		p.pages.login(w, http.StatusUnprocessableEntity, loginPage{ID: req.id, App: c.name, Username: name, Failed: true})
		return
	}
	if err := p.store.signIn(r.Context(), req.id, u.id); err != nil {
		p.failed(w, err)
		return
	}
	p.redirect(w, p.path+pathConsent+"?id="+url.QueryEscape(req.id))
}

// showConsent is GET /consent?id=….
func (p *Provider) showConsent(w http.ResponseWriter, r *http.Request) {
	req, c := p.openRequest(w, r, r.URL.Query().Get("id"))
	if req == nil {
		return
	}
	if req.userID == "" {
		p.redirect(w, c.LoginURL(req.id))
		return
	}
	u, err := p.store.user(r.Context(), req.userID)
	if err != nil {
		p.failed(w, err)
		return
	}
	p.pages.consent(w, consentPage{
		ID: req.id, App: c.name, User: u.name, Username: u.username,
		Scopes: scopeSentences(req.scopes), LoginURL: c.LoginURL(req.id), RedirectURI: req.redirectURI,
	})
}

// submitConsent is POST /consent with id and decision=allow|deny.
func (p *Provider) submitConsent(w http.ResponseWriter, r *http.Request) {
	req, _ := p.openRequest(w, r, r.PostFormValue("id"))
	if req == nil {
		return
	}
	out := newReply()
	engine := r.WithContext(op.ContextWithIssuer(r.Context(), p.opts.Issuer))
	switch decision := r.PostFormValue("decision"); {
	case req.userID == "":
		p.problem(w, http.StatusForbidden, "Nobody has signed in for this request.")
		return
	case decision == "allow":
		if err := p.store.allow(r.Context(), req.id, req.userID); err != nil {
			p.failed(w, err)
			return
		}
		op.AuthResponse(req, p.op, out, engine)
	case decision == "deny":
		if err := p.store.deny(r.Context(), req.id); err != nil {
			p.failed(w, err)
			return
		}
		op.AuthRequestError(out, engine, req, oidc.ErrAccessDenied(), p.op)
	default:
		p.problem(w, http.StatusBadRequest, "Choose Allow or Deny.")
		return
	}
	p.answerBrowser(w, out, req.state)
}

// openRequest returns the request with this id and its client, if this browser started it and it is still open;
// otherwise it answers with a page and returns nil.
func (p *Provider) openRequest(w http.ResponseWriter, r *http.Request, id string) (*authRequest, *client) {
	req, err := p.store.request(r.Context(), `id`, id)
	if err != nil {
		p.failed(w, err)
		return nil, nil
	}
	if req.sessionHash != p.sessions.hash(r) {
		p.problem(w, http.StatusForbidden, sentenceNotYours)
		return nil, nil
	}
	if req.done || !p.store.now().Before(req.expires) {
		p.problem(w, http.StatusGone, sentenceGone)
		return nil, nil
	}
	c, err := p.store.client(r.Context(), req.clientID)
	if err != nil {
		p.failed(w, err)
		return nil, nil
	}
	c.loginPath = p.storage.loginPath
	return req, c
}

// failed answers with a page: a request that is gone is the person's matter, all else ours.
func (p *Provider) failed(w http.ResponseWriter, err error) {
	if errors.Is(err, errNoRequest) {
		p.problem(w, http.StatusGone, sentenceGone)
		return
	}
	p.log.Error("sandbox: internal error", slog.Any("error", err))
	p.problem(w, http.StatusInternalServerError, sentenceFailed)
}
