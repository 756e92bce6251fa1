package tokens

import (
	"math/rand/v2"
	"sync/atomic"
)

// counter counts hand-outs. It is one word until two processors are seen to want it at once; from then on it is spread
// over cache lines, so that readers of one connection do not slow each other down.
type counter struct {
	one  atomic.Uint64
	many atomic.Pointer[stripes]
}

const stripeCount = 16

// stripes are each on a cache line of their own.
type stripes [stripeCount]struct {
	n atomic.Uint64
	_ [56]byte
}

func (c *counter) add() {
	if s := c.many.Load(); s != nil {
		s[rand.Uint32()%stripeCount].n.Add(1) //nolint:gosec // spreads load, keeps no secret
		return
	}
	if n := c.one.Load(); !c.one.CompareAndSwap(n, n+1) {
		c.spread()
	}
}

func (c *counter) spread() {
	c.many.CompareAndSwap(nil, new(stripes))
	c.many.Load()[0].n.Add(1)
}

// pending reports whether anything was counted since the last take.
func (c *counter) pending() bool {
	if c.one.Load() > 0 {
		return true
	}
	if s := c.many.Load(); s != nil {
		for i := range s {
			if s[i].n.Load() > 0 {
				return true
			}
		}
	}
	return false
}

// take returns what was counted since the last take.
func (c *counter) take() uint64 {
	n := c.one.Swap(0)
	if s := c.many.Load(); s != nil {
		for i := range s {
			n += s[i].n.Swap(0)
		}
	}
	return n
}
