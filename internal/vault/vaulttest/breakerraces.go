package vaulttest

import (
	"fmt"
	"time"

	"github.com/acme/connections/internal/vault"
)

// testCountFailureRace: everyone's failure is counted, and one of them opens the breaker.
func testCountFailureRace(f *fixture, other vault.Store) {
	ids := f.connectionsOf("i", crowd)
	opened := make([]bool, crowd)
	for _, err := range race(f, other, func(store vault.Store, i int) (err error) {
		_, opened[i], err = store.CountFailure(f.ctx, outage(ids[i], epoch()))
		return err
	}) {
		f.NoError(err)
	}
	f.one(opened)
	f.True(f.breaker().Open)
	f.Equal(int64(1), f.breaker().Opens)
	f.failing(ids...)
}

// one expects exactly one of a crowd.
func (f *fixture) one(of []bool) {
	f.t.Helper()
	count := 0
	for _, is := range of {
		if is {
			count++
		}
	}
	f.Equal(1, count)
}

func testCountSuccessRace(f *fixture, other vault.Store) {
	f.open()
	closed := make([]bool, crowd)
	for _, err := range race(f, other, func(store vault.Store, i int) (err error) {
		closed[i], err = store.CountSuccess(f.ctx, "i")
		return err
	}) {
		f.NoError(err)
	}
	f.one(closed)
	f.noBreaker()
}

// testCountBothRace: a breaker opens once more than it closes if it is open in the end, and no failure outlives it.
func testCountBothRace(f *fixture, other vault.Store) {
	ids := f.connectionsOf("i", crowd)
	const rounds = 5
	var opened, closed [crowd]int
	for _, err := range race(f, other, func(store vault.Store, i int) error {
		for round := range rounds {
			if i%8 == 0 {
				did, err := store.CountSuccess(f.ctx, "i")
				if err != nil {
					return err
				}
				closed[i] += number(did)
				continue
			}
			_, did, err := store.CountFailure(f.ctx, outage(ids[i], at(time.Duration(round)*time.Second)))
			if err != nil {
				return err
			}
			opened[i] += number(did)
		}
		return nil
	}) {
		f.NoError(err)
	}
	balance := 0
	for i := range crowd {
		balance += opened[i] - closed[i]
	}
	b, err := f.Breaker(f.ctx, "i")
	if err != nil {
		f.ErrorIs(err, vault.ErrNotFound)
	}
	f.Equal(number(b.Open), balance)
	_, err = f.CountSuccess(f.ctx, "i")
	f.NoError(err)
	f.noBreaker()
}

func number(is bool) int {
	if is {
		return 1
	}
	return 0
}

// testCountOrEraseRace: nothing counted of an erased connection stays.
func testCountOrEraseRace(f *fixture, other vault.Store) {
	ids := f.connectionsOf("i", crowd/2)
	for _, err := range race(f, other, func(store vault.Store, i int) error {
		id := ids[i/2]
		if i%4 < 2 {
			_, _, err := store.CountFailure(f.ctx, outage(id, epoch()))
			return err
		}
		return store.Erase(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Seq: 1}, epoch())
	}) {
		f.NoError(err)
	}
	for _, id := range ids {
		for _, err := range race(f, other, func(store vault.Store, i int) error {
			if i%4 != 0 {
				_, _, err := store.CountFailure(f.ctx, outage(id, epoch()))
				return err
			}
			return store.Erase(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Seq: 1}, epoch())
		}) {
			f.NoError(err)
		}
	}
	f.failing()
}

func testClaimProbeRace(f *fixture, other vault.Store) {
	f.open()
	for round := range 5 {
		claimed := make([]bool, crowd)
		for _, err := range race(f, other, func(store vault.Store, i int) (err error) {
			when := at(time.Duration(round+1) * time.Minute)
			claimed[i], err = store.ClaimProbe(f.ctx, "i", when, time.Minute)
			return err
		}) {
			f.NoError(err)
		}
		f.one(claimed)
	}
}

