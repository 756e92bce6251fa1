package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// outcomeLimit is when an outcome that never came is given up.
const outcomeLimit = 5 * time.Minute

// The states of a result, as the page's script sees them.
const (
	resultWaiting   = "waiting"
	resultConnected = "connected"
	resultFailed    = "failed"
	resultConfirm   = "confirm"
)

// result is the truth about a consent, as far as it is known.
type result struct {
	state      string
	reason     workflows.Reason
	request    vault.AuthRequest
	connection vault.Connection
	// session is the one that the request belongs to; zero if there is none.
	session vault.Session
	// name is the connector's, for people.
	name string
}

// find reads the result for the browser that began the consent; for all others there is none.
func (s *Server) find(w http.ResponseWriter, r *http.Request) (result, bool) {
	id, err := uuid.Parse(r.PathValue("request"))
	if err != nil || id.String() != r.PathValue("request") {
		s.nothingToShow(w)
		return result{}, false
	}
	request, err := s.Vault.AuthRequest(r.Context(), id.String())
	if errors.Is(err, vault.ErrNotFound) || (err == nil && !s.sameBrowser(r, request.LinkHash, request.BrowserHash)) {
		s.nothingToShow(w)
		return result{}, false
	}
	if err != nil {
		s.unavailable(w)
		return result{}, false
	}
	connection, err := s.Vault.Connection(r.Context(), request.ConnectionID)
	if err != nil {
		s.unavailable(w)
		return result{}, false
	}
	// Without its session the result is what it is, and leads nowhere.
	session, _ := s.sessionOf(r.Context(), request)
	res := s.truth(request, connection, session)
	res.name = s.nameOf(r, connection.Connector)
	return res, true
}

func (s *Server) nothingToShow(w http.ResponseWriter) {
	s.message(w, http.StatusNotFound, messagePage{Kind: "bad", Title: "Nothing to show", Text: "This result belongs to another browser, or it is gone. Open the connect link again, or ask for a new one."})
}

func (s *Server) truth(request vault.AuthRequest, connection vault.Connection, session vault.Session) result {
	res := result{state: resultWaiting, request: request, connection: connection, session: session}
	limit := outcomeLimit
	if session.ConfirmUser {
		// The outcome is waited for since the person confirmed, which is not written down.
		limit += holdLimit
	}
	status := workflows.ConnectionStatus(connection.Status)
	switch {
	case status == workflows.StatusExpired:
		res.state, res.reason = resultFailed, workflows.ReasonConsentExpired
	case status == workflows.StatusDisconnecting || status.Ended():
		res.state, res.reason = resultFailed, workflows.ReasonDisconnected
	case request.Outcome == resultConnected:
		res.state = resultConnected
	case request.Outcome != "":
		res.state, res.reason = resultFailed, workflows.Reason(request.Outcome)
	case request.Held && s.Now().Before(request.ConsumedAt.Add(holdLimit)):
		res.state = resultConfirm
	case request.Held:
		res.state, res.reason = resultFailed, workflows.ReasonConsentExpired
	case request.ConsumedAt.IsZero() && s.Now().After(request.ExpiresAt):
		res.state, res.reason = resultFailed, workflows.ReasonConsentExpired
	case !request.ConsumedAt.IsZero() && s.Now().After(request.ConsumedAt.Add(limit)):
		res.state, res.reason = resultFailed, workflows.ReasonExchangeLost
	}
	return res
}

// A page that waits for an outcome is held back for a moment, since the outcome seldom takes longer: a person then sees
// one page and not two.
const (
	heldBack  = 600 * time.Millisecond
	lookAgain = 30 * time.Millisecond
)

// settle is find for those who can wait a little for the outcome.
func (s *Server) settle(w http.ResponseWriter, r *http.Request) (result, bool) {
	res, ok := s.find(w, r)
	if !ok || res.state != resultWaiting || res.request.ConsumedAt.IsZero() {
		return res, ok
	}
	ctx, cancel := context.WithTimeout(r.Context(), heldBack)
	defer cancel()
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	for res.state == resultWaiting {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return res, true
		case <-s.untilClosed.Done():
			return res, true
		}
		request, err := s.Vault.AuthRequest(ctx, res.request.ID)
		if err != nil || request.Outcome == "" {
			continue
		}
		return s.find(w, r)
	}
	return res, true
}

