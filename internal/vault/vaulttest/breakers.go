package vaulttest

import (
	"time"

	"github.com/acme/connections/internal/vault"
)

// at is a time after epoch.
func at(after time.Duration) time.Time { return epoch().Add(after) }

// connectionsOf creates some of one integration.
func (f *fixture) connectionsOf(integrationID string, count int) []string {
	f.t.Helper()
	ids := make([]string, count)
	for i := range ids {
		ids[i] = f.id("conn")
		f.NoError(f.CreateConnection(f.ctx, vault.Connection{ID: ids[i], IntegrationID: integrationID, Status: "active"}))
	}
	return ids
}

// outage is a failure of a connection of the integration "i".
func outage(connectionID string, when time.Time) vault.BreakerFailure {
	return vault.BreakerFailure{
		IntegrationID: "i", ConnectionID: connectionID, Cause: vault.BreakerOutage, Reason: "provider_unavailable",
		At: when, ProbeAfter: time.Minute,
	}
}

// count counts a failure and says whether it opened the breaker.
func (f *fixture) count(failure vault.BreakerFailure) (vault.Breaker, bool) {
	f.t.Helper()
	b, opened, err := f.CountFailure(f.ctx, failure)
	f.NoError(err)
	return b, opened
}

// open opens the breaker of "i" at epoch, and returns the connections that failed.
func (f *fixture) open() []string {
	f.t.Helper()
	ids := f.connectionsOf("i", 3)
	for i, id := range ids {
		failure := outage(id, epoch())
		failure.Cause, failure.Reason = vault.BreakerConfiguration, "client_rejected"
		_, opened := f.count(failure)
		f.Equal(i == 2, opened)
	}
	return ids
}

// breaker reads that of "i".
func (f *fixture) breaker() vault.Breaker {
	f.t.Helper()
	b, err := f.Breaker(f.ctx, "i")
	f.NoError(err)
	return b
}

// noBreaker expects that nothing is counted of "i".
func (f *fixture) noBreaker() {
	f.t.Helper()
	b, err := f.Breaker(f.ctx, "i")
	f.ErrorIs(err, vault.ErrNotFound)
	f.Zero(b)
	f.failing()
}

// failing expects the connections that are counted of "i".
func (f *fixture) failing(want ...string) {
	f.t.Helper()
	got, err := f.FailingConnections(f.ctx, "i", 0)
	f.NoError(err)
	f.Equal(want, append([]string(nil), got...))
}

func testCountFailure(f *fixture) {
	ids := f.connectionsOf("i", 7)
	f.noBreaker()
	closed := vault.Breaker{IntegrationID: "i", Cause: vault.BreakerOutage, Reason: "provider_unavailable"}
	for _, id := range ids[:4] {
		b, opened := f.count(outage(id, epoch()))
		f.False(opened)
		f.Equal(closed, b)
		f.Equal(closed, f.breaker())
	}
	none, err := f.OpenBreakers(f.ctx)
	f.NoError(err)
	f.Empty(none)

	last := outage(ids[4], at(time.Second+time.Nanosecond).In(time.FixedZone("UTC+1", 3600)))
	last.Reason = "reply_lost\x00"
	b, opened := f.count(last)
	f.True(opened)
	want := vault.Breaker{
		IntegrationID: "i", Open: true, Cause: vault.BreakerOutage, Reason: "reply_lost\uFFFD",
		OpenedAt: at(time.Second), NextProbeAt: at(time.Second + time.Minute), Opens: 1,
	}
	f.Equal(want, b)
	f.Equal(want, f.breaker())

	for _, other := range []string{"j", "h"} {
		for i, id := range ids[:5] {
			failure := outage(id, epoch())
			failure.IntegrationID = other
			_, opened := f.count(failure)
			f.Equal(i == 4, opened, "another integration counts for itself")
		}
	}
	list, err := f.OpenBreakers(f.ctx)
	f.NoError(err)
	f.Len(list, 3)
	f.Equal("h", list[0].IntegrationID)
	f.Equal(want, list[1])
	f.Equal("j", list[2].IntegrationID)
}

func testCountDistinct(f *fixture) {
	ids := f.connectionsOf("i", 4)
	for range 3 {
		for _, id := range ids {
			_, opened := f.count(outage(id, epoch()))
			f.False(opened, "a connection counts once")
		}
	}
	f.failing(ids...)
}

func testCountCauses(f *fixture) {
	ids := f.connectionsOf("i", 6)
	for _, id := range ids[:4] {
		f.count(outage(id, epoch()))
	}
	refused := outage(ids[4], epoch())
	refused.Cause, refused.Reason = vault.BreakerRefusals, "grant_rejected"
	b, opened := f.count(refused)
	f.False(opened, "each cause counts for itself")
	f.Equal(vault.BreakerRefusals, b.Cause, "the newest")
	f.Equal("grant_rejected", b.Reason)

	// A connection's newest failure takes the place of an older one of another cause.
	refused.ConnectionID, refused.At = ids[0], at(time.Second)
	_, opened = f.count(refused)
	f.False(opened)
	_, opened = f.count(outage(ids[4], at(time.Second)))
	f.False(opened)
	b, opened = f.count(outage(ids[5], at(time.Second)))
	f.True(opened)
	f.Equal(vault.BreakerOutage, b.Cause)

	other := outage(ids[0], epoch())
	other.IntegrationID, other.Cause = "j", "other"
	for _, id := range ids {
		other.ConnectionID = id
		_, opened = f.count(other)
		f.False(opened)
	}
}

