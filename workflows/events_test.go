package workflows_test

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/workflows"
)

// receiver is a scripted [workflows.EventActivities].
type receiver struct {
	deliver func(in workflows.DeliverEventInput) (workflows.DeliveryResult, error)
	bury    func(in workflows.DeadLetterInput) error
	buried  []workflows.DeadLetterInput
}

func (s *ConnectionSuite) deliveryEnv(r *receiver) *testsuite.TestWorkflowEnvironment {
	env := s.NewTestWorkflowEnvironment()
	env.SetTestTimeout(30 * time.Second)
	env.RegisterWorkflowWithOptions(workflows.EventDelivery, workflow.RegisterOptions{Name: workflows.TypeEventDelivery})
	env.RegisterActivityWithOptions(func(_ context.Context, in workflows.DeliverEventInput) (workflows.DeliveryResult, error) {
		return r.deliver(in)
	}, activity.RegisterOptions{Name: workflows.ActivityDeliverEvent})
	env.RegisterActivityWithOptions(func(_ context.Context, in workflows.DeadLetterInput) error {
		r.buried = append(r.buried, in)
		if r.bury != nil {
			return r.bury(in)
		}
		return nil
	}, activity.RegisterOptions{Name: workflows.ActivityRecordDeadLetter})
	return env
}

func delivery() workflows.EventDeliveryInput {
	return workflows.EventDeliveryInput{Event: "evt_1", Endpoint: "whe_1"}
}

func (s *ConnectionSuite) result(env *testsuite.TestWorkflowEnvironment) workflows.DeliveryResult {
	s.Require().NoError(env.GetWorkflowError())
	var result workflows.DeliveryResult
	s.Require().NoError(env.GetWorkflowResult(&result))
	return result
}

func (s *ConnectionSuite) TestDeliveryEndsWithItsFirstSuccess() {
	want := workflows.DeliveryResult{Outcome: workflows.OutcomeDelivered, Attempts: 3, StatusCode: 204}
	calls := 0
	var env *testsuite.TestWorkflowEnvironment
	r := &receiver{deliver: func(in workflows.DeliverEventInput) (workflows.DeliveryResult, error) {
		s.Equal("evt_1", in.Event)
		s.Equal("whe_1", in.Endpoint)
		if calls++; calls < 3 {
			wait, ok := workflows.NextDelivery(in.Event, in.Endpoint, env.Now().Sub(in.Since))
			s.True(ok)
			return workflows.DeliveryResult{}, failsAfter(workflows.ReasonWebhookUnreachable, wait)
		}
		return want, nil
	}}
	env = s.deliveryEnv(r)
	begun := env.Now()
	env.ExecuteWorkflow(workflows.TypeEventDelivery, delivery())
	s.Equal(want, s.result(env))
	s.Empty(r.buried)
	s.InDelta((5*time.Minute + 5*time.Second).Seconds(), env.Now().Sub(begun).Seconds(), 32)
}

func (s *ConnectionSuite) TestDeliveryGivenUpIsADeadLetter() {
	r := &receiver{deliver: func(workflows.DeliverEventInput) (workflows.DeliveryResult, error) {
		return workflows.DeliveryResult{}, failsWith(workflows.ReasonWebhookGivenUp, workflows.FailureDetails{
			Because: workflows.ReasonWebhookRefused, Attempts: 10, StatusCode: 503,
		})
	}}
	tries := 0
	r.bury = func(workflows.DeadLetterInput) error {
		if tries++; tries < 5 {
			return fails(workflows.ReasonVaultUnavailable)
		}
		return nil
	}
	env := s.deliveryEnv(r)
	env.ExecuteWorkflow(workflows.TypeEventDelivery, delivery())
	s.Equal(workflows.DeliveryResult{
		Outcome: workflows.OutcomeDeadLetter, Attempts: 10, StatusCode: 503, Reason: workflows.ReasonWebhookRefused,
	}, s.result(env))
	s.Len(r.buried, 5)
	s.Equal(workflows.DeadLetterInput{
		Event: "evt_1", Endpoint: "whe_1", Attempts: 10, StatusCode: 503, Reason: workflows.ReasonWebhookRefused,
	}, r.buried[4])
}

