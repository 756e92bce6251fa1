package tokens_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/tokens"
	"github.com/acme/connections/workflows"
)

func TestWarmReadsAskNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.active()
	first := r.token(id)
	for range 100 {
		require.Same(t, first, r.token(id))
	}
	require.EqualValues(t, 1, r.link.reads.Load())
	source := r.Source(t.Context(), id, tokens.Need{}, func(err error) error { return err })
	for range 2 {
		token, err := source.Token()
		require.NoError(t, err)
		require.Same(t, first.OAuth, token)
	}
}

// TestWarmReadsAllocateNothing is not parallel: allocations are counted for the process.
func TestWarmReadsAllocateNothing(t *testing.T) {
	r := newRig(t)
	id := r.active()
	r.token(id)
	source := r.Source(t.Context(), id, tokens.Need{}, func(err error) error { return err })
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		_, _ = r.Token(ctx, id, tokens.Need{})
		_, _ = source.Token()
	}))
}

func TestColdReadsAtOnceAreOne(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.active()
	g := &gate{reached: make(chan struct{}), open: make(chan struct{})}
	r.link.gate.Store(g)
	var readers sync.WaitGroup
	var asking sync.WaitGroup
	asking.Add(50)
	for range 50 {
		readers.Go(func() {
			asking.Done()
			_, err := r.Token(t.Context(), id, tokens.Need{})
			require.NoError(t, err)
		})
	}
	<-g.reached
	asking.Wait() // who asks after the read is over has no part in it
	r.link.gate.Store(nil)
	close(g.open)
	readers.Wait()
	require.EqualValues(t, 1, r.link.reads.Load())
}

// TestAReadThatAChangeOvertakes: what was read before the change must not be kept after it.
func TestAReadThatAChangeOvertakes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.active()
	g := &gate{reached: make(chan struct{}), open: make(chan struct{})}
	r.link.gate.Store(g)
	done := make(chan error)
	go func() {
		_, err := r.Token(t.Context(), id, tokens.Need{})
		done <- err
	}()
	<-g.reached
	r.link.gate.Store(nil)
	_, err := r.Client.Disconnect(t.Context(), id)
	require.NoError(t, err)
	r.channel.Changed(id)
	close(g.open)
	require.NoError(t, <-done, "it began before")
	_, err = r.Token(t.Context(), id, tokens.Need{})
	requireKind(t, err, tokens.Disconnected)
}

func TestAChangeIsHeard(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.active()
	source := r.Source(t.Context(), id, tokens.Need{}, func(err error) error { return err })
	_, err := source.Token()
	require.NoError(t, err)
	_, err = r.Client.Pause(t.Context(), id)
	require.NoError(t, err)
	r.token(id) // it has not been told
	r.channel.Changed(id)
	_, err = r.Token(t.Context(), id, tokens.Need{})
	requireKind(t, err, tokens.Paused)
	_, err = source.Token()
	requireKind(t, err, tokens.Paused)
	_, err = r.Client.Resume(t.Context(), id)
	require.NoError(t, err)
	r.token(id)
	_, err = source.Token()
	require.NoError(t, err)
}

// TestALostChannelBoundsStaleness: whoever cannot hear a disconnect refuses within a second all the same.
func TestALostChannelBoundsStaleness(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lost, kept := r.active(), r.active()
	r.token(lost)
	r.token(kept)
	r.channel.Lost()
	_, err := r.Client.Disconnect(t.Context(), lost)
	require.NoError(t, err)
	from := time.Now()
	require.Eventually(t, func() bool {
		_, err := r.Token(t.Context(), lost, tokens.Need{})
		return err != nil
	}, 5*time.Second, 5*time.Millisecond)
	require.Less(t, time.Since(from), time.Second)
	reads := r.link.reads.Load()
	r.channel.Ready()
	r.token(kept)
	require.Greater(t, r.link.reads.Load(), reads, "what was missed is read again")
	reads = r.link.reads.Load()
	r.token(kept)
	require.Equal(t, reads, r.link.reads.Load())
}

func TestOwnersDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.active()
	other := r.engine(func(c *tokens.Config) { c.Owner = "another" })
	_, err := other.Token(t.Context(), id, tokens.Need{})
	requireKind(t, err, tokens.NotFound)
	_, err = other.Force(t.Context(), id, 1, tokens.Need{})
	requireKind(t, err, tokens.NotFound)
	cut := &vaultLink{Access: r.Vault}
	cut.cut.Store(true)
	other = r.engine(func(c *tokens.Config) { c.Owner, c.Vault = "another", cut })
	_, err = other.Token(t.Context(), id, tokens.Need{})
	requireKind(t, err, tokens.NotFound)
	require.Equal(t, 1, r.TokenRequests(string(grant)))
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, id := range []string{"con_unknown", "", "CON", "connection/x"} {
		_, err := r.Token(t.Context(), id, tokens.Need{})
		requireKind(t, err, tokens.NotFound)
	}
	created, err := r.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme"})
	require.NoError(t, err)
	_, err = r.Token(t.Context(), created.ID, tokens.Need{})
	require.Equal(t, workflows.ReasonNotReady, requireKind(t, err, tokens.NeedsReauthorization).Reason)
	id := r.active()
	_, err = r.Client.Disconnect(t.Context(), id)
	require.NoError(t, err)
	_, err = r.Token(t.Context(), id, tokens.Need{})
	requireKind(t, err, tokens.Disconnected)
}

