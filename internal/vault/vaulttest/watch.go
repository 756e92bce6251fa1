package vaulttest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/acme/connections/internal/vault"
)

// The events that a Watching takes down beside ids.
const (
	EventReady = "(ready)"
	EventLost  = "(lost)"
)

// Watching is a watcher under test, which takes down all that it hears.
type Watching struct {
	// Events are ids, EventReady and EventLost, in their order.
	Events <-chan string
	// Stop ends the watcher and returns what Watch returned.
	Stop func() error
}

// StartWatching runs a watcher. It must be stopped.
func StartWatching(ctx context.Context, watcher vault.Watcher) Watching {
	const room = 10_000
	ctx, cancel := context.WithCancel(ctx)
	events, done := make(chan string, room), make(chan error, 1)
	go func() {
		done <- watcher.Watch(ctx, vault.Watch{
			Changed: func(id string) { events <- id },
			Lost:    func() { events <- EventLost },
			Ready:   func() { events <- EventReady },
		})
	}()
	return Watching{Events: events, Stop: sync.OnceValue(func() error {
		cancel()
		return <-done
	})}
}

// watch runs a watcher that is ready, and stops it when the test ends.
func (f *fixture) watch(watcher vault.Watcher) Watching {
	f.t.Helper()
	w := StartWatching(f.ctx, watcher)
	f.t.Cleanup(func() { f.NoError(w.Stop()) })
	f.Equal(EventReady, f.next(w))
	return w
}

// next is the next event.
func (f *fixture) next(w Watching) string {
	f.t.Helper()
	patience := time.NewTimer(time.Minute)
	defer patience.Stop()
	select {
	case event := <-w.Events:
		return event
	case <-patience.C:
		f.FailNow("the watcher heard nothing")
		return ""
	}
}

// hears expects an id, which may come more than once, as may those in also.
func (f *fixture) hears(w Watching, id string, also ...string) {
	f.t.Helper()
	for {
		event := f.next(w)
		if event == id {
			return
		}
		f.Contains(also, event)
	}
}

func testWatch(f *fixture, other vault.Store) {
	id := f.connection("pending")
	w := f.watch(other)
	consented := func() {
		_, err := f.CommitTokens(f.ctx, vault.TokenCommit{
			ConnectionID: id, AccessToken: []byte("sealed access"), RefreshToken: []byte("sealed refresh"), ConsentedAt: epoch(),
		})
		f.NoError(err)
	}
	status := func(status, reason string, seq int64) func() {
		return func() {
			f.NoError(f.SetStatus(f.ctx, vault.StatusChange{ID: id, Status: status, Reason: reason, Seq: seq}))
		}
	}
	erase := func(status string, seq int64) func() {
		return func() { f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: id, Status: status, Seq: seq}, epoch())) }
	}
	for _, step := range []struct {
		name   string
		change func()
	}{
		{"first tokens", consented},
		{"status", status("active", "", 1)},
		{"reason", status("active", "changed", 2)},
		{"refresh", func() { f.commit(id, "") }},
		{"refresh again", func() { f.commit(id, "") }},
		{"pause", status("paused", "", 3)},
		{"erasure alone", erase("pending", 0)},
		{"tokens", func() { f.commit(id, "") }},
		{"disconnecting", status("disconnecting", "", 4)},
		{"disconnected", erase("disconnected", 5)},
		{"deleted", func() {
			_, err := f.DeleteTombstones(f.ctx, epoch())
			f.NoError(err)
		}},
	} {
		begun := time.Now()
		step.change()
		f.hears(w, id, id)
		f.t.Logf("%s: heard after %v", step.name, time.Since(begun).Round(time.Millisecond))
		// Of what is announced twice the second may come later.
		mark := f.connection("active")
		f.NoError(f.SetStatus(f.ctx, vault.StatusChange{ID: mark, Status: "paused", Seq: 1}))
		f.hears(w, mark, id)
	}
}

// Many changes at once, from both stores, all reach a watcher, whichever store it is of.
func testWatchMany(f *fixture, other vault.Store) {
	ids := make([]string, crowd)
	for i := range ids {
		ids[i] = f.connection("active")
	}
	watchers := []Watching{f.watch(f.Store), f.watch(other)}
	for _, err := range race(f, other, func(store vault.Store, i int) error {
		if i%4 < 2 {
			return store.SetStatus(f.ctx, vault.StatusChange{ID: ids[i], Status: "paused", Seq: 1})
		}
		_, err := store.CommitTokens(f.ctx, vault.TokenCommit{ConnectionID: ids[i], AccessToken: []byte("sealed")})
		return err
	}) {
		f.NoError(err)
	}
	for _, w := range watchers {
		missing := map[string]bool{}
		for _, id := range ids {
			missing[id] = true
		}
		for len(missing) > 0 {
			delete(missing, f.next(w))
		}
	}
}

// What changes nothing for a reader of tokens is not reported.
func testWatchOnlyChanges(f *fixture, other vault.Store) {
	w := f.watch(other)
	id := f.connection("active")
	f.NoError(f.SetPolicy(f.ctx, id, vault.PolicyAlwaysFresh))
	f.mark(id, epoch())
	f.fail(f.begin(f.refresh(id), vault.BeginStarted).Attempt.ID, vault.AttemptFailed)
	f.NoError(f.RaiseFailures(f.ctx, id))
	_, err := f.CommitTokens(f.ctx, vault.TokenCommit{ConnectionID: id, FromGeneration: 7})
	f.ErrorIs(err, vault.ErrConflict)
	mark := f.connection("active")
	f.NoError(f.SetStatus(f.ctx, vault.StatusChange{ID: mark, Status: "paused", Seq: 1}))
	f.Equal(mark, f.next(w))
}

// A watcher ends with its context, and with its store, after which there is none.
func testWatchEnds(f *fixture, other vault.Store) {
	w := f.watch(f.Store)
	f.NoError(w.Stop())
	f.Equal(EventLost, f.next(w))

	w = f.watch(other)
	f.NoError(other.Close())
	f.Equal(EventLost, f.next(w))
	f.NoError(w.Stop())
	f.NoError(other.Watch(f.ctx, vault.Watch{}))
}

// Watchers of one store come and go without the others noticing.
func testWatchShared(f *fixture, other vault.Store) {
	id := f.connection("active")
	seq := int64(0)
	change := func() {
		seq++
		f.NoError(f.SetStatus(f.ctx, vault.StatusChange{ID: id, Status: "active", Reason: f.id("reason"), Seq: seq}))
	}
	first, second := f.watch(other), f.watch(other)
	change()
	f.Equal(id, f.next(first))
	f.Equal(id, f.next(second))
	f.NoError(first.Stop())
	f.Equal(EventLost, f.next(first))
	third := f.watch(other)
	change()
	f.Equal(id, f.next(second))
	f.Equal(id, f.next(third))
	f.NoError(second.Stop())
	f.NoError(third.Stop())
	fourth := f.watch(other)
	change()
	f.Equal(id, f.next(fourth))
	f.Empty(first.Events)

	for _, err := range race(f, other, func(store vault.Store, _ int) error {
		w := StartWatching(f.ctx, store)
		if event := <-w.Events; event != EventReady {
			return fmt.Errorf("%s before ready", event)
		}
		return w.Stop()
	}) {
		f.NoError(err)
	}
}
