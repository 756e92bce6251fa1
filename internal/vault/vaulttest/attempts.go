package vaulttest

import (
	"time"

	"github.com/acme/connections/internal/vault"
)

func testAttemptLife(f *fixture) {
	id := f.connection("active")
	f.commit(id, "")
	start := f.exchange(id, "request")
	start.Generation = 1
	begun := f.begin(start, vault.BeginStarted)
	f.Equal(f.row(id), begun.Connection)
	a := begun.Attempt
	f.Equal(f.attempt(start.ID), a)
	f.WithinDuration(time.Now(), a.BegunAt, time.Minute)
	f.Equal(time.UTC, a.BegunAt.Location())
	f.Equal(vault.Attempt{
		ID: start.ID, ConnectionID: id, Kind: "exchange", Generation: 1, RequestID: "request",
		State: vault.AttemptBegun, BegunAt: a.BegunAt, LeaseUntil: a.BegunAt.Add(time.Minute),
	}, a)

	f.NoError(f.MarkSent(f.ctx, a.ID))
	sent := f.attempt(a.ID)
	f.Equal(vault.AttemptSent, sent.State)
	f.False(sent.SentAt.Before(a.BegunAt))
	f.True(sent.EndedAt.IsZero())

	f.NoError(f.SaveReply(f.ctx, a.ID, []byte("reply")))
	replied := f.attempt(a.ID)
	f.Equal(vault.AttemptReplied, replied.State)
	f.Equal([]byte("reply"), replied.Reply)

	_, err := f.FailAttempt(f.ctx, a.ID, vault.AttemptFailed, "grant_rejected")
	f.NoError(err)
	failed := f.attempt(a.ID)
	f.Equal(vault.AttemptFailed, failed.State)
	f.Equal("grant_rejected", failed.Reason)
	f.False(failed.EndedAt.Before(sent.SentAt))
	f.Equal([]byte("reply"), failed.Reply, "for the operator")
}

func testNewer(f *fixture) {
	id := f.connection("active")
	f.begin(f.refresh(id), vault.BeginStarted)
	f.commit(id, "")
	for _, generation := range []int64{0, 2} {
		start := f.refresh(id)
		start.Generation = generation
		begun := f.begin(start, vault.BeginNewer)
		f.Zero(begun.Attempt)
		f.Equal(f.row(id), begun.Connection)
	}
}

func testInFlight(f *fixture) {
	id := f.connection("active")
	first := f.begin(f.refresh(id), vault.BeginStarted).Attempt
	f.Equal(first, f.begin(f.refresh(id), vault.BeginInFlight).Attempt)
	f.NoError(f.MarkSent(f.ctx, first.ID))
	f.Equal(vault.AttemptSent, f.begin(f.exchange(id, "r"), vault.BeginInFlight).Attempt.State)
	f.begin(f.refresh(f.connection("active")), vault.BeginStarted)
	settle := f.refresh(id)
	settle.Settle = true
	f.begin(settle, vault.BeginInFlight)
}

func testReplied(f *fixture) {
	id := f.connection("active")
	first := f.begin(f.refresh(id), vault.BeginStarted).Attempt.ID
	f.NoError(f.SaveReply(f.ctx, first, []byte("reply")))
	begun := f.begin(f.refresh(id), vault.BeginReplied)
	f.Equal(f.attempt(first), begun.Attempt)
	f.Equal([]byte("reply"), begun.Attempt.Reply)
	f.commit(id, first)
	f.begin(f.refresh(id), vault.BeginStarted)
}

func testLateReply(f *fixture) {
	id := f.connection("active")
	lost := f.inDoubt(f.refresh(id))
	f.begin(f.refresh(id), vault.BeginInDoubt)
	f.NoError(f.SaveReply(f.ctx, lost, []byte("late")))
	a := f.attempt(lost)
	f.Equal(vault.AttemptInDoubt, a.State)
	f.Equal([]byte("late"), a.Reply)
	settle := f.refresh(id)
	settle.Settle = true
	f.Equal(a, f.begin(settle, vault.BeginReplied).Attempt)
	f.Equal(int64(1), f.commit(id, lost))
	f.Equal(vault.AttemptDone, f.attempt(lost).State)
	f.begin(f.refresh(id), vault.BeginStarted)
}

