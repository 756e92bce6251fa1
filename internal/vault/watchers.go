package vault

import (
	"context"
	"sync"
)

// Watchers share one watcher of an engine, however many callers watch: it runs while there is at least one.
type Watchers struct {
	background *Background
	// run reports to a Watch until its context ends.
	run func(ctx context.Context, w Watch)

	mu        sync.Mutex
	listeners map[*Watch]struct{}
	current   *sharedRun
}

// sharedRun is one run of the engine's watcher.
type sharedRun struct {
	ready  bool
	cancel context.CancelFunc
	done   chan struct{}
}

// NewWatchers shares what run reports. The callers are in the given background.
func NewWatchers(background *Background, run func(ctx context.Context, w Watch)) *Watchers {
	return &Watchers{background: background, run: run, listeners: map[*Watch]struct{}{}}
}

// Watch is that of [Watcher].
func (s *Watchers) Watch(ctx context.Context, w Watch) error {
	ctx, leave, ok := s.background.Enter(ctx)
	if !ok {
		return nil
	}
	defer leave()
	w = w.Normalize()
	s.add(ctx, &w)
	<-ctx.Done()
	if last := s.remove(&w); last != nil {
		last.cancel()
		<-last.done
	}
	return nil
}

// add gives the listener what the others have.
func (s *Watchers) add(ctx context.Context, w *Watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners[w] = struct{}{}
	if s.current == nil {
		s.start(context.WithoutCancel(ctx))
	}
	if s.current.ready {
		w.Ready()
	}
}

// remove returns the run that nobody listens to any more, if that is so.
func (s *Watchers) remove(w *Watch) *sharedRun {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, w)
	run := s.current
	if run.ready {
		w.Lost()
	}
	if len(s.listeners) > 0 {
		return nil
	}
	s.current = nil
	return run
}

// start begins a run. The caller has the lock.
func (s *Watchers) start(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	run := &sharedRun{cancel: cancel, done: make(chan struct{})}
	s.current = run
	go func() {
		defer close(run.done)
		s.run(ctx, Watch{
			Changed: func(id string) { s.tell(run, func(w *Watch) { w.Changed(id) }) },
			Lost: func() {
				s.tell(run, func(w *Watch) {
					run.ready = false
					w.Lost()
				})
			},
			Ready: func() {
				s.tell(run, func(w *Watch) {
					run.ready = true
					w.Ready()
				})
			},
		})
	}()
}

// tell tells all listeners, of which there is at least one, unless the run is over. Each hears one thing at a time, in the run's order.
func (s *Watchers) tell(run *sharedRun, tell func(w *Watch)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != run {
		return
	}
	for w := range s.listeners {
		tell(w)
	}
}
