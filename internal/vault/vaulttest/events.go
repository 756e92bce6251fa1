package vaulttest

import (
	"sync/atomic"
	"time"

	"github.com/acme/connections/internal/vault"
)

// eventSeq gives status changes of these tests their order.
type eventSeq struct{ last atomic.Int64 }

// became sets a status, as the next change of its connection.
func (f *fixture) became(seq *eventSeq, id, status, reason string) {
	f.t.Helper()
	n := seq.last.Add(1)
	f.NoError(f.SetStatus(f.ctx, vault.StatusChange{
		ID: id, Status: status, Reason: reason, Seq: n, At: at(time.Duration(n) * time.Minute),
	}))
}

// told reads the types of a connection's events.
func (f *fixture) told(id string) []vault.EventType {
	f.t.Helper()
	var types []vault.EventType
	for _, e := range f.events(vault.EventFilter{ConnectionID: id}) {
		types = append(types, e.Type)
	}
	return types
}

func (f *fixture) events(filter vault.EventFilter) []vault.Event {
	f.t.Helper()
	list, err := f.ListEvents(f.ctx, filter)
	f.NoError(err)
	return list
}

// A whole life: each transition once, whatever the reason changes to in between.
func testEventsOfALife(f *fixture) {
	id, seq := f.connection("pending"), &eventSeq{}
	f.Empty(f.told(id), "a new row is no transition")
	f.became(seq, id, "pending", "awaiting_consent")
	f.became(seq, id, "active", "")
	f.became(seq, id, "active", "")
	f.became(seq, id, "degraded", "provider_unavailable")
	f.became(seq, id, "degraded", "provider_throttled")
	f.became(seq, id, "active", "")
	f.became(seq, id, "degraded", "reply_lost")
	f.became(seq, id, "needs_reauth", "rotation_lost")
	f.became(seq, id, "needs_reauth", "grant_rejected")
	f.became(seq, id, "active", "")
	f.became(seq, id, "disconnecting", "disconnect_requested")
	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Reason: "disconnect_requested", Seq: 20, At: at(time.Hour)}, at(2*time.Hour)))
	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Reason: "revocation_failed", Seq: 21, At: at(time.Hour)}, at(2*time.Hour)))
	f.Equal([]vault.EventType{
		vault.EventActivated, vault.EventDegraded, vault.EventRecovered, vault.EventDegraded, vault.EventNeedsReauth,
		vault.EventRecovered, vault.EventDisconnected,
	}, f.told(id))
	_, err := f.DeleteTombstones(f.ctx, at(3*time.Hour))
	f.NoError(err)
	list := f.events(vault.EventFilter{ConnectionID: id})
	f.Len(list, 7, "events outlive their connection")
	last := list[4]
	f.Regexp(`^evt_[0-9a-f]{32}$`, last.ID)
	f.Equal(vault.Event{
		Sequence: last.Sequence, ID: last.ID, Type: vault.EventNeedsReauth, ConnectionID: id, Connector: "sandbox", Owner: "acme",
		Status: "needs_reauth", Reason: "rotation_lost", At: at(8 * time.Minute),
	}, last)
	read, err := f.Event(f.ctx, last.ID)
	f.NoError(err)
	f.Equal(last, read)
	for i := 1; i < len(list); i++ {
		f.Greater(list[i].Sequence, list[i-1].Sequence)
	}

	f.NoError(f.CreateConnection(f.ctx, vault.Connection{ID: id, Owner: "acme", Connector: "sandbox", Status: "pending"}))
	f.NoError(f.SetStatus(f.ctx, vault.StatusChange{ID: id, Status: "active", Seq: 1, At: epoch()}))
	f.Equal(vault.EventActivated, f.told(id)[7], "an id that is used again begins anew")
}

// A pause tells nobody anything, and hides nothing that people were not told before it.
func testEventsAroundAPause(f *fixture) {
	id, seq := f.connection("pending"), &eventSeq{}
	for _, status := range []string{"active", "paused", "active", "degraded", "paused", "degraded", "paused", "active", "paused", "needs_reauth"} {
		f.became(seq, id, status, "")
	}
	f.Equal([]vault.EventType{vault.EventActivated, vault.EventDegraded, vault.EventRecovered, vault.EventNeedsReauth}, f.told(id))

	// One from before there were events.
	old, seq := f.connection("active"), &eventSeq{}
	f.became(seq, old, "paused", "")
	f.became(seq, old, "active", "")
	f.Empty(f.told(old))
	f.became(seq, old, "degraded", "reply_lost")
	f.Equal([]vault.EventType{vault.EventDegraded}, f.told(old))
	ill := f.connection("needs_reauth")
	f.became(&eventSeq{}, ill, "active", "")
	f.Equal([]vault.EventType{vault.EventRecovered}, f.told(ill))
}