func testLateReplyFails(f *fixture) {
	id := f.connection("active")
	lost := f.inDoubt(f.refresh(id))
	f.NoError(f.SaveReply(f.ctx, lost, []byte("late, and of no use")))
	failures, err := f.FailAttempt(f.ctx, lost, vault.AttemptInDoubt, "reply_unreadable")
	f.NoError(err)
	f.Equal(int64(2), failures)
	f.Nil(f.attempt(lost).Reply)
	f.begin(f.refresh(id), vault.BeginInDoubt)
	f.NoError(f.SaveReply(f.ctx, lost, []byte("later, and a refusal")))
	_, err = f.FailAttempt(f.ctx, lost, vault.AttemptFailed, "rotation_lost")
	f.NoError(err)
	f.Equal("rotation_lost", f.attempt(lost).Reason)
	f.begin(f.refresh(id), vault.BeginStarted)
}

func testLateReplyOfOlderGeneration(f *fixture) {
	id := f.connection("active")
	lost := f.inDoubt(f.refresh(id))
	f.commit(id, "")
	f.NoError(f.SaveReply(f.ctx, lost, []byte("late")))
	f.begin(f.refresh(id), vault.BeginStarted)
}

func testLateReplyOfRequest(f *fixture) {
	id := f.connection("active")
	lost := f.inDoubt(f.exchange(id, "r"))
	f.commit(id, "")
	f.begin(f.exchange(id, "r"), vault.BeginInDoubt)
	f.NoError(f.SaveReply(f.ctx, lost, []byte("late")))
	f.Equal(lost, f.begin(f.exchange(id, "r"), vault.BeginReplied).Attempt.ID)
}

func testLapsedUnsent(f *fixture) {
	for _, lease := range []time.Duration{0, -time.Hour} {
		id := f.connection("active")
		old := f.lapsed(f.refresh(id), lease)
		begun := f.begin(f.refresh(id), vault.BeginStarted)
		f.NotEqual(old, begun.Attempt.ID)
		a := f.attempt(old)
		f.Equal(vault.AttemptSuperseded, a.State)
		f.False(a.EndedAt.IsZero())
		f.ErrorIs(f.MarkSent(f.ctx, old), vault.ErrConflict)
		f.NoError(f.MarkSent(f.ctx, begun.Attempt.ID))
	}
}

func testLapsedSent(f *fixture) {
	id := f.connection("active")
	old := f.lapsed(f.refresh(id), 0)
	f.NoError(f.MarkSent(f.ctx, old))
	begun := f.begin(f.refresh(id), vault.BeginInDoubt)
	f.Equal(old, begun.Attempt.ID)
	f.Equal(f.attempt(old), begun.Attempt)
	f.Equal(vault.AttemptInDoubt, begun.Attempt.State)
	f.Equal("reply_lost", begun.Attempt.Reason)
	f.False(begun.Attempt.EndedAt.IsZero())
	f.begin(f.refresh(id), vault.BeginInDoubt)
}

func testLapsedReplied(f *fixture) {
	id := f.connection("active")
	old := f.lapsed(f.refresh(id), -time.Hour)
	f.NoError(f.MarkSent(f.ctx, old))
	f.NoError(f.SaveReply(f.ctx, old, []byte("reply")))
	f.Equal(vault.AttemptReplied, f.begin(f.refresh(id), vault.BeginReplied).Attempt.State)
}

func testSettle(f *fixture) {
	id := f.connection("active")
	f.inDoubt(f.refresh(id))
	settle := f.refresh(id)
	settle.Settle = true
	superseded := f.begin(settle, vault.BeginStarted).Attempt.ID
	_, err := f.FailAttempt(f.ctx, superseded, vault.AttemptSuperseded, "provider_throttled")
	f.NoError(err)
	f.begin(f.refresh(id), vault.BeginInDoubt)

	settle.ID = f.id("attempt")
	failed := f.begin(settle, vault.BeginStarted).Attempt.ID
	_, err = f.FailAttempt(f.ctx, failed, vault.AttemptFailed, "provider_unavailable")
	f.NoError(err)
	f.begin(f.refresh(id), vault.BeginStarted)

	// A doubt found in the same call is settled in the same call.
	other := f.connection("active")
	f.NoError(f.MarkSent(f.ctx, f.lapsed(f.refresh(other), 0)))
	settle.ID, settle.ConnectionID = f.id("attempt"), other
	f.begin(settle, vault.BeginStarted)
}

