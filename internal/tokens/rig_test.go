package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/tokens"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/workflows"
)

func TestMain(m *testing.M) {
	if os.Getenv(envReaderURL) != "" {
		if err := runReader(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "process B:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(connectionstest.Run(withPostgres{m}))
}

type withPostgres struct{ m *testing.M }

// Run implements the runner of connectionstest.Run.
func (w withPostgres) Run() int { return pgtest.Run(w.m) }

// grant needs no browser.
const grant = workflows.GrantClientCredentials

// vaultLink is a real vault that can be cut off from one engine, and says how often it was read.
type vaultLink struct {
	vault.Access
	cut   atomic.Bool
	reads atomic.Int64
	// gate, if set, is passed before each answer.
	gate atomic.Pointer[gate]
	// Of the first engine: others have none.
	channel *channel
	books   *books
}

type gate struct{ reached, open chan struct{} }

// AccessRow implements vault.Access.
func (l *vaultLink) AccessRow(ctx context.Context, id string) (vault.AccessRow, error) {
	l.reads.Add(1)
	if l.cut.Load() {
		return vault.AccessRow{}, errors.New("cut off")
	}
	row, err := l.Access.AccessRow(ctx, id)
	if g := l.gate.Load(); g != nil {
		g.reached <- struct{}{}
		<-g.open
	}
	return row, err
}

// Watch implements vault.Access.
func (l *vaultLink) Watch(ctx context.Context, w vault.Watch) error {
	if l.channel == nil {
		<-ctx.Done()
		return nil
	}
	l.channel.Watch = w
	w.Ready()
	close(l.channel.started)
	<-ctx.Done()
	return nil
}

// RecordHandouts implements vault.Access.
func (l *vaultLink) RecordHandouts(ctx context.Context, handouts []vault.Handout) error {
	if l.books == nil {
		return l.Access.RecordHandouts(ctx, handouts)
	}
	return l.books.record(handouts)
}

// channel is what a test tells of changes by.
type channel struct {
	vault.Watch
	started chan struct{}
}

// books keeps hand-outs.
type books struct {
	mu     sync.Mutex
	fail   error
	counts map[string]int64
	caller string
}

func (b *books) record(handouts []vault.Handout) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	if b.counts == nil {
		b.counts = make(map[string]int64)
	}
	for _, h := range handouts {
		b.caller = h.Who
		b.counts[h.ConnectionID] += h.Count
	}
	return nil
}

// rig is an engine on a vault with a workflow engine and a provider.
type rig struct {
	*connectionstest.Rig
	*tokens.Engine
	link    *vaultLink
	channel *channel
	books   *books
	t       *testing.T
}

func newRig(t *testing.T, change ...func(*tokens.Config)) *rig {
	t.Helper()
	r := &rig{
		Rig: connectionstest.New(t, connectionstest.Options{}), books: &books{},
		channel: &channel{started: make(chan struct{})}, t: t,
	}
	r.link = &vaultLink{Access: r.Vault, channel: r.channel, books: r.books}
	r.Engine = r.engine(append(change, func(c *tokens.Config) { c.Vault = r.link })...)
	<-r.channel.started
	return r
}

// engine makes another engine, which hears of nothing.
func (r *rig) engine(change ...func(*tokens.Config)) *tokens.Engine {
	r.t.Helper()
	config := tokens.Config{
		Vault: &vaultLink{Access: r.Vault, books: r.books}, Access: r.Keys.Access, Temporal: r.Temporal,
		Owner: "acme", Caller: "test", Now: r.Clock.Now, Log: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&config)
	}
	engine := tokens.New(config)
	r.t.Cleanup(func() { require.NoError(r.t, engine.Close()) })
	return engine
}

func withTemporal(c client.Client) func(*tokens.Config) {
	return func(config *tokens.Config) { config.Temporal = c }
}

// active makes a connection with a token.
func (r *rig) active() string {
	r.t.Helper()
	created, err := r.Client.Create(r.t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme", Grant: grant})
	require.NoError(r.t, err)
	r.AwaitStatus(created.ID, workflows.StatusActive)
	return created.ID
}

func (r *rig) token(id string) *tokens.Held {
	r.t.Helper()
	held, err := r.Token(r.t.Context(), id, tokens.Need{})
	require.NoError(r.t, err)
	require.NotEmpty(r.t, held.OAuth.AccessToken)
	return held
}

func requireKind(t *testing.T, err error, kind tokens.Kind) *tokens.Error {
	t.Helper()
	var refused *tokens.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, kind, refused.Kind, refused.Reason)
	require.NotEmpty(t, refused.Error())
	return refused
}

// move turns the clock of the rig, and of engines on it.
func (r *rig) move(d time.Duration, others ...*tokens.Engine) {
	r.Clock.Move(d)
	for _, engine := range append(others, r.Engine) {
		engine.KeepTime()
	}
}
