package vaulttest

import (
	"time"

	"github.com/acme/connections/internal/vault"
)

// answered starts a consent whose answer came at the given time, with a code or an outcome.
func (f *fixture) answered(connectionID string, at time.Time, code, outcome string) string {
	f.t.Helper()
	id := f.consent(connectionID)
	f.NoError(f.ConsumeAuthRequest(f.ctx, vault.Consumption{RequestID: id, At: at, Code: []byte(code), Outcome: outcome}))
	return id
}

// unfinished lists the ids of unfinished requests.
func (f *fixture) unfinished(after, upTo time.Time, limit int) []string {
	f.t.Helper()
	list, err := f.ListUnfinishedRequests(f.ctx, after, upTo, limit)
	f.NoError(err)
	ids := []string{}
	for _, r := range list {
		ids = append(ids, r.ID)
	}
	return ids
}

func testUnfinishedRequests(f *fixture) {
	id := f.connection("pending")
	minute := func(n int) time.Time { return epoch().Add(time.Duration(n) * time.Minute) }
	third := f.answered(id, minute(3), "sealed code", "")
	first := f.answered(id, minute(1), "sealed code", "")
	second := f.answered(f.connection("active"), minute(2), "sealed code", "")
	f.answered(id, minute(2), "", "consent_denied")
	f.answered(id, minute(2), "", "")
	f.consent(id)
	finished := f.answered(id, minute(2), "sealed code", "")
	f.NoError(f.FinishAuthRequest(f.ctx, finished, "connected"))

	f.Equal([]string{first, second, third}, f.unfinished(epoch(), minute(9), 10))
	f.Equal([]string{first, second, third}, f.unfinished(time.Time{}, minute(9), 10), "from the beginning")
	f.Equal([]string{second}, f.unfinished(minute(1), minute(2), 10), "after the one, up to the other")
	f.Empty(f.unfinished(minute(3), minute(9), 10))
	f.Empty(f.unfinished(minute(3), minute(1), 10))
	f.Empty(f.unfinished(epoch(), time.Time{}, 10))

	list, err := f.ListUnfinishedRequests(f.ctx, epoch(), minute(1), 10)
	f.NoError(err)
	f.Len(list, 1)
	whole, err := f.AuthRequest(f.ctx, first)
	f.NoError(err)
	f.Equal(whole, list[0])

	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Seq: 1, At: epoch()}, epoch()))
	f.Equal([]string{second}, f.unfinished(epoch(), minute(9), 10))
}

func testUnfinishedLimits(f *fixture) {
	id := f.connection("pending")
	var all []string
	for range 3 {
		all = append(all, f.answered(id, epoch(), "sealed code", ""))
	}
	before := epoch().Add(-time.Microsecond)
	f.Equal(all, f.unfinished(before, epoch(), 3), "by id where the time is the same")
	f.Equal(all[:2], f.unfinished(before, epoch(), 2))
	f.Equal(all, f.unfinished(before, epoch(), 1_000_000))
	f.Equal(all, f.unfinished(before, epoch(), 0), "the usual page")
}

func testDeleteConsents(f *fixture) {
	id := f.connection("pending")
	// Links expire an hour after epoch, requests ten minutes after it.
	request := f.request("browser")
	used := f.link(id)
	f.NoError(f.StartConsent(f.ctx, used, request))
	unused := f.link(id)
	late := f.request("browser")
	late.ExpiresAt = epoch().Add(2 * time.Hour)
	f.NoError(f.StartConsent(f.ctx, used, late))
	deleted := func(at time.Time, limit int) [2]int64 {
		f.t.Helper()
		links, requests, err := f.DeleteConsents(f.ctx, at, limit)
		f.NoError(err)
		return [2]int64{links, requests}
	}
	f.Zero(deleted(epoch().Add(10*time.Minute-time.Microsecond), 10))
	f.Zero(deleted(time.Time{}, 10))
	f.Equal([2]int64{0, 1}, deleted(epoch().Add(10*time.Minute), 10))
	_, err := f.AuthRequest(f.ctx, request.ID)
	f.ErrorIs(err, vault.ErrNotFound)
	_, err = f.Link(f.ctx, unused)
	f.NoError(err)

	f.Equal([2]int64{1, 0}, deleted(epoch().Add(time.Hour), 1), "no more than asked for")
	f.Equal([2]int64{1, 0}, deleted(epoch().Add(time.Hour), 1))
	f.Zero(deleted(epoch().Add(time.Hour), 1))
	_, err = f.AuthRequest(f.ctx, late.ID)
	f.NoError(err, "its link is gone, it is not")
	f.Equal([2]int64{0, 1}, deleted(epoch().Add(2*time.Hour), 1))
	f.Equal(id, f.row(id).ID)
}
