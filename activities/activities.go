package activities

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/acme/connections/internal/breaker"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// Deps is what the activities need. All fields but Now and ProbeInterval are required.
type Deps struct {
	Vault     vault.Store
	Keys      keyring.Keys
	Catalogue *connector.Catalogue
	OAuth     *oauth.Client
	// RedirectURI is the callback's URL, for the few providers that want it again with a refresh.
	RedirectURI string
	// BreakerOpened starts, or signals, the workflow that looks after an integration's open breaker.
	BreakerOpened func(ctx context.Context, integrationID string) error
	// Now is the clock by which breakers and reads are measured; time.Now if nil.
	Now func() time.Time
	// ProbeInterval is the time between two probes of an open breaker; [workflows.ProbeInterval] if zero.
	ProbeInterval time.Duration
	Log           *slog.Logger
}

// Activities implements [workflows.Activities]. It is safe for concurrent use.
type Activities struct {
	vault     vault.Store
	keys      keyring.Keys
	catalogue *connector.Catalogue
	oauth     *oauth.Client
	redirect  string
	log       *slog.Logger
	now       func() time.Time
	secrets   secretChoice
	breakers  *breaker.Board
	// probeInterval is that of the breakers.
	probeInterval time.Duration
	limits        rateLimits

	mu sync.Mutex
	// underWay holds, by connection, the call that this process has under way.
	underWay map[string]*spending
	calls    sync.WaitGroup
}

var _ workflows.Activities = (*Activities)(nil)

// New makes the activities.
func New(c Deps) *Activities {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.ProbeInterval == 0 {
		c.ProbeInterval = workflows.ProbeInterval
	}
	return &Activities{
		vault: c.Vault, keys: c.Keys, catalogue: c.Catalogue, oauth: c.OAuth, redirect: c.RedirectURI, log: c.Log,
		now: c.Now, probeInterval: c.ProbeInterval, breakers: breaker.New(c.Vault, c.Now, c.ProbeInterval, c.BreakerOpened, c.Log),
		underWay: make(map[string]*spending),
	}
}

// Register registers every activity under its name in the contract.
func (a *Activities) Register(registry worker.ActivityRegistry) {
	for name, function := range map[string]any{
		workflows.ActivityExchange:          a.Exchange,
		workflows.ActivityClientCredentials: a.ClientCredentials,
		workflows.ActivityRefresh:           a.Refresh,
		workflows.ActivityRevoke:            a.Revoke,
		workflows.ActivityRecord:            a.Record,
		workflows.ActivityProbe:             a.Probe,
	} {
		registry.RegisterActivityWithOptions(function, activity.RegisterOptions{Name: name})
	}
}

// Drain waits until no call is under way any more. Call it after the worker has stopped.
func (a *Activities) Drain(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		a.calls.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("calls at providers are still under way: %w", ctx.Err())
	}
}

// tombstoneLife is how long a disconnected connection can still be asked for its status.
const tombstoneLife = 30 * 24 * time.Hour

// Record implements [workflows.Activities].
func (a *Activities) Record(ctx context.Context, in workflows.RecordInput) error {
	change := vault.StatusChange{ID: in.ID, Status: string(in.Status), Reason: string(in.Reason), Seq: in.Seq, At: in.At}
	if in.RaiseFailures {
		if err := a.vault.RaiseFailures(ctx, in.ID); err != nil {
			return vaultFailure(err)
		}
	}
	if in.Erase {
		if overtaken, err := a.overtaken(ctx, in); err != nil || overtaken {
			return vaultFailure(err)
		}
		return vaultFailure(a.vault.Erase(ctx, change, in.At.Add(tombstoneLife)))
	}
	return vaultFailure(a.vault.SetStatus(ctx, change))
}

// overtaken reports whether the row has moved on from a consent that never came. A workflow that was restored from an
// older backup waits for a consent that was given since, and must not erase what it brought.
func (a *Activities) overtaken(ctx context.Context, in workflows.RecordInput) (bool, error) {
	if in.Status != workflows.StatusExpired {
		return false, nil
	}
	row, err := a.vault.Connection(ctx, in.ID)
	return err == nil && row.Status != string(in.Status) && row.StatusSeq >= in.Seq, err
}