// showResult is the page behind the callback: a clean URL that can be reloaded.
func (s *Server) showResult(w http.ResponseWriter, r *http.Request) {
	res, ok := s.settle(w, r)
	if !ok {
		return
	}
	name := res.name
	switch res.state {
	case resultConfirm:
		s.showConfirm(w, res)
	case resultConnected:
		page := messagePage{Kind: "good", Connector: res.connection.Connector, Title: "Connected to " + name, Text: s.Platform + " now has access for " + res.connection.Owner + "."}
		if left := notGranted(res, s.Platform); left != "" {
			page.Again = s.again(r, res)
			page.Text += " " + left + " To grant it, " + s.todo(page.Again != "")
		} else {
			page.Text += " You can close this window."
		}
		page = s.leave(res.session, res.connection.ID, statusConnected, page)
		// What is missing is to be read first.
		page.Popup = page.Popup && page.Again == ""
		s.message(w, http.StatusOK, page)
	case resultFailed:
		page := messagePage{Kind: "bad", Connector: res.connection.Connector, Title: "Not connected to " + name}
		switch res.reason {
		case workflows.ReasonConsentDenied:
			page.Title = name + ": consent refused"
		case workflows.ReasonAccountMismatch:
			page.Title = name + ": another account"
		default:
		}
		if res.reason != workflows.ReasonDisconnected {
			page.Again = s.again(r, res)
		}
		page.Text = s.advice(res, name, page.Again != "")
		page = s.leave(res.session, res.connection.ID, statusFailed, page)
		page.Popup = false // the person is to read why
		s.message(w, http.StatusOK, page)
	default:
		s.message(w, http.StatusOK, messagePage{
			Kind: "waiting", Connector: res.connection.Connector, Title: "Connecting to " + name + "…", Text: "This takes a moment. The page goes on by itself.",
			Refresh: true, Poll: s.BaseURL + "/result/" + res.request.ID + "/state",
		})
	}
}

// again is where the button "Try again" posts to; empty if the link has expired.
func (s *Server) again(r *http.Request, res result) string {
	link, err := s.Vault.Link(r.Context(), res.request.LinkHash)
	if err != nil || !s.Now().Before(link.ExpiresAt) {
		return ""
	}
	return s.BaseURL + "/result/" + res.request.ID + "/again"
}

// todo is what a person can do whose consent is to be given again.
func (s *Server) todo(again bool) string {
	todo := "ask " + s.Platform + " for a new connect link."
	if again {
		todo = "try again, or " + todo
	}
	return todo
}

// advice tells the person at the browser what a failure means and what to do: Reason.Sentence speaks to operators.
func (s *Server) advice(res result, name string, again bool) string {
	reason, todo := res.reason, s.todo(again)
	switch reason {
	case workflows.ReasonConsentDenied:
		return "Access was refused at " + name + ", so nothing was connected. If that was not meant, " + todo
	case workflows.ReasonConsentExpired:
		return "Consent was not given in time. Please " + todo
	case workflows.ReasonDisconnected:
		return "The connection was ended. Please ask " + s.Platform + " for a new connect link."
	case workflows.ReasonIssuerMismatch:
		return "The answer did not come from the server that was asked, so it was not used. Please " + todo
	case workflows.ReasonExchangeLost:
		return "The answer of " + name + " was lost on the way, and it cannot be asked twice. Please " + todo
	case workflows.ReasonAccountMismatch:
		return s.anotherAccount(res.connection, name, todo)
	case workflows.ReasonAccountUnconfirmed:
		return name + " did not say which account you signed in with, so that the new consent was not used. Nothing has changed. In a few minutes, " + todo
	default:
	}
	if reason.Class() == workflows.ClassConfiguration {
		return name + " does not accept the app of " + s.Platform + ", and only " + s.Platform + " can mend that. Tell them this code: " + string(reason) + "."
	}
	return name + " did not complete the connection. Please " + todo
}

// startAgain is the button "Try again": the same link, for the browser that used it.
func (s *Server) startAgain(w http.ResponseWriter, r *http.Request) {
	res, ok := s.find(w, r)
	if !ok {
		return
	}
	if t, ok := s.follow(w, r, res.request.LinkHash); ok {
		s.begin(w, r, t)
	}
}

// resultState is what the page's script polls: {"state": "waiting" | "confirm" | "connected" | "failed"}.
func (s *Server) resultState(w http.ResponseWriter, r *http.Request) {
	res, ok := s.find(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"state": res.state})
}
