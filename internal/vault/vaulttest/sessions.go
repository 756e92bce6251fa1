package vaulttest

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/acme/connections/internal/vault"
)

// session creates one that lives for an hour from epoch.
func (f *fixture) session() vault.Session {
	f.t.Helper()
	id := f.id("session")
	s := vault.Session{
		ID: id, Hash: []byte("hash of " + id), Kind: vault.SessionConnect, Owner: "acme", Connectors: []string{"sandbox"},
		CreatedAt: epoch(), ExpiresAt: epoch().Add(time.Hour),
	}
	f.NoError(f.CreateSession(f.ctx, s))
	return s
}

func testSessionRoundTrip(f *fixture) {
	given := vault.Session{
		ID: "cs_1", Hash: []byte{0, 255, 1}, Kind: vault.SessionManage, Owner: "acme", EndUser: "ada", Connectors: []string{"b", "a"},
		Tags: map[string]string{"team": "x"}, ReturnURL: "https://app.example/done", ConfirmUser: true, ConnectionID: "con_1",
		Popup: true, CreatedAt: epoch().Add(7 * time.Nanosecond), ExpiresAt: epoch().Add(time.Hour),
	}
	f.NoError(f.CreateSession(f.ctx, given))
	given.CreatedAt = epoch()
	got, err := f.Session(f.ctx, given.Hash)
	f.NoError(err)
	f.Equal(given, got)
	got, err = f.SessionByID(f.ctx, given.ID)
	f.NoError(err)
	f.Equal(given, got)
	f.ErrorIs(f.CreateSession(f.ctx, given), vault.ErrExists)
	other := given
	other.ID = "cs_2"
	f.ErrorIs(f.CreateSession(f.ctx, other), vault.ErrExists, "the same secret")

	_, err = f.Session(f.ctx, []byte("no such"))
	f.ErrorIs(err, vault.ErrNotFound)
	_, err = f.SessionByID(f.ctx, "no such")
	f.ErrorIs(err, vault.ErrNotFound)
}

func testSessionUse(f *fixture) {
	s := f.session()
	use := vault.SessionUse{Hash: s.Hash, BrowserHash: []byte("one"), At: epoch().Add(time.Minute), ConnectionID: "con_1"}
	used, err := f.UseSession(f.ctx, use)
	f.NoError(err)
	s.ConsumedAt, s.BrowserHash, s.ConnectionID, s.Uses = use.At, use.BrowserHash, "con_1", 1
	f.Equal(s, used)
	stored, err := f.SessionByID(f.ctx, s.ID)
	f.NoError(err)
	f.Equal(s, stored)

	again := use
	again.At, again.ConnectionID = epoch().Add(2*time.Minute), "con_2"
	used, err = f.UseSession(f.ctx, again)
	f.NoError(err)
	s.Uses = 2
	f.Equal(s, used, "it has its connection already")
	again.Replaces, again.Popup = "con_1", true
	used, err = f.UseSession(f.ctx, again)
	f.NoError(err)
	s.ConnectionID, s.Popup, s.Uses = "con_2", true, 3
	f.Equal(s, used, "the first use stays")

	for _, other := range []string{"other", ""} {
		use.BrowserHash, use.Replaces = []byte(other), "con_2"
		_, err = f.UseSession(f.ctx, use)
		f.ErrorIs(err, vault.ErrConsumed)
	}
	use.BrowserHash, use.At = []byte("one"), epoch().Add(time.Hour)
	_, err = f.UseSession(f.ctx, use)
	f.ErrorIs(err, vault.ErrExpired, "for the same browser too")
	use.Hash = []byte("no such")
	_, err = f.UseSession(f.ctx, use)
	f.ErrorIs(err, vault.ErrNotFound)
	stored, err = f.SessionByID(f.ctx, s.ID)
	f.NoError(err)
	f.Equal(s, stored)
}

