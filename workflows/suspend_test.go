package workflows_test

import (
	"time"

	"github.com/acme/connections/workflows"
)

// While the integration's breaker is open, the connection looks at it again and again, at no cost in history, shows why,
// and is well within minutes of its closing.
func (s *ConnectionSuite) TestSuspendedConnectionShowsWhyAndComesBack() {
	open := true
	p := &provider{life: time.Hour, rotates: true}
	p.fail = func(now time.Time, _ int) error {
		if open {
			wait := workflows.SuspendedWait("con_1", now, workflows.ProbeInterval)
			return failsWith(workflows.ReasonSuspended, workflows.FailureDetails{
				Because: workflows.ReasonClientRejected, RetryAfterSeconds: int64(wait.Seconds()),
			})
		}
		return nil
	}
	r := s.env(p)
	r.callback(time.Minute)
	refused, later := &answer{}, &answer{}
	r.at(10*time.Hour, func() {
		s.Equal(workflows.StatusDegraded, r.status().Status)
		s.Equal(workflows.ReasonClientRejected, r.status().Reason)
		s.Less(len(p.made()), 10*60/2)
		r.UpdateWorkflow(workflows.UpdateRefresh, "one", refused.callbacks(), workflows.Refresh{Generation: 1})
	})
	r.at(10*time.Hour+5*time.Second, func() {
		r.UpdateWorkflow(workflows.UpdateRefresh, "two", later.callbacks(), workflows.Refresh{Generation: 1})
	})
	r.at(10*time.Hour+10*time.Second, func() { open = false })
	r.at(10*time.Hour+6*time.Minute, func() { s.Equal(workflows.StatusActive, r.status().Status) })
	r.update(11*time.Hour, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
	s.Equal(workflows.ReasonClientRejected, reasonOf(refused.failed))
	s.Equal(workflows.ReasonClientRejected, reasonOf(later.rejected), "for a few seconds nobody looks again")
	s.Equal(1, p.forced)
}

// The breaker opens while a call waits for its turn: the connection says so, rather than that all is well until the server
// has given up on the attempt.
func (s *ConnectionSuite) TestSuspendedWhileQueuedShowsIt() {
	open := true
	p := &provider{life: time.Hour, rotates: true}
	p.fail = func(now time.Time, n int) error {
		switch {
		case n == 1:
			return failsWith(workflows.ReasonQueued, workflows.FailureDetails{RetryAfterSeconds: 20})
		case open:
			wait := workflows.SuspendedWait("con_1", now, workflows.ProbeInterval)
			return failsWith(workflows.ReasonSuspended, workflows.FailureDetails{
				Because: workflows.ReasonClientRejected, RetryAfterSeconds: int64(wait.Seconds()),
			})
		default:
			return nil
		}
	}
	r := s.env(p)
	r.callback(time.Minute)
	r.at(50*time.Minute, func() {
		s.Equal(workflows.StatusDegraded, r.status().Status)
		s.Equal(workflows.ReasonClientRejected, r.status().Reason)
		open = false
	})
	r.at(time.Hour, func() { s.Equal(workflows.StatusActive, r.status().Status) })
	r.update(61*time.Minute, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
}

// A call that waits for its turn at the provider is not a failure.
func (s *ConnectionSuite) TestQueuedRefreshChangesNothing() {
	p := &provider{life: time.Hour, rotates: true, fail: func(_ time.Time, n int) error {
		if n <= 3 {
			return failsWith(workflows.ReasonQueued, workflows.FailureDetails{RetryAfterSeconds: 20})
		}
		return nil
	}}
	r := s.env(p)
	r.callback(time.Minute)
	r.at(50*time.Minute, func() {
		s.Len(p.made(), 4)
		s.EqualValues(2, r.status().Generation)
	})
	r.update(time.Hour, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
	s.NotContains(p.statuses(), workflows.StatusDegraded)
}

// A provider that refuses many connections at once is asked again in an hour, and believed only then.
func (s *ConnectionSuite) TestRefusalAmongManyNeedsASecondOne() {
	for _, recovers := range []bool{true, false} {
		p := &provider{life: time.Hour, rotates: true}
		p.fail = func(_ time.Time, n int) error {
			if n > 1 && recovers {
				return nil
			}
			return failsWith(workflows.ReasonGrantRejected, workflows.FailureDetails{Unconfirmed: true})
		}
		r := s.env(p)
		r.callback(time.Minute)
		refused := &answer{}
		r.at(80*time.Minute, func() {
			s.Len(p.made(), 1)
			s.Equal(workflows.StatusDegraded, r.status().Status)
			s.Equal(workflows.ReasonRefusalUnconfirmed, r.status().Reason)
			r.UpdateWorkflow(workflows.UpdateRefresh, "", refused.callbacks(), workflows.Refresh{Generation: 1})
		})
		r.at(2*time.Hour, func() {
			calls := p.made()
			s.Len(calls, 2)
			s.GreaterOrEqual(calls[1].Sub(calls[0]), time.Hour)
			if recovers {
				s.Equal(workflows.StatusActive, r.status().Status)
				return
			}
			s.Equal(workflows.StatusNeedsReauth, r.status().Status)
			s.Equal(workflows.ReasonGrantRejected, r.status().Reason)
		})
		r.update(121*time.Minute, workflows.UpdateDisconnect, "", workflows.Disconnect{})
		r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
		s.NoError(r.GetWorkflowError())
		s.Equal(workflows.ReasonRefusalUnconfirmed, reasonOf(refused.rejected))
	}
}

// While the vault is away no failure can be counted: an answer would be replayed to later callers, so they wait.
func (s *ConnectionSuite) TestCallersWaitWhileTheVaultIsAway() {
	away := true
	p := &provider{life: time.Hour, rotates: true, fail: func(time.Time, int) error {
		if away {
			return fails(workflows.ReasonVaultUnavailable)
		}
		return nil
	}}
	r := s.env(p)
	r.callback(time.Minute)
	waiting := r.update(2*time.Minute, workflows.UpdateRefresh, "", workflows.Refresh{Generation: 1})
	r.at(3*time.Minute, func() {
		s.False(waiting.completed)
		s.Equal(workflows.StatusDegraded, r.status().Status)
		away = false
	})
	r.at(10*time.Minute, func() {
		s.True(waiting.completed)
		s.NoError(waiting.failed)
		s.Equal(workflows.StatusActive, r.status().Status)
	})
	r.update(11*time.Minute, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
}

// Callers whose refresh is cut short by something more urgent are answered after it: by the new consent's token, or by a
// refusal that is counted.
func (s *ConnectionSuite) TestCallersOfARefreshThatIsCutShort() {
	for _, urgent := range []string{"consent", "pause"} {
		p := &provider{life: time.Hour, rotates: true, fail: func(time.Time, int) error {
			return failsWith(workflows.ReasonQueued, workflows.FailureDetails{RetryAfterSeconds: 600})
		}}
		r := s.env(p)
		r.callback(time.Minute)
		waiting := r.update(2*time.Minute, workflows.UpdateRefresh, "", workflows.Refresh{Generation: 1})
		if urgent == "consent" {
			r.callback(3 * time.Minute)
		} else {
			r.update(3*time.Minute, workflows.UpdatePause, "", workflows.Pause{})
		}
		r.at(4*time.Minute, func() {
			s.True(waiting.completed, urgent)
			if urgent == "consent" {
				s.NoError(waiting.failed)
				s.EqualValues(2, r.status().Generation)
				return
			}
			s.Equal(workflows.ReasonPaused, reasonOf(waiting.failed))
			s.True(p.records[len(p.records)-1].RaiseFailures)
		})
		r.update(5*time.Minute, workflows.UpdateDisconnect, "", workflows.Disconnect{})
		r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
		s.NoError(r.GetWorkflowError())
	}
}
