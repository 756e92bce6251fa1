package vaulttest

import (
	"testing"

	"github.com/acme/connections/internal/vault"
)

// refused begins an attempt, and ends it as failed from a reply, which is its id.
func (f *fixture) refused(start vault.AttemptStart) string {
	f.t.Helper()
	id := f.begin(start, vault.BeginStarted).Attempt.ID
	f.NoError(f.MarkSent(f.ctx, id))
	f.NoError(f.SaveReply(f.ctx, id, []byte(id)))
	f.fail(id, vault.AttemptFailed)
	return id
}

// fail ends an attempt.
func (f *fixture) fail(attemptID string, state vault.AttemptState) {
	f.t.Helper()
	_, err := f.FailAttempt(f.ctx, attemptID, state, "why")
	f.NoError(err)
}

// settle is a start that no doubt keeps from beginning.
func (f *fixture) settle(connectionID string) vault.AttemptStart {
	start := f.refresh(connectionID)
	start.Settle = true
	return start
}

// lastRefusal expects an attempt, or none.
func (f *fixture) lastRefusal(connectionID, want string) {
	f.t.Helper()
	got, err := f.LastRefusal(f.ctx, connectionID)
	if want == "" {
		f.ErrorIs(err, vault.ErrNotFound)
		f.Zero(got)
		return
	}
	f.NoError(err)
	f.Equal(f.attempt(want), got)
	f.Equal(vault.AttemptFailed, got.State)
	f.NotNil(got.Reply)
}

func testRefusalKept(f *fixture) {
	id, other := f.connection("active"), f.connection("active")
	f.lastRefusal(id, "")
	f.refused(f.refresh(other))
	first := f.refused(f.refresh(id))
	f.Equal([]byte(first), f.attempt(first).Reply)
	f.lastRefusal(id, first)

	// An attempt that has not ended replaces nothing, whatever has come of it.
	second := f.begin(f.refresh(id), vault.BeginStarted).Attempt.ID
	f.lastRefusal(id, first)
	f.NoError(f.MarkSent(f.ctx, second))
	f.NoError(f.SaveReply(f.ctx, second, []byte("open")))
	f.lastRefusal(id, first)
	_, err := f.FailAttempt(f.ctx, first, vault.AttemptFailed, "again")
	f.ErrorIs(err, vault.ErrConflict)
	_, err = f.CommitTokens(f.ctx, vault.TokenCommit{ConnectionID: id, AttemptID: second, FromGeneration: 7})
	f.ErrorIs(err, vault.ErrConflict)
	f.lastRefusal(id, first)

	f.fail(second, vault.AttemptFailed)
	f.lastRefusal(id, second)
	f.Nil(f.attempt(first).Reply)
	f.NotNil(f.attempt(second).Reply)
	f.Equal("why", f.attempt(first).Reason)
}

// testRefusalReplaced: whatever the end of a newer attempt, the older reply goes with it.
func testRefusalReplaced(f *fixture) {
	for _, state := range []vault.AttemptState{
		vault.AttemptFailed, vault.AttemptSuperseded, vault.AttemptInDoubt, vault.AttemptDone,
	} {
		for _, reply := range [][]byte{nil, []byte("reply")} {
			id, other := f.connection("active"), f.connection("active")
			elsewhere, older := f.refused(f.refresh(other)), f.refused(f.exchange(id, "r"))
			newer := f.begin(f.refresh(id), vault.BeginStarted).Attempt.ID
			if reply != nil {
				f.NoError(f.SaveReply(f.ctx, newer, reply))
			}
			before := f.attempt(older)
			if state == vault.AttemptDone {
				f.commit(id, newer)
			} else {
				f.fail(newer, state)
			}
			before.Reply = nil
			f.Equal(before, f.attempt(older), state)
			f.lastRefusal(other, elsewhere)
			if state == vault.AttemptFailed && reply != nil {
				f.lastRefusal(id, newer)
				f.Equal(reply, f.attempt(newer).Reply)
			} else {
				f.lastRefusal(id, "")
				f.Nil(f.attempt(newer).Reply, state)
			}
		}
	}
}

// testRefusalStaysForOlder: what ends late is no newer attempt.
func testRefusalStaysForOlder(f *fixture) {
	for _, state := range []vault.AttemptState{
		vault.AttemptFailed, vault.AttemptSuperseded, vault.AttemptInDoubt, vault.AttemptDone,
	} {
		id := f.connection("active")
		lost := f.inDoubt(f.refresh(id))
		refused := f.refused(f.settle(id))
		f.NoError(f.SaveReply(f.ctx, lost, []byte("late")))
		if state == vault.AttemptDone {
			f.commit(id, lost)
		} else {
			f.fail(lost, state)
		}
		f.lastRefusal(id, refused)
		f.Equal(state == vault.AttemptFailed, f.attempt(lost).Reply != nil, state)

		// A token set of no attempt of this connection ends none.
		f.commit(id, "")
		f.commit(id, f.begin(f.refresh(f.connection("active")), vault.BeginStarted).Attempt.ID)
		f.lastRefusal(id, refused)

		newest := f.refused(f.settle(id))
		f.lastRefusal(id, newest)
		f.Nil(f.attempt(refused).Reply)
		f.Nil(f.attempt(lost).Reply)
	}
}

