package web

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// requestLife is how long the consent screen may take (OAUTH checklist: at most ten minutes).
const requestLife = 10 * time.Minute

// maxSecret bounds the secret in a link's path.
const maxSecret = 128

// target is what a connect link leads to.
type target struct {
	link       vault.Link
	connection vault.Connection
	connector  connector.Connector
}

// open finds what the link in the path leads to, or answers with a page that says why not.
func (s *Server) open(w http.ResponseWriter, r *http.Request) (target, bool) {
	secret := r.PathValue("secret")
	if len(secret) > maxSecret {
		s.unknownLink(w)
		return target{}, false
	}
	return s.follow(w, r, connections.HashSecret(secret))
}

// follow is open for the hash of a link.
func (s *Server) follow(w http.ResponseWriter, r *http.Request, linkHash []byte) (target, bool) {
	link, err := s.Vault.Link(r.Context(), linkHash)
	switch {
	case errors.Is(err, vault.ErrNotFound):
		s.unknownLink(w)
		return target{}, false
	case err != nil:
		s.unavailable(w)
		return target{}, false
	}
	return s.targetOf(w, r, link)
}

// targetOf finds what a link leads to, or answers.
func (s *Server) targetOf(w http.ResponseWriter, r *http.Request, link vault.Link) (target, bool) {
	connection, err := s.Vault.Connection(r.Context(), link.ConnectionID)
	switch {
	case errors.Is(err, vault.ErrNotFound):
		s.unknownLink(w)
		return target{}, false
	case err != nil:
		s.unavailable(w)
		return target{}, false
	}
	conn, err := s.Catalogue.Get(r.Context(), connection.Connector)
	if err == nil {
		conn, err = conn.Resolve(connection.Inputs)
	}
	status := workflows.ConnectionStatus(connection.Status)
	switch {
	case err != nil || conn.Authorize == nil:
		s.unknownLink(w)
	case status.Ended() || status == workflows.StatusDisconnecting:
		s.closedConnection(w)
	case !s.Now().Before(link.ExpiresAt):
		s.expiredLink(w)
	case !link.ConsumedAt.IsZero() && !s.sameBrowser(r, link.Hash, link.BrowserHash):
		s.usedLink(w)
	default:
		return target{link: link, connection: connection, connector: conn}, true
	}
	return target{}, false
}

// connectPage is what the Connect page shows: who asks, for what, and how much.
type connectPage struct {
	// Connector is the connector's name, ID its id.
	Connector, ID, Owner string
	// EndUser is the platform's id of the person, where the link is for one.
	EndUser string
	Scopes  []string
	// Reconnect is set if there is an account already: Account names it, if anything is known of it, State says where
	// the connection stands, and Which says which account to sign in with.
	Reconnect             bool
	Account, State, Which string
	// Waiting says how much waits for the consent; empty if nothing does.
	Waiting string
	// Inputs are what was entered for the connection, such as the name of a shop.
	Inputs []entered
	// RedirectURI is shown where the OAuth app is the customer's own: what it must have registered.
	RedirectURI string

	// The rest is of connect sessions. Action is where the form posts to, if not to the page itself, and Back leads to
	// the page before.
	Action, Back string
	Popup        bool
	// Chosen is the connector's id, Fields are what it wants entered, and App is the customer's own OAuth app: OwnApp
	// says that it must be entered. Machine says that nobody consents.
	Chosen          string
	Fields, App     []field
	OwnApp, Machine bool
	// Fault is what is wrong with the whole, Faults how many fields have one of their own.
	Fault  string
	Faults int
}

// entered is one input, for people.
type entered struct{ Label, Value string }

// showConnect shows the Connect page. It consumes nothing: mail scanners open links. It gives the browser its cookie,
// so that a button pressed twice comes twice from the same browser, whichever answer the browser reads.
func (s *Server) showConnect(w http.ResponseWriter, r *http.Request) {
	t, ok := s.open(w, r)
	if !ok {
		return
	}
	s.knowBrowser(w, r, t.link)
	s.render(w, http.StatusOK, "connect.html", s.connectPageOf(r, t))
}

// connectPageOf is the page of a connection that exists.
func (s *Server) connectPageOf(r *http.Request, t target) connectPage {
	page := connectPage{
		Connector: t.connector.Name, ID: t.connector.ID, Owner: t.connection.Owner,
		Scopes: t.connection.RequestedScopes, Reconnect: t.connection.Generation > 0,
		Account: accountLabel(t.connection), State: present(t.connection), Which: whichAccount(t),
	}
	for _, input := range t.connector.Inputs {
		page.Inputs = append(page.Inputs, entered{input.Label, t.connection.Inputs[input.Name]})
	}
	if integration, err := s.Vault.Integration(r.Context(), t.connection.IntegrationID); err == nil {
		page.Scopes = connections.ConfiguredScopes(t.connector, integration, t.connection)
		if integration.Owner != "" {
			page.RedirectURI = s.redirectURI(t)
		}
	}
	if waiting, err := s.Vault.CountWaiters(r.Context(), t.connection.ID); err == nil {
		page.Waiting = waitingTasks(waiting)
	}
	return page
}

