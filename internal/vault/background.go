package vault

import (
	"context"
	"sync"
)

// Background is what an engine runs beside its callers' short calls, so that closing the engine ends it.
type Background struct {
	mu      sync.Mutex
	closed  bool
	nextID  int
	cancels map[int]context.CancelFunc
	running sync.WaitGroup
}

// NewBackground makes one in which nothing runs yet.
func NewBackground() *Background { return &Background{cancels: map[int]context.CancelFunc{}} }

// Enter adds the caller until it calls leave, and returns a context that ends with ctx or at Close. ok is false after
// Close; there is nothing to leave then.
func (b *Background) Enter(ctx context.Context) (entered context.Context, leave func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, nil, false
	}
	b.running.Add(1)
	entered, cancel := context.WithCancel(ctx)
	id := b.nextID
	b.nextID++
	b.cancels[id] = cancel
	return entered, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.cancels, id)
		cancel()
		b.running.Done()
	}, true
}

// Close ends the contexts of all that have entered and waits until they have left. Closing twice is no error.
func (b *Background) Close() {
	b.mu.Lock()
	b.closed = true
	for _, cancel := range b.cancels {
		cancel()
	}
	b.mu.Unlock()
	b.running.Wait()
}
