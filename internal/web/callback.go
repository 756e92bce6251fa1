package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// Bounds of the callback's parameters.
const (
	maxQuery = 16 << 10
	maxValue = 8 << 10
)

// answer is what the callback's query says, checked for form only.
type answer struct {
	state, code, failure, issuer string
	hasIssuer                    bool
	// extra are the other parameters that the connector wants, those that are there.
	extra map[string]string
}

// names are the parameters of a callback.
type names struct {
	state, code string
	extra       []string
}

// standardNames are those of RFC 6749 §4.1.2.
func standardNames() names { return names{state: "state", code: "code"} }

// namesOf are those of a connector.
func namesOf(c connector.Connector) names {
	n := standardNames()
	if c.Callback == nil {
		return n
	}
	if c.Callback.StateParam != "" {
		n.state = c.Callback.StateParam
	}
	if c.Callback.CodeParam != "" {
		n.code = c.Callback.CodeParam
	}
	for _, value := range c.Callback.Capture {
		n.extra = append(n.extra, value.Param)
	}
	if c.Callback.ScopeParam != "" {
		n.extra = append(n.extra, c.Callback.ScopeParam)
	}
	return n
}

// parseAnswer reads the query. Our parameters must not repeat (RFC 6749 §3.1), under whatever spelling; others are not
// looked at, so that a provider's careless error_description does not hide its answer.
func parseAnswer(rawQuery string, n names) (answer, bool) {
	if len(rawQuery) > maxQuery {
		return answer{}, false
	}
	values := make(map[string]string, 4)
	for pair := range strings.SplitSeq(rawQuery, "&") {
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil || (name != n.state && name != n.code && name != "error" && name != "iss" && !slices.Contains(n.extra, name)) {
			continue
		}
		value, err := url.QueryUnescape(rawValue)
		if _, repeats := values[name]; err != nil || repeats || len(value) > maxValue {
			return answer{}, false
		}
		values[name] = value
	}
	a := answer{state: values[n.state], code: values[n.code], failure: values["error"]}
	a.issuer, a.hasIssuer = values["iss"]
	for _, name := range n.extra {
		if value := values[name]; value != "" {
			if a.extra == nil {
				a.extra = make(map[string]string)
			}
			a.extra[name] = value
		}
	}
	return a, a.state != "" && (a.code == "") != (a.failure == "")
}

// maxStates bounds how many parameters are taken for a state.
const maxStates = 4

// statesOf are what may be the state: what has its name, or, where a provider has another name for it, what has its
// form. A code may have the same form.
func statesOf(rawQuery string) []string {
	if a, _ := parseAnswer(rawQuery, standardNames()); a.state != "" {
		return []string{a.state}
	}
	if len(rawQuery) > maxQuery {
		return nil
	}
	var found []string
	for pair := range strings.SplitSeq(rawQuery, "&") {
		rawName, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err == nil && name != standardNames().state && len(value) == randomSecret && len(found) < maxStates {
			found = append(found, value)
		}
	}
	return found
}

// requestOf finds the request that a callback answers, and its state.
func (s *Server) requestOf(ctx context.Context, rawQuery string) (vault.AuthRequest, string, error) {
	for _, state := range statesOf(rawQuery) {
		request, err := s.Vault.AuthRequestByState(ctx, connections.HashSecret(state))
		if !errors.Is(err, vault.ErrNotFound) {
			return request, state, err
		}
	}
	return vault.AuthRequest{}, "", vault.ErrNotFound
}

