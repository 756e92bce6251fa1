package tokens

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/acme/connections/workflows"
)

// Held is a token as the cache holds it. It never changes.
type Held struct {
	// Nanoseconds since 1970: of the expiry, of half the token's life, until when not to ask for a newer one after
	// that failed, and of the moment before the row was read.
	expires, half, pause, readAt int64
	// OAuth is the token in clear. It is shared: do not change it.
	OAuth *oauth2.Token

	ID        string
	owner     string
	Connector string
	Status    workflows.ConnectionStatus
	Reason    workflows.Reason
	// Generation counts the connection's token sets.
	Generation int64
	IssuedAt   time.Time
	Scopes     []string
	Metadata   map[string]string
}

// never is the expiry of tokens without one.
const never = math.MaxInt64 / 2

// setTimes fills in what the hot path compares.
func (h *Held) setTimes(readAt time.Time) {
	h.readAt, h.expires, h.half = readAt.UnixNano(), never, never
	if expires := h.OAuth.Expiry; !expires.IsZero() {
		h.expires = expires.UnixNano()
		h.half = 0
		if life := expires.Sub(h.IssuedAt); !h.IssuedAt.IsZero() && life > 0 {
			h.half = int64(life) / 2
		}
	}
}

// good reports whether the token has enough life left. More than half of its life is not asked of any token: a newer
// one would have no more.
func (h *Held) good(now, least int64) bool {
	if least > h.half {
		least = h.half
	}
	if now < h.pause {
		least = 0
	}
	return now+least < h.expires
}

// live reports whether the token can be used at all.
func (h *Held) live(now int64) bool { return h != nil && now < h.expires }

// entry is the place of one connection in the cache.
type entry struct {
	// What the hot path reads is within the first cache line.
	hash uint64
	id   string
	next atomic.Pointer[entry]
	// held is nil until the connection was read, and again once it has changed.
	held  atomic.Pointer[Held]
	count counter
	// used is the number of the last round of flushes that found reads here, or in which the entry was made.
	used atomic.Uint64

	// index is the entry's place in cache.all, under the cache's mutex.
	index int

	mu sync.Mutex
	// epoch is raised by every change: what was read before one must not be kept after it.
	epoch      uint64
	gone       bool
	reading    *reading
	refreshing *refreshing
	// pausedUntil is until when a token of pausedGeneration, and no newer one, is handed out old as it is: a newer one
	// was asked for just now, in vain. In nanoseconds since 1970.
	pausedGeneration, pausedUntil int64
}

// lastUsed orders entries for eviction: those that were read since the last flush come last.
func (e *entry) lastUsed() uint64 {
	if e.count.pending() {
		return math.MaxUint64
	}
	return e.used.Load()
}

// change forgets the token, and what is being read just now.
func (e *entry) change() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.epoch++
	e.held.Store(nil)
}

// end forgets the token for good: the entry is not in the cache any more.
func (e *entry) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone = true
	e.held.Store(nil)
}

// keep stores a token that was read in an epoch, unless that is over.
func (e *entry) keep(h *Held, epoch uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.gone && e.epoch == epoch {
		e.held.Store(h)
	}
}

// pause keeps a token that was read, with leave to hand it out until a time although it is old.
func (e *entry) pause(r *reading, until int64) {
	h := *r.held
	h.pause = until
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pausedGeneration, e.pausedUntil = h.Generation, until
	if !e.gone && e.epoch == r.epoch {
		e.held.Store(&h)
	}
}

// finish lets all who wait for a read have it.
func (e *entry) finish(r *reading) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.held != nil && r.held.Generation == e.pausedGeneration {
		r.held.pause = e.pausedUntil
	}
	if e.reading == r {
		e.reading = nil
	}
	close(r.done)
}