// The end of a grant is announced once for each warning and each consent.
func testEventsOfAnEnd(f *fixture) {
	id, seq := f.connection("pending"), &eventSeq{}
	f.became(seq, id, "active", "")
	for _, reason := range []string{"grant_ends_within_a_month", "grant_ends_within_a_week"} {
		f.became(seq, id, "active", reason)
		f.became(seq, id, "degraded", "provider_unavailable")
		f.became(seq, id, "active", reason)
		f.became(seq, id, "paused", "paused_by_request")
		f.became(seq, id, "active", reason)
	}
	f.Equal([]vault.EventType{
		vault.EventActivated, vault.EventExpiringSoon, vault.EventDegraded, vault.EventRecovered,
		vault.EventExpiringSoon, vault.EventDegraded, vault.EventRecovered,
	}, f.told(id))

	attempt := f.exchange(id, "request")
	f.begin(attempt, vault.BeginStarted)
	_, err := f.CommitTokens(f.ctx, vault.TokenCommit{
		ConnectionID: id, AttemptID: attempt.ID, AccessToken: []byte("a"), ConsentedAt: at(time.Duration(seq.last.Load())*time.Minute + time.Second),
	})
	f.NoError(err)
	f.became(seq, id, "active", "")
	f.became(seq, id, "active", "grant_ends_within_a_month")
	f.Len(f.told(id), 8, "a new consent has an end of its own")
	f.became(seq, id, "needs_reauth", "grant_ends_within_a_day")
	f.Equal(vault.EventNeedsReauth, f.told(id)[8])
	f.Len(f.told(id), 9, "what is over does not end soon")
}

// What changes no status is no event.
func testEventsOfNothing(f *fixture) {
	id := f.connection("active")
	begun := f.begin(f.refresh(id), vault.BeginStarted)
	f.commit(id, begun.Attempt.ID)
	f.NoError(f.SetPolicy(f.ctx, id, vault.PolicyAlwaysFresh))
	f.NoError(f.SetIntegration(f.ctx, id, "other"))
	f.NoError(f.SetStatus(f.ctx, vault.StatusChange{ID: id, Status: "active", Reason: "other", Seq: 5}))
	f.NoError(f.SetStatus(f.ctx, vault.StatusChange{ID: id, Status: "degraded", Seq: 5}), "an older change")
	f.Empty(f.told(id))

	gone := f.connection("pending")
	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: gone, Status: "expired", Reason: "consent_expired", Seq: 1}, at(0)))
	f.Empty(f.told(gone))
	f.NoError(f.SetStatus(f.ctx, vault.StatusChange{ID: gone, Status: "pending", Seq: 2}))
	f.NoError(f.SetStatus(f.ctx, vault.StatusChange{ID: gone, Status: "active", Seq: 3}))
	f.Equal([]vault.EventType{vault.EventActivated}, f.told(gone))
	f.WithinDuration(time.Now(), f.events(vault.EventFilter{ConnectionID: gone})[0].At, time.Minute, "a change without a time is of now")
}

// The end of a connection is told to those who know of it, and of others there is nothing to tell.
func testEventsOfAnUnknownEnd(f *fixture) {
	ends := func(id string) {
		f.t.Helper()
		f.NoError(f.SetStatus(f.ctx, vault.StatusChange{ID: id, Status: "disconnecting", Seq: 8, At: epoch()}))
		f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Seq: 9, At: epoch()}, at(time.Hour)))
	}
	never := f.connection("pending")
	ends(never)
	f.Empty(f.told(never), "nobody consented")

	failed := f.connection("pending")
	f.became(&eventSeq{}, failed, "needs_reauth", "client_rejected")
	ends(failed)
	f.Equal([]vault.EventType{vault.EventNeedsReauth, vault.EventDisconnected}, f.told(failed))

	// Those that came from elsewhere with their tokens, or are from before there were events.
	imported := f.id("conn")
	f.NoError(f.ImportConnection(f.ctx, vault.Connection{ID: imported, Owner: "acme", Connector: "sandbox", Status: "active", AccessToken: []byte("a")}))
	ends(imported)
	f.Equal([]vault.EventType{vault.EventDisconnected}, f.told(imported))
}

