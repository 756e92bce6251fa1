package tokens

import (
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// cache is a bounded hash table of entries. Reads take no lock and write nothing: they load the head of a chain whose
// nodes never change. Writers, which have just asked a database, share one mutex.
type cache struct {
	seed    maphash.Seed
	buckets []atomic.Pointer[node]
	limit   int

	mu sync.Mutex
	// all holds every entry, each at its own index, for walks and for eviction by sample.
	all []*entry
}

// node is a link of a chain.
type node struct {
	hash  uint64
	entry *entry
	next  *node
}

func newCache(limit int) *cache {
	size := 1
	for size < limit {
		size *= 2
	}
	return &cache{seed: maphash.MakeSeed(), buckets: make([]atomic.Pointer[node], size), limit: limit}
}

func (c *cache) bucket(hash uint64) *atomic.Pointer[node] {
	return &c.buckets[hash&uint64(len(c.buckets)-1)]
}

// find returns the entry of a connection, or nil.
func (c *cache) find(id string) *entry {
	return c.findHash(maphash.String(c.seed, id), id)
}

func (c *cache) findHash(hash uint64, id string) *entry {
	for n := c.bucket(hash).Load(); n != nil; n = n.next {
		if n.hash == hash && n.entry.id == id {
			return n.entry
		}
	}
	return nil
}

// obtain returns the entry of a connection, making room for it first if there is none. evicted, if not nil, is the
// one that had to go. round is the number of the last flush.
func (c *cache) obtain(id string, round uint64) (found, evicted *entry) {
	hash := maphash.String(c.seed, id)
	if e := c.findHash(hash, id); e != nil {
		return e, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.findHash(hash, id); e != nil {
		return e, nil
	}
	if len(c.all) >= c.limit {
		evicted = c.leastUsed()
		c.unlink(evicted)
	}
	e := &entry{id: id, hash: hash, index: len(c.all)}
	e.used.Store(round + 1)
	c.all = append(c.all, e)
	head := c.bucket(hash)
	head.Store(&node{hash: hash, entry: e, next: head.Load()})
	return e, evicted
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
	head := c.bucket(e.hash)
	head.Store(without(head.Load(), e))
}

// without copies the part of a chain that is before e, since readers may be in it.
func without(n *node, e *entry) *node {
	switch {
	case n == nil:
		return nil
	case n.entry == e:
		return n.next
	default:
		return &node{hash: n.hash, entry: n.entry, next: without(n.next, e)}
	}
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
	for i := range c.buckets {
		c.buckets[i].Store(nil)
	}
	return all
}

func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.all)
}
