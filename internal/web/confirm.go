package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// holdLimit is how long an answer is held for a person to confirm: a code seldom lives longer.
const holdLimit = 5 * time.Minute

// sessionOf is the session that a request belongs to; the zero Session if it belongs to none.
func (s *Server) sessionOf(ctx context.Context, request vault.AuthRequest) (vault.Session, error) {
	link, err := s.Vault.Link(ctx, request.LinkHash)
	if err != nil || link.SessionID == "" {
		return vault.Session{}, err
	}
	return s.Vault.SessionByID(ctx, link.SessionID)
}

// confirmPage asks the person once more, after consent and before it is used.
type confirmPage struct {
	Connector, Name, Owner, EndUser, Account, Action string
	Again                                            bool
}

func (s *Server) showConfirm(w http.ResponseWriter, res result) {
	s.render(w, http.StatusOK, "confirm.html", confirmPage{
		Connector: res.connection.Connector, Name: res.name, Owner: res.connection.Owner, EndUser: res.session.EndUser,
		Account: accountLabel(res.connection), Again: res.connection.Generation > 0,
		Action: s.BaseURL + "/result/" + res.request.ID + "/confirm",
	})
}

// confirm is the answer to that page. Until it says yes the sealed code stays in the vault, and nobody is told of it.
func (s *Server) confirm(w http.ResponseWriter, r *http.Request) {
	res, ok := s.find(w, r)
	if !ok {
		return
	}
	callback := workflows.Callback{RequestID: res.request.ID, SealedCode: res.request.Code}
	outcome := workflows.ReasonNone
	if r.PostFormValue("decision") != "yes" {
		outcome = workflows.ReasonConsentDenied
		callback.SealedCode, callback.Reason = nil, outcome
	}
	err := s.Vault.ReleaseAuthRequest(r.Context(), res.request.ID, string(outcome), s.Now().Add(-holdLimit))
	switch {
	case err == nil:
		s.signal(r.Context(), res.request.ConnectionID, callback)
	case errors.Is(err, vault.ErrConsumed), errors.Is(err, vault.ErrExpired):
		// Pressed twice, or too late: the result says so.
	case errors.Is(err, vault.ErrNotFound):
		s.nothingToShow(w)
		return
	default:
		s.unavailable(w)
		return
	}
	s.toResult(w, res.request.ID)
}
