package pgvault

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/acme/connections/internal/vault"
)

const (
	// announcePause is how long a process gathers token sets before it announces them, after the first.
	announcePause = 100 * time.Millisecond
	// announceTimeout also bounds how long Close waits for the last ones.
	announceTimeout = 2 * time.Second
)

// announcer announces routine token sets after their commit. Announcing within it would hold a lock of the whole server
// while the commit is flushed, so that refreshes would go one by one; this transaction has nothing to flush, and many
// connections share it.
type announcer struct {
	pool       *pgxpool.Pool
	background *vault.Background

	mu      sync.Mutex
	waiting map[string]struct{}
	running bool
}

func newAnnouncer(pool *pgxpool.Pool, background *vault.Background) *announcer {
	return &announcer{pool: pool, background: background, waiting: map[string]struct{}{}}
}

// add has the connection announced soon, also if ctx ends. It does not wait.
func (a *announcer) add(ctx context.Context, connectionID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting[connectionID] = struct{}{}
	if a.running {
		return
	}
	ctx, leave, ok := a.background.Enter(context.WithoutCancel(ctx))
	if !ok {
		return
	}
	a.running = true
	go func() {
		defer leave()
		a.run(ctx)
	}()
}

// run announces until there is nothing to announce. When the vault is closed it says the last without a pause.
func (a *announcer) run(ctx context.Context) {
	for ids := a.take(); len(ids) > 0; ids = a.take() {
		a.announce(context.WithoutCancel(ctx), ids)
		sleep(ctx, announcePause)
	}
}

// take returns the waiting ids; with none, the next add starts a new run.
func (a *announcer) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	ids := make([]string, 0, len(a.waiting))
	for id := range a.waiting {
		ids = append(ids, id)
	}
	clear(a.waiting)
	a.running = len(ids) > 0
	return ids
}

// announce forgets ids that it cannot announce: their older tokens live on, and the watchers' connections are to the
// same server, so they most likely know that they have missed something.
func (a *announcer) announce(ctx context.Context, ids []string) {
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	_, _ = a.pool.Exec(ctx, `
		SELECT pg_notify('`+channel+`', CASE WHEN octet_length(id) < 8000 THEN id ELSE '' END)
		FROM unnest($1::text[]) AS changed (id)`, ids)
}
