package web

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// visit is a browser at a connect session that it may see.
type visit struct {
	session vault.Session
	// self is where the session's pages are, and where their forms post to.
	self string
	// popup says that the page is in a window of its own.
	popup bool
}

// popupName is the parameter, and popupValue its value, that say so; they go with every link and form of a session.
const (
	popupName  = "display"
	popupValue = "popup"
)

// popupIn reports whether a link or form says that the page is in a window of its own.
func popupIn(values url.Values) bool { return values.Get(popupName) == popupValue }

// visit finds the session whose secret is in the path, or answers with a page that says why not.
func (s *Server) visit(w http.ResponseWriter, r *http.Request) (visit, bool) {
	secret := r.PathValue("secret")
	if len(secret) != randomSecret {
		s.unknownLink(w)
		return visit{}, false
	}
	session, err := s.Vault.Session(r.Context(), connections.HashSecret(secret))
	v := visit{session: session, self: s.BaseURL + connections.SessionPath + secret}
	if !s.lives(w, session, err) {
		return visit{}, false
	}
	if !session.ConsumedAt.IsZero() && !s.sameBrowser(r, session.Hash, session.BrowserHash) {
		s.usedLink(w)
		return visit{}, false
	}
	v.popup = popupIn(r.URL.Query()) || session.Popup
	return v, true
}

// revisit finds the session whose id is in the path, for the browser that used it; for all others there is none.
func (s *Server) revisit(w http.ResponseWriter, r *http.Request, kind, path string) (visit, bool) {
	session, err := s.Vault.SessionByID(r.Context(), r.PathValue("session"))
	if err == nil && (session.Kind != kind || !s.sameBrowser(r, session.Hash, session.BrowserHash)) {
		err = vault.ErrNotFound
	}
	if errors.Is(err, vault.ErrNotFound) {
		s.nothingToShow(w)
		return visit{}, false
	}
	if !s.lives(w, session, err) {
		return visit{}, false
	}
	return visit{session: session, self: s.BaseURL + path + session.ID, popup: session.Popup}, true
}

// lives reports whether a session was found and its time is not over, or answers.
func (s *Server) lives(w http.ResponseWriter, session vault.Session, err error) bool {
	switch {
	case errors.Is(err, vault.ErrNotFound):
		s.unknownLink(w)
	case err != nil:
		s.unavailable(w)
	case !s.Now().Before(session.ExpiresAt):
		s.expiredLink(w)
	default:
		return true
	}
	return false
}

// admitted reports whether the browser has shown that its person is the session's, where the session names one, or
// answers with a page that says what to do.
func (s *Server) admitted(w http.ResponseWriter, r *http.Request, v visit) bool {
	if v.session.EndUser == "" {
		return true
	}
	var opened bool
	cookie, err := r.Cookie(s.cookieName(v.session.Hash))
	if err == nil {
		opened, err = s.Vault.SessionOpened(r.Context(), v.session.ID, connections.HashSecret(cookie.Value))
		if err != nil {
			s.unavailable(w)
			return false
		}
	}
	if !opened {
		s.message(w, http.StatusForbidden, messagePage{Kind: "bad", Title: "Open this from " + s.Platform, Text: "This link is for one person, and this browser has not shown that it is theirs. Sign in to " + s.Platform + ", and open the link from there."})
	}
	return opened
}

// assertion takes the assertion of the platform, gives the browser its cookie for it, and sends it to the clean URL. It
// does not consume the session.
func (s *Server) assertion(w http.ResponseWriter, r *http.Request, v visit, compact string) {
	refuse := func(status int) { //nolint:contextcheck // the request has it
		s.Log.WarnContext(r.Context(), "an assertion was refused", slog.String("session", v.session.ID))
		s.message(w, status, messagePage{Kind: "bad", Title: "Open this from " + s.Platform, Text: "What showed that this link is yours is not right, too old, or was used before. Go back to " + s.Platform + ", and open the link from there once more."})
	}
	key := s.Connections.AssertionKey
	if key == nil || v.session.EndUser == "" || !s.fromPlatform(r) {
		refuse(http.StatusForbidden)
		return
	}
	id, err := key.Check(compact, v.session.ID, v.session.EndUser, s.Now())
	if err != nil {
		refuse(http.StatusForbidden)
		return
	}
	browserHash := s.knowVisitor(w, r, v.session)
	err = s.Vault.OpenSession(r.Context(), vault.SessionOpening{
		SessionID: v.session.ID, AssertionHash: connections.HashSecret(id), BrowserHash: browserHash, At: s.Now(),
	})
	switch {
	case errors.Is(err, vault.ErrExists), errors.Is(err, vault.ErrConsumed), errors.Is(err, vault.ErrExpired), errors.Is(err, vault.ErrNotFound):
		refuse(http.StatusForbidden)
	case err != nil:
		s.unavailable(w)
	default:
		clean := v.self
		if v.popup {
			clean += "?" + popupName + "=" + popupValue
		}
		see(w, clean)
	}
}