func testDoubtIsOfOneGeneration(f *fixture) {
	id := f.connection("active")
	f.inDoubt(f.refresh(id))
	f.commit(id, "")
	f.begin(f.refresh(id), vault.BeginStarted)
}

func testRequestSpent(f *fixture) {
	id := f.connection("pending")
	done := f.begin(f.exchange(id, "r1"), vault.BeginStarted).Attempt.ID
	f.commit(id, done)
	f.Equal(f.attempt(done), f.begin(f.exchange(id, "r1"), vault.BeginSpent).Attempt)
	failed := f.begin(f.exchange(id, "r2"), vault.BeginStarted).Attempt.ID
	_, err := f.FailAttempt(f.ctx, failed, vault.AttemptFailed, "code_rejected")
	f.NoError(err)
	settle := f.exchange(id, "r2")
	settle.Settle = true
	f.Equal(failed, f.begin(settle, vault.BeginSpent).Attempt.ID)
	f.begin(f.refresh(id), vault.BeginStarted)
}

func testRequestInDoubt(f *fixture) {
	id := f.connection("pending")
	lost := f.inDoubt(f.exchange(id, "r1"))
	settle := f.exchange(id, "r1")
	settle.Settle = true
	f.Equal(lost, f.begin(settle, vault.BeginInDoubt).Attempt.ID, "a code is never sent twice")
	f.commit(id, "")
	f.begin(f.exchange(id, "r1"), vault.BeginInDoubt)
	f.begin(f.exchange(id, "r2"), vault.BeginStarted)
}

func testRequestSuperseded(f *fixture) {
	id := f.connection("pending")
	f.lapsed(f.exchange(id, "r"), 0)
	second := f.begin(f.exchange(id, "r"), vault.BeginStarted).Attempt.ID
	_, err := f.FailAttempt(f.ctx, second, vault.AttemptSuperseded, "provider_unavailable")
	f.NoError(err)
	f.begin(f.exchange(id, "r"), vault.BeginStarted)
}

func testMarkSent(f *fixture) {
	id := f.connection("active")
	a := f.begin(f.refresh(id), vault.BeginStarted).Attempt.ID
	f.NoError(f.MarkSent(f.ctx, a))
	sent := f.attempt(a)
	f.ErrorIs(f.MarkSent(f.ctx, a), vault.ErrConflict, "marked before")
	f.Equal(sent, f.attempt(a))
	f.NoError(f.SaveReply(f.ctx, a, []byte("reply")))
	f.ErrorIs(f.MarkSent(f.ctx, a), vault.ErrConflict, "replied")
	f.commit(id, a)
	f.ErrorIs(f.MarkSent(f.ctx, a), vault.ErrConflict, "ended")
	f.ErrorIs(f.MarkSent(f.ctx, "none"), vault.ErrConflict, "never there, or erased")
}

func testSaveReplyWhateverBecame(f *fixture) {
	id := f.connection("active")
	for _, state := range []vault.AttemptState{vault.AttemptFailed, vault.AttemptSuperseded} {
		a := f.begin(f.refresh(id), vault.BeginStarted).Attempt.ID
		_, err := f.FailAttempt(f.ctx, a, state, "r")
		f.NoError(err)
		f.NoError(f.SaveReply(f.ctx, a, []byte("late")))
		got := f.attempt(a)
		f.Equal(state, got.State)
		f.Equal([]byte("late"), got.Reply)
	}
	done := f.begin(f.refresh(id), vault.BeginStarted).Attempt.ID
	f.commit(id, done)
	f.NoError(f.SaveReply(f.ctx, done, []byte("again")))
	f.Equal(vault.AttemptDone, f.attempt(done).State)
	f.begin(f.refresh(id), vault.BeginStarted)
}

