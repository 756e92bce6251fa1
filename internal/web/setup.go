package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// setupPath leads to the outcome of a session that needs no consent, before its id.
const setupPath = "/setup/"

// setup is the outcome of a session with client credentials.
func (s *Server) setup(w http.ResponseWriter, r *http.Request) (visit, vault.Connection, string, bool) {
	v, ok := s.revisit(w, r, vault.SessionConnect, setupPath)
	if !ok {
		return v, vault.Connection{}, "", false
	}
	row, err := s.Vault.Connection(r.Context(), v.session.ConnectionID)
	if err != nil || row.Grant != string(workflows.GrantClientCredentials) {
		s.nothingToShow(w)
		return v, row, "", false
	}
	return v, row, setupState(row), true
}

func setupState(row vault.Connection) string {
	status, reason := workflows.ConnectionStatus(row.Status), workflows.Reason(row.Reason)
	switch {
	case row.Generation > 0 && status.HandsOut():
		return resultConnected
	case status.Ended() || status == workflows.StatusDisconnecting,
		reason.Class() == workflows.ClassConfiguration, reason.Class() == workflows.ClassPermanent, reason.Class() == workflows.ClassReauthorize:
		return resultFailed
	default:
		return resultWaiting
	}
}

// showSetup is the page behind the button where nobody consents. If the credentials are refused, the form is there to
// mend them.
func (s *Server) showSetup(w http.ResponseWriter, r *http.Request) {
	v, row, state, ok := s.setup(w, r)
	if !ok {
		return
	}
	name := s.nameOf(r, row.Connector)
	switch state {
	case resultConnected:
		s.message(w, http.StatusOK, s.leave(v.session, row.ID, statusConnected, messagePage{
			Kind: "good", Connector: row.Connector, Title: "Connected to " + name,
			Text: s.Platform + " now has access for " + row.Owner + ". You can close this window.",
		}))
	case resultFailed:
		form := choiceForm{visit: v}
		if !s.choose(w, r, &form, row.Connector) {
			return
		}
		form.choice.Inputs = row.Inputs
		if integration, err := s.Vault.Integration(r.Context(), row.IntegrationID); err == nil && integration.Owner != "" {
			form.choice.ClientID = integration.ClientID
		}
		form.choice.ClientSecret = secret.String{}
		form.fault = setupAdvice(row, name, s.Platform)
		s.showForm(w, r, http.StatusOK, form)
	default:
		s.message(w, http.StatusOK, messagePage{
			Kind: "waiting", Connector: row.Connector, Title: "Connecting to " + name + "…", Text: "This takes a moment. The page goes on by itself.",
			Refresh: true, Poll: v.self + "/state",
		})
	}
}

func setupAdvice(row vault.Connection, name, platform string) string {
	switch workflows.Reason(row.Reason) {
	case workflows.ReasonClientRejected:
		return name + " does not accept this client ID or secret. Check both, and enter them once more."
	case workflows.ReasonScopeRejected:
		return name + " does not give this app the access that is asked for. Check what the app may do at " + name + ", or ask " + platform + "."
	case workflows.ReasonDisconnected, workflows.ReasonNone:
		return "The connection was ended before it worked. Enter the credentials once more."
	default:
		return name + " did not accept this app. Check it at " + name + ", or tell " + platform + " this code: " + row.Reason + "."
	}
}

// setupStateJSON is what the page's script polls.
func (s *Server) setupStateJSON(w http.ResponseWriter, r *http.Request) {
	if _, _, state, ok := s.setup(w, r); ok {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"state": state})
	}
}

// mendSetup is the button of the form on the page of the outcome.
func (s *Server) mendSetup(w http.ResponseWriter, r *http.Request) {
	if v, ok := s.revisit(w, r, vault.SessionConnect, setupPath); ok {
		s.use(w, r, v)
	}
}

// What a return URL is told beside the ids.
const (
	statusConnected = "connected"
	statusFailed    = "failed"
)

// leave adds to a result where it leads, and what other windows of ours are told of it: ids only.
func (s *Server) leave(session vault.Session, connectionID, status string, p messagePage) messagePage {
	if session.ID == "" {
		return p
	}
	p.Session, p.Connection, p.Status, p.Popup = session.ID, connectionID, status, session.Popup
	if session.Kind == vault.SessionManage {
		p.Return, p.ReturnLabel = s.BaseURL+yoursPath+session.ID, "Back to your connections"
		return p
	}
	p.Return = s.Connections.ReturnTarget(session.ReturnURL, url.Values{
		"session_id": {session.ID}, "connection_id": {connectionID}, "status": {status},
	})
	p.ReturnLabel = "Continue to " + s.Platform
	if p.Return != "" {
		p.Text = strings.TrimSuffix(p.Text, " You can close this window.")
	}
	return p
}

// finished says that a session has made its connection.
func (s *Server) finished(w http.ResponseWriter, r *http.Request, v visit) {
	name := s.Platform
	page := messagePage{Kind: "good", Title: "This is connected already", Text: "This link has made its connection. To connect something else, ask " + name + " for a new link."}
	if row, err := s.Vault.Connection(r.Context(), v.session.ConnectionID); err == nil {
		page.Title, page.Connector = s.nameOf(r, row.Connector)+" is connected already", row.Connector
	}
	s.message(w, http.StatusOK, s.leave(v.session, v.session.ConnectionID, statusConnected, page))
}

// nameOf is a connector's name for people.
func (s *Server) nameOf(r *http.Request, id string) string {
	if conn, err := s.Catalogue.Get(r.Context(), id); err == nil {
		return conn.Name
	}
	return id
}