func testEventsFiltered(f *fixture) {
	var ids []string
	for _, owner := range []string{"acme", "initech", "acme"} {
		id := f.id("conn")
		f.NoError(f.CreateConnection(f.ctx, vault.Connection{ID: id, Owner: owner, Connector: "sandbox", Status: "pending"}))
		f.became(&eventSeq{}, id, "active", "")
		ids = append(ids, id)
	}
	f.NoError(f.SetStatus(f.ctx, vault.StatusChange{ID: ids[0], Status: "degraded", Seq: 9, At: epoch()}))
	all := f.events(vault.EventFilter{})
	f.Len(all, 4)
	f.Equal(all[2:], f.events(vault.EventFilter{After: all[1].Sequence}))
	f.Equal(all[:2], f.events(vault.EventFilter{Limit: 2}))
	f.Equal(all[2:], f.events(vault.EventFilter{Limit: 2, Newest: true}))
	f.Equal(all[1:2], f.events(vault.EventFilter{Owner: "initech"}))
	f.Equal(all[3:], f.events(vault.EventFilter{Owner: "acme", Type: vault.EventDegraded}))
	f.Equal(all[2:3], f.events(vault.EventFilter{ConnectionID: ids[2]}))
	f.Empty(f.events(vault.EventFilter{After: all[3].Sequence}))
	for _, strange := range []string{"none", "a\x00b", "\xff"} {
		f.Empty(f.events(vault.EventFilter{Owner: strange}))
		f.Empty(f.events(vault.EventFilter{ConnectionID: strange}))
		_, err := f.Event(f.ctx, strange)
		f.ErrorIs(err, vault.ErrNotFound)
	}
}

func testEventsClaimed(f *fixture) {
	for range 3 {
		f.became(&eventSeq{}, f.connection("pending"), "active", "")
	}
	all := f.events(vault.EventFilter{})
	claim := func(limit int, lease time.Duration) []vault.Event {
		f.t.Helper()
		list, err := f.ClaimEvents(f.ctx, limit, lease)
		f.NoError(err)
		return list
	}
	f.Equal(all[:2], claim(2, time.Minute))
	f.Equal(all[2:], claim(2, -time.Second), "a lease that is over already")
	f.NoError(f.MarkDispatched(f.ctx, []string{all[0].ID, "evt_none"}))
	f.NoError(f.MarkDispatched(f.ctx, nil))
	f.Equal(all[2:], claim(9, time.Minute))
	f.Empty(claim(9, time.Minute))
	f.NoError(f.MarkDispatched(f.ctx, []string{all[0].ID, all[1].ID, all[2].ID}))
	f.Empty(claim(9, time.Minute))
	for _, e := range f.events(vault.EventFilter{}) {
		f.WithinDuration(time.Now(), e.DispatchedAt, time.Minute)
	}

	deleted, err := f.DeleteEvents(f.ctx, all[0].At)
	f.NoError(err)
	f.Zero(deleted)
	deleted, err = f.DeleteEvents(f.ctx, all[0].At.Add(time.Second))
	f.NoError(err)
	f.Equal(int64(3), deleted)
	f.Empty(f.events(vault.EventFilter{}))
}

// Many claim at once: each event is one claimer's.
func testClaimRace(f *fixture, other vault.Store) {
	const events = 20
	for range events {
		f.became(&eventSeq{}, f.connection("pending"), "active", "")
	}
	claimed := make([][]vault.Event, crowd)
	for _, err := range race(f, other, func(store vault.Store, i int) (err error) {
		claimed[i], err = store.ClaimEvents(f.ctx, 3, time.Hour)
		return err
	}) {
		f.NoError(err)
	}
	seen := map[string]bool{}
	for _, list := range claimed {
		for _, e := range list {
			f.False(seen[e.ID], "claimed twice")
			seen[e.ID] = true
		}
	}
	for {
		list, err := f.ClaimEvents(f.ctx, 3, time.Hour)
		f.NoError(err)
		if len(list) == 0 {
			break
		}
		for _, e := range list {
			f.False(seen[e.ID], "claimed twice")
			seen[e.ID] = true
		}
	}
	f.Len(seen, events)
}

// Many say the same at once: it is one event.
func testEventRace(f *fixture, other vault.Store) {
	id := f.connection("active")
	for _, err := range race(f, other, func(store vault.Store, i int) error {
		return store.SetStatus(f.ctx, vault.StatusChange{ID: id, Status: "degraded", Reason: "reply_lost", Seq: int64(1 + i), At: epoch()})
	}) {
		f.NoError(err)
	}
	f.Equal([]vault.EventType{vault.EventDegraded}, f.told(id))
}