func testBreakerWindow(f *fixture) {
	ids := f.connectionsOf("i", 9)
	for i, id := range ids[:4] {
		f.count(outage(id, at(time.Duration(i)*time.Microsecond)))
	}
	_, opened := f.count(outage(ids[4], at(vault.BreakerWindow+time.Microsecond)))
	f.False(opened, "one is too old")
	f.failing(ids[1], ids[2], ids[3], ids[4])
	_, opened = f.count(outage(ids[5], at(vault.BreakerWindow+time.Microsecond)))
	f.True(opened, "the oldest of five is just not too old")

	_, err := f.CountSuccess(f.ctx, "i")
	f.NoError(err)
	// What comes late changes nothing that is newer, and counts with what was near it.
	for _, id := range ids[:4] {
		f.count(outage(id, at(time.Hour)))
	}
	f.count(outage(ids[0], epoch()))
	_, opened = f.count(outage(ids[5], epoch()))
	f.False(opened)
	f.failing(append([]string{ids[5]}, ids[:4]...)...)
	_, opened = f.count(outage(ids[6], at(time.Hour)))
	f.True(opened)
	f.failing(append(ids[:4:4], ids[6])...)
}

func testOpenBreakerStays(f *fixture) {
	ids := f.open()
	open := f.breaker()
	for i, id := range append(f.connectionsOf("i", 6), ids[0]) {
		b, opened := f.count(outage(id, at(time.Hour+time.Duration(i)*time.Second)))
		f.False(opened)
		f.Equal(open, b)
	}
	f.Equal(open, f.breaker())
	got, err := f.FailingConnections(f.ctx, "i", 0)
	f.NoError(err)
	f.Len(got, 9, "nothing is forgotten")
	f.Equal(ids[1], got[0])
	f.Equal(ids[0], got[8], "whose probe failed goes to the end")
}

func testCountSuccess(f *fixture) {
	closed, err := f.CountSuccess(f.ctx, "i")
	f.NoError(err)
	f.False(closed)

	ids := f.connectionsOf("i", 5)
	for _, id := range ids[:4] {
		f.count(outage(id, epoch()))
	}
	closed, err = f.CountSuccess(f.ctx, "i")
	f.NoError(err)
	f.False(closed, "it was not open")
	f.noBreaker()
	_, opened := f.count(outage(ids[4], epoch()))
	f.False(opened, "counted from the start")
	f.failing(ids[4])

	f.open()
	other := outage(ids[0], epoch())
	other.IntegrationID = "j"
	f.count(other)
	closed, err = f.CountSuccess(f.ctx, "i")
	f.NoError(err)
	f.True(closed)
	f.noBreaker()
	closed, err = f.CountSuccess(f.ctx, "i")
	f.NoError(err)
	f.False(closed)
	kept, err := f.FailingConnections(f.ctx, "j", 0)
	f.NoError(err)
	f.Equal(ids[:1], kept)
	f.open()
	f.Equal(int64(1), f.breaker().Opens)
}

func testCountPassedOver(f *fixture) {
	gone := f.connectionsOf("i", 1)[0]
	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: gone, Status: "disconnected", Seq: 1}, epoch()))
	for _, id := range []string{"none", gone} {
		b, opened := f.count(outage(id, epoch()))
		f.False(opened)
		f.Zero(b)
		f.noBreaker()
	}
	ids := f.connectionsOf("i", 4)
	for _, id := range ids {
		f.count(outage(id, epoch()))
	}
	before := f.breaker()
	for _, id := range []string{"none", gone} {
		refused := outage(id, at(time.Hour))
		refused.Cause, refused.Reason = vault.BreakerRefusals, "grant_rejected"
		b, opened := f.count(refused)
		f.False(opened)
		f.Equal(before, b)
	}
	f.failing(ids...)
}

func testClaimProbe(f *fixture) {
	claim := func(when time.Time) bool {
		f.t.Helper()
		claimed, err := f.ClaimProbe(f.ctx, "i", when, 2*time.Minute)
		f.NoError(err)
		return claimed
	}
	f.False(claim(epoch()), "no breaker")
	f.count(outage(f.connectionsOf("i", 1)[0], epoch()))
	f.False(claim(at(time.Hour)), "closed")
	f.open()
	open := f.breaker()
	f.Equal(at(time.Minute), open.NextProbeAt)
	f.False(claim(at(time.Minute - time.Microsecond)))
	f.Equal(open, f.breaker())
	f.True(claim(at(time.Minute)))
	open.NextProbeAt = at(3 * time.Minute)
	f.Equal(open, f.breaker())
	f.False(claim(at(time.Minute)))
	f.True(claim(at(time.Hour)))
	open.NextProbeAt = at(time.Hour + 2*time.Minute)
	f.Equal(open, f.breaker())
}