// testMarkReadRace: batches that overlap do not wait for each other for ever, and the newest mark stays.
func testMarkReadRace(f *fixture, other vault.Store) {
	var ids []string
	for range 100 {
		ids = append(ids, f.connection("active"))
	}
	for _, err := range race(f, other, func(store vault.Store, i int) error {
		for round := range 5 {
			marks := map[string]time.Time{}
			for _, id := range ids {
				marks[id] = at(time.Duration((i*7+round*13)%crowd) * time.Second)
			}
			if err := store.MarkRead(f.ctx, marks); err != nil {
				return err
			}
		}
		return nil
	}) {
		f.NoError(err)
	}
	for _, id := range ids {
		f.Equal(at((crowd-1)*time.Second), f.lastRead(id))
	}
}

// testMarkReadOrCommitRace: marks and whole refreshes of the same connections, and nothing is lost of either.
func testMarkReadOrCommitRace(f *fixture, other vault.Store) {
	ids := f.connectionsOf("i", crowd)
	starts := make([]vault.AttemptStart, crowd)
	for i, id := range ids {
		starts[i] = f.refresh(id)
	}
	for _, err := range race(f, other, func(store vault.Store, i int) error {
		if i%2 == 0 {
			for _, start := range []vault.AttemptStart{starts[i], starts[i+1]} {
				if _, err := cycle(f, store, start, false); err != nil {
					return err
				}
			}
			return nil
		}
		for round := range 5 {
			marks := map[string]time.Time{}
			for _, id := range ids {
				marks[id] = at(time.Duration(i-round) * time.Second)
			}
			if err := store.MarkRead(f.ctx, marks); err != nil {
				return err
			}
		}
		return nil
	}) {
		f.NoError(err)
	}
	for _, id := range ids {
		f.Equal(int64(1), f.row(id).Generation)
		f.Equal(at((crowd-1)*time.Second), f.lastRead(id))
	}
}

// testMarkReadOrEraseRace: a tombstone is not read, and a connection that is deleted meanwhile is passed over.
func testMarkReadOrEraseRace(f *fixture, other vault.Store) {
	ids := f.connectionsOf("i", 2*crowd)
	deleted, erased, kept := ids[:crowd/2], ids[crowd/2:crowd], ids[crowd:]
	erase := func(store vault.Store, id string, until time.Time) error {
		return store.Erase(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Seq: 1}, until)
	}
	for _, err := range race(f, other, func(store vault.Store, i int) error {
		if i == 0 {
			for _, id := range deleted {
				if err := erase(store, id, epoch()); err != nil {
					return err
				}
				if _, err := store.DeleteTombstones(f.ctx, epoch()); err != nil {
					return err
				}
			}
			return nil
		}
		if i <= len(erased) {
			return erase(store, erased[i-1], at(time.Hour))
		}
		marks := map[string]time.Time{}
		for _, id := range ids {
			marks[id] = at(time.Duration(i) * time.Second)
		}
		return store.MarkRead(f.ctx, marks)
	}) {
		f.NoError(err)
	}
	for _, id := range deleted {
		_, err := f.LastRead(f.ctx, id)
		f.ErrorIs(err, vault.ErrNotFound)
	}
	for _, id := range erased {
		f.True(f.lastRead(id).IsZero())
	}
	for _, id := range kept {
		f.Equal(at((crowd-1)*time.Second), f.lastRead(id))
	}
}

// testBeginOrOpenRace: what begins before the breaker opens is told of it closed, and nothing begins after.
func testBeginOrOpenRace(f *fixture, other vault.Store) {
	failing, ids := f.connectionsOf("i", 5), f.connectionsOf("i", crowd)
	starts := make([]vault.AttemptStart, crowd)
	for i, id := range ids {
		starts[i] = f.refresh(id)
	}
	for _, err := range race(f, other, func(store vault.Store, i int) error {
		if i < len(failing) {
			_, _, err := store.CountFailure(f.ctx, outage(failing[i], epoch()))
			return err
		}
		begun, err := store.BeginAttempt(f.ctx, starts[i])
		if err == nil && begun.Breaker.Open != (begun.Outcome == vault.BeginSuspended) {
			return fmt.Errorf("%s with %+v", begun.Outcome, begun.Breaker)
		}
		return err
	}) {
		f.NoError(err)
	}
	for _, id := range ids[:len(failing)] {
		f.begin(f.refresh(id), vault.BeginSuspended)
	}
}
