package activities_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/workflows"
)

// TestGuard_LetsOnlyOurOwnErrorsOut: an error or a panic can hold anything.
func TestGuard_LetsOnlyOurOwnErrorsOut(t *testing.T) {
	t.Parallel()
	known := string(workflows.ReasonReplyLost)
	var nothing map[string]int
	for name, f := range map[string]func() error{
		"panic with a text":    func() error { panic("token " + canary) },
		"panic with an error":  func() error { panic(errors.New(canary)) },
		"panic with a struct":  func() error { panic(struct{ Token string }{canary}) },
		"panic of the runtime": func() error { nothing[canary] = 1; return nil },
		"foreign":              func() error { return errors.New(canary) },
		"wrapped":              func() error { return fmt.Errorf("%s: %w", canary, context.Canceled) },
		"of an unknown type":   func() error { return temporal.NewApplicationError("x", canary) },
		"known, with its cause": func() error {
			return temporal.NewApplicationErrorWithCause(workflows.ReasonReplyLost.Sentence(), known, errors.New(canary))
		},
		"known, with other words": func() error { return temporal.NewApplicationError(canary, known) },
		"known, but wrapped": func() error {
			return fmt.Errorf("%s: %w", canary, temporal.NewApplicationError(workflows.ReasonReplyLost.Sentence(), known))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, log := guarded(t, f)
			require.NotContains(t, text, canary)
			require.Contains(t, text, "internal")
			require.NotContains(t, log, canary)
		})
	}
}

func TestGuard_LeavesOursAlone(t *testing.T) {
	t.Parallel()
	text, _ := guarded(t, func() error {
		return temporal.NewNonRetryableApplicationError(workflows.ReasonReplyLost.Sentence(), string(workflows.ReasonReplyLost), nil)
	})
	require.Contains(t, text, "reply_lost")
	text, _ = guarded(t, func() error { return nil })
	require.Empty(t, text)
}

// guarded runs an activity behind the guard, and returns its error and the logs as texts.
func guarded(t *testing.T, f func() error) (failure, logs string) {
	t.Helper()
	out := &log{}
	logger := slog.New(slog.NewTextHandler(out, nil))
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(logger)
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{activities.Guard(logger)}})
	env.RegisterActivityWithOptions(func(context.Context) error { return f() }, activity.RegisterOptions{Name: "f"})
	if _, err := env.ExecuteActivity("f"); err != nil {
		failure = fmt.Sprintf("%v %+v %#v", err, err, err)
	}
	return failure, out.String()
}

func TestRegister_EveryActivityOfTheContract(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.createMachine()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(slog.New(slog.DiscardHandler))
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{activities.Guard(slog.New(slog.DiscardHandler))}})
	registry := names{env: env}
	r.Register(&registry)
	require.ElementsMatch(t, []string{
		workflows.ActivityExchange, workflows.ActivityClientCredentials, workflows.ActivityRefresh, workflows.ActivityRevoke, workflows.ActivityRecord, workflows.ActivityProbe,
	}, registry.names)

	value, err := env.ExecuteActivity(workflows.ActivityClientCredentials, r.renew(0))
	require.NoError(t, err)
	var set workflows.TokenSet
	require.NoError(t, value.Get(&set))
	require.EqualValues(t, 1, set.Generation)
	_, err = env.ExecuteActivity(workflows.ActivityRefresh, workflows.RenewInput{ID: "none"})
	require.Equal(t, "not_found", appType(err))
	require.NotContains(t, fmt.Sprintf("%+v", secret.New(canary)), canary)
}

// names notes what is registered.
type names struct {
	worker.ActivityRegistry
	env   *testsuite.TestActivityEnvironment
	names []string
}

func (n *names) RegisterActivityWithOptions(a any, options activity.RegisterOptions) {
	n.names = append(n.names, options.Name)
	n.env.RegisterActivityWithOptions(a, options)
}