func testFailingConnections(f *fixture) {
	ids := f.connectionsOf("i", 3)
	f.count(outage(ids[0], at(2*time.Second)))
	f.count(outage(ids[1], epoch()))
	f.count(outage(ids[2], at(time.Second)))
	for limit, want := range map[int][]string{
		0: {ids[1], ids[2], ids[0]}, 1: {ids[1]}, 2: {ids[1], ids[2]}, 5000: {ids[1], ids[2], ids[0]},
	} {
		got, err := f.FailingConnections(f.ctx, "i", limit)
		f.NoError(err)
		f.Equal(want, got)
	}
}

func testFailuresGoWithConnection(f *fixture) {
	ids := f.connectionsOf("i", 6)
	for _, id := range ids[:4] {
		f.count(outage(id, epoch()))
	}
	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: ids[0], Status: "disconnected", Seq: 1}, epoch()))
	f.failing(ids[1:4]...)
	_, err := f.DeleteTombstones(f.ctx, epoch())
	f.NoError(err)
	_, opened := f.count(outage(ids[4], epoch()))
	f.False(opened)
	_, opened = f.count(outage(ids[5], epoch()))
	f.True(opened)
}

func testSuspended(f *fixture) {
	ids := f.connectionsOf("i", 2)
	start := func(change func(s *vault.AttemptStart)) vault.AttemptStart {
		s := f.refresh(ids[0])
		change(&s)
		return s
	}
	begun := f.begin(f.refresh(ids[0]), vault.BeginStarted)
	f.Zero(begun.Breaker, "nothing failed")
	f.fail(begun.Attempt.ID, vault.AttemptSuperseded)

	f.count(outage(ids[1], epoch()))
	begun = f.begin(f.refresh(ids[0]), vault.BeginStarted)
	f.Equal(f.breaker(), begun.Breaker, "closed, and told")
	f.fail(begun.Attempt.ID, vault.AttemptSuperseded)

	f.open()
	open := f.breaker()
	begun = f.begin(f.refresh(ids[0]), vault.BeginSuspended)
	f.Equal(vault.Begun{Outcome: vault.BeginSuspended, Connection: f.row(ids[0]), Breaker: open}, begun)
	_, err := f.Attempt(f.ctx, begun.Attempt.ID)
	f.ErrorIs(err, vault.ErrNotFound)
	newer := f.begin(start(func(s *vault.AttemptStart) { s.Generation = 7 }), vault.BeginNewer)
	f.Zero(newer.Breaker)

	probe := f.begin(start(func(s *vault.AttemptStart) { s.Probe = true }), vault.BeginStarted)
	f.Equal(open, probe.Breaker)
	f.Equal(f.attempt(probe.Attempt.ID), probe.Attempt)
	inFlight := f.begin(f.refresh(ids[0]), vault.BeginInFlight)
	f.Zero(inFlight.Breaker)
	f.fail(probe.Attempt.ID, vault.AttemptSuperseded)

	exchange := f.begin(f.exchange(ids[0], "r"), vault.BeginStarted)
	f.Equal(open, exchange.Breaker, "a consent is never suspended")
	f.commit(ids[0], exchange.Attempt.ID)
	f.begin(f.exchange(ids[0], "r"), vault.BeginSpent)

	// What the slow way has to look at, and a probe that it starts.
	f.lapsed(start(func(s *vault.AttemptStart) { s.Probe = true }), 0)
	f.begin(f.refresh(ids[0]), vault.BeginSuspended)
	f.lapsed(start(func(s *vault.AttemptStart) { s.Probe = true }), 0)
	probe = f.begin(start(func(s *vault.AttemptStart) { s.Probe = true }), vault.BeginStarted)
	f.Equal(open, probe.Breaker)
	f.NoError(f.MarkSent(f.ctx, probe.Attempt.ID))
	f.fail(probe.Attempt.ID, vault.AttemptInDoubt)
	f.begin(f.refresh(ids[0]), vault.BeginSuspended)
	f.begin(start(func(s *vault.AttemptStart) { s.Probe = true }), vault.BeginInDoubt)

	_, err = f.CountSuccess(f.ctx, "i")
	f.NoError(err)
	f.begin(f.refresh(ids[0]), vault.BeginInDoubt)
	f.Zero(f.begin(f.settle(ids[0]), vault.BeginStarted).Breaker)
}

// testBreakerOfTheRow: the integration is that of the row as it is now.
func testBreakerOfTheRow(f *fixture) {
	f.open()
	id := f.connectionsOf("j", 1)[0]
	begun := f.begin(f.refresh(id), vault.BeginStarted)
	f.Zero(begun.Breaker)
	f.fail(begun.Attempt.ID, vault.AttemptSuperseded)
	f.NoError(f.SetIntegration(f.ctx, id, "i"))
	f.begin(f.refresh(id), vault.BeginSuspended)
	f.begin(f.refresh(f.connection("active")), vault.BeginStarted)
}