// testSessionUseOften: its browser may use it often, and not for ever, however many uses come at once.
func testSessionUseOften(f *fixture) {
	s := f.session()
	use := vault.SessionUse{Hash: s.Hash, BrowserHash: []byte("one"), At: epoch(), ConnectionID: "con_1"}
	var all sync.WaitGroup
	var refused atomic.Int32
	for range vault.MaxSessionUses + 4 {
		all.Go(func() {
			switch _, err := f.UseSession(f.ctx, use); {
			case errors.Is(err, vault.ErrExhausted):
				refused.Add(1)
			case err != nil:
				f.t.Error(err)
			}
		})
	}
	all.Wait()
	f.EqualValues(4, refused.Load())
	use.Replaces, use.ConnectionID = "con_1", "con_2"
	_, err := f.UseSession(f.ctx, use)
	f.ErrorIs(err, vault.ErrExhausted)
	stored, err := f.SessionByID(f.ctx, s.ID)
	f.NoError(err)
	f.EqualValues(vault.MaxSessionUses, stored.Uses)
	f.Equal("con_1", stored.ConnectionID)
	use.BrowserHash = []byte("other")
	_, err = f.UseSession(f.ctx, use)
	f.ErrorIs(err, vault.ErrConsumed)
}

// testSessionUseOnce: of many browsers exactly one has the session, with its own connection.
func testSessionUseOnce(f *fixture) {
	s := f.session()
	var all sync.WaitGroup
	var winners atomic.Int32
	for i := range 8 {
		all.Go(func() {
			name := string(rune('a' + i))
			used, err := f.UseSession(f.ctx, vault.SessionUse{Hash: s.Hash, BrowserHash: []byte(name), At: epoch(), ConnectionID: name})
			switch {
			case err == nil && used.ConnectionID == name && string(used.BrowserHash) == name:
				winners.Add(1)
			case err == nil:
				f.t.Errorf("%s got the session of %s", name, used.BrowserHash)
			case !errors.Is(err, vault.ErrConsumed):
				f.t.Errorf("%s: %v", name, err)
			}
		})
	}
	all.Wait()
	f.EqualValues(1, winners.Load())
}

func testSessionOpen(f *fixture) {
	s := f.session()
	opening := vault.SessionOpening{SessionID: s.ID, AssertionHash: []byte("jti"), BrowserHash: []byte("one"), At: epoch()}
	opened := func(browser string) bool {
		f.t.Helper()
		is, err := f.SessionOpened(f.ctx, s.ID, []byte(browser))
		f.NoError(err)
		return is
	}
	f.False(opened("one"))
	f.NoError(f.OpenSession(f.ctx, opening))
	f.True(opened("one"))
	f.False(opened("two"))
	f.False(opened(""))
	f.ErrorIs(f.OpenSession(f.ctx, opening), vault.ErrExists, "an assertion works once")
	opening.BrowserHash = []byte("two")
	f.ErrorIs(f.OpenSession(f.ctx, opening), vault.ErrExists, "for every browser")
	f.False(opened("two"))

	other := f.session()
	opening.SessionID = other.ID
	f.NoError(f.OpenSession(f.ctx, opening), "of another session")
	opening.SessionID = "no such"
	f.ErrorIs(f.OpenSession(f.ctx, opening), vault.ErrNotFound)
	opening.SessionID, opening.AssertionHash, opening.At = s.ID, []byte("late"), epoch().Add(time.Hour)
	f.ErrorIs(f.OpenSession(f.ctx, opening), vault.ErrExpired)

	_, err := f.UseSession(f.ctx, vault.SessionUse{Hash: s.Hash, BrowserHash: []byte("one"), At: epoch()})
	f.NoError(err)
	opening.At = epoch()
	f.ErrorIs(f.OpenSession(f.ctx, opening), vault.ErrConsumed, "another browser has used it")
	opening.BrowserHash = []byte("one")
	f.NoError(f.OpenSession(f.ctx, opening))
}

