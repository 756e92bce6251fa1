package sqlitevault

import (
	"context"
	"time"

	"github.com/acme/connections/internal/vault"
)

const (
	// watchPoll is how often a watcher looks for changes, and the bound on how late it reports one.
	watchPoll = 200 * time.Millisecond
	// watchPage is how many changes it reads at once.
	watchPage = 1000
)

// change is one row of changes.
type change struct {
	seq          int64
	connectionID string
}

// watcher is one run of poll.
type watcher struct {
	vault.Watch
	store *Store
	ready bool
	// last is the change that was reported last.
	last int64
}

// Watch implements vault.Watcher.
func (s *Store) Watch(ctx context.Context, w vault.Watch) error { return s.watchers.Watch(ctx, w) }

// poll looks for changes until ctx ends. It holds nothing between two looks.
func (s *Store) poll(ctx context.Context, w vault.Watch) {
	watcher := &watcher{Watch: w, store: s}
	ticker := time.NewTicker(watchPoll)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if err := watcher.look(ctx); err != nil {
			watcher.lose()
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

func (w *watcher) lose() {
	if w.ready {
		w.ready = false
		w.Lost()
	}
}

// look reports the changes since the last look, or begins with the present state.
func (w *watcher) look(ctx context.Context) error {
	if !w.ready {
		return w.begin(ctx)
	}
	for {
		page, err := w.page(ctx)
		if err != nil {
			return err
		}
		for _, c := range page {
			if c.seq != w.last+1 {
				w.lose()
				return w.begin(ctx)
			}
			w.last = c.seq
			w.Changed(c.connectionID)
		}
		if len(page) < watchPage {
			return nil
		}
	}
}

// begin reports what is committed after it. The sequence outlives its rows.
func (w *watcher) begin(ctx context.Context) error {
	err := w.store.read.QueryRowContext(ctx,
		`SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0)`).Scan(&w.last)
	if err == nil {
		w.ready = true
		w.Ready()
	}
	return err
}

func (w *watcher) page(ctx context.Context) ([]change, error) {
	rows, err := w.store.read.QueryContext(ctx,
		`SELECT seq, connection_id FROM changes WHERE seq > ? ORDER BY seq LIMIT ?`, w.last, watchPage)
	return collect(rows, err, func(r row) (c change, err error) {
		err = r.Scan(&c.seq, &c.connectionID)
		return c, err
	})
}
