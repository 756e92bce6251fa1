// Package tokens reads access tokens at the cost of a table look-up, and goes on when Temporal or the vault is away.
//
// A read goes down this ladder until something answers: the process's cache; the vault's row; the connection's
// "refresh" update, if the token in hand is too old. While Temporal is down, the vault's token serves until it expires;
// while the vault is down, the cache does, and what is not in the cache is asked of the workflow by query. A change of
// the connection is told by the vault's channel, and whoever does not hear it any more reads again what is older than
// half a second.
package tokens

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/reads"
	"github.com/acme/connections/internal/vault"
)

// Config is what an Engine needs. Vault, Access and Log are required.
type Config struct {
	Vault  vault.Access
	Access *keyring.Ring
	// Temporal renews tokens, and answers while the vault is down; without one the vault's tokens serve while they live.
	Temporal client.Client
	// Owner limits what can be read to the connections of one owner; empty for all.
	Owner string
	// Caller is who asks, in the audit.
	Caller string
	// Limit is the most entries that the cache holds; DefaultLimit if zero.
	Limit int
	// Staleness is how old a cached token may be while changes cannot be heard; DefaultStaleness if zero.
	Staleness time.Duration
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	Log *slog.Logger
}

const (
	// DefaultLimit is the most entries of a cache if nobody says otherwise.
	DefaultLimit = 100_000
	// DefaultStaleness is how old a cached token may be while changes cannot be heard.
	DefaultStaleness = 500 * time.Millisecond
	// maxAge is how old a cached token may be in any case.
	maxAge = time.Minute
	// tick is the grain of the clock that the hot path reads.
	tick = 50 * time.Millisecond
	// readLimit bounds one read of the vault, queryLimit one query, updateLimit one refresh.
	readLimit   = 3 * time.Second
	queryLimit  = 5 * time.Second
	updateLimit = 40 * time.Second
	// flushLimit bounds the last flush.
	flushLimit = 5 * time.Second
	// refreshPause is how long a live token goes on being handed out after a newer one could not be had.
	refreshPause = 5 * time.Second
	// temporalPause is refreshPause where Temporal did not answer: each try costs somebody liveWait.
	temporalPause = 30 * time.Second
	// liveWait is how long a newer token is waited for while the one in hand lives.
	liveWait = 3 * time.Second
	// vaultPause is how long the vault is left alone after it did not answer.
	vaultPause = time.Second
)

// Engine hands out tokens. It is safe for concurrent use.
type Engine struct {
	config Config
	cache  *cache
	ledger *reads.Ledger

	// now is the clock as of the last tick; what was read before horizon is too old. In nanoseconds since 1970.
	now     atomic.Int64
	horizon atomic.Int64
	// deaf is set while changes cannot be heard.
	deaf atomic.Bool
	// vaultAwayUntil is when the vault may be asked again after it did not answer.
	vaultAwayUntil atomic.Int64
	round          atomic.Uint64

	stop   context.CancelFunc
	base   context.Context //nolint:containedctx // of what runs on behalf of many callers
	life   sync.Mutex      // of closed, with tasks
	closed atomic.Bool
	tasks  sync.WaitGroup
}

// New makes an engine and starts what keeps its clock, listens and flushes. Close it.
func New(c Config) *Engine {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Limit <= 0 {
		c.Limit = DefaultLimit
	}
	if c.Staleness <= 0 {
		c.Staleness = DefaultStaleness
	}
	g := &Engine{config: c, cache: newCache(c.Limit), ledger: reads.NewLedger(c.Vault, c.Log)}
	g.base, g.stop = context.WithCancel(context.Background())
	g.deaf.Store(true)
	g.keepTime()
	g.tasks.Go(func() { g.runClock(g.base) })
	g.tasks.Go(func() { g.runFlushes(g.base) })
	g.tasks.Go(func() { g.listen(g.base) })
	return g
}

// Close stops everything, writes what was counted, and forgets every token. It is safe to call it twice.
func (g *Engine) Close() error {
	g.life.Lock()
	again := g.closed.Swap(true)
	g.life.Unlock()
	if again {
		return nil
	}
	g.horizon.Store(math.MaxInt64) // no read is served by the cache any more
	g.stop()
	g.tasks.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), flushLimit)
	defer cancel()
	err := g.Flush(ctx)
	for _, e := range g.cache.clear() {
		e.end()
	}
	if err != nil {
		return errors.New("the last hand-outs of tokens could not be written to the vault's audit")
	}
	return nil
}

// spawn runs f unless the engine is closed, which waits for it.
func (g *Engine) spawn(f func()) bool {
	g.life.Lock()
	defer g.life.Unlock()
	if g.closed.Load() {
		return false
	}
	g.tasks.Go(f)
	return true
}

func (g *Engine) runClock(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			g.keepTime()
		case <-ctx.Done():
			return
		}
	}
}

// keepTime moves the clock, and the horizon behind it.
func (g *Engine) keepTime() {
	now := g.config.Now().UnixNano()
	g.now.Store(now)
	age := maxAge
	if g.deaf.Load() {
		age = g.config.Staleness
	}
	g.raiseHorizon(now - int64(age))
}

func (g *Engine) raiseHorizon(to int64) {
	for {
		at := g.horizon.Load()
		if to <= at || g.horizon.CompareAndSwap(at, to) {
			return
		}
	}
}

// changed hears that a connection has changed.
func (g *Engine) changed(id string) {
	if e := g.cache.find(id); e != nil {
		e.change()
	}
}

// listen hears of changes until ctx ends. What was read before the channel was there may have changed since.
func (g *Engine) listen(ctx context.Context) {
	err := g.config.Vault.Watch(ctx, vault.Watch{
		Changed: g.changed,
		Ready: func() {
			g.raiseHorizon(g.config.Now().UnixNano())
			g.deaf.Store(false)
		},
		Lost: func() { g.deaf.Store(true) },
	})
	g.deaf.Store(true)
	if err != nil {
		g.config.Log.Warn("changes of connections cannot be heard; their rows are read again and again instead", slog.Any("error", err))
	}
}

// Len is how many connections the cache holds.
func (g *Engine) Len() int { return g.cache.len() }
