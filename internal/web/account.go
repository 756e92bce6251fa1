package web

import (
	"strings"
	"unicode"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// maxLabel bounds what is shown of an account's name, in characters.
const maxLabel = 80

// accountLabel is the name of the connected account, for the page of somebody who holds its link; empty if none is
// known. The provider made it up, or the account's person did: nothing of it may pass for our own words, so that it is
// one line without control characters, and short.
func accountLabel(c vault.Connection) string {
	label := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, c.Metadata[connector.AccountLabel])
	label = strings.TrimSpace(strings.ReplaceAll(label, string(unicode.ReplacementChar), ""))
	if runes := []rune(label); len(runes) > maxLabel {
		return string(runes[:maxLabel]) + "…"
	}
	return label
}

// present says in words where a connection stands that is to be reconnected.
func present(c vault.Connection) string {
	switch workflows.ConnectionStatus(c.Status) {
	case workflows.StatusActive:
		return "works"
	case workflows.StatusDegraded:
		return "cannot be renewed at the moment"
	case workflows.StatusNeedsReauth:
		return "needs your consent again"
	case workflows.StatusPaused:
		return "paused"
	default:
		return "waits for consent"
	}
}

// whichAccount tells the person which account to reconnect with.
func whichAccount(t target) string {
	this := "the same account as before"
	if accountLabel(t.connection) != "" {
		this = "this account"
	}
	switch {
	case t.link.AnyAccount:
		return "You may sign in to " + t.connector.Name + " with another account. It then takes the place of the one connected."
	case t.connection.Metadata[t.connector.Identity()] != "":
		return "Sign in to " + t.connector.Name + " with " + this + ": another one is not accepted."
	default:
		return "Sign in to " + t.connector.Name + " with " + this + "."
	}
}

// anotherAccount tells the person that the consent came from an account that is not the connected one.
func (s *Server) anotherAccount(c vault.Connection, name, todo string) string {
	connected := "the one that is connected"
	if label := accountLabel(c); label != "" {
		connected = "the one that is connected, “" + label + "”"
	}
	return "You signed in to " + name + " with another account than " + connected + ". Nothing has changed. " +
		"Sign out at " + name + ", or choose that account there, and " + todo +
		" To connect another account beside it, ask " + s.Platform + " for a connection of its own."
}

// notGranted tells the person what the consent left out; empty if that is nothing.
func notGranted(res result, platform string) string {
	missing := connector.Missing(res.request.Scopes, res.connection.GrantedScopes)
	if len(missing) == 0 {
		return ""
	}
	return "Not everything that was asked for was granted: " + strings.Join(missing, ", ") + " is missing, so that some of what " +
		platform + " offers may not work."
}
