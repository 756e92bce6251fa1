package tokens

import (
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
)

// cache is a bounded hash table of entries. Reads take no lock and write nothing: they walk a chain by atomic pointers.
// Writers, which have just asked a database, share one mutex. A reader whose chain is being moved may miss an entry, and
// finds it with obtain.
type cache struct {
	seed  maphash.Seed
	limit int
	table atomic.Pointer[table]

	mu sync.Mutex
	// all holds every entry, each at its own index, for walks and for eviction by sample.
	all []*entry
}

// table has a power of two of chains: small for few entries, so that they share few cache lines.
type table []atomic.Pointer[entry]

// firstSize is that of a new table.
const firstSize = 64

func newTable(size int) *table {
	t := make(table, size)
	return &t
}

func (t *table) chain(hash uint64) *atomic.Pointer[entry] {
	return &(*t)[hash&uint64(len(*t)-1)] //nolint:gosec // a length is never negative
}

func (t *table) push(e *entry) {
	head := t.chain(e.hash)
	e.next.Store(head.Load())
	head.Store(e)
}

func newCache(limit int) *cache {
	c := &cache{seed: maphash.MakeSeed(), limit: limit}
	c.table.Store(newTable(firstSize))
	return c
}

// find returns the entry of a connection, or nil.
func (c *cache) find(id string) *entry {
	return c.findHash(maphash.String(c.seed, id), id)
}

func (c *cache) findHash(hash uint64, id string) *entry {
	for e := c.table.Load().chain(hash).Load(); e != nil; e = e.next.Load() {
		if e.hash == hash && e.id == id {
			return e
		}
	}
	return nil
}

// obtain returns the entry of a connection, making room for it first if there is none. evicted, if not nil, is the
// one that had to go. round is the number of the last flush.
func (c *cache) obtain(id string, round uint64) (found, evicted *entry) {
	hash := maphash.String(c.seed, id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.findHash(hash, id); e != nil {
		return e, nil
	}
	if len(c.all) >= c.limit {
		evicted = c.leastUsed()
		c.unlink(evicted)
	}
	// The id may be part of a larger text, which must not stay for its sake.
	e := &entry{id: strings.Clone(id), hash: hash, index: len(c.all)}
	e.used.Store(round + 1)
	c.all = append(c.all, e)
	c.grow()
	c.table.Load().push(e)
	return e, evicted
}

// grow moves every entry to a larger table when chains become long.
func (c *cache) grow() {
	size := len(*c.table.Load())
	if len(c.all) <= size {
		return
	}
	larger := newTable(2 * size)
	for _, e := range c.all[:len(c.all)-1] {
		larger.push(e)
	}
	c.table.Store(larger)
}

// sampled is how many entries are looked at for the one to evict.
const sampled = 8

// leastUsed is the entry of a sample whose last reads are the longest ago. It needs nothing of the hot path but the
// counters that are there for the audit.
func (c *cache) leastUsed() *entry {
	var least *entry
	for range sampled {
		e := c.all[rand.IntN(len(c.all))] //nolint:gosec // a sample, not a secret
		if least == nil || e.lastUsed() < least.lastUsed() {
			least = e
		}
	}
	return least
}

// remove takes an entry out, if it is still in.
func (c *cache) remove(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.index < len(c.all) && c.all[e.index] == e {
		c.unlink(e)
	}
}

// unlink is remove for holders of the mutex.
func (c *cache) unlink(e *entry) {
	last := c.all[len(c.all)-1]
	c.all[e.index], last.index = last, e.index
	c.all[len(c.all)-1] = nil
	c.all = c.all[:len(c.all)-1]
	e.index = c.limit // nowhere
	at := c.table.Load().chain(e.hash)
	for at.Load() != e {
		at = &at.Load().next
	}
	at.Store(e.next.Load())
}

// entries lists all entries at a moment.
func (c *cache) entries() []*entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*entry(nil), c.all...)
}

// clear takes everything out and returns it.
func (c *cache) clear() []*entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.all
	c.all = nil
	c.table.Store(newTable(firstSize))
	return all
}

func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.all)
}
