package activities_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// asked lets the connector ask e when a token expires.
func asked(e *endpoint) func(*connector.Connector) {
	return func(c *connector.Connector) { c.IntrospectURL = e.URL + "/introspect" }
}

// until answers that the token is active until then.
func until(at time.Time) func(http.ResponseWriter, *http.Request) {
	return says(200, fmt.Sprintf(`{"active":true,"exp":%d,"username":"%s"}`, at.Unix(), canary))
}

// life is how long the token in the row lives; 0 if nobody knows.
func (r *rig) life() time.Duration {
	r.t.Helper()
	row := r.row()
	if row.ExpiresAt.IsZero() {
		return 0
	}
	return row.ExpiresAt.Sub(row.IssuedAt)
}

// TestExpiry_Introspection: a provider that does not say is asked, for every new token (RFC 7662).
func TestExpiry_Introspection(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(40 * time.Minute).Truncate(time.Second).UTC()
	e := newEndpoint(t, until(at))
	r := newRig(t, asked(e))
	r.create()
	in := r.consent("req_1")
	r.answers(silent)
	set, err := r.Exchange(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, at, set.ExpiresAt)
	require.Equal(t, at, r.row().ExpiresAt)
	requests := e.requests()
	require.Len(t, requests, 1)
	id, key, ok := requests[0].basic()
	require.True(t, ok)
	require.Equal(t, sandbox.AppClientID, id)
	require.Equal(t, r.provider.Clients().App.Secret.Reveal(), key)
	require.Equal(t, "at of nobody knows when", requests[0].params.Get("token"))

	at = at.Add(time.Hour)
	e.set(until(at))
	r.answers(silent)
	set, err = r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.Equal(t, at, set.ExpiresAt)
	require.Len(t, e.requests(), 1)
	r.requireSilent(r.log.String())
}

// TestExpiry_IntrospectionOfTheSandbox: the same at a real server, by both grants.
func TestExpiry_IntrospectionOfTheSandbox(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *connector.Connector) {
		c.IntrospectURL = strings.TrimSuffix(c.Token.URL, "/token") + "/introspect"
	})
	r.fault(sandbox.Faults{OmitExpiresIn: true})
	r.create()
	_, err := r.Exchange(t.Context(), r.consent("req_1"))
	require.NoError(t, err)
	require.InDelta(t, time.Hour.Seconds(), r.life().Seconds(), 5)

	machine := *r
	machine.id = "con_machine"
	machine.createMachine()
	_, err = r.ClientCredentials(t.Context(), workflows.RenewInput{ID: machine.id})
	require.NoError(t, err)
	require.InDelta(t, time.Hour.Seconds(), machine.life().Seconds(), 5)
}

// TestExpiry_WhatIsKnownIsNotAskedFor: the reply before the connector, the connector before the provider.
func TestExpiry_WhatIsKnownIsNotAskedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mod  func(*connector.Connector)
		body string
		want time.Duration
	}{
		"the reply":     {known(time.Hour), `{"access_token":"at","expires_in":600}`, 10 * time.Minute},
		"the connector": {known(time.Hour), silent, time.Hour},
		"no end":        {func(c *connector.Connector) { c.NeverExpires = true }, silent, 0},
		"an end although there is none otherwise": {
			func(c *connector.Connector) { c.NeverExpires = true }, `{"access_token":"at","refresh_token":"rt","expires_in":600}`, 10 * time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t, until(time.Now().Add(5*time.Minute)))
			r := newRig(t, asked(e), c.mod)
			r.connect()
			require.Equal(t, time.Hour, r.life())
			r.answers(c.body)
			_, err := r.Refresh(t.Context(), r.renew(1))
			require.NoError(t, err)
			require.Equal(t, c.want, r.life())
			require.Empty(t, e.requests())
		})
	}
}

func known(life time.Duration) func(*connector.Connector) {
	return func(c *connector.Connector) { c.ExpiresInDefault = int64(life.Seconds()) }
}

