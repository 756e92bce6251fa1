package workflows_test

import (
	"time"

	"github.com/acme/connections/workflows"
)

func (s *ConnectionSuite) TestConsentThenRefreshThenDisconnect() {
	r := s.env(&provider{life: time.Hour, rotates: true})
	r.callback(time.Minute)
	r.at(30*time.Second, func() {
		s.Equal(workflows.StatusPending, r.status().Status)
		s.Equal(workflows.ReasonAwaitingConsent, r.status().Reason)
		s.True(r.token().Stale)
		s.Empty(r.token().Sealed)
	})
	r.at(2*time.Minute, func() {
		st := r.status()
		s.Equal(workflows.StatusActive, st.Status)
		s.EqualValues(1, st.Generation)
		s.NotNil(st.NextRefreshAt)
		s.Equal([]byte("sealed"), r.token().Sealed)
		s.False(r.token().Stale)
	})
	gone := r.update(10*time.Hour, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.True(r.IsWorkflowCompleted())
	s.NoError(r.GetWorkflowError())
	s.True(gone.completed)
	s.NoError(gone.failed)
	s.Equal(1, r.exchanged)
	s.Equal(1, r.revoked)
	s.Greater(r.attempts, 10, "renewed all along")
	s.Equal([]workflows.ConnectionStatus{workflows.StatusActive, workflows.StatusDisconnecting, workflows.StatusDisconnected}, r.statuses())
	last := r.records[len(r.records)-1]
	s.True(last.Erase)
	for i := 1; i < len(r.records); i++ {
		s.Greater(r.records[i].Seq, r.records[i-1].Seq)
	}
}

func (s *ConnectionSuite) TestConsentNeverComes() {
	r := s.env(&provider{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
	s.Equal([]workflows.ConnectionStatus{workflows.StatusExpired}, r.statuses())
	s.True(r.records[0].Erase)
	s.Equal(24*time.Hour, r.records[0].At.Sub(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
}

func (s *ConnectionSuite) TestReconnectExtendsThePendingWindow() {
	r := s.env(&provider{})
	deadline := time.Date(2026, 1, 4, 0, 0, 0, 0, time.UTC)
	longer := r.update(23*time.Hour, workflows.UpdateReconnect, "", workflows.Reconnect{ConsentDeadline: deadline})
	tooLong := r.update(22*time.Hour, workflows.UpdateReconnect, "", workflows.Reconnect{ConsentDeadline: deadline.AddDate(1, 0, 0)})
	past := r.update(22*time.Hour, workflows.UpdateReconnect, "", workflows.Reconnect{ConsentDeadline: deadline.AddDate(-1, 0, 0)})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(longer.failed)
	s.Equal(workflows.ReasonInvalid, reasonOf(tooLong.rejected))
	s.Equal(workflows.ReasonInvalid, reasonOf(past.rejected))
	s.Equal(deadline, r.records[len(r.records)-1].At.UTC())
}

func (s *ConnectionSuite) TestRefusedConsentStaysPendingAndCanBeTriedAgain() {
	r := s.env(&provider{life: time.Hour})
	r.at(time.Minute, func() {
		r.SignalWorkflow(workflows.SignalCallback, workflows.Callback{RequestID: "a", Reason: workflows.ReasonConsentDenied})
	})
	r.at(2*time.Minute, func() {
		s.Equal(workflows.StatusPending, r.status().Status)
		s.Equal(workflows.ReasonConsentDenied, r.status().Reason)
		s.Zero(r.exchanged)
	})
	r.callback(3 * time.Minute)
	r.at(4*time.Minute, func() {
		s.Equal(workflows.StatusActive, r.status().Status)
		s.Empty(r.status().Reason)
	})
	r.update(5*time.Minute, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
}

func (s *ConnectionSuite) TestFailedExchangeKeepsTheTokenInHand() {
	p := &provider{life: time.Hour}
	r := s.env(p)
	r.callback(time.Minute)
	r.at(90*time.Second, func() { p.failCode = func() error { return fails(workflows.ReasonCodeRejected) } })
	r.callback(2 * time.Minute)
	r.at(3*time.Minute, func() {
		s.Equal(2, p.exchanged)
		s.Equal(workflows.StatusActive, r.status().Status)
		s.EqualValues(1, r.status().Generation)
	})
	r.update(4*time.Minute, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
}

func (s *ConnectionSuite) TestClientCredentialsStartAtOnce() {
	p := &provider{life: time.Hour}
	r := s.env(p)
	r.at(time.Second, func() { s.Equal(workflows.StatusActive, r.status().Status) })
	r.update(time.Hour, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantClientCredentials))
	s.NoError(r.GetWorkflowError())
	s.Equal(2, p.attempts)
	s.Zero(p.exchanged)
}

func (s *ConnectionSuite) TestClientCredentialsWithWrongSecretStayPendingAndRecover() {
	p := &provider{life: time.Hour, fail: func(_ time.Time, n int) error {
		if n <= 3 {
			return fails(workflows.ReasonClientRejected)
		}
		return nil
	}}
	r := s.env(p)
	r.at(time.Second, func() {
		s.Equal(workflows.StatusPending, r.status().Status)
		s.Equal(workflows.ReasonClientRejected, r.status().Reason)
	})
	r.at(time.Hour, func() { s.Equal(workflows.StatusActive, r.status().Status) })
	r.update(2*time.Hour, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantClientCredentials))
	s.NoError(r.GetWorkflowError())
}

func (s *ConnectionSuite) TestMalformedInputIsRefused() {
	for _, change := range []func(*workflows.ConnectionInput){
		func(in *workflows.ConnectionInput) { in.ID = "../x" },
		func(in *workflows.ConnectionInput) { in.Grant = "password" },
	} {
		r := s.env(&provider{})
		in := r.input(workflows.GrantAuthorizationCode)
		change(&in)
		r.ExecuteWorkflow(workflows.TypeConnection, in)
		s.Equal(workflows.ReasonInvalid, reasonOf(r.GetWorkflowError()))
	}
}
