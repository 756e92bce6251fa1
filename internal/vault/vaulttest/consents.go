package vaulttest

import (
	"strings"
	"time"

	"github.com/acme/connections/internal/vault"
)

func testLinkRoundTrip(f *fixture) {
	id := f.connection("pending")
	given := vault.Link{
		Hash: []byte{0, 255, 1}, ConnectionID: id, CreatedAt: epoch().Add(7 * time.Nanosecond), ExpiresAt: epoch(), AnyAccount: true,
		SessionID: "cs_1",
	}
	f.NoError(f.CreateLink(f.ctx, given))
	got, err := f.Link(f.ctx, given.Hash)
	f.NoError(err)
	given.CreatedAt = epoch()
	f.Equal(given, got)
	f.ErrorIs(f.CreateLink(f.ctx, given), vault.ErrExists)
}

func testRequestRoundTrip(f *fixture) {
	id := f.connection("pending")
	link := f.link(id)
	given := f.request("browser")
	given.Issuer, given.Scopes = "https://issuer.example", []string{"b", "a"}
	given.CreatedAt = given.CreatedAt.Add(time.Nanosecond)
	f.NoError(f.StartConsent(f.ctx, link, given))
	want := given
	want.ConnectionID, want.LinkHash, want.CreatedAt = id, link, epoch()
	got, err := f.AuthRequest(f.ctx, given.ID)
	f.NoError(err)
	f.Equal(want, got)
	got, err = f.AuthRequestByState(f.ctx, given.StateHash)
	f.NoError(err)
	f.Equal(want, got)

	used, err := f.Link(f.ctx, link)
	f.NoError(err)
	f.Equal(epoch(), used.ConsumedAt)
	f.Equal([]byte("browser"), used.BrowserHash)
}

func testStartTwice(f *fixture) {
	link := f.link(f.connection("pending"))
	f.NoError(f.StartConsent(f.ctx, link, f.request("one")))
	again := f.request("one")
	again.CreatedAt = epoch().Add(time.Minute)
	f.NoError(f.StartConsent(f.ctx, link, again), "the browser that used it may start again")
	for _, other := range []string{"other", ""} {
		r := f.request(other)
		f.ErrorIs(f.StartConsent(f.ctx, link, r), vault.ErrConsumed)
		_, err := f.AuthRequest(f.ctx, r.ID)
		f.ErrorIs(err, vault.ErrNotFound)
	}
	used, err := f.Link(f.ctx, link)
	f.NoError(err)
	f.Equal(epoch(), used.ConsumedAt)
	f.Equal([]byte("one"), used.BrowserHash)

	nameless := f.link(f.connection("pending"))
	f.NoError(f.StartConsent(f.ctx, nameless, f.request("")))
	f.ErrorIs(f.StartConsent(f.ctx, nameless, f.request("")), vault.ErrConsumed)
}

func testStartExpired(f *fixture) {
	link := f.link(f.connection("pending"))
	late := f.request("browser")
	for _, at := range []time.Time{epoch().Add(time.Hour), {}} {
		late.CreatedAt = at
		f.ErrorIs(f.StartConsent(f.ctx, link, late), vault.ErrExpired)
	}
	unused, err := f.Link(f.ctx, link)
	f.NoError(err)
	f.True(unused.ConsumedAt.IsZero())
	late.CreatedAt = epoch().Add(time.Hour - time.Microsecond)
	f.NoError(f.StartConsent(f.ctx, link, late))
	late.ID, late.CreatedAt = f.id("request"), epoch().Add(time.Hour)
	f.ErrorIs(f.StartConsent(f.ctx, link, late), vault.ErrExpired, "for the same browser too")
}