// waitingTasks says how many workflows are parked; to the person they are tasks.
func waitingTasks(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 task waits for this, and goes on by itself."
	default:
		return fmt.Sprintf("%d tasks wait for this, and go on by themselves.", n)
	}
}

// startConsent is the button.
func (s *Server) startConsent(w http.ResponseWriter, r *http.Request) {
	if t, ok := s.open(w, r); ok {
		s.begin(w, r, t)
	}
}

// begin consumes the link for this browser, mints the authorization request, and sends the browser to the provider.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, t target) {
	integration, err := s.Vault.Integration(r.Context(), t.connection.IntegrationID)
	if err != nil {
		s.unavailable(w)
		return
	}
	browserHash := s.knowBrowser(w, r, t.link)
	state, stateHash := connections.NewSecret()
	verifier := oauth.NewVerifier()
	id := uuid.NewString()
	sealed, err := s.Keys.Vault.SealString(keyring.Verifier(id), verifier)
	if err != nil {
		s.unavailable(w)
		return
	}
	now := s.Now()
	scopes := connections.ConfiguredScopes(t.connector, integration, t.connection)
	err = s.Vault.StartConsent(r.Context(), t.link.Hash, vault.AuthRequest{
		ID: id, StateHash: stateHash, ConnectionID: t.connection.ID, LinkHash: t.link.Hash,
		Issuer: t.connector.Issuer, RedirectURI: s.redirectURI(t), Scopes: scopes,
		BrowserHash: browserHash, Verifier: sealed, CreatedAt: now, ExpiresAt: now.Add(requestLife),
	})
	switch {
	case errors.Is(err, vault.ErrConsumed):
		s.usedLink(w)
		return
	case errors.Is(err, vault.ErrExpired):
		s.expiredLink(w)
		return
	case errors.Is(err, vault.ErrNotFound):
		s.unknownLink(w)
		return
	case err != nil:
		s.unavailable(w)
		return
	}
	s.Log.InfoContext(r.Context(), "consent begins", slog.String("connection", t.connection.ID), slog.String("request", id))
	w.Header().Set("Location", oauth.AuthorizeURL(t.connector, integration.ClientID, s.redirectURI(t), state, verifier, scopes))
	w.WriteHeader(http.StatusSeeOther)
}

// redirectURI is what the provider sends the browser back to.
func (s *Server) redirectURI(t target) string {
	return oauth.RedirectURI(t.connector, s.Connections.RedirectURI())
}

// knowBrowser makes sure that the browser has its cookie for this link, and returns the hash of the secret in it. A
// cookie that is there stays: the browser may have another page of the same link under way.
func (s *Server) knowBrowser(w http.ResponseWriter, r *http.Request, link vault.Link) (hash []byte) {
	var text string
	if cookie, err := r.Cookie(s.cookieName(link.Hash)); err == nil && len(cookie.Value) == randomSecret {
		text, hash = cookie.Value, connections.HashSecret(cookie.Value)
	} else {
		text, hash = connections.NewSecret()
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure under https; plain http is for development on loopback
		Name: s.cookieName(link.Hash), Value: text, Path: "/", HttpOnly: true, Secure: s.secure,
		SameSite: http.SameSiteLaxMode, Expires: link.ExpiresAt.Add(requestLife),
	})
	return hash
}

// randomSecret is the length of what connections.NewSecret makes.
const randomSecret = 43

// cookieName is one cookie a flow, so that flows in two tabs do not disturb each other. The prefix makes browsers
// refuse it from any other host or path, but needs https.
func (s *Server) cookieName(linkHash []byte) string {
	name := "connect-" + hex.EncodeToString(linkHash[:8])
	if s.secure {
		return "__Host-" + name
	}
	return name
}

// sameBrowser reports whether the request comes from the browser that used the link.
func (s *Server) sameBrowser(r *http.Request, linkHash, browserHash []byte) bool {
	cookie, err := r.Cookie(s.cookieName(linkHash))
	// Hashes of random secrets: comparing them takes no care for time.
	return err == nil && len(browserHash) > 0 && bytes.Equal(connections.HashSecret(cookie.Value), browserHash)
}
