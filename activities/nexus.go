package activities

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/nexus-rpc/sdk-go/nexus"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// nexusLimit keeps an operation within the ten seconds that a synchronous one has. A refresh that takes longer goes on,
// and the server's next try finds its token.
const nexusLimit = 8 * time.Second

// NexusService is the service of the contract ([workflows.NexusService]) for callers in other namespaces. A worker on
// the queue of a Nexus endpoint registers it. Who may call is a matter of the endpoint's policy; whose connections may be
// asked for is that of the owner, whatever the caller says: those of others are "not_found". An empty owner is for all.
func (h *HandOut) NexusService(directory vault.Connections, owner string, log *slog.Logger) (*nexus.Service, error) {
	service := nexus.NewService(workflows.NexusService)
	err := service.Register(
		nexus.NewSyncOperation(workflows.OperationToken, guarded(log, func(ctx context.Context, in workflows.TokenRequest, o nexus.StartOperationOptions) (workflows.AccessToken, *refusedError) {
			return h.token(ctx, nexusAsker(ctx, o.Links, owner), in, h.refreshInTurn, false)
		})),
		nexus.NewSyncOperation(workflows.OperationStatus, guarded(log, func(ctx context.Context, in workflows.StatusRequest, o nexus.StartOperationOptions) (workflows.Status, *refusedError) {
			return nexusStatus(ctx, nexusAsker(ctx, o.Links, owner), directory, in)
		})),
	)
	return service, err
}

// nexusStatus is the connection's status as its row has it.
func nexusStatus(ctx context.Context, by asker, directory vault.Connections, in workflows.StatusRequest) (workflows.Status, *refusedError) {
	row, refused := rowOr(in.ID, func() (vault.Connection, error) { return directory.Connection(ctx, in.ID) })
	switch {
	case refused != nil:
		return workflows.Status{}, refused
	case !by.mayHave(in.Owner, row.Owner):
		return workflows.Status{}, &refusedError{reason: workflows.ReasonNotFound}
	}
	return statusOf(row), nil
}

// guarded makes an operation's handler. Like [Guard] it lets only our own errors out, and no panic.
func guarded[I, O any](log *slog.Logger, f func(context.Context, I, nexus.StartOperationOptions) (O, *refusedError)) func(context.Context, I, nexus.StartOperationOptions) (O, error) {
	return func(ctx context.Context, in I, options nexus.StartOperationOptions) (out O, err error) {
		ctx, cancel := context.WithTimeout(ctx, nexusLimit)
		defer cancel()
		defer func() {
			if p := recover(); p != nil {
				// The value of a panic can be anything; its stack names functions only (arguments are addresses).
				log.Error("a Nexus operation panicked", slog.String("stack", string(debug.Stack())))
				err = (&refusedError{reason: workflows.ReasonInternal}).asNexus()
			}
		}()
		out, refused := f(ctx, in, options)
		if refused != nil {
			return out, refused.asNexus()
		}
		return out, nil
	}
}

// asNexus is the error for Nexus: one that ends the operation, with an application error of ours inside, or, if waiting
// helps, one that the server tries again for as long as the caller allows.
func (e *refusedError) asNexus() error {
	if e.kind() == workflows.TemporarilyUnavailable {
		return &nexus.HandlerError{
			Type: nexus.HandlerErrorTypeUnavailable, Message: e.reason.Sentence(), Cause: e.asFailure(0),
			RetryBehavior: nexus.HandlerErrorRetryBehaviorRetryable,
		}
	}
	return &nexus.OperationError{State: nexus.OperationStateFailed, Message: e.reason.Sentence(), Cause: e.asFailure(0)}
}

// statusOf is what a row tells; what only the workflow knows (consent window, sleep) is null.
func statusOf(row vault.Connection) workflows.Status {
	status, reason := workflows.ConnectionStatus(row.Status), workflows.Reason(row.Reason)
	set := workflows.TokenSet{
		Generation: row.Generation, IssuedAt: row.IssuedAt, ExpiresAt: row.ExpiresAt,
		Renewable: row.RefreshToken != nil || row.Grant == string(workflows.GrantClientCredentials),
	}
	s := workflows.Status{
		ID: row.ID, Connector: row.Connector, Owner: row.Owner, Grant: workflows.Grant(row.Grant),
		Status: status, Reason: reason, Message: workflows.Message(status, reason, set), Since: row.StatusAt,
		StatusSeq: row.StatusSeq, Generation: row.Generation, Failures: row.Failures,
		IssuedAt: optional(row.IssuedAt), ExpiresAt: optional(row.ExpiresAt), Scopes: listed(row.GrantedScopes),
	}
	if status == workflows.StatusActive {
		s.NextRefreshAt = optional(workflows.NextRenewal(row.ID, set))
	}
	return s
}