func testStartExists(f *fixture) {
	id := f.connection("pending")
	r := f.request("browser")
	f.NoError(f.StartConsent(f.ctx, f.link(id), r))
	link := f.link(id)
	sameID := f.request("browser")
	sameID.ID = r.ID
	f.ErrorIs(f.StartConsent(f.ctx, link, sameID), vault.ErrExists)
	sameState := f.request("browser")
	sameState.StateHash = r.StateHash
	f.ErrorIs(f.StartConsent(f.ctx, link, sameState), vault.ErrExists)
	unused, err := f.Link(f.ctx, link)
	f.NoError(err)
	f.True(unused.ConsumedAt.IsZero(), "both or neither")
}

func testConsume(f *fixture) {
	id := f.connection("pending")
	withCode, denied := f.consent(id), f.consent(id)
	at := epoch().Add(time.Minute)
	f.NoError(f.ConsumeAuthRequest(f.ctx, vault.Consumption{RequestID: withCode, At: at, Code: []byte("sealed code")}))
	first, err := f.AuthRequest(f.ctx, withCode)
	f.NoError(err)
	f.Equal(at, first.ConsumedAt)
	f.Equal([]byte("sealed code"), first.Code)
	f.Empty(first.Outcome)
	second := vault.Consumption{RequestID: withCode, At: epoch().Add(time.Hour), Code: []byte("other"), Outcome: "other"}
	f.ErrorIs(f.ConsumeAuthRequest(f.ctx, second), vault.ErrConsumed)
	unchanged, err := f.AuthRequest(f.ctx, withCode)
	f.NoError(err)
	f.Equal(first, unchanged)

	f.NoError(f.ConsumeAuthRequest(f.ctx, vault.Consumption{RequestID: denied, At: at, Outcome: "consent_denied"}))
	r, err := f.AuthRequest(f.ctx, denied)
	f.NoError(err)
	f.Equal("consent_denied", r.Outcome)
	f.Nil(r.Code)
}

func testConsumeCaptures(f *fixture) {
	link := f.link(f.connection("pending"))
	r := f.request("browser")
	r.Captured, r.Inputs, r.GrantedScopes = map[string]string{"a": "b"}, map[string]string{"a": "b"}, []string{"a"}
	f.NoError(f.StartConsent(f.ctx, link, r))
	read := func() vault.AuthRequest {
		f.t.Helper()
		byID, err := f.AuthRequest(f.ctx, r.ID)
		f.NoError(err)
		byState, err := f.AuthRequestByState(f.ctx, r.StateHash)
		f.NoError(err)
		f.Equal(byID, byState)
		return byID
	}
	waiting := read()
	f.Nil(waiting.Captured, "only an answer captures")
	f.Nil(waiting.Inputs)
	f.Nil(waiting.GrantedScopes)

	const odd = "ünï😀 \"'; DROP TABLE auth_requests; -- \n\t\\ $1 ? %s {}"
	answer := vault.Consumption{
		RequestID: r.ID, At: epoch(), Code: []byte("sealed code"),
		Captured:      map[string]string{odd: odd, "": "", "null": "null", "nul\x00": "\x00", "bad": "\xff\xed\xa0\x80"},
		Inputs:        map[string]string{"host": "eu.example", "nul": "a\x00b"},
		GrantedScopes: []string{"b", "a", "b", "", "NULL", "{a,b}", "\x00", "\xff", odd},
	}
	f.NoError(f.ConsumeAuthRequest(f.ctx, answer))
	got := read()
	f.Equal(map[string]string{odd: odd, "": "", "null": "null", "nul\uFFFD": "\uFFFD", "bad": "\uFFFD"}, got.Captured)
	f.Equal(map[string]string{"host": "eu.example", "nul": "a\uFFFDb"}, got.Inputs)
	f.Equal([]string{"b", "a", "b", "", "NULL", "{a,b}", "\uFFFD", "\uFFFD", odd}, got.GrantedScopes)
	f.Equal([]byte("sealed code"), got.Code)

	f.ErrorIs(f.ConsumeAuthRequest(f.ctx, vault.Consumption{
		RequestID: r.ID, At: epoch(), Captured: map[string]string{"other": "other"}, GrantedScopes: []string{"other"},
	}), vault.ErrConsumed)
	f.Equal(got, read())
	f.NoError(f.FinishAuthRequest(f.ctx, r.ID, "connected"))
	got.Code, got.Verifier, got.Outcome = nil, nil, "connected"
	f.Equal(got, read())
}

