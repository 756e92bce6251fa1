package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"
)

// status is the answer to query "status".
func (c *connection) status() Status {
	s := Status{
		ID: c.in.ID, Connector: c.in.Connector, Owner: c.in.Owner, Grant: c.in.Grant,
		Status: c.state.Status, Reason: c.state.Reason, Message: c.message(), Since: c.state.Since,
		StatusSeq: c.state.StatusSeq, Generation: c.state.Token.Generation, Failures: c.state.Failures,
		IssuedAt: optional(c.state.Token.IssuedAt), ExpiresAt: optional(c.state.Token.ExpiresAt),
		GrantEndsAt: optional(c.state.Token.GrantEndsAt), Asleep: c.state.Asleep,
		Scopes: c.state.Token.Scopes,
	}
	if c.renews() {
		s.NextRefreshAt = optional(c.state.WakeAt)
	}
	if c.state.Status == StatusPending {
		s.ConsentDeadline = optional(c.state.ConsentDeadline)
	}
	if s.Scopes == nil {
		s.Scopes = []string{}
	}
	return s
}

// token is the answer to query "token" and to update "refresh".
func (c *connection) token(now time.Time) AccessToken {
	t := AccessToken{
		Status: c.state.Status, Reason: c.state.Reason, Generation: c.state.Token.Generation,
		IssuedAt: optional(c.state.Token.IssuedAt), ExpiresAt: optional(c.state.Token.ExpiresAt),
		Scopes: c.state.Token.Scopes, Type: c.state.Token.Type,
	}
	if t.Scopes == nil {
		t.Scopes = []string{}
	}
	if !c.state.Status.HandsOut() || t.Generation == 0 {
		t.Stale = true
		return t
	}
	t.Stale = t.ExpiresAt != nil && !now.Before(*t.ExpiresAt)
	t.Sealed = c.state.Token.Sealed
	return t
}

// message is one sentence that says what to do.
func (c *connection) message() string {
	if c.state.Asleep && c.state.Status == StatusActive && c.state.Reason == ReasonNone {
		return "Connected, and asleep: nobody has read the token lately, so it is not renewed. The next read renews it."
	}
	return Message(c.state.Status, c.state.Reason, c.state.Token)
}

// Message says in a sentence or two where a connection stands and what to do.
func Message(status ConnectionStatus, reason Reason, t TokenSet) string {
	switch {
	case status == StatusDisconnected && reason == ReasonDisconnectRequest:
		return "Disconnected on request: every secret is erased."
	case status != StatusActive, reason != ReasonNone:
		return reason.Sentence()
	}
	switch {
	case t.ExpiresAt.IsZero() && !t.Renewable:
		return "Connected. The provider named no expiry and gave nothing to renew with: the token holds until the provider ends it."
	case t.ExpiresAt.IsZero() && t.RenewBy.IsZero():
		return "Connected. The provider named no expiry, and the connector knows none: the token is renewed on request only."
	case !t.Renewable:
		return "Connected, but " + lowerFirst(ReasonNoRefreshToken.Sentence())
	default:
		return "Connected."
	}
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// describe writes the status card that the Temporal UI shows on the workflow's page. It is not stored in history.
func (c *connection) describe(ctx workflow.Context) {
	var b strings.Builder
	row := func(name, value string) {
		if value != "" {
			b.WriteString("| " + name + " | " + cell(value) + " |\n")
		}
	}
	b.WriteString("### " + cell(c.in.Connector) + " · " + string(c.state.Status) + "\n\n" + c.message() + "\n\n| | |\n|---|---|\n")
	row("status", string(c.state.Status))
	row("reason", string(c.state.Reason))
	row("since", stamp(c.state.Since))
	row("owner", c.in.Owner)
	row("connector", c.in.Connector)
	row("integration", c.in.Integration)
	row("grant", string(c.in.Grant))
	row("generation", fmt.Sprint(c.state.Token.Generation))
	row("issued", stamp(c.state.Token.IssuedAt))
	row("expires", stamp(c.state.Token.ExpiresAt))
	if c.renews() {
		row("next refresh", stamp(c.state.WakeAt))
	}
	if c.state.Asleep {
		row("asleep", "yes: the next read renews the token")
	}
	row("grant ends", stamp(c.state.Token.GrantEndsAt))
	if c.state.Status == StatusPending {
		row("consent until", stamp(c.state.ConsentDeadline))
	}
	if c.state.Failures > 0 {
		row("failures in a row", fmt.Sprint(c.state.Failures))
		row("last failure", stamp(c.state.LastFailure))
	}
	row("scopes", strings.Join(c.state.Token.Scopes, " "))
	workflow.SetCurrentDetails(ctx, b.String())
}

// cell keeps a value from breaking out of its table cell.
func cell(s string) string {
	if !strings.ContainsAny(s, "|\n\r<`") {
		// Nearly every value: a replacer costs more than all else in a card, and a card is written at each renewal.
		return s
	}
	return strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ", "<", "&lt;", "`", "'").Replace(s)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	utc := t.UTC()
	return &utc
}
