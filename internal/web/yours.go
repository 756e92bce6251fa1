package web

import (
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// yoursPath leads to the page "Your connections" of a session, before its id.
const yoursPath = "/yours/"

// pageSize is how many connections are shown at once.
const pageSize = 50

// managePage stands before "Your connections": its button consumes the link.
type managePage struct {
	Owner, Action string
	Popup         bool
}

func (s *Server) showManage(w http.ResponseWriter, v visit) {
	if !v.session.ConsumedAt.IsZero() {
		see(w, s.BaseURL+yoursPath+v.session.ID)
		return
	}
	s.render(w, http.StatusOK, "manage.html", managePage{Owner: v.session.Owner, Action: v.self, Popup: v.popup})
}

// openManage consumes the link for this browser.
func (s *Server) openManage(w http.ResponseWriter, r *http.Request, v visit) {
	_, err := s.Vault.UseSession(r.Context(), vault.SessionUse{
		Hash: v.session.Hash, BrowserHash: s.knowVisitor(w, r, v.session), At: s.Now(), Popup: v.popup,
	})
	if err != nil {
		s.notUsed(w, r, choiceForm{visit: v}, err)
		return
	}
	see(w, s.BaseURL+yoursPath+v.session.ID)
}

// yoursPage lists the connections of an owner.
type yoursPage struct {
	Owner string
	Rows  []yours
	// Said is what has just been done.
	Said string
	More string
}

// yours is one connection of the list, for people.
type yours struct {
	ID, Connector, Name, Account, Link string
	// Status is a word, and Kind "good", "bad" or "waiting"; Advice says what to do, if anything is to be done.
	Status, Kind, Advice string
	Refreshed            time.Time
	Ago                  string
	Reconnects           bool
	// Reconnect is the first choice: something is to be done.
	Urgent bool
}

// showYours lists what is connected.
func (s *Server) showYours(w http.ResponseWriter, r *http.Request) {
	v, ok := s.revisit(w, r, vault.SessionManage, yoursPath)
	if !ok {
		return
	}
	page := yoursPage{Owner: v.session.Owner}
	after := r.URL.Query().Get("after")
	if len(after) > maxLabel {
		after = ""
	}
	rows, err := s.Vault.ListConnections(r.Context(), vault.ConnectionFilter{
		Owner: v.session.Owner, EndUser: v.session.EndUser, Living: true, After: after, Limit: pageSize + 1,
	})
	if err != nil {
		s.unavailable(w)
		return
	}
	if len(rows) > pageSize {
		rows = rows[:pageSize]
		page.More = v.self + "?" + url.Values{"after": {rows[pageSize-1].ID}}.Encode()
	}
	for _, row := range rows {
		page.Rows = append(page.Rows, s.yours(r, v, row))
	}
	if row, err := s.Vault.Connection(r.Context(), r.URL.Query().Get("ended")); err == nil && mine(v.session, row) {
		page.Said = s.nameOf(r, row.Connector) + " was disconnected."
	}
	s.render(w, http.StatusOK, "yours.html", page)
}

// mine reports whether a session may see a connection: that of its owner and, if it names one, of its person.
func mine(session vault.Session, row vault.Connection) bool {
	return row.Owner == session.Owner && (session.EndUser == "" || row.EndUser == session.EndUser)
}

func (s *Server) yours(r *http.Request, v visit, row vault.Connection) yours {
	y := yours{
		ID: row.ID, Connector: row.Connector, Name: s.nameOf(r, row.Connector), Account: accountLabel(row), Link: v.self + "/" + row.ID,
		Refreshed: row.IssuedAt, Ago: ago(s.Now().Sub(row.IssuedAt)), Reconnects: true,
	}
	switch workflows.ConnectionStatus(row.Status) {
	case workflows.StatusActive:
		y.Status, y.Kind = "Connected", "good"
	case workflows.StatusDegraded:
		y.Status, y.Kind, y.Advice = "Delayed", "waiting", "It cannot be renewed at the moment. This is tried again by itself."
	case workflows.StatusNeedsReauth:
		y.Status, y.Kind, y.Advice, y.Urgent = "Needs you", "bad", "Reconnect to go on.", true
	case workflows.StatusPaused:
		y.Status, y.Kind, y.Advice = "Paused", "waiting", s.Platform+" has paused this."
	case workflows.StatusDisconnecting:
		y.Status, y.Kind, y.Reconnects = "Disconnecting", "waiting", false
	default:
		y.Status, y.Kind, y.Advice = "Not finished", "waiting", "Consent was not given yet."
	}
	if row.Generation == 0 {
		y.Refreshed, y.Ago = time.Time{}, ""
	}
	return y
}

// one finds the connection in the path, which must be one that the session may see.
func (s *Server) one(w http.ResponseWriter, r *http.Request) (visit, vault.Connection, bool) {
	v, ok := s.revisit(w, r, vault.SessionManage, yoursPath)
	if !ok {
		return v, vault.Connection{}, false
	}
	id := r.PathValue("connection")
	if !workflows.ValidID(id) {
		s.nothingToShow(w)
		return v, vault.Connection{}, false
	}
	row, err := s.Vault.Connection(r.Context(), id)
	if err != nil || !mine(v.session, row) {
		s.nothingToShow(w)
		return v, row, false
	}
	return v, row, true
}

// disconnectPage asks before something is ended.
type disconnectPage struct {
	Connector, Name, Account, Action, Back string
}

func (s *Server) askDisconnect(w http.ResponseWriter, r *http.Request) {
	v, row, ok := s.one(w, r)
	if !ok {
		return
	}
	s.render(w, http.StatusOK, "disconnect.html", disconnectPage{
		Connector: row.Connector, Name: s.nameOf(r, row.Connector), Account: accountLabel(row),
		Action: v.self + "/" + row.ID + "/disconnect", Back: v.self,
	})
}

func (s *Server) disconnect(w http.ResponseWriter, r *http.Request) {
	v, row, ok := s.one(w, r)
	if !ok {
		return
	}
	if _, err := s.Connections.Disconnect(r.Context(), row.ID); err != nil && connections.CodeOf(err) != string(workflows.ReasonDisconnected) {
		s.unavailable(w)
		return
	}
	s.Log.InfoContext(r.Context(), "disconnected by a person", slog.String("session", v.session.ID), slog.String("connection", row.ID))
	see(w, v.self+"?"+url.Values{"ended": {row.ID}}.Encode())
}

// askReconnect says which account a connection has before it is consented to again.
func (s *Server) askReconnect(w http.ResponseWriter, r *http.Request) {
	v, row, ok := s.one(w, r)
	if !ok {
		return
	}
	page := connectPage{Connector: s.nameOf(r, row.Connector), ID: row.Connector, Owner: row.Owner, Machine: true, Reconnect: true, State: present(row), Account: accountLabel(row)}
	if row.Grant == string(workflows.GrantAuthorizationCode) {
		t, ok := s.targetOf(w, r, vault.Link{ConnectionID: row.ID, ExpiresAt: v.session.ExpiresAt})
		if !ok {
			return
		}
		page = s.connectPageOf(r, t)
	}
	page.Action, page.Back, page.EndUser = v.self+"/"+row.ID+"/reconnect", v.self, v.session.EndUser
	s.render(w, http.StatusOK, "connect.html", page)
}

func (s *Server) reconnect(w http.ResponseWriter, r *http.Request) {
	v, row, ok := s.one(w, r)
	if !ok {
		return
	}
	link, err := s.Connections.ReconnectIn(r.Context(), v.session, row)
	switch {
	case err != nil && connections.CodeOf(err) == string(workflows.ReasonDisconnected):
		s.closedConnection(w)
	case err != nil:
		s.unavailable(w)
	case link.Hash == nil:
		see(w, v.self)
	default:
		if t, ok := s.follow(w, r, link.Hash); ok {
			s.begin(w, r, t)
		}
	}
}

// ago says how long something is past, for people.
func ago(d time.Duration) string {
	count := func(n int, unit string) string {
		if n == 1 {
			return "1 " + unit + " ago"
		}
		return strconv.Itoa(n) + " " + unit + "s ago"
	}
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return count(int(d/time.Minute), "minute")
	case d < day:
		return count(int(d/time.Hour), "hour")
	default:
		return count(int(d/day), "day")
	}
}
