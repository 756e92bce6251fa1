package workflows_test

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/workflows"
)

// breakerEnv is an environment for [workflows.Breaker] whose probes are answered by a function.
func (s *ConnectionSuite) breakerEnv(probe func(now time.Time, in workflows.ProbeInput) (workflows.BreakerState, error)) *testsuite.TestWorkflowEnvironment {
	env := s.NewTestWorkflowEnvironment()
	env.SetTestTimeout(30 * time.Second)
	env.RegisterWorkflowWithOptions(workflows.Breaker, workflow.RegisterOptions{Name: workflows.TypeBreaker})
	env.RegisterActivityWithOptions(func(_ context.Context, in workflows.ProbeInput) (workflows.BreakerState, error) {
		return probe(env.Now(), in)
	}, activity.RegisterOptions{Name: workflows.ActivityProbe})
	return env
}

func (s *ConnectionSuite) TestBreakerProbesOnceAMinuteUntilTheProviderIsBack() {
	var probes []time.Time
	announced := 0
	env := s.breakerEnv(func(now time.Time, in workflows.ProbeInput) (workflows.BreakerState, error) {
		s.Equal("platform:sandbox", in.Integration)
		probes = append(probes, now)
		if in.Announce {
			announced++
		}
		return workflows.BreakerState{
			Open: len(probes) < 20, Reason: workflows.ReasonClientRejected, OpenedAt: now, NextProbeAt: now.Add(workflows.ProbeInterval), Failing: 300,
		}, nil
	})
	env.ExecuteWorkflow(workflows.TypeBreaker, workflows.BreakerInput{Integration: "platform:sandbox"})
	s.NoError(env.GetWorkflowError())
	s.Len(probes, 20)
	s.Equal(1, announced, "people are told once")
	for i := 1; i < len(probes); i++ {
		s.GreaterOrEqual(probes[i].Sub(probes[i-1]), workflows.ProbeInterval)
	}
}

func (s *ConnectionSuite) TestBreakerHandsOverAfterManyProbes() {
	env := s.breakerEnv(func(now time.Time, _ workflows.ProbeInput) (workflows.BreakerState, error) {
		return workflows.BreakerState{Open: true, NextProbeAt: now.Add(workflows.ProbeInterval)}, nil
	})
	env.ExecuteWorkflow(workflows.TypeBreaker, workflows.BreakerInput{Integration: "platform:sandbox"})
	var next *workflow.ContinueAsNewError
	s.Require().ErrorAs(env.GetWorkflowError(), &next)
	var in workflows.BreakerInput
	s.NoError(converter.GetDefaultDataConverter().FromPayloads(next.Input, &in))
	s.Equal(workflows.BreakerInput{Integration: "platform:sandbox", Told: true}, in)
}

func (s *ConnectionSuite) TestBreakerOutlivesAVaultThatIsAway() {
	probes := 0
	env := s.breakerEnv(func(time.Time, workflows.ProbeInput) (workflows.BreakerState, error) {
		if probes++; probes < 12 {
			return workflows.BreakerState{}, fails(workflows.ReasonVaultUnavailable)
		}
		return workflows.BreakerState{}, nil
	})
	env.ExecuteWorkflow(workflows.TypeBreaker, workflows.BreakerInput{Integration: "platform:sandbox"})
	s.NoError(env.GetWorkflowError())
	s.Equal(12, probes)
}

func (s *ConnectionSuite) TestBreakerThatOpensAgainMeanwhileGoesOn() {
	probes := 0
	var env *testsuite.TestWorkflowEnvironment
	env = s.breakerEnv(func(time.Time, workflows.ProbeInput) (workflows.BreakerState, error) {
		if probes++; probes == 1 {
			env.SignalWorkflow(workflows.SignalOpened, nil)
		}
		return workflows.BreakerState{}, nil
	})
	env.ExecuteWorkflow(workflows.TypeBreaker, workflows.BreakerInput{Integration: "platform:sandbox"})
	s.NoError(env.GetWorkflowError())
	s.Equal(2, probes)
}

func (s *ConnectionSuite) TestBreakerCanBeCancelled() {
	env := s.breakerEnv(func(now time.Time, _ workflows.ProbeInput) (workflows.BreakerState, error) {
		return workflows.BreakerState{Open: true, NextProbeAt: now.Add(workflows.ProbeInterval)}, nil
	})
	env.RegisterDelayedCallback(env.CancelWorkflow, 5*time.Minute)
	env.ExecuteWorkflow(workflows.TypeBreaker, workflows.BreakerInput{Integration: "platform:sandbox"})
	s.Error(env.GetWorkflowError())
	var next *workflow.ContinueAsNewError
	s.False(errors.As(env.GetWorkflowError(), &next))
}
