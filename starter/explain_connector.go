package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/acme/connections/internal/connector"
)

// explainConnector says in words what is known of a connector.
func (a *app) explainConnector(c connector.Connector) error {
	if _, err := fmt.Fprintf(a.stdout, "%s (%s, %s)\n\n", c.Name, c.ID, c.Category); err != nil {
		return err
	}
	rows := [][2]string{{"Grants", strings.Join(c.Grants, ", ")}}
	for _, i := range c.Inputs {
		rows = append(rows, [2]string{"To enter", inputWords(i)})
	}
	rows = append(rows, [2]string{"OAuth app", appWords(c)}, [2]string{"Client authentication", authWords(c)})
	if c.Authorize != nil {
		rows = append(rows, [2]string{"Authorization URL", c.Authorize.URL}, [2]string{"PKCE", c.Authorize.PKCE})
	}
	rows = append(rows, [2]string{"Token URL", c.Token.URL}, [2]string{"Refresh URL", c.Refresh.URL})
	if c.Revoke != nil {
		rows = append(rows, [2]string{"Revocation URL", c.Revoke.URL})
	} else {
		rows = append(rows, [2]string{"Revocation", "none known: disconnecting erases our tokens, and cannot tell the provider"})
	}
	rows = append(rows, [2]string{"Default scopes", strings.Join(c.Scopes.Default, " ")})
	if len(c.Scopes.Always) > 0 {
		rows = append(rows, [2]string{"Always asked for", strings.Join(c.Scopes.Always, " ")})
	}
	rows = append(rows,
		[2]string{"Access token", accessWords(c)}, [2]string{"Refresh", refreshWords(c)},
		[2]string{"Kept beside the token", metadataWords(c)},
		[2]string{"Notes", c.Notes}, [2]string{"Documentation", c.DocsURL},
		[2]string{"Confidence", c.Confidence}, [2]string{"Not verified", strings.Join(sorted(c.Unverified), ", ")},
	)
	return a.table(rows)
}

func inputWords(i connector.Input) string {
	words := fmt.Sprintf("%s: %s, for example %q", i.Name, i.Label, i.Example)
	if i.Default != "" {
		words += fmt.Sprintf("; %q if nothing is entered", i.Default)
	}
	return words
}

func appWords(c connector.Connector) string {
	if c.CustomersOnly() {
		return "the customer's own only, since the host is one that they enter"
	}
	return "the platform's, or the customer's own"
}

func authWords(c connector.Connector) string {
	words := c.Token.Auth
	if c.Token.Certificate {
		words += ", and a client certificate"
	}
	if c.Refresh.Auth != "" {
		words += "; with a refresh " + c.Refresh.Auth
	}
	if cc := c.ClientCredentials; cc != nil && cc.Assertion != nil {
		words += "; the grant is a JWT that the client's private key signs"
	}
	return words
}

func accessWords(c connector.Connector) string {
	switch {
	case c.NeverExpires:
		return "never expires"
	case c.ExpiresInDefault > 0:
		return "lives " + span(c.ExpiresInDefault) + " where the reply does not say"
	case c.IntrospectURL != "":
		return "lives as long as the reply says, or introspection where it does not"
	default:
		return "lives as long as the reply says; taken for an hour where it does not"
	}
}

// refreshWords says what is known of renewal.
func refreshWords(c connector.Connector) string {
	if !c.Allows(connector.AuthorizationCode) {
		return "the same grant again: there are no refresh tokens"
	}
	var words []string
	switch {
	case c.Refresh.TokenSource == connector.FromAccessToken:
		words = append(words, "the access token renews itself: there are no refresh tokens")
	case c.Refresh.Rotates == nil:
		words = append(words, "nobody knows whether refresh tokens rotate; they are handled as if they did")
	case *c.Refresh.Rotates:
		words = append(words, "each refresh spends the refresh token and brings a new one")
	default:
		words = append(words, "the refresh token stays the same")
	}
	for _, fact := range []struct {
		seconds int64
		words   string
	}{
		{c.Refresh.GraceSeconds, "a spent one is still taken for %s"},
		{c.Refresh.LifetimeSeconds, "one lives %s from the consent on"},
		{c.Refresh.IdleSeconds, "one dies after %s unused"},
		{c.Refresh.WindowSeconds, "a refresh is taken in the last %s of the access token only"},
		{c.Refresh.MinIntervalSeconds, "at most one refresh in %s"},
	} {
		if fact.seconds > 0 {
			words = append(words, fmt.Sprintf(fact.words, span(fact.seconds)))
		}
	}
	if c.Refresh.SpentOn == connector.SpentOnFirstUse {
		words = append(words, "the old one dies when the new access token is first used")
	}
	if c.Refresh.SingleLive {
		words = append(words, "a new access token ends the one before")
	}
	return strings.Join(words, "; ")
}

func metadataWords(c connector.Connector) string {
	var names []string
	add := func(captures []connector.Capture) {
		for _, capture := range captures {
			names = append(names, capture.Name())
		}
	}
	add(c.Metadata)
	if c.Callback != nil {
		for _, v := range c.Callback.Capture {
			if v.Name() != "" {
				names = append(names, v.Name())
			}
		}
	}
	for _, step := range c.Steps {
		add(step.Metadata)
	}
	return strings.Join(names, ", ")
}

// span is a time for people.
func span(seconds int64) string {
	d := time.Duration(seconds) * time.Second
	const day = 24 * time.Hour
	switch {
	case d >= 2*day && d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	default:
		return fmt.Sprintf("%d s", seconds)
	}
}