// TestExpiry_Learned: what the token before lived is what this one is taken to live, for as long as nobody says more.
func TestExpiry_Learned(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	require.Equal(t, time.Hour, r.life())
	for generation := range int64(3) {
		r.answers(silent)
		set, err := r.Refresh(t.Context(), r.renew(generation+1))
		require.NoError(t, err)
		require.Equal(t, time.Hour, set.ExpiresAt.Sub(set.IssuedAt))
		require.Zero(t, set.RenewBy, "it is known")
	}
	r.answers(`{"access_token":"at","refresh_token":"rt","expires_in":600}`)
	_, err := r.Refresh(t.Context(), r.renew(4))
	require.NoError(t, err)
	require.Equal(t, 10*time.Minute, r.life())
	in := r.consent("req_2")
	r.answers(silent)
	_, err = r.Exchange(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, 10*time.Minute, r.life(), "also over a new consent")
}

// TestExpiry_IntrospectionThatFails costs nothing: the token lands, with the life that was learned, or without one.
func TestExpiry_IntrospectionThatFails(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"403":                says(403, canary),
		"500":                says(500, canary),
		"page":               says(200, "<html>"+canary),
		"hangs up":           hangsUp,
		"redirect":           func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, "/elsewhere", http.StatusFound) },
		"not active":         says(200, `{"active":false}`),
		"no exp":             says(200, `{"active":true}`),
		"in the past":        until(time.Now().Add(-time.Hour)),
		"no answer, for now": func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t, answer)
			r := newRig(t, asked(e))
			r.create()
			in := r.consent("req_1")
			r.answers(silent)
			set, err := r.Exchange(t.Context(), in)
			require.NoError(t, err)
			require.Zero(t, set.ExpiresAt)
			require.NotZero(t, set.RenewBy, "it is renewed all the same")
			require.Len(t, e.requests(), 1)

			r.answers(`{"access_token":"at","refresh_token":"rt","expires_in":600}`)
			_, err = r.Refresh(t.Context(), r.renew(1))
			require.NoError(t, err)
			r.answers(silent)
			_, err = r.Refresh(t.Context(), r.renew(2))
			require.NoError(t, err)
			require.Equal(t, 10*time.Minute, r.life())
			require.Len(t, e.requests(), 1)
			require.Zero(t, r.row().Failures)
			r.requireSilent(r.log.String())
		})
	}
}

// TestExpiry_AfterACrash: what was answered is finished with all that can be known.
func TestExpiry_AfterACrash(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(40 * time.Minute).Truncate(time.Second).UTC()
	e := newEndpoint(t, until(at))
	r := newRig(t, asked(e))
	r.connect()
	r.leaveBehind(vault.AttemptStart{Kind: "refresh", Generation: 1}, 200, silent)
	set, err := r.instance().Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.Equal(t, at, set.ExpiresAt)

	r.leaveBehind(vault.AttemptStart{Kind: "refresh", Generation: 2}, 200, silent)
	e.set(says(500, ""))
	set, err = r.instance().Refresh(t.Context(), r.renew(2))
	require.NoError(t, err)
	require.InDelta(t, (40 * time.Minute).Seconds(), set.ExpiresAt.Sub(set.IssuedAt).Seconds(), 60)
}

// TestExpiry_AcrossAnUpgrade nothing is learned: an hour says nothing of sixty days, nor they of the next hour.
func TestExpiry_AcrossAnUpgrade(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, says(200, `{"access_token":"long"}`))
	r := newRig(t, upgrades(e))
	r.connectShort()
	require.Equal(t, time.Hour, r.life())
	_, err := r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.Zero(t, r.life())

	e.set(says(200, longReply))
	_, err = r.Refresh(t.Context(), r.renew(2))
	require.NoError(t, err)
	const sixtyDays = 60 * 24 * time.Hour
	require.Equal(t, sixtyDays, r.life())
	e.set(says(200, `{"access_token":"long"}`))
	_, err = r.Refresh(t.Context(), r.renew(3))
	require.NoError(t, err)
	require.Equal(t, sixtyDays, r.life(), "long-lived after long-lived")

	in := r.consent("req_2")
	r.answers(`{"access_token":"short"}`)
	_, err = r.Exchange(t.Context(), in)
	require.NoError(t, err)
	require.Zero(t, r.life())
}