// testRefusalOnly: a late reply that is yet to be read outlasts newer attempts.
func testRefusalOnly(f *fixture) {
	for _, state := range []vault.AttemptState{
		vault.AttemptFailed, vault.AttemptSuperseded, vault.AttemptInDoubt, vault.AttemptDone,
	} {
		id := f.connection("active")
		lost := f.inDoubt(f.exchange(id, "r"))
		newer := f.begin(f.settle(id), vault.BeginStarted).Attempt.ID
		f.NoError(f.SaveReply(f.ctx, lost, []byte("late")))
		if state == vault.AttemptDone {
			f.commit(id, newer)
		} else {
			f.fail(newer, state)
		}
		f.lastRefusal(id, "")
		begun := f.begin(f.exchange(id, "r"), vault.BeginReplied)
		f.Equal(lost, begun.Attempt.ID, state)
		f.Equal([]byte("late"), begun.Attempt.Reply)
	}
}

func testRefusalComesLate(f *fixture) {
	id := f.connection("active")
	lost := f.inDoubt(f.refresh(id))
	f.NoError(f.SaveReply(f.ctx, lost, []byte("late")))
	f.lastRefusal(id, "")
	f.fail(lost, vault.AttemptFailed)
	f.Equal([]byte("late"), f.attempt(lost).Reply)
	f.lastRefusal(id, lost)

	// One that failed without a reply is passed over, until its reply comes.
	silent := f.begin(f.refresh(id), vault.BeginStarted).Attempt.ID
	f.fail(silent, vault.AttemptFailed)
	f.lastRefusal(id, "")
	f.NoError(f.SaveReply(f.ctx, silent, []byte("late")))
	f.lastRefusal(id, silent)
}

// testRefusalIsNotInTheWay: to whoever begins, an attempt that failed is over, with a reply or without.
func testRefusalIsNotInTheWay(f *fixture) {
	id := f.connection("active")
	f.refused(f.refresh(id))
	f.refused(f.refresh(id))
	spent := f.refused(f.exchange(id, "r"))
	f.Equal(f.attempt(spent), f.begin(f.exchange(id, "r"), vault.BeginSpent).Attempt)

	// The same with something in the way that has to be decided on.
	f.NoError(f.MarkSent(f.ctx, f.lapsed(f.refresh(id), 0)))
	f.lastRefusal(id, spent)
	f.begin(f.refresh(id), vault.BeginInDoubt)
	refused := f.refused(f.settle(id))
	f.lapsed(f.refresh(id), 0)
	begun := f.begin(f.refresh(id), vault.BeginStarted)
	f.lastRefusal(id, refused)
	f.commit(id, begun.Attempt.ID)
	f.lastRefusal(id, "")
}

// testRefusalPruned: an attempt that is both to be deleted and to lose its reply is deleted.
func testRefusalPruned(f *fixture) {
	for _, end := range []func(connectionID, attemptID string){
		func(connectionID, attemptID string) { f.commit(connectionID, attemptID) },
		func(_, attemptID string) { f.fail(attemptID, vault.AttemptFailed) },
	} {
		id := f.connection("active")
		old := f.refused(f.refresh(id))
		var recent []string
		for range 4 {
			recent = append(recent, f.refused(f.refresh(id)))
		}
		f.NoError(f.SaveReply(f.ctx, old, []byte("late")))
		end(id, f.begin(f.refresh(id), vault.BeginStarted).Attempt.ID)
		_, err := f.Attempt(f.ctx, old)
		f.ErrorIs(err, vault.ErrNotFound)
		for _, a := range recent {
			f.Nil(f.attempt(a).Reply)
		}
		f.lastRefusal(id, "")
	}
}

func testRefusalNotFound(f *fixture) {
	for _, strange := range []string{"", "none", "a\x00b", "\xff\xfe"} {
		f.lastRefusal(strange, "")
	}
	id := f.connection("active")
	f.refused(f.refresh(id))
	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Seq: 1}, epoch()))
	f.lastRefusal(id, "")
}

// testRefusalLeavesNothing: what is erased is not just out of sight.
func testRefusalLeavesNothing(f *fixture, dump func(t *testing.T) string) {
	const canary = "CANARY-51d2"
	for _, end := range []func(connectionID, attemptID string){
		func(connectionID, attemptID string) { f.commit(connectionID, attemptID) },
		func(_, attemptID string) { f.fail(attemptID, vault.AttemptSuperseded) },
	} {
		id := f.connection("active")
		a := f.begin(f.refresh(id), vault.BeginStarted).Attempt.ID
		f.NoError(f.SaveReply(f.ctx, a, []byte(canary)))
		f.fail(a, vault.AttemptFailed)
		f.Contains(dump(f.t), canary)
		end(id, f.begin(f.refresh(id), vault.BeginStarted).Attempt.ID)
		f.NotContains(dump(f.t), canary)
	}
}