func testFail(f *fixture) {
	id := f.connection("active")
	for i, state := range []vault.AttemptState{vault.AttemptFailed, vault.AttemptSuperseded, vault.AttemptInDoubt} {
		start := f.refresh(id)
		a := f.begin(start, vault.BeginStarted).Attempt.ID
		failures, err := f.FailAttempt(f.ctx, a, state, "why")
		f.NoError(err)
		f.Equal(int64(i+1), failures)
		f.Equal(failures, f.row(id).Failures)
		ended := f.attempt(a)
		f.Equal(state, ended.State)
		f.Equal("why", ended.Reason)
		_, err = f.FailAttempt(f.ctx, a, vault.AttemptFailed, "other")
		f.ErrorIs(err, vault.ErrConflict)
		f.Equal(ended, f.attempt(a))
		f.Equal(failures, f.row(id).Failures)
	}
	other := f.connection("active")
	open := f.begin(f.refresh(other), vault.BeginStarted).Attempt.ID
	for _, state := range []vault.AttemptState{vault.AttemptDone, vault.AttemptSent, "nonsense"} {
		_, err := f.FailAttempt(f.ctx, open, state, "r")
		f.Error(err)
		f.NotErrorIs(err, vault.ErrConflict)
	}
	f.Equal(vault.AttemptBegun, f.attempt(open).State)
	f.commit(other, open)
	_, err := f.FailAttempt(f.ctx, open, vault.AttemptFailed, "r")
	f.ErrorIs(err, vault.ErrConflict)
	f.Zero(f.row(other).Failures)
}

func testRaiseFailures(f *fixture) {
	id, other := f.connection("active"), f.connection("active")
	f.NoError(f.RaiseFailures(f.ctx, id))
	f.NoError(f.RaiseFailures(f.ctx, id))
	f.Equal(int64(2), f.row(id).Failures)
	f.Zero(f.row(other).Failures)
	a := f.begin(f.refresh(id), vault.BeginStarted).Attempt.ID
	failures, err := f.FailAttempt(f.ctx, a, vault.AttemptFailed, "why")
	f.NoError(err)
	f.Equal(int64(3), failures)
	f.commit(id, "")
	f.Zero(f.row(id).Failures)
}

func testAttemptNotFound(f *fixture) {
	_, err := f.Attempt(f.ctx, "none")
	f.ErrorIs(err, vault.ErrNotFound)
	f.ErrorIs(f.SaveReply(f.ctx, "none", []byte("reply")), vault.ErrNotFound)
	_, err = f.FailAttempt(f.ctx, "none", vault.AttemptFailed, "r")
	f.ErrorIs(err, vault.ErrNotFound)

	id := f.connection("active")
	start := f.refresh(id)
	f.commit(id, f.begin(start, vault.BeginStarted).Attempt.ID)
	_, err = f.BeginAttempt(f.ctx, start)
	f.ErrorIs(err, vault.ErrExists)
}

func testBeginOnTombstone(f *fixture) {
	id := f.connection("active")
	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Seq: 1}, epoch()))
	_, err := f.BeginAttempt(f.ctx, f.refresh(id))
	f.ErrorIs(err, vault.ErrConflict)
	f.begin(f.refresh(f.connection("disconnecting")), vault.BeginStarted)
}

func testPruning(f *fixture) {
	id := f.connection("active")
	exchanged := f.begin(f.exchange(id, "r"), vault.BeginStarted).Attempt.ID
	f.commit(id, exchanged)
	older := f.inDoubt(f.refresh(id))
	f.commit(id, "")
	doubt := f.inDoubt(f.refresh(id))
	var ended []string
	for range 8 {
		start := f.refresh(id)
		start.Settle = true
		a := f.begin(start, vault.BeginStarted).Attempt.ID
		_, err := f.FailAttempt(f.ctx, a, vault.AttemptFailed, "r")
		f.NoError(err)
		ended = append(ended, a)
	}
	gone := func(attemptID string) {
		f.t.Helper()
		_, err := f.Attempt(f.ctx, attemptID)
		f.ErrorIs(err, vault.ErrNotFound)
	}
	f.attempt(exchanged)
	f.attempt(doubt)
	gone(older)
	for i, a := range ended {
		if i < len(ended)-5 {
			gone(a)
		} else {
			f.attempt(a)
		}
	}
	f.commit(id, "")
	gone(doubt)
	f.attempt(exchanged)
	f.begin(f.exchange(id, "r"), vault.BeginSpent)
}
