package vaulttest

import (
	"time"

	"github.com/acme/connections/internal/vault"
)

func testLinkRoundTrip(f *fixture) {
	id := f.connection("pending")
	given := vault.Link{
		Hash: []byte{0, 255, 1}, ConnectionID: id, CreatedAt: epoch().Add(7 * time.Nanosecond), ExpiresAt: epoch(),
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

func testConsumeExpired(f *fixture) {
	id := f.consent(f.connection("pending"))
	for _, at := range []time.Time{epoch().Add(10 * time.Minute), {}} {
		err := f.ConsumeAuthRequest(f.ctx, vault.Consumption{RequestID: id, At: at, Code: []byte("c")})
		f.ErrorIs(err, vault.ErrExpired)
	}
	r, err := f.AuthRequest(f.ctx, id)
	f.NoError(err)
	f.True(r.ConsumedAt.IsZero())
	f.Nil(r.Code)
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
