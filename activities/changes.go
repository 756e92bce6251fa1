package activities

import (
	"sync"
	"time"
)

const (
	// PollInterval is how often a row that is waited for is looked at while nobody tells of its changes.
	PollInterval = 500 * time.Millisecond
	// assuredInterval is how often it is looked at all the same while changes are told.
	assuredInterval = 10 * time.Second
)

// Changes hands the vault's changes on to the calls of AwaitToken of one process. Feed it from the vault: Changed, Lost
// and Ready are made to be called from there. Until the first Ready, and while the vault is lost, the rows are polled. It
// is safe for concurrent use, and its zero value is ready for use.
type Changes struct {
	mu      sync.Mutex
	live    bool
	waiters map[string]map[chan struct{}]struct{}
}

// Changed wakes those who wait for the connection. It never waits.
func (c *Changes) Changed(connectionID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wake(c.waiters[connectionID])
}

// Ready says that every change is told from here on, and wakes all: some may have gone by.
func (c *Changes) Ready() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live = true
	for _, waiters := range c.waiters {
		wake(waiters)
	}
}

// Lost says that changes may go by untold from here on, and wakes all, so that they poll.
func (c *Changes) Lost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live = false
	for _, waiters := range c.waiters {
		wake(waiters)
	}
}

// subscribe gives a channel that tells of each change from here on, several at once as one.
func (c *Changes) subscribe(connectionID string) (changed <-chan struct{}, stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiters == nil {
		c.waiters = make(map[string]map[chan struct{}]struct{})
	}
	if c.waiters[connectionID] == nil {
		c.waiters[connectionID] = make(map[chan struct{}]struct{})
	}
	waiter := make(chan struct{}, 1)
	c.waiters[connectionID][waiter] = struct{}{}
	return waiter, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiters[connectionID], waiter)
		if len(c.waiters[connectionID]) == 0 {
			delete(c.waiters, connectionID)
		}
	}
}

// interval is how long to wait for a change before the row is looked at all the same.
func (c *Changes) interval() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live {
		return assuredInterval
	}
	return PollInterval
}

func wake(waiters map[chan struct{}]struct{}) {
	for waiter := range waiters {
		select {
		case waiter <- struct{}{}:
		default:
		}
	}
}
