package vaulttest

import (
	"fmt"
	"strings"
	"time"

	"github.com/acme/connections/internal/vault"
)

// handouts reads those of a connection.
func (f *fixture) handouts(id string) []vault.Handout {
	f.t.Helper()
	list, err := f.Handouts(f.ctx, id, 0)
	f.NoError(err)
	return list
}

// record records hand-outs.
func (f *fixture) record(handouts ...vault.Handout) {
	f.t.Helper()
	f.NoError(f.RecordHandouts(f.ctx, handouts))
}

func testHandouts(f *fixture) {
	id, other := f.connection("active"), f.connection("active")
	handout := func(who, tier string, count int64, first, last time.Duration) vault.Handout {
		return vault.Handout{
			ConnectionID: id, Who: who, Tier: tier, Owner: "acme", Count: count, First: at(first), Last: at(last),
		}
	}
	f.Empty(f.handouts(id))
	f.NoError(f.RecordHandouts(f.ctx, nil))
	f.record(
		handout("payroll", "cache", 3, 0, time.Minute),
		handout("payroll", "cache", 4, -time.Minute, time.Second), // 11:59, the hour before
		handout("payroll", "cache", 5, time.Second, 2*time.Minute),
		handout("payroll", "vault", 1, 0, 0),
	)
	f.record(handout("payroll", "cache", 10, time.Minute, 3*time.Minute), handout("export", "cache", 1, time.Hour, time.Hour))
	f.Equal([]vault.Handout{
		handout("export", "cache", 1, time.Hour, time.Hour),
		handout("payroll", "cache", 18, 0, 3*time.Minute),
		handout("payroll", "vault", 1, 0, 0),
		handout("payroll", "cache", 4, -time.Minute, time.Second),
	}, f.handouts(id))
	f.Empty(f.handouts(other))
	list, err := f.Handouts(f.ctx, id, 2)
	f.NoError(err)
	f.Len(list, 2)
}

func testHandoutsPassedOver(f *fixture) {
	id := f.connection("active")
	f.record(
		vault.Handout{ConnectionID: "none", Who: "w", Count: 1, First: epoch()},
		vault.Handout{ConnectionID: "a\x00b", Who: "w", Count: 1, First: epoch()},
		vault.Handout{ConnectionID: "\xff\xfe", Who: "w", Count: 1, First: epoch()},
		vault.Handout{ConnectionID: id, Who: "nothing", First: epoch()},
		vault.Handout{ConnectionID: id, Who: "less than nothing", Count: -1, First: epoch()},
		vault.Handout{ConnectionID: id, Who: "never", Count: 1},
		vault.Handout{ConnectionID: id, Who: strings.Repeat("é", 101) + "\x00", Count: 1, Last: epoch()},
		vault.Handout{ConnectionID: id, Who: strings.Repeat("é", 200), Count: 1, First: epoch().Add(999 * time.Nanosecond), Last: at(-1)},
	)
	f.Equal([]vault.Handout{{
		ConnectionID: id, Who: strings.Repeat("é", 100), Owner: "acme", Count: 2, First: epoch(), Last: epoch(),
	}}, f.handouts(id))
	for _, strange := range []string{"", "none", "a\x00b", "\xff\xfe"} {
		f.Empty(f.handouts(strange))
	}
}

// The audit outlives the tokens, and goes with the tombstone.
func testHandoutsKept(f *fixture) {
	id := f.connection("active")
	f.record(vault.Handout{ConnectionID: id, Who: "w", Count: 1, First: epoch()})
	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Seq: 1}, epoch()))
	f.record(vault.Handout{ConnectionID: id, Who: "w", Count: 2, First: epoch()})
	f.Equal(int64(3), f.handouts(id)[0].Count)
	_, err := f.DeleteTombstones(f.ctx, epoch())
	f.NoError(err)
	f.Empty(f.handouts(id))
	f.NoError(f.CreateConnection(f.ctx, vault.Connection{ID: id, Status: "active"}))
	f.Empty(f.handouts(id))
}

func testDeleteHandouts(f *fixture) {
	id := f.connection("active")
	f.record(
		vault.Handout{ConnectionID: id, Who: "old", Count: 1, First: at(-time.Hour)},
		vault.Handout{ConnectionID: id, Who: "old", Count: 1, First: at(-2 * time.Hour)},
		vault.Handout{ConnectionID: id, Who: "lately too", Count: 1, First: at(-time.Hour), Last: epoch()},
		vault.Handout{ConnectionID: id, Who: "new", Count: 1, First: epoch()},
	)
	deleted, err := f.DeleteHandouts(f.ctx, epoch())
	f.NoError(err)
	f.Equal(int64(2), deleted)
	f.Len(f.handouts(id), 2)
	deleted, err = f.DeleteHandouts(f.ctx, epoch())
	f.NoError(err)
	f.Zero(deleted)
}

// Batches that name the same rows in any order add up, and no two wait for each other.
func testHandoutsRace(f *fixture, other vault.Store) {
	const connections = 20
	var ids []string
	for range connections {
		ids = append(ids, f.connection("active"))
	}
	for _, err := range race(f, other, func(store vault.Store, i int) error {
		var batch []vault.Handout
		for n := range connections {
			who := fmt.Sprint("who", n%3)
			batch = append(batch, vault.Handout{ConnectionID: ids[(n*7+i)%connections], Who: who, Count: 1, First: epoch()})
		}
		return store.RecordHandouts(f.ctx, batch)
	}) {
		f.NoError(err)
	}
	for _, id := range ids {
		var sum int64
		for _, h := range f.handouts(id) {
			sum += h.Count
		}
		f.Equal(int64(crowd), sum)
	}
}
