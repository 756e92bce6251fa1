package vaulttest

import (
	"time"

	"github.com/acme/connections/internal/vault"
)

// waiting is how many wait for a connection.
func (f *fixture) waiting(id string) int {
	f.t.Helper()
	n, err := f.CountWaiters(f.ctx, id)
	f.NoError(err)
	return n
}

func testWaiters(f *fixture) {
	id, other := f.connection("needs_reauth"), f.connection("needs_reauth")
	before := f.row(id)
	f.Zero(f.waiting(id))
	for range 2 {
		f.NoError(f.PutWaiter(f.ctx, id, "a", time.Hour))
	}
	f.NoError(f.PutWaiter(f.ctx, id, "b", time.Hour))
	f.Equal(2, f.waiting(id), "each once")
	f.Zero(f.waiting(other))
	f.Equal(before, f.row(id), "not in the row")
	f.NoError(f.DeleteWaiter(f.ctx, id, "a"))
	f.NoError(f.DeleteWaiter(f.ctx, id, "a"))
	f.NoError(f.DeleteWaiter(f.ctx, other, "b"))
	f.Equal(1, f.waiting(id))
}

func testWaitersLapse(f *fixture) {
	id := f.connection("needs_reauth")
	f.NoError(f.PutWaiter(f.ctx, id, "crashed", 0))
	f.Zero(f.waiting(id))
	f.NoError(f.PutWaiter(f.ctx, id, "crashed", -time.Hour))
	f.NoError(f.PutWaiter(f.ctx, id, "alive", time.Hour))
	f.Equal(1, f.waiting(id))
	f.NoError(f.PutWaiter(f.ctx, id, "crashed", time.Hour))
	f.Equal(2, f.waiting(id), "back again")
	f.NoError(f.PutWaiter(f.ctx, id, "crashed", -time.Hour))
	f.Equal(1, f.waiting(id))
}

func testWaitersPassedOver(f *fixture) {
	for _, strange := range []string{"", "none", "a\x00b", "\xff\xfe"} {
		f.NoError(f.PutWaiter(f.ctx, strange, "a", time.Hour))
		f.NoError(f.DeleteWaiter(f.ctx, strange, "a"))
		f.Zero(f.waiting(strange))
	}
	id := f.connection("active")
	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Seq: 9, At: epoch()}, epoch()))
	f.NoError(f.PutWaiter(f.ctx, id, "a", time.Hour))
	f.Zero(f.waiting(id))
	id = f.connection("active")
	f.NoError(f.PutWaiter(f.ctx, id, "a", time.Hour))
	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Seq: 9, At: epoch()}, epoch()))
	_, err := f.DeleteTombstones(f.ctx, at(time.Hour))
	f.NoError(err, "an entry keeps no row back")
	f.Zero(f.waiting(id))
}
