// Package reconcile does what workflow "Reconcile" may not: it compares the vault's directory with what runs in
// Temporal, and mends what differs.
//
// Listings only raise a suspicion: the visibility store lags behind. Whatever looks wrong is read again, from the vault
// and from the workflow itself, and judged on that alone. Every act can be repeated: a workflow is started under an id
// that runs once, ended by its run, told of a callback that is exchanged once, and a status is written by its number.
package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

const (
	// minAge is how old a row, and its status, must be: what is younger may be about to get its workflow.
	minAge = 5 * time.Minute
	// codeLife is how long an authorization code may live at most (RFC 6749 §4.1.2).
	codeLife = 10 * time.Minute
	// settling is how long a code may be under way before its signal is taken for lost.
	settling = 30 * time.Second
	// abandoned is when a code that nobody exchanged is given up, and consentsKept how long links and requests are kept.
	abandoned    = time.Hour
	consentsKept = 24 * time.Hour

	// handoutsKept is HandoutsKept, unless it is set.
	handoutsKept = 90 * 24 * time.Hour

	// pageSize bounds how many rows one activity looks at, stretch how long it takes; the next goes on from there.
	pageSize = 500
	stretch  = 30 * time.Second
	// maxCodes and maxTidied bound what one run does about codes and consents.
	maxCodes  = 500
	maxTidied = 10_000
	// rpcLimit bounds each call to Temporal, and askLimit a query, which waits for a worker.
	rpcLimit = 10 * time.Second
	askLimit = 5 * time.Second
	// askTries is how often a refused query is sent within that time, and askPause the pause between.
	askTries = 3
	askPause = 250 * time.Millisecond
)

// Activities implements [workflows.ReconcileActivities].
type Activities struct {
	// HandoutsKept is for how long the audit keeps who was handed which token. New sets it to 90 days.
	HandoutsKept time.Duration

	client *connections.Client
	log    *slog.Logger
}

var _ workflows.ReconcileActivities = (*Activities)(nil)

// New makes the activities from a client with all its parts, Log included.
func New(c *connections.Client) *Activities {
	return &Activities{HandoutsKept: handoutsKept, client: c, log: c.Log}
}

// Register registers every activity under its name in the contract.
func (a *Activities) Register(registry worker.ActivityRegistry) {
	for name, function := range map[string]any{
		workflows.ActivityResendCallbacks:      a.ResendCallbacks,
		workflows.ActivityReconcileConnections: a.ReconcileConnections,
		workflows.ActivityEndOrphans:           a.EndOrphans,
		workflows.ActivityTidy:                 a.Tidy,
	} {
		registry.RegisterActivityWithOptions(function, activity.RegisterOptions{Name: name})
	}
}

// did enters one connection into a report, and into the log.
func (a *Activities) did(ctx context.Context, r *workflows.ReconcileReport, kind workflows.ReconcileKind, act workflows.ReconcileAct, id string) {
	r.Add(kind, act, id)
	a.log.InfoContext(ctx, "reconciler", slog.String("found", string(kind)), slog.String("act", string(act)),
		slog.String("connection", id), slog.Bool("dry_run", r.DryRun))
}

// stopped is the error of a piece of work that cannot go on; its activity is tried again.
func (a *Activities) stopped(ctx context.Context, err error) error {
	var engine *vault.EngineError
	reason := workflows.ReasonInternal
	if errors.As(err, &engine) {
		reason = workflows.ReasonVaultUnavailable
	}
	a.log.WarnContext(ctx, "the reconciler stopped half way, and is tried again", slog.Any("error", err))
	return activities.Failure(reason)
}

// passes reports whether an error of Temporal's is of the moment, and not about what was asked.
func passes(err error) bool {
	var (
		unavailable *serviceerror.Unavailable
		deadline    *serviceerror.DeadlineExceeded
		exhausted   *serviceerror.ResourceExhausted
		canceled    *serviceerror.Canceled
		namespace   *serviceerror.NamespaceNotFound
		denied      *serviceerror.PermissionDenied
	)
	return errors.As(err, &unavailable) || errors.As(err, &deadline) || errors.As(err, &exhausted) || errors.As(err, &canceled) ||
		errors.As(err, &namespace) || errors.As(err, &denied) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// isMissing reports whether there is no such workflow, or no open one.
func isMissing(err error) bool {
	var missing *serviceerror.NotFound
	return errors.As(err, &missing)
}

// budget is the time that a piece of work may take.
type budget struct {
	until time.Time
	stop  <-chan struct{}
}

func newBudget(ctx context.Context) budget {
	return budget{until: time.Now().Add(stretch), stop: activity.GetWorkerStopChannel(ctx)}
}

// spent reports whether to come back another time: the stretch is over, or the worker is about to stop.
func (b budget) spent() bool {
	select {
	case <-b.stop:
		return true
	default:
		return time.Now().After(b.until)
	}
}
