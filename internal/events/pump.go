package events

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/acme/connections/internal/vault"
)

const (
	// poll is how often the outbox is looked into, whatever the vault announces.
	poll = 5 * time.Second
	// least is the time between two looks: every refresh wakes the pump, and few of them are an event.
	least = 100 * time.Millisecond
	// page is how many events are claimed at once, and lease for how long.
	page  = 50
	lease = 30 * time.Second
	// perSecond bounds the deliveries that one process begins.
	perSecond = 50
	// tidyEvery is how often old events are deleted.
	tidyEvery = time.Hour
	// stepLimit bounds each step: a call to the vault, or to Temporal.
	stepLimit = 10 * time.Second
)

// Vault is the part of the vault that the pump uses.
type Vault interface {
	vault.Events
	vault.Webhooks
	vault.Watcher
}

// Config is what a Pump needs.
type Config struct {
	Vault Vault
	// Deliver begins the delivery of an event to an endpoint, once: it is no error if that was done before.
	Deliver func(ctx context.Context, eventID, endpointID string) error
	Log     *slog.Logger
	// Lease is for how long events are claimed; 30 seconds if zero.
	Lease time.Duration
}

// Pump takes events from the outbox and begins their deliveries. Any number of processes may run one: each event is
// claimed by one of them, and if that dies the claim lapses and the next begins again what has begun already, which does
// nothing.
type Pump struct {
	Config
	limit *rate.Limiter
	wake  chan struct{}
}

// NewPump makes a pump.
func NewPump(c Config) *Pump {
	if c.Lease == 0 {
		c.Lease = lease
	}
	return &Pump{Config: c, limit: rate.NewLimiter(perSecond, perSecond), wake: make(chan struct{}, 1)}
}

// Run dispatches events until ctx ends.
func (p *Pump) Run(ctx context.Context) {
	var watching sync.WaitGroup
	watching.Go(func() {
		err := p.Vault.Watch(ctx, vault.Watch{Changed: func(string) { p.wakeUp() }, Ready: p.wakeUp})
		if err != nil {
			p.Log.ErrorContext(ctx, "changes in the vault are not heard: events are looked for every few seconds", slog.Any("error", err))
		}
	})
	defer watching.Wait()
	var tidied time.Time
	for well := true; ctx.Err() == nil; {
		err := p.Dispatch(ctx)
		if err != nil && ctx.Err() == nil && well {
			p.Log.WarnContext(ctx, "events are not dispatched for now; that is tried again", slog.Any("error", err))
		}
		if well = err == nil; well && time.Since(tidied) > tidyEvery {
			p.tidy(ctx)
			tidied = time.Now()
		}
		p.rest(ctx)
	}
}

func (p *Pump) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// rest waits for the next look: not long, and never not at all.
func (p *Pump) rest(ctx context.Context) {
	for _, wait := range []struct {
		time time.Duration
		wake <-chan struct{}
	}{{least, nil}, {poll + rand.N(poll/5), p.wake}} { //nolint:gosec // jitter is no secret
		timer := time.NewTimer(wait.time)
		select {
		case <-timer.C:
		case <-wait.wake:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// Dispatch begins every delivery that is to be begun now.
func (p *Pump) Dispatch(ctx context.Context) error {
	for {
		claimed, err := p.claim(ctx)
		if err != nil {
			return err
		}
		if err := p.dispatch(ctx, claimed); err != nil {
			return err
		}
		if len(claimed) < page {
			return nil
		}
	}
}

func (p *Pump) claim(ctx context.Context) ([]vault.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	return p.Vault.ClaimEvents(ctx, page, p.Lease)
}

// dispatch begins the deliveries of some events, and marks those that it is done with, also where it cannot go on.
func (p *Pump) dispatch(ctx context.Context, claimed []vault.Event) error {
	var done []string
	var failed error
	endpoints := map[string][]vault.Endpoint{}
	for _, event := range claimed {
		if failed = p.deliver(ctx, event, endpoints); failed != nil {
			break
		}
		done = append(done, event.ID)
	}
	if len(done) == 0 {
		return failed
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepLimit)
	defer cancel()
	if err := p.Vault.MarkDispatched(ctx, done); err != nil {
		return err
	}
	return failed
}

// deliver begins an event's delivery to every endpoint that wants it. known holds endpoints by owner.
func (p *Pump) deliver(ctx context.Context, event vault.Event, known map[string][]vault.Endpoint) error {
	endpoints, ok := known[event.Owner]
	if !ok {
		var err error
		if endpoints, err = p.endpoints(ctx, event.Owner); err != nil {
			return err
		}
		known[event.Owner] = endpoints
	}
	for _, endpoint := range endpoints {
		if !endpoint.Wants(event) {
			continue
		}
		if err := p.limit.Wait(ctx); err != nil {
			return err
		}
		if err := p.begin(ctx, event.ID, endpoint.ID); err != nil {
			return err
		}
	}
	return nil
}

func (p *Pump) begin(ctx context.Context, eventID, endpointID string) error {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	return p.Deliver(ctx, eventID, endpointID)
}

// endpoints reads those of an owner, and the platform's.
func (p *Pump) endpoints(ctx context.Context, owner string) ([]vault.Endpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	return p.Vault.ListEndpoints(ctx, vault.EndpointFilter{Owners: []string{"", owner}, Enabled: true, Limit: 1000})
}

// tidy deletes what is too old.
func (p *Pump) tidy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := p.Vault.DeleteEvents(ctx, time.Now().Add(-vault.EventsKept)); err != nil {
		p.Log.WarnContext(ctx, "old events could not be deleted; that is tried again", slog.Any("error", err))
	}
}
