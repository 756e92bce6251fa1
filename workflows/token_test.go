package workflows_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	tlog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/workflows"
)

// handOut is the scripted activities for callers, on the environment's clock.
type handOut struct {
	env   *testsuite.TestWorkflowEnvironment
	calls []string
	local int
	// answers are given in turn, the last one for ever.
	answers []error
}

func (h *handOut) answer(ctx context.Context, in workflows.TokenRequest) (workflows.AccessToken, error) {
	info := activity.GetInfo(ctx)
	if info.IsLocalActivity {
		h.local++
	}
	h.calls = append(h.calls, info.ActivityType.Name+" on "+info.TaskQueue)
	err := h.answers[0]
	if len(h.answers) > 1 {
		h.answers = h.answers[1:]
	}
	if err != nil {
		return workflows.AccessToken{}, err
	}
	return workflows.AccessToken{Status: workflows.StatusActive, Generation: 1 + in.MinLifeSeconds, Sealed: []byte("sealed")}, nil
}

// handOutError is the error of an activity for callers.
func handOutError(status workflows.ConnectionStatus, reason workflows.Reason, final bool, next time.Duration) error {
	return temporal.NewApplicationErrorWithOptions(reason.Sentence(), string(reason), temporal.ApplicationErrorOptions{
		NonRetryable: final, NextRetryDelay: next, Details: []any{workflows.FailureDetails{Status: status}},
		Category: temporal.ApplicationErrorCategoryBenign,
	})
}

// called runs f as the workflow of another team.
func called(t *testing.T, f func(workflow.Context) (workflows.AccessToken, error), answers ...error) (*handOut, workflows.AccessToken, error) {
	t.Helper()
	var s testsuite.WorkflowTestSuite
	s.SetLogger(tlog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := s.NewTestWorkflowEnvironment()
	env.SetTestTimeout(20 * time.Second)
	h := &handOut{env: env, answers: answers}
	for _, name := range []string{workflows.ActivityToken, workflows.ActivityAwaitToken} {
		env.RegisterActivityWithOptions(h.answer, activity.RegisterOptions{Name: name})
	}
	env.RegisterWorkflowWithOptions(f, workflow.RegisterOptions{Name: "caller"})
	env.ExecuteWorkflow("caller")
	require.True(t, env.IsWorkflowCompleted())
	var token workflows.AccessToken
	if err := env.GetWorkflowError(); err != nil {
		return h, token, err
	}
	require.NoError(t, env.GetWorkflowResult(&token))
	return h, token, nil
}

func TestToken_AsksTheQueueOfConnections(t *testing.T) {
	t.Parallel()
	h, token, err := called(t, func(ctx workflow.Context) (workflows.AccessToken, error) {
		return workflows.Token(ctx, "con_1", workflows.MinLife(1500*time.Millisecond))
	}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 3, token.Generation, "the life asked for is rounded up to 2 s")
	require.Equal(t, []string{"Token on connections"}, h.calls)
}

func TestToken_Local(t *testing.T) {
	t.Parallel()
	ask := func(ctx workflow.Context) (workflows.AccessToken, error) {
		return workflows.Token(ctx, "con_1", workflows.Local())
	}
	h, token, err := called(t, ask, nil)
	require.NoError(t, err)
	require.NotEmpty(t, token.Sealed)
	require.Equal(t, []int{1, 1}, []int{h.local, len(h.calls)})

	h, _, err = called(t, ask, handOutError("", workflows.ReasonVaultUnavailable, false, 0), nil)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, []int{h.local, len(h.calls)}, "where it has no answer, the queue has")

	h, _, err = called(t, ask, handOutError(workflows.StatusPaused, workflows.ReasonPausedByRequest, true, 0))
	require.Error(t, err)
	require.Equal(t, []int{1, 1}, []int{h.local, len(h.calls)}, "a refusal is an answer")
}

func TestToken_Refused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		kind workflows.Refusal
	}{
		"a person must consent":   {handOutError(workflows.StatusNeedsReauth, workflows.ReasonGrantRejected, true, 0), workflows.NeedsReauthorization},
		"nobody has consented":    {handOutError(workflows.StatusPending, workflows.ReasonConsentDenied, true, 0), workflows.NeedsReauthorization},
		"nothing to renew with":   {handOutError("", workflows.ReasonNoRefreshToken, true, 0), workflows.NeedsReauthorization},
		"paused":                  {handOutError(workflows.StatusPaused, workflows.ReasonPausedByRequest, true, 0), workflows.Paused},
		"paused meanwhile":        {handOutError("", workflows.ReasonPaused, true, 0), workflows.Paused},
		"disconnected":            {handOutError(workflows.StatusDisconnected, workflows.ReasonRevocationFailed, true, 0), workflows.Disconnected},
		"nobody consented":        {handOutError(workflows.StatusExpired, workflows.ReasonConsentExpired, true, 0), workflows.Disconnected},
		"no such connection":      {handOutError("", workflows.ReasonNotFound, true, 0), workflows.NotFound},
		"an app that is wrong":    {handOutError(workflows.StatusDegraded, workflows.ReasonClientRejected, false, 0), workflows.TemporarilyUnavailable},
		"a provider that is away": {handOutError("", workflows.ReasonProviderUnavailable, false, 0), workflows.TemporarilyUnavailable},
		"not an error of ours":    {errors.New("surprise"), workflows.TemporarilyUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var inside *workflows.TokenError
			_, _, err := called(t, func(ctx workflow.Context) (workflows.AccessToken, error) {
				token, err := workflows.Token(ctx, "con_1")
				_ = errors.As(err, &inside)
				return token, err
			}, c.err)
			require.NotNil(t, inside)
			require.Equal(t, []any{c.kind, "con_1"}, []any{inside.Kind, inside.ID})
			require.Equal(t, inside.Reason.Sentence(), inside.Error())
			outside, is := workflows.AsTokenError(err)
			require.True(t, is)
			require.Equal(t, []any{c.kind, inside.Reason}, []any{outside.Kind, outside.Reason})
		})
	}
}

