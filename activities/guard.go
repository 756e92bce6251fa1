package activities

import (
	"context"
	"log/slog"
	"runtime/debug"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"

	"github.com/acme/connections/workflows"
)

// Guard is the last gate before Temporal: an activity's error that is not one of ours, and every panic, is replaced by
// reason "internal", since either could hold a secret. Put it into worker.Options.Interceptors.
func Guard(log *slog.Logger) interceptor.WorkerInterceptor { return &guard{log: log} }

type guard struct {
	interceptor.WorkerInterceptorBase
	log *slog.Logger
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (g *guard) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	i := &activityGuard{log: g.log}
	i.Next = next
	return i
}

type activityGuard struct {
	interceptor.ActivityInboundInterceptorBase
	log *slog.Logger
}

// ExecuteActivity implements interceptor.ActivityInboundInterceptor.
func (g *activityGuard) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			// The value of a panic can be anything; its stack names functions only (arguments are addresses).
			g.log.Error("an activity panicked", slog.String("stack", string(debug.Stack())))
			result, err = nil, failure(workflows.ReasonInternal, 0)
		}
	}()
	result, err = g.Next.ExecuteActivity(ctx, in)
	if err == nil || isOurs(err) {
		return result, err
	}
	return nil, failure(workflows.ReasonInternal, 0)
}

func isOurs(err error) bool {
	app, ok := err.(*temporal.ApplicationError) //nolint:errorlint // a wrapped one would carry its wrapper's text
	if !ok || app.Unwrap() != nil {
		return false
	}
	reason := workflows.Reason(app.Type())
	return reason.Known() && app.Message() == reason.Sentence()
}
