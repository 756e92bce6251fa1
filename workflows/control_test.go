package workflows_test

import (
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/acme/connections/workflows"
)

func (s *ConnectionSuite) TestPauseStopsEverythingUntilResume() {
	r := s.env(&provider{life: time.Hour})
	early := r.update(30*time.Second, workflows.UpdatePause, "", workflows.Pause{})
	r.callback(time.Minute)
	paused := r.update(2*time.Minute, workflows.UpdatePause, "", workflows.Pause{})
	r.at(3*time.Minute, func() {
		s.Equal(workflows.StatusPaused, r.status().Status)
		s.True(r.token().Stale)
		s.Empty(r.token().Sealed)
	})
	refused := r.update(4*time.Minute, workflows.UpdateRefresh, "", workflows.Refresh{Generation: 1})
	again := r.update(5*time.Minute, workflows.UpdatePause, "", workflows.Pause{})
	r.at(48*time.Hour, func() { s.Zero(r.attempts) })
	r.update(49*time.Hour, workflows.UpdateResume, "", workflows.Resume{})
	r.at(49*time.Hour+time.Second, func() {
		s.Equal(workflows.StatusActive, r.status().Status)
		s.Equal(1, r.attempts, "overdue: refreshed at once")
	})
	r.update(50*time.Hour, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.Equal(workflows.ReasonNotApplicable, reasonOf(early.rejected))
	s.NoError(paused.failed)
	s.Equal(workflows.ReasonPaused, reasonOf(refused.rejected))
	s.Equal(workflows.ReasonNotApplicable, reasonOf(again.rejected))
}

func (s *ConnectionSuite) TestCallbackCutsBackOffShort() {
	down := true
	p := &provider{life: time.Hour, fail: func(time.Time, int) error {
		if down {
			return fails(workflows.ReasonProviderUnavailable)
		}
		return nil
	}}
	r := s.env(p)
	r.callback(time.Minute)
	r.at(10*time.Hour, func() {
		s.Equal(workflows.StatusDegraded, r.status().Status)
		r.SignalWorkflow(workflows.SignalCallback, workflows.Callback{RequestID: "b", SealedCode: []byte("x")})
	})
	r.at(10*time.Hour+10*time.Second, func() {
		s.Equal(2, p.exchanged)
		s.Equal(workflows.StatusActive, r.status().Status)
		s.EqualValues(2, r.status().Generation)
		down = false
	})
	r.update(11*time.Hour, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
}

func (s *ConnectionSuite) TestDisconnectDuringBackOffAndFailedRevocation() {
	p := &provider{life: time.Hour, fail: func(time.Time, int) error { return fails(workflows.ReasonProviderUnavailable) }}
	r := s.env(p)
	r.callback(time.Minute)
	gone := r.update(10*time.Hour, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	late := &answer{}
	r.at(11*time.Hour, func() {
		s.True(gone.completed, "the caller does not wait for the provider")
		s.Equal(workflows.StatusDisconnecting, r.status().Status)
		s.Empty(r.token().Sealed)
		r.UpdateWorkflow(workflows.UpdateRefresh, "", late.callbacks(), workflows.Refresh{Generation: 1})
	})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
	s.Equal(workflows.ReasonDisconnected, reasonOf(late.rejected))
	last := p.records[len(p.records)-1]
	s.Equal(workflows.StatusDisconnected, last.Status)
	s.Equal(workflows.ReasonRevocationFailed, last.Reason)
	s.True(last.Erase)
	s.InDelta(7*24, last.At.Sub(time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)).Hours(), 2)
}

func (s *ConnectionSuite) TestCancellationEndsTheWorkflowAndErasesNothing() {
	p := &provider{life: time.Hour}
	r := s.env(p)
	r.callback(time.Minute)
	r.at(2*time.Minute, r.CancelWorkflow)
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.True(r.IsWorkflowCompleted())
	s.True(temporal.IsCanceledError(r.GetWorkflowError()))
	s.Zero(p.revoked)
	for _, record := range p.records {
		s.False(record.Erase)
	}
}

func (s *ConnectionSuite) TestCancellationDoesNotStopADisconnect() {
	p := &provider{life: time.Hour, fail: func(time.Time, int) error { return fails(workflows.ReasonProviderUnavailable) }}
	r := s.env(p)
	r.callback(time.Minute)
	r.update(2*time.Minute, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.at(3*time.Minute, r.CancelWorkflow)
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
	s.True(p.records[len(p.records)-1].Erase)
}
