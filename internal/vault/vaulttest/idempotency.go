package vaulttest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/acme/connections/internal/vault"
)

func requestStart(claim string) vault.RequestStart {
	return vault.RequestStart{
		KeyID: "ck-1", Hash: []byte("idempotency\x00key"), Request: []byte("what is asked"), Claim: claim,
		Lease: time.Minute, At: epoch(), ExpiresAt: epoch().Add(24 * time.Hour),
	}
}

func (f *fixture) beginRequest(r vault.RequestStart, want vault.RequestOutcome) vault.RequestBegun {
	f.t.Helper()
	begun, err := f.BeginRequest(f.ctx, r)
	f.NoError(err)
	f.Equal(want, begun.Outcome)
	return begun
}

func testRequests(f *fixture) {
	first, second := requestStart("first"), requestStart("second")
	differs := second
	differs.Request = []byte("something else")
	f.beginRequest(first, vault.RequestStarted)
	f.beginRequest(second, vault.RequestRunning)
	f.beginRequest(differs, vault.RequestDiffers)
	f.ErrorIs(f.FinishRequest(f.ctx, second, []byte("sealed")), vault.ErrConflict)
	f.NoError(f.DropRequest(f.ctx, second), "another's claim stays")
	f.beginRequest(second, vault.RequestRunning)

	f.NoError(f.FinishRequest(f.ctx, first, []byte("sealed\x00")))
	f.Equal([]byte("sealed\x00"), f.beginRequest(second, vault.RequestDone).Sealed)
	f.beginRequest(differs, vault.RequestDiffers)
	f.NoError(f.DropRequest(f.ctx, first), "an answer stays")
	f.beginRequest(second, vault.RequestDone)

	other := second
	other.KeyID = "ck-2"
	f.beginRequest(other, vault.RequestStarted)
	f.NoError(f.DropRequest(f.ctx, other))
	f.beginRequest(other, vault.RequestStarted)

	late := second
	late.At, late.ExpiresAt = first.ExpiresAt, first.ExpiresAt.Add(time.Hour)
	late.Request = []byte("something else")
	f.beginRequest(late, vault.RequestStarted)
}

func testRequestLapses(f *fixture) {
	crashed, next := requestStart("crashed"), requestStart("next")
	crashed.Lease = -time.Second
	f.beginRequest(crashed, vault.RequestStarted)
	differs := next
	differs.Request = []byte("something else")
	f.beginRequest(differs, vault.RequestDiffers)
	f.beginRequest(next, vault.RequestStarted)
	f.ErrorIs(f.FinishRequest(f.ctx, crashed, []byte("late")), vault.ErrConflict)
	f.NoError(f.FinishRequest(f.ctx, next, []byte("sealed")))
}

func testDeleteRequests(f *fixture) {
	for _, key := range []string{"a", "b", "c"} {
		r := requestStart("claim")
		r.KeyID = key
		f.beginRequest(r, vault.RequestStarted)
	}
	deleted, err := f.DeleteRequests(f.ctx, epoch().Add(24*time.Hour-time.Second), 10)
	f.NoError(err)
	f.Zero(deleted)
	for _, want := range []int64{2, 1, 0} {
		deleted, err = f.DeleteRequests(f.ctx, epoch().Add(24*time.Hour), 2)
		f.NoError(err)
		f.Equal(want, deleted)
	}
}

// testRequestRace: of many who begin at once, one is told to start.
func testRequestRace(f *fixture) {
	var (
		running sync.WaitGroup
		started atomic.Int32
	)
	for i := range 16 {
		running.Go(func() {
			begun, err := f.BeginRequest(f.ctx, requestStart(string(rune('a'+i))))
			if err == nil && begun.Outcome == vault.RequestStarted {
				started.Add(1)
			}
		})
	}
	running.Wait()
	f.Equal(int32(1), started.Load())
}
