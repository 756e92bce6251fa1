package vaulttest

import (
	"time"

	"github.com/acme/connections/internal/vault"
)

// mark marks one connection as read.
func (f *fixture) mark(id string, when time.Time) {
	f.t.Helper()
	f.NoError(f.MarkRead(f.ctx, map[string]time.Time{id: when}))
}

// lastRead reads a mark.
func (f *fixture) lastRead(id string) time.Time {
	f.t.Helper()
	when, err := f.LastRead(f.ctx, id)
	f.NoError(err)
	return when
}

// unread is a start that asks whether somebody has read since.
func (f *fixture) unread(id string, since time.Time) vault.AttemptStart {
	start := f.refresh(id)
	start.UnreadSince = since
	return start
}

func testMarkRead(f *fixture) {
	id, other := f.connection("active"), f.connection("active")
	before := f.row(id)
	f.True(f.lastRead(id).IsZero())
	f.mark(id, epoch().Add(999*time.Nanosecond).In(time.FixedZone("UTC+1", 3600)))
	f.Equal(epoch(), f.lastRead(id))
	f.mark(id, at(-time.Second))
	f.Equal(epoch(), f.lastRead(id), "never lower")
	f.mark(id, time.Time{})
	f.Equal(epoch(), f.lastRead(id))
	f.mark(id, at(time.Microsecond))
	f.Equal(at(time.Microsecond), f.lastRead(id))
	f.True(f.lastRead(other).IsZero())
	f.Equal(before, f.row(id), "a mark is not in the row")
	f.commit(id, "")
	f.Equal(at(time.Microsecond), f.lastRead(id))
}

func testMarkPassedOver(f *fixture) {
	id := f.connection("active")
	f.NoError(f.MarkRead(f.ctx, nil))
	f.NoError(f.MarkRead(f.ctx, map[string]time.Time{"none": epoch()}))
	f.NoError(f.MarkRead(f.ctx, map[string]time.Time{
		"": epoch(), "none": epoch(), "a\x00b": epoch(), "\xff\xfe": epoch(), id: epoch(),
	}))
	f.Equal(epoch(), f.lastRead(id))
	for _, strange := range []string{"", "none", "a\x00b", "\xff\xfe"} {
		_, err := f.LastRead(f.ctx, strange)
		f.ErrorIs(err, vault.ErrNotFound)
	}
}

func testMarkMany(f *fixture) {
	marks := map[string]time.Time{}
	for i := range 300 {
		marks[f.connection("active")] = at(time.Duration(i) * time.Second)
		marks[f.id("none")] = epoch()
	}
	f.NoError(f.MarkRead(f.ctx, marks))
	list, err := f.ListConnections(f.ctx, vault.ConnectionFilter{Limit: 1000})
	f.NoError(err)
	f.Len(list, 300)
	for _, c := range list {
		f.Equal(marks[c.ID], f.lastRead(c.ID))
	}
}

func testReadsErased(f *fixture) {
	id, other := f.connection("active"), f.connection("active")
	f.mark(id, epoch())
	f.mark(other, epoch())
	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Seq: 1}, epoch()))
	f.True(f.lastRead(id).IsZero())
	f.mark(id, at(time.Hour))
	f.True(f.lastRead(id).IsZero())
	f.Equal(epoch(), f.lastRead(other))
	_, err := f.DeleteTombstones(f.ctx, epoch())
	f.NoError(err)
	_, err = f.LastRead(f.ctx, id)
	f.ErrorIs(err, vault.ErrNotFound)
	f.NoError(f.CreateConnection(f.ctx, vault.Connection{ID: id, Status: "active"}))
	f.True(f.lastRead(id).IsZero())
}

func testUnread(f *fixture) {
	id := f.connection("active")
	begun := f.begin(f.unread(id, epoch()), vault.BeginUnread)
	f.Equal(vault.Begun{Outcome: vault.BeginUnread, Connection: f.row(id)}, begun)
	f.mark(id, at(-time.Microsecond))
	f.begin(f.unread(id, epoch()), vault.BeginUnread)
	f.mark(f.connection("active"), epoch())
	f.begin(f.unread(id, epoch()), vault.BeginUnread)
	f.mark(id, epoch())
	started := f.begin(f.unread(id, epoch().Add(999*time.Nanosecond)), vault.BeginStarted)
	f.Equal(f.attempt(started.Attempt.ID), started.Attempt)
	f.begin(f.unread(id, at(time.Microsecond)), vault.BeginInFlight)
	f.fail(started.Attempt.ID, vault.AttemptSuperseded)
	f.begin(f.unread(id, at(time.Microsecond)), vault.BeginUnread)

	newer := f.unread(id, at(time.Hour))
	newer.Generation = 7
	f.begin(newer, vault.BeginNewer)

	// What the slow way has to look at.
	old := f.lapsed(f.refresh(id), 0)
	f.begin(f.unread(id, at(time.Hour)), vault.BeginUnread)
	f.Equal(vault.AttemptSuperseded, f.attempt(old).State)
	f.lapsed(f.refresh(id), 0)
	started = f.begin(f.unread(id, epoch()), vault.BeginStarted)
	f.NoError(f.MarkSent(f.ctx, started.Attempt.ID))
	f.fail(started.Attempt.ID, vault.AttemptInDoubt)
	f.begin(f.unread(id, at(time.Hour)), vault.BeginUnread)
	f.begin(f.unread(id, epoch()), vault.BeginInDoubt)
}

func testUnreadAndSuspended(f *fixture) {
	id := f.open()[0]
	f.Zero(f.begin(f.unread(id, epoch()), vault.BeginUnread).Breaker)
	f.mark(id, epoch())
	f.Equal(f.breaker(), f.begin(f.unread(id, epoch()), vault.BeginSuspended).Breaker)
	probe := f.unread(id, at(time.Second))
	probe.Probe = true
	f.begin(probe, vault.BeginUnread)
	probe.UnreadSince = epoch()
	f.Equal(f.breaker(), f.begin(probe, vault.BeginStarted).Breaker)
}

// What is always fresh does not sleep: by the connection's policy, or, if it has none, by its integration's.
func testUnreadAndAlwaysFresh(f *fixture) {
	id := f.connectionsOf("i", 1)[0]
	for _, policy := range []struct {
		connection, integration string
		want                    vault.AttemptOutcome
	}{
		{"", "", vault.BeginUnread},
		{vault.PolicyAlwaysFresh, "", vault.BeginStarted},
		{"", vault.PolicyAlwaysFresh, vault.BeginStarted},
		{vault.PolicyAdaptive, vault.PolicyAlwaysFresh, vault.BeginUnread},
		{vault.PolicyAlwaysFresh, vault.PolicyAdaptive, vault.BeginStarted},
	} {
		f.NoError(f.SetPolicy(f.ctx, id, policy.connection))
		f.NoError(f.PutIntegration(f.ctx, vault.Integration{ID: "i", Connector: "sandbox", Policy: policy.integration}))
		begun := f.begin(f.unread(id, epoch()), policy.want)
		if policy.want == vault.BeginStarted {
			f.fail(begun.Attempt.ID, vault.AttemptSuperseded)
		}
		// The slow way, which has something to look at, finds the same.
		old := f.lapsed(f.refresh(id), 0)
		begun = f.begin(f.unread(id, epoch()), policy.want)
		f.Equal(vault.AttemptSuperseded, f.attempt(old).State)
		if policy.want == vault.BeginStarted {
			f.fail(begun.Attempt.ID, vault.AttemptSuperseded)
		}
	}
}