// TestToken_TriesAgain while waiting helps, and no longer than it may.
func TestToken_TriesAgain(t *testing.T) {
	t.Parallel()
	away := handOutError("", workflows.ReasonProviderUnavailable, false, 0)
	h, _, err := called(t, func(ctx workflow.Context) (workflows.AccessToken, error) { return workflows.Token(ctx, "con_1") }, away, away, nil)
	require.NoError(t, err)
	require.Len(t, h.calls, 3)

	var waited time.Duration
	_, _, err = called(t, func(ctx workflow.Context) (workflows.AccessToken, error) {
		begin := workflow.Now(ctx)
		token, err := workflows.Token(ctx, "con_1", workflows.Wait(10*time.Second))
		waited = workflow.Now(ctx).Sub(begin)
		return token, err
	}, away)
	refused, is := workflows.AsTokenError(err)
	require.True(t, is)
	require.Equal(t, workflows.TemporarilyUnavailable, refused.Kind)
	require.LessOrEqual(t, waited, 10*time.Second)
}

func TestToken_MalformedCostsNothing(t *testing.T) {
	t.Parallel()
	for _, ask := range []func(workflow.Context) (workflows.AccessToken, error){
		func(ctx workflow.Context) (workflows.AccessToken, error) { return workflows.Token(ctx, "connection/1") },
		func(ctx workflow.Context) (workflows.AccessToken, error) {
			return workflows.Token(ctx, "con_1", workflows.Local(), workflows.ViaNexus("e"))
		},
		func(ctx workflow.Context) (workflows.AccessToken, error) {
			return workflows.AwaitToken(ctx, "con_1", workflows.Wait(-time.Second))
		},
	} {
		h, _, err := called(t, ask, nil)
		refused, is := workflows.AsTokenError(err)
		require.True(t, is)
		require.Equal(t, workflows.Malformed, refused.Kind)
		require.Empty(t, h.calls)
	}
}

// TestAwaitToken_ForDays: a month of waiting, attempt by attempt, in one activity.
func TestAwaitToken_ForDays(t *testing.T) {
	t.Parallel()
	parked := handOutError(workflows.StatusNeedsReauth, workflows.ReasonGrantRejected, false, time.Hour)
	answers := make([]error, 24*30+1)
	for i := range 24 * 30 {
		answers[i] = parked
	}
	var waited time.Duration
	h, token, err := called(t, func(ctx workflow.Context) (workflows.AccessToken, error) {
		begin := workflow.Now(ctx)
		token, err := workflows.AwaitToken(ctx, "con_1")
		waited = workflow.Now(ctx).Sub(begin)
		return token, err
	}, answers...)
	require.NoError(t, err)
	require.NotEmpty(t, token.Sealed)
	require.Len(t, h.calls, 24*30+1)
	require.Equal(t, "AwaitToken on connections", h.calls[0])
	require.GreaterOrEqual(t, waited, 30*24*time.Hour)
}

// TestAwaitToken_GivesUp at a cancellation, and when it has waited for as long as it may.
func TestAwaitToken_GivesUp(t *testing.T) {
	t.Parallel()
	parked := handOutError(workflows.StatusPaused, workflows.ReasonPausedByRequest, false, time.Minute)
	_, _, err := called(t, func(ctx workflow.Context) (workflows.AccessToken, error) {
		waiting, cancel := workflow.WithCancel(ctx)
		workflow.Go(ctx, func(ctx workflow.Context) {
			_ = workflow.Sleep(ctx, time.Hour)
			cancel()
		})
		return workflows.AwaitToken(waiting, "con_1")
	}, parked)
	var canceled *temporal.CanceledError
	require.ErrorAs(t, err, &canceled)

	_, _, err = called(t, func(ctx workflow.Context) (workflows.AccessToken, error) {
		return workflows.AwaitToken(ctx, "con_1", workflows.Wait(time.Hour))
	}, parked)
	refused, is := workflows.AsTokenError(err)
	require.True(t, is)
	require.Equal(t, workflows.Paused, refused.Kind)
}