func testConsumeCapturesNone(f *fixture) {
	id := f.consent(f.connection("pending"))
	f.NoError(f.ConsumeAuthRequest(f.ctx, vault.Consumption{
		RequestID: id, At: epoch(), Captured: map[string]string{}, Inputs: map[string]string{}, GrantedScopes: []string{},
	}))
	got, err := f.AuthRequest(f.ctx, id)
	f.NoError(err)
	f.Nil(got.Captured)
	f.Nil(got.Inputs)
	f.Nil(got.GrantedScopes)
}

func testConsumeCapturesMuch(f *fixture) {
	id := f.consent(f.connection("pending"))
	much := map[string]string{"much": strings.Repeat("é😀", 100<<10/6)}
	f.NoError(f.ConsumeAuthRequest(f.ctx, vault.Consumption{RequestID: id, At: epoch(), Captured: much, Inputs: much}))
	got, err := f.AuthRequest(f.ctx, id)
	f.NoError(err)
	f.Equal(much, got.Captured)
	f.Equal(much, got.Inputs)
}

func testConsumeExpired(f *fixture) {
	id := f.consent(f.connection("pending"))
	for _, at := range []time.Time{epoch().Add(10 * time.Minute), {}} {
		err := f.ConsumeAuthRequest(f.ctx, vault.Consumption{
			RequestID: id, At: at, Code: []byte("c"), Captured: map[string]string{"a": "b"},
		})
		f.ErrorIs(err, vault.ErrExpired)
	}
	r, err := f.AuthRequest(f.ctx, id)
	f.NoError(err)
	f.True(r.ConsumedAt.IsZero())
	f.Nil(r.Code)
	f.Nil(r.Captured)
	f.NoError(f.ConsumeAuthRequest(f.ctx, vault.Consumption{
		RequestID: id, At: epoch().Add(10*time.Minute - time.Microsecond), Code: []byte("c"),
	}))
}

func testFinish(f *fixture) {
	id := f.consent(f.connection("pending"))
	f.NoError(f.ConsumeAuthRequest(f.ctx, vault.Consumption{RequestID: id, At: epoch(), Code: []byte("sealed code")}))
	f.NoError(f.FinishAuthRequest(f.ctx, id, "connected"))
	r, err := f.AuthRequest(f.ctx, id)
	f.NoError(err)
	f.Equal("connected", r.Outcome)
	f.Nil(r.Code)
	f.Nil(r.Verifier)
	f.NoError(f.FinishAuthRequest(f.ctx, id, "code_rejected"))
	r, err = f.AuthRequest(f.ctx, id)
	f.NoError(err)
	f.Equal("connected", r.Outcome, "the first outcome stays")
}

func testConsentNotFound(f *fixture) {
	none := []byte("none")
	_, err := f.Link(f.ctx, none)
	f.ErrorIs(err, vault.ErrNotFound)
	_, err = f.AuthRequest(f.ctx, "none")
	f.ErrorIs(err, vault.ErrNotFound)
	_, err = f.AuthRequest(f.ctx, "\x00")
	f.ErrorIs(err, vault.ErrNotFound)
	_, err = f.AuthRequestByState(f.ctx, none)
	f.ErrorIs(err, vault.ErrNotFound)
	f.ErrorIs(f.CreateLink(f.ctx, vault.Link{Hash: none, ConnectionID: "none"}), vault.ErrNotFound)
	f.ErrorIs(f.StartConsent(f.ctx, none, f.request("browser")), vault.ErrNotFound)
	f.ErrorIs(f.ConsumeAuthRequest(f.ctx, vault.Consumption{RequestID: "none", At: epoch()}), vault.ErrNotFound)
	f.ErrorIs(f.FinishAuthRequest(f.ctx, "none", "connected"), vault.ErrNotFound)
}