func TestTooOldTokensAreRefreshedTogether(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.active()
	first := r.token(id)
	r.move(9 * time.Minute)
	var readers sync.WaitGroup
	for range 50 {
		readers.Go(func() {
			held, err := r.Token(t.Context(), id, tokens.Need{Life: 2 * time.Minute})
			require.NoError(t, err)
			require.EqualValues(t, 2, held.Generation)
			require.NotEqual(t, first.OAuth.AccessToken, held.OAuth.AccessToken)
		})
	}
	readers.Wait()
	require.Equal(t, 2, r.TokenRequests(string(grant)))
}

func TestForce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.active()
	first := r.token(id)
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			held, err := r.Force(t.Context(), id, first.Generation, tokens.Need{})
			require.NoError(t, err)
			require.EqualValues(t, 2, held.Generation)
		})
	}
	callers.Wait()
	require.Equal(t, 2, r.TokenRequests(string(grant)))
}

func TestTemporalStopped(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	away := r.engine(withTemporal(connectionstest.LazyTemporal(t, "127.0.0.1:1")))
	id := r.active()
	for range 100 {
		_, err := away.Token(t.Context(), id, tokens.Need{})
		require.NoError(t, err)
	}
	r.move(9*time.Minute+50*time.Second, away)
	for range 100 { // too old, but alive
		held, err := away.Token(t.Context(), id, tokens.Need{Life: time.Minute, Wait: 100 * time.Millisecond})
		require.NoError(t, err)
		require.EqualValues(t, 1, held.Generation)
	}
	r.move(time.Minute, away)
	_, err := away.Token(t.Context(), id, tokens.Need{Wait: 100 * time.Millisecond})
	requireKind(t, err, tokens.Unavailable)
	require.EqualValues(t, 2, r.token(id).Generation, "whoever reaches Temporal")
	r.move(-10*time.Minute, away) // the provider's clock was never moved
	held, err := away.Token(t.Context(), id, tokens.Need{Wait: 100 * time.Millisecond})
	require.NoError(t, err, "the vault has it now")
	require.EqualValues(t, 2, held.Generation)
}

func TestVaultStopped(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	cached, uncached, over := r.active(), r.active(), r.active()
	first := r.token(cached)
	r.channel.Lost()
	_, err := r.Client.Disconnect(t.Context(), over)
	require.NoError(t, err)
	r.AwaitStatus(over, workflows.StatusDisconnected)
	r.link.cut.Store(true)
	r.move(2 * time.Minute) // everything is older than the bound
	for range 100 {
		require.Equal(t, first.OAuth.AccessToken, r.token(cached).OAuth.AccessToken)
		r.token(uncached)
	}
	require.Less(t, r.link.reads.Load(), int64(20), "the vault is left alone")
	_, err = r.Token(t.Context(), over, tokens.Need{})
	require.Error(t, err, "a closed workflow does not answer")
	r.link.cut.Store(false)
	r.move(2 * time.Second)
	require.Eventually(t, func() bool {
		_, err := r.Token(t.Context(), over, tokens.Need{})
		var refused *tokens.Error
		return errors.As(err, &refused) && refused.Kind == tokens.Disconnected
	}, 5*time.Second, 10*time.Millisecond, "it is heard of again")
}

func TestHandoutsAreCountedAndMarked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, b := r.active(), r.active()
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for range 100 {
				_, _ = r.Token(t.Context(), a, tokens.Need{})
			}
		})
	}
	readers.Wait()
	r.token(b)
	r.books.fail = errors.New("away")
	require.Error(t, r.Flush(t.Context()))
	r.books.fail = nil
	r.token(b)
	require.NoError(t, r.Flush(t.Context()))
	require.Equal(t, map[string]int64{a: 800, b: 2}, r.books.counts)
	require.Equal(t, "test", r.books.caller)
	at, err := r.Vault.LastRead(t.Context(), b)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), at, time.Minute)
}

// TestANeedNamesAnOwner: a caller that may read everything asks for one owner's, cached or not, and learns nothing else.
func TestANeedNamesAnOwner(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *tokens.Config) { c.Owner = "" })
	id := r.active()
	others := func() {
		t.Helper()
		_, err := r.Token(t.Context(), id, tokens.Need{Owner: "globex"})
		requireKind(t, err, tokens.NotFound)
	}
	others()
	_, err := r.Token(t.Context(), id, tokens.Need{Owner: "acme"})
	require.NoError(t, err)
	others()
	require.Equal(t, 1, r.Len(), "it stays cached for those who may have it")
	r.link.cut.Store(true)
	r.move(time.Minute + time.Second)
	others()
	r.link.cut.Store(false)
	require.NoError(t, r.Flush(t.Context()))
	require.EqualValues(t, 1, r.books.counts[id], "a refusal is no hand-out")
	_, err = r.Client.Pause(t.Context(), id)
	require.NoError(t, err)
	r.channel.Changed(id)
	others()
}

func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	small := r.engine(func(c *tokens.Config) { c.Limit, c.Staleness = 2, time.Hour })
	ids := []string{r.active(), r.active(), r.active(), r.active()}
	for range 5 {
		for _, id := range ids {
			_, err := small.Token(t.Context(), id, tokens.Need{})
			require.NoError(t, err)
		}
	}
	require.Equal(t, 2, small.Len())
	require.NoError(t, small.Flush(t.Context()))
	for _, id := range ids {
		require.EqualValues(t, 5, r.books.counts[id], "the evicted are counted too")
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.active()
	source := r.Source(t.Context(), id, tokens.Need{}, func(err error) error { return err })
	_, err := source.Token()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	_, err = r.Token(t.Context(), id, tokens.Need{})
	require.Equal(t, workflows.ReasonClosed, requireKind(t, err, tokens.Unavailable).Reason)
	_, err = source.Token()
	require.Error(t, err)
	require.Zero(t, r.Len())
	require.EqualValues(t, 1, r.books.counts[id], "the last hand-outs are written")
}