// What is over at once is a dead letter at once; what is gone is none.
func (s *ConnectionSuite) TestDeliveryThatCannotBe() {
	r := &receiver{deliver: func(workflows.DeliverEventInput) (workflows.DeliveryResult, error) {
		return workflows.DeliveryResult{}, failsWith(workflows.ReasonWebhookGone, workflows.FailureDetails{Attempts: 1, StatusCode: 410})
	}}
	env := s.deliveryEnv(r)
	env.ExecuteWorkflow(workflows.TypeEventDelivery, delivery())
	s.Equal(workflows.DeliveryResult{
		Outcome: workflows.OutcomeDeadLetter, Attempts: 1, StatusCode: 410, Reason: workflows.ReasonWebhookGone,
	}, s.result(env))

	r.bury = func(workflows.DeadLetterInput) error { return fails(workflows.ReasonNotFound) }
	env = s.deliveryEnv(r)
	env.ExecuteWorkflow(workflows.TypeEventDelivery, delivery())
	s.Equal(workflows.DeliveryResult{Outcome: workflows.OutcomeRemoved, Attempts: 1}, s.result(env))
}

// Without any worker that comes to an end, the time limit makes the dead letter.
func (s *ConnectionSuite) TestDeliveryThatNeverCameToAnEnd() {
	r := &receiver{deliver: func(workflows.DeliverEventInput) (workflows.DeliveryResult, error) {
		return workflows.DeliveryResult{}, failsAfter(workflows.ReasonVaultUnavailable, time.Hour)
	}}
	env := s.deliveryEnv(r)
	begun := env.Now()
	env.ExecuteWorkflow(workflows.TypeEventDelivery, delivery())
	s.Equal(workflows.OutcomeDeadLetter, s.result(env).Outcome)
	s.LessOrEqual(env.Now().Sub(begun), 7*24*time.Hour+time.Minute)
	s.Len(r.buried, 1)
}

func (s *ConnectionSuite) TestDeliveryOfNonsense() {
	for _, in := range []workflows.EventDeliveryInput{{}, {Event: "evt_1"}, {Event: "a/b", Endpoint: "whe_1"}} {
		env := s.deliveryEnv(&receiver{})
		env.ExecuteWorkflow(workflows.TypeEventDelivery, in)
		s.Error(env.GetWorkflowError())
	}
}

func (s *ConnectionSuite) TestDeliveryCanBeCancelled() {
	r := &receiver{deliver: func(workflows.DeliverEventInput) (workflows.DeliveryResult, error) {
		return workflows.DeliveryResult{}, failsAfter(workflows.ReasonWebhookUnreachable, 24*time.Hour)
	}}
	env := s.deliveryEnv(r)
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Hour)
	env.ExecuteWorkflow(workflows.TypeEventDelivery, delivery())
	s.Error(env.GetWorkflowError())
	s.Empty(r.buried)
}

// Ten attempts within three and a half days, each a bit later than the ladder says, and differently for each delivery.
func (s *ConnectionSuite) TestDeliveryLadder() {
	ladder := []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
	const took = 10 * time.Second
	var elapsed time.Duration
	for _, pause := range ladder {
		wait, ok := workflows.NextDelivery("evt_1", "whe_1", elapsed)
		s.True(ok)
		s.GreaterOrEqual(wait, pause)
		s.LessOrEqual(wait, pause+pause/10)
		elapsed += took + wait
	}
	_, ok := workflows.NextDelivery("evt_1", "whe_1", elapsed)
	s.False(ok)
	s.Less(elapsed, 84*time.Hour)
	one, _ := workflows.NextDelivery("evt_1", "whe_1", time.Hour)
	other, _ := workflows.NextDelivery("evt_2", "whe_1", time.Hour)
	s.NotEqual(one, other)
}