func testSessionsDeleted(f *fixture) {
	old := f.session()
	f.NoError(f.OpenSession(f.ctx, vault.SessionOpening{SessionID: old.ID, AssertionHash: []byte("jti"), BrowserHash: []byte("one"), At: epoch()}))
	_, _, err := f.DeleteConsents(f.ctx, epoch().Add(time.Hour-time.Microsecond), 10)
	f.NoError(err)
	_, err = f.SessionByID(f.ctx, old.ID)
	f.NoError(err)
	_, _, err = f.DeleteConsents(f.ctx, epoch().Add(time.Hour), 10)
	f.NoError(err)
	_, err = f.SessionByID(f.ctx, old.ID)
	f.ErrorIs(err, vault.ErrNotFound)
	opened, err := f.SessionOpened(f.ctx, old.ID, []byte("one"))
	f.NoError(err)
	f.False(opened)
}

// testHold: an answer that is held is used by nobody until it is released, exactly once.
func testHold(f *fixture) {
	id := f.connection("pending")
	at := epoch().Add(time.Minute)
	held := func() string {
		f.t.Helper()
		request := f.consent(id)
		f.NoError(f.ConsumeAuthRequest(f.ctx, vault.Consumption{RequestID: request, At: at, Code: []byte("sealed code"), Held: true}))
		return request
	}
	yes, no, late := held(), held(), held()
	f.Empty(f.unfinished(epoch(), at, 10))
	unconfirmed := func(after, upTo time.Time, limit int) []string {
		f.t.Helper()
		list, err := f.ListHeldRequests(f.ctx, after, upTo, limit)
		f.NoError(err)
		var ids []string
		for _, r := range list {
			f.True(r.Held)
			f.NotNil(r.Code)
			ids = append(ids, r.ID)
		}
		return ids
	}
	f.Equal([]string{yes, no, late}, unconfirmed(time.Time{}, at, 10))
	f.Equal([]string{yes, no}, unconfirmed(epoch(), at, 2))
	f.Empty(unconfirmed(at, at.Add(time.Hour), 10))
	f.Empty(unconfirmed(epoch(), at.Add(-time.Microsecond), 10))
	r, err := f.AuthRequest(f.ctx, yes)
	f.NoError(err)
	f.True(r.Held)

	f.NoError(f.ReleaseAuthRequest(f.ctx, yes, "", epoch()))
	f.Equal([]string{yes}, f.unfinished(epoch(), at, 10))
	r, err = f.AuthRequest(f.ctx, yes)
	f.NoError(err)
	f.False(r.Held)
	f.Equal([]byte("sealed code"), r.Code)
	f.ErrorIs(f.ReleaseAuthRequest(f.ctx, yes, "", epoch()), vault.ErrConsumed)
	f.ErrorIs(f.ReleaseAuthRequest(f.ctx, yes, "consent_denied", epoch()), vault.ErrConsumed)

	f.NoError(f.ReleaseAuthRequest(f.ctx, no, "consent_denied", epoch()))
	r, err = f.AuthRequest(f.ctx, no)
	f.NoError(err)
	f.Equal("consent_denied", r.Outcome)
	f.Nil(r.Code)
	f.Nil(r.Verifier)
	f.ErrorIs(f.ReleaseAuthRequest(f.ctx, no, "", epoch()), vault.ErrConsumed)

	f.ErrorIs(f.ReleaseAuthRequest(f.ctx, late, "", at), vault.ErrExpired)
	f.ErrorIs(f.ReleaseAuthRequest(f.ctx, "no such", "", epoch()), vault.ErrNotFound)
	f.Equal([]string{late}, unconfirmed(epoch(), at, 10))
	f.NoError(f.FinishAuthRequest(f.ctx, late, "consent_expired"))
	f.Empty(unconfirmed(epoch(), at, 10))
	f.ErrorIs(f.ReleaseAuthRequest(f.ctx, late, "", epoch()), vault.ErrConsumed)
}