// callback takes the provider's answer: it checks that it belongs to this browser and comes from the server that was
// asked, consumes the request, stores the code sealed, tells the workflow, and sends the browser to a clean URL.
func (s *Server) callback(w http.ResponseWriter, r *http.Request) {
	request, state, err := s.requestOf(r.Context(), r.URL.RawQuery)
	switch {
	case errors.Is(err, vault.ErrNotFound):
		s.strangeAnswer(w)
		return
	case err != nil:
		s.unavailable(w)
		return
	case !s.sameBrowser(r, request.LinkHash, request.BrowserHash):
		// Nothing is consumed: whoever holds the state without the cookie must not spoil the flow of whoever has it.
		s.message(w, http.StatusForbidden, messagePage{Kind: "bad", Title: "Please finish in the browser you began in", Text: "Consent was begun in another browser, or cookies are switched off. Open the connect link again in one browser, and allow cookies for this site."})
		return
	case !request.ConsumedAt.IsZero():
		// A reload of the callback by the same browser.
		s.toResult(w, request.ID)
		return
	}
	asked, err := s.askedOf(r.Context(), request)
	if err != nil {
		s.unavailable(w)
		return
	}
	a, wellFormed := parseAnswer(r.URL.RawQuery, namesOf(asked.connector))
	session, err := s.sessionOf(r.Context(), request)
	switch {
	case errors.Is(err, vault.ErrNotFound):
		// Without its link nobody knows whether the person is to confirm.
		s.strangeAnswer(w)
		return
	case err != nil:
		s.unavailable(w)
		return
	case session.Kind == vault.SessionConnect && session.ConnectionID != request.ConnectionID:
		// Another choice has replaced this one: a session makes one connection.
		s.strangeAnswer(w)
		return
	}
	consumption, signal := s.judge(asked, a, wellFormed && a.state == state, r.URL.RawQuery)
	consumption.Held = session.ConfirmUser && consumption.Code != nil
	switch err := s.Vault.ConsumeAuthRequest(r.Context(), consumption); {
	case errors.Is(err, vault.ErrConsumed):
		s.toResult(w, request.ID)
		return
	case errors.Is(err, vault.ErrExpired):
		s.message(w, http.StatusGone, messagePage{Kind: "bad", Title: "That took too long", Text: "Consent must be given within ten minutes. Open the connect link again, or ask for a new one."})
		return
	case errors.Is(err, vault.ErrNotFound):
		s.strangeAnswer(w)
		return
	case err != nil:
		s.unavailable(w)
		return
	}
	if !consumption.Held {
		s.signal(r.Context(), request.ConnectionID, signal)
	}
	s.toResult(w, request.ID)
}

// reasonOfError maps the error codes of RFC 6749 §4.1.2.1 and OpenID Connect Core §3.1.2.6.
func reasonOfError(code string) workflows.Reason {
	switch code {
	case "access_denied", "interaction_required", "login_required", "consent_required", "account_selection_required":
		return workflows.ReasonConsentDenied
	case "invalid_scope", "invalid_target":
		return workflows.ReasonScopeRejected
	case "unauthorized_client", "invalid_request", "unsupported_response_type", "invalid_client":
		return workflows.ReasonAppMisconfigured
	default:
		return workflows.ReasonConsentFailed
	}
}

// signalLimit is how long a callback is offered to Temporal: a code seldom lives longer.
const signalLimit = 5 * time.Minute

// signal tells the workflow: at once if that works, behind the answered request if not. The code is in the vault.
func (s *Server) signal(ctx context.Context, connectionID string, callback workflows.Callback) {
	const patience = 2 * time.Second
	quick, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if s.Connections.Callback(quick, connectionID, callback) == nil {
		return
	}
	s.behind(func() { //nolint:contextcheck // it outlives the request
		ctx, cancel := context.WithTimeout(s.untilClosed, signalLimit)
		defer cancel()
		for wait := 250 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				s.Log.ErrorContext(ctx, "a callback could not be handed to Temporal", slog.String("connection", connectionID))
				return
			}
			if s.Connections.Callback(ctx, connectionID, callback) == nil {
				return
			}
		}
	})
}

func (s *Server) toResult(w http.ResponseWriter, requestID string) {
	w.Header().Set("Location", s.BaseURL+"/result/"+requestID)
	w.WriteHeader(http.StatusSeeOther)
}

func (s *Server) strangeAnswer(w http.ResponseWriter) {
	s.message(w, http.StatusBadRequest, messagePage{Kind: "bad", Title: "This answer fits no request", Text: "It was used before, it is incomplete, or nobody here asked for it. Open the connect link again, or ask for a new one."})
}