// fromPlatform reports whether a page of the platform's hands over the assertion, where the platform has said which are
// its own. An assertion that was not used yet can be sent to somebody else, who then consents for the wrong end user
// (OAuth login CSRF, RFC 9700 §4.7): a form that only the platform's pages may post cannot.
func (s *Server) fromPlatform(r *http.Request) bool {
	origins := s.Connections.PlatformOrigins
	return len(origins) == 0 || (r.Method == http.MethodPost && slices.Contains(origins, r.Header.Get("Origin")))
}

// see sends the browser to another page of ours, or to the provider.
func see(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}

// knowVisitor is knowBrowser for a session.
func (s *Server) knowVisitor(w http.ResponseWriter, r *http.Request, session vault.Session) (hash []byte) {
	return s.knowBrowser(w, r, vault.Link{Hash: session.Hash, ExpiresAt: session.ExpiresAt})
}

// openSession is the link of a session. It consumes nothing.
func (s *Server) openSession(w http.ResponseWriter, r *http.Request) {
	v, ok := s.visit(w, r)
	if !ok {
		return
	}
	query := r.URL.Query()
	if query.Has(assertionName) {
		s.assertion(w, r, v, query.Get(assertionName))
		return
	}
	if !s.admitted(w, r, v) {
		return
	}
	s.knowVisitor(w, r, v.session)
	switch {
	case v.session.Kind == vault.SessionManage:
		s.showManage(w, v)
	case len(v.session.Connectors) == 0:
		s.showReconnect(w, r, v)
	default:
		s.showChoice(w, r, v)
	}
}

// assertionName is the parameter that carries the platform's assertion.
const assertionName = "assertion"

// postAssertion is how a platform's own page hands over an assertion without putting it into a URL.
func (s *Server) postAssertion(w http.ResponseWriter, r *http.Request) {
	v, ok := s.visit(w, r)
	if !ok {
		return
	}
	compact := r.PostFormValue(assertionName)
	v.popup = v.popup || popupIn(r.PostForm)
	s.assertion(w, r, v, compact)
}

// useSession is the button of a session's page.
func (s *Server) useSession(w http.ResponseWriter, r *http.Request) {
	v, ok := s.visit(w, r)
	if !ok || !s.admitted(w, r, v) {
		return
	}
	s.use(w, r, v)
}

// use consumes a session for this browser, and leads it on.
func (s *Server) use(w http.ResponseWriter, r *http.Request, v visit) {
	if err := r.ParseForm(); err != nil {
		s.message(w, http.StatusBadRequest, messagePage{Kind: "bad", Title: "This form cannot be read", Text: "It is too long or damaged. Go back, and send it once more."})
		return
	}
	v.popup = popupIn(r.PostForm)
	if v.session.Kind == vault.SessionManage {
		s.openManage(w, r, v)
		return
	}
	form := choiceForm{visit: v}
	if len(v.session.Connectors) > 0 && !s.read(w, r, &form) {
		return
	}
	used, err := s.Connections.UseSession(r.Context(), connections.SessionUse{
		Session: v.session, BrowserHash: s.knowVisitor(w, r, v.session), Choice: form.choice, Popup: v.popup,
	})
	if err != nil {
		s.notUsed(w, r, form, err)
		return
	}
	s.Log.InfoContext(r.Context(), "connect session used", slog.String("session", v.session.ID), slog.String("connection", used.Connection.ID))
	if used.Link.Hash == nil {
		see(w, s.BaseURL+setupPath+v.session.ID)
		return
	}
	if t, ok := s.follow(w, r, used.Link.Hash); ok {
		s.begin(w, r, t)
	}
}

// notUsed says why a session was not used.
func (s *Server) notUsed(w http.ResponseWriter, r *http.Request, form choiceForm, err error) {
	var refused *connections.Error
	switch {
	case errors.Is(err, vault.ErrConsumed):
		s.usedLink(w)
	case errors.Is(err, vault.ErrExpired):
		s.expiredLink(w)
	case errors.Is(err, vault.ErrExhausted):
		s.message(w, http.StatusGone, messagePage{Kind: "bad", Title: "This link was used too often", Text: "It was tried many times, and cannot be tried again. Ask " + s.Platform + " for a new one."})
	case errors.Is(err, vault.ErrNotFound):
		s.unknownLink(w)
	case errors.Is(err, connections.ErrSessionDone):
		s.finished(w, r, form.visit)
	case errors.As(err, &refused) && form.connector.ID != "" && mendable(refused.Code):
		form.fault = plainSentence(refused, form.connector.Name, s.Platform)
		s.showForm(w, r, http.StatusUnprocessableEntity, form)
	case errors.As(err, &refused) && refused.Code == string(workflows.ReasonDisconnected):
		s.closedConnection(w)
	default:
		s.unavailable(w)
	}
}
