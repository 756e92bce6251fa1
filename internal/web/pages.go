package web

import (
	"bytes"
	"log/slog"
	"net/http"
)

// messagePage is a page that only says something.
type messagePage struct {
	Title, Text string
	// Kind is "good", "bad", "waiting" or empty.
	Kind string
	// Refresh reloads the page each second where there is no JavaScript.
	Refresh bool
	// Poll is the URL that the script asks for news.
	Poll string
	// Again is the URL that the button "Try again" posts to.
	Again string
	// Connector is the id of the connector that it is about; may be empty.
	Connector string
	// Return is where the result leads, and ReturnLabel says so; empty if it leads nowhere.
	Return, ReturnLabel string
	// Session, Connection and Status are told to other windows of ours. Popup closes this one.
	Session, Connection, Status string
	Popup                       bool
}

func (s *Server) message(w http.ResponseWriter, status int, p messagePage) {
	s.render(w, status, "message.html", p)
}

// render writes a page whole or not at all.
func (s *Server) render(w http.ResponseWriter, status int, name string, data any) {
	var page bytes.Buffer
	if err := s.pages.ExecuteTemplate(&page, name, data); err != nil {
		s.Log.Error("a page could not be made", slog.String("page", name))
		plain(w, http.StatusInternalServerError, "The page could not be made. Try again in a moment.")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w)
}

// The pages for links and answers that cannot be used.

func (s *Server) unknownLink(w http.ResponseWriter) {
	s.message(w, http.StatusNotFound, messagePage{Kind: "bad", Title: "This link does not work", Text: "It is incomplete, or it was never made. Copy the whole link, or ask for a new one."})
}

func (s *Server) expiredLink(w http.ResponseWriter) {
	s.message(w, http.StatusGone, messagePage{Kind: "bad", Title: "This link has expired", Text: "Connect links work for a short while only. Ask for a new one."})
}

func (s *Server) usedLink(w http.ResponseWriter) {
	s.message(w, http.StatusGone, messagePage{Kind: "bad", Title: "This link has been used", Text: "A connect link works once, in the browser that used it first. Ask for a new one."})
}

func (s *Server) closedConnection(w http.ResponseWriter) {
	s.message(w, http.StatusGone, messagePage{Kind: "bad", Title: "This connection has ended", Text: "It was disconnected, so it cannot be connected with this link. Ask for a new one."})
}

func (s *Server) foreignForm(w http.ResponseWriter) {
	s.message(w, http.StatusForbidden, messagePage{Kind: "bad", Title: "This came from another site", Text: "Consent can be begun on our own page only. Open the connect link itself, and press the button there."})
}

func (s *Server) unavailable(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	s.message(w, http.StatusServiceUnavailable, messagePage{Kind: "bad", Title: "Please try again in a moment", Text: "A part of this service cannot be reached right now. Nothing is lost: reload this page in a moment."})
}
