package tokens

import (
	"context"
	"errors"
	"time"

	"golang.org/x/oauth2"

	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// Need is what a caller asks of a token.
type Need struct {
	// Life is the least life that the token must have left; more than half of its whole life is not asked of it.
	Life time.Duration
	// Wait bounds the wait for a newer token; as long as a refresh may take if zero, not at all if negative.
	Wait time.Duration
	// Owner is whose the connection must be; empty for anybody's that Config.Owner allows.
	Owner string
}

// allows reports whether the need is for a connection of that owner.
func (n Need) allows(owner string) bool { return n.Owner == "" || n.Owner == owner }

// Token gives a token of the connection. Its errors are [*Error] and those of ctx.
func (g *Engine) Token(ctx context.Context, id string, need Need) (*Held, error) {
	h, _, err := g.find(ctx, id, need)
	return h, err
}

func (g *Engine) find(ctx context.Context, id string, need Need) (*Held, *entry, error) {
	if e := g.cache.find(id); e != nil {
		if h := g.warm(e, need); h != nil {
			return h, e, nil
		}
	}
	return g.cold(ctx, id, need)
}

// warm hands out the cached token, or nothing if it is not good enough. It takes no lock and allocates nothing.
func (g *Engine) warm(e *entry, need Need) *Held {
	h := e.held.Load()
	if h == nil || h.readAt < g.horizon.Load() || !h.good(g.now.Load(), int64(need.Life)) || !need.allows(h.owner) {
		return nil
	}
	e.count.add()
	return h
}

// Read gives the token of a row that the caller has just read, if it is good enough, and nil if Renewed must say. It
// counts nothing either.
func (g *Engine) Read(row vault.AccessRow, need Need) *Held {
	at := g.config.Now()
	h, err := g.open(row.ID, row, at)
	if err != nil || !h.good(at.UnixNano(), int64(need.Life)) {
		return nil
	}
	return h
}

// Renewed gives a token by the vault's row, renewed if that is too old, never by the cache. The hand-out is neither
// audited nor does it keep the connection awake: it is for callers who count what they hand out themselves. Its errors
// are those of Token.
func (g *Engine) Renewed(ctx context.Context, id string, need Need) (*Held, error) {
	h, _, err := g.seek(ctx, id, need)
	return h, err
}

// cold hands out a token by whatever answers.
func (g *Engine) cold(ctx context.Context, id string, need Need) (*Held, *entry, error) {
	h, e, err := g.seek(ctx, id, need)
	if err != nil {
		return nil, nil, err
	}
	e.count.add()
	return h, e, nil
}

// seek finds a token by whatever answers, and counts nothing.
func (g *Engine) seek(ctx context.Context, id string, need Need) (*Held, *entry, error) {
	switch {
	case g.closed.Load():
		return nil, nil, refusal(id, workflows.ReasonClosed, 0)
	case !workflows.ValidID(id):
		return nil, nil, refusal(id, workflows.ReasonNotFound, 0)
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	}
	e := g.obtain(id)
	h, err := g.answer(ctx, e, need)
	return h, e, err
}

func (g *Engine) obtain(id string) *entry {
	e, evicted := g.cache.obtain(id, g.round.Load())
	if evicted != nil {
		g.retire(evicted)
	}
	return e
}

// drop forgets a connection that hands out nothing.
func (g *Engine) drop(e *entry) {
	g.cache.remove(e)
	g.retire(e)
}

func (g *Engine) clock() int64 { return g.config.Now().UnixNano() }

// answer reads the connection, and refreshes it if its token is too old.
func (g *Engine) answer(ctx context.Context, e *entry, need Need) (*Held, error) {
	r, err := g.read(ctx, e)
	if err != nil {
		return nil, g.refused(e, err)
	}
	if r.known && !need.allows(r.owner) {
		return nil, refusal(e.id, workflows.ReasonNotFound, 0) // it is there for others
	}
	if r.err != nil {
		return nil, g.refused(e, r.err)
	}
	now := g.clock()
	if r.held.good(now, int64(need.Life)) {
		e.keep(r.held, r.epoch)
		return r.held, nil
	}
	live := r.held.live(now)
	switch {
	case live && (need.Wait < 0 || r.held.Status == workflows.StatusNeedsReauth || r.fallback):
		e.pause(r, now+int64(refreshPause))
		return r.held, nil
	case r.held.Status == workflows.StatusNeedsReauth:
		return nil, g.refused(e, refusalOf(e.id, r.held.Status, r.held.Reason))
	case r.fallback:
		return nil, refusal(e.id, workflows.ReasonVaultUnavailable, 0)
	case need.Wait < 0:
		g.refreshInBackground(e, r) //nolint:contextcheck // it belongs to no caller
		return nil, refusal(e.id, workflows.ReasonTimeout, 0)
	}
	wait := need.Wait
	if live && (wait == 0 || wait > liveWait) {
		wait = liveWait
	}
	fresh, err := g.refresh(ctx, e, r, wait)
	if err == nil {
		return fresh, nil
	}
	if live && mayServe(err) {
		e.pause(r, g.clock()+int64(pauseAfter(err)))
		return r.held, nil
	}
	return nil, g.refused(e, err)
}

// refused drops what the refusal says is over.
func (g *Engine) refused(e *entry, err error) error {
	var refused *Error
	if errors.As(err, &refused) && refused.Kind != Unavailable {
		g.drop(e)
	}
	return err
}

// pauseAfter is how long a live token is handed out without asking for a newer one again.
func pauseAfter(err error) time.Duration {
	var refused *Error
	if errors.As(err, &refused) && (refused.Reason == workflows.ReasonTimeout || refused.Reason == workflows.ReasonTemporalUnavailable) {
		return temporalPause
	}
	return refreshPause
}

// mayServe reports whether a live token may be handed out although it could not be renewed.
func mayServe(err error) bool {
	var refused *Error
	return !errors.As(err, &refused) || refused.Kind == Unavailable || refused.Kind == NeedsReauthorization
}

// reading is one read that callers share.
type reading struct {
	done  chan struct{}
	epoch uint64

	// Set before done is closed: held or err.
	held *Held
	err  error
	// owner and failures are the row's, if it is known.
	known    bool
	owner    string
	failures int64
	// fallback is set if the vault did not answer.
	fallback bool
	// ended is set if the caller who read gave up.
	ended bool
}

// read reads the connection, together with all who want to at the same time.
func (g *Engine) read(ctx context.Context, e *entry) (*reading, error) {
	for {
		e.mu.Lock()
		r := e.reading
		if r == nil || r.epoch != e.epoch {
			r = &reading{done: make(chan struct{}), epoch: e.epoch}
			e.reading = r
			e.mu.Unlock()
			g.lead(ctx, e, r)
		} else {
			e.mu.Unlock()
			select {
			case <-r.done:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if !r.ended {
			return r, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// lead does the read that others wait for.
func (g *Engine) lead(ctx context.Context, e *entry, r *reading) {
	defer e.finish(r)
	at := g.config.Now()
	row, err := g.readVault(ctx, e.id)
	switch {
	case err == nil:
		r.failures = row.Failures
		r.known, r.owner = true, row.Owner
		r.held, r.err = g.open(e.id, row, at)
	case errors.Is(err, vault.ErrNotFound):
		r.err = refusal(e.id, workflows.ReasonNotFound, 0)
	case ctx.Err() != nil:
		r.ended = true
	default:
		r.fallback = true
		g.fallBack(ctx, e, r, at)
	}
}

// fallBack answers without the vault: from the cache, or by a query.
func (g *Engine) fallBack(ctx context.Context, e *entry, r *reading, at time.Time) {
	if h := e.held.Load(); h.live(at.UnixNano()) {
		again := *h
		again.readAt = at.UnixNano()
		r.held = &again
		r.known, r.owner = true, again.owner
		return
	}
	row, err := g.query(ctx, e.id)
	switch {
	case err == nil:
		r.known, r.owner = true, row.Owner
		r.held, r.err = g.open(e.id, row, at)
	case ctx.Err() != nil:
		r.ended = true
	default:
		r.err = err
	}
}

// errVaultAway: the vault did not answer just now, and is left alone for a moment.
var errVaultAway = errors.New("the vault is away")

func (g *Engine) readVault(ctx context.Context, id string) (vault.AccessRow, error) {
	if g.clock() < g.vaultAwayUntil.Load() {
		return vault.AccessRow{}, errVaultAway
	}
	limited, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	row, err := g.config.Vault.AccessRow(limited, id)
	if err != nil && !errors.Is(err, vault.ErrNotFound) && ctx.Err() == nil {
		g.vaultAwayUntil.Store(g.clock() + int64(vaultPause))
	}
	return row, err
}

// open turns a row into a token that can be handed out, or says why there is none.
func (g *Engine) open(id string, row vault.AccessRow, readAt time.Time) (*Held, error) {
	if g.config.Owner != "" && row.Owner != g.config.Owner {
		return nil, refusal(id, workflows.ReasonNotFound, 0)
	}
	status, reason := workflows.ConnectionStatus(row.Status), workflows.Reason(row.Reason)
	if !status.HandsOut() {
		return nil, refusalOf(id, status, reason)
	}
	if row.AccessToken == nil {
		return nil, refusal(id, workflows.ReasonNotReady, 0)
	}
	text, err := g.config.Access.OpenString(keyring.AccessToken(id, row.Generation), row.AccessToken)
	if err != nil {
		return nil, refusal(id, workflows.ReasonKeyMissing, 0)
	}
	h := &Held{
		ID: id, owner: row.Owner, Connector: row.Connector, Status: status, Reason: reason, Generation: row.Generation,
		IssuedAt: row.IssuedAt, Scopes: row.GrantedScopes, Metadata: row.Metadata,
		OAuth: &oauth2.Token{AccessToken: text.Reveal(), TokenType: row.TokenType, Expiry: row.ExpiresAt},
	}
	h.setTimes(readAt)
	return h, nil
}
