package workflows_test

import (
	"time"

	"github.com/acme/connections/workflows"
)

func (s *ConnectionSuite) TestForcedRefreshSharesOneCall() {
	p := &provider{life: time.Hour}
	r := s.env(p)
	r.callback(time.Minute)
	var answers []*answer
	for range 50 {
		answers = append(answers, r.update(2*time.Minute, workflows.UpdateRefresh, "", workflows.Refresh{Generation: 1}))
	}
	stale := r.update(3*time.Minute, workflows.UpdateRefresh, "", workflows.Refresh{Generation: 1})
	r.at(4*time.Minute, func() { s.Equal(1, p.attempts) })
	r.update(5*time.Minute, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	for _, a := range append(answers, stale) {
		s.True(a.completed)
		s.NoError(a.failed)
		token, ok := a.result.(workflows.AccessToken)
		s.True(ok)
		s.EqualValues(2, token.Generation)
	}
}

func (s *ConnectionSuite) TestForcedRefreshFailureAnswersAtOnceAndIsRetriedBehind() {
	broken := true
	p := &provider{life: time.Hour, fail: func(time.Time, int) error {
		if broken {
			return fails(workflows.ReasonProviderUnavailable)
		}
		return nil
	}}
	r := s.env(p)
	r.callback(time.Minute)
	first := r.update(2*time.Minute, workflows.UpdateRefresh, "", workflows.Refresh{Generation: 1})
	r.at(2*time.Minute+time.Second, func() {
		s.True(first.completed)
		s.Equal(workflows.ReasonProviderUnavailable, reasonOf(first.failed))
		s.Equal(workflows.StatusDegraded, r.status().Status)
		s.NotEmpty(r.token().Sealed, "degraded hands out what lives")
		broken = false
	})
	second := r.update(2*time.Minute+1500*time.Millisecond, workflows.UpdateRefresh, "", workflows.Refresh{Generation: 1})
	r.at(2*time.Minute+30*time.Second, func() {
		s.True(second.completed)
		s.NoError(second.failed)
		s.Equal(workflows.StatusActive, r.status().Status)
	})
	r.update(3*time.Minute, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
}

func (s *ConnectionSuite) TestRetryAfterIsKept() {
	p := &provider{life: time.Hour, fail: func(_ time.Time, n int) error {
		if n == 1 {
			return failsAfter(workflows.ReasonProviderThrottled, 20*time.Minute)
		}
		return nil
	}}
	r := s.env(p)
	r.callback(time.Minute)
	r.update(2*time.Minute, workflows.UpdateRefresh, "", workflows.Refresh{Generation: 1})
	early := r.update(10*time.Minute, workflows.UpdateRefresh, "", workflows.Refresh{Generation: 1})
	r.at(21*time.Minute, func() { s.Equal(1, p.attempts) })
	r.at(23*time.Minute, func() {
		s.Equal(2, p.attempts)
		s.Equal(workflows.StatusActive, r.status().Status)
	})
	r.update(25*time.Minute, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.Equal(workflows.ReasonProviderThrottled, reasonOf(early.rejected), "refused without an event, not failed")
}

func (s *ConnectionSuite) TestLostReplyIsSettledLateAndOnlyThenLost() {
	p := &provider{life: time.Hour, rotates: true}
	p.fail = func(_ time.Time, n int) error {
		switch n {
		case 1:
			return fails(workflows.ReasonReplyLost)
		case 2:
			return fails(workflows.ReasonGrantRejected)
		default:
			return nil
		}
	}
	r := s.env(p)
	r.callback(time.Minute)
	var expires time.Time
	r.at(2*time.Minute, func() { expires = *r.status().ExpiresAt })
	forced := &answer{}
	r.at(50*time.Minute, func() {
		s.Equal(1, p.attempts)
		s.Equal(workflows.StatusDegraded, r.status().Status)
		s.Equal(workflows.ReasonReplyLost, r.status().Reason)
		s.False(r.token().Stale, "what works is used as long as it works")
		r.UpdateWorkflow(workflows.UpdateRefresh, "", forced.callbacks(), workflows.Refresh{Generation: 1})
	})
	r.at(70*time.Minute, func() {
		s.Equal(2, p.attempts)
		s.Equal(1, p.settled)
		s.WithinDuration(expires.Add(-2*time.Minute), p.calls[1], 5*time.Second)
		s.Equal(workflows.StatusNeedsReauth, r.status().Status)
		s.Equal(workflows.ReasonRotationLost, r.status().Reason)
		s.Nil(r.status().NextRefreshAt)
	})
	r.callback(80 * time.Minute)
	r.at(81*time.Minute, func() {
		s.Equal(workflows.StatusActive, r.status().Status)
		s.Empty(r.status().Reason)
	})
	r.update(82*time.Minute, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
	s.Equal(workflows.ReasonReplyLost, reasonOf(forced.rejected), "a token in doubt is not presented on demand")
}

// The doubt is found when the access token has expired, after failures that tell nothing of it: nothing is left to
// protect, and the connection does not wait for the rung of a long outage.
func (s *ConnectionSuite) TestLostReplyFoundAfterTheExpiryIsSettledSoon() {
	p := &provider{life: time.Minute, rotates: true}
	var doubt time.Time
	p.fail = func(now time.Time, n int) error {
		switch {
		case n < 6:
			return fails(workflows.ReasonVaultUnavailable)
		case n == 6:
			doubt = now
			return fails(workflows.ReasonReplyLost)
		default:
			return nil
		}
	}
	r := s.env(p)
	r.callback(time.Minute)
	r.at(5*time.Minute, func() {
		s.Equal(workflows.StatusActive, r.status().Status)
		s.Equal(5*time.Second, p.calls[6].Sub(doubt))
		s.Equal(1, p.settled)
	})
	r.update(5*time.Minute+time.Second, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
}

// What fails before a byte was sent is retried freely, also while an earlier outcome is in doubt.
func (s *ConnectionSuite) TestUnsentRetryOfATokenInDoubtIsFree() {
	p := &provider{life: time.Hour, rotates: true}
	p.fail = func(_ time.Time, n int) error {
		switch n {
		case 1:
			return fails(workflows.ReasonReplyLost)
		case 2, 3:
			return fails(workflows.ReasonVaultUnavailable)
		case 4:
			return fails(workflows.ReasonGrantRejected)
		default:
			return nil
		}
	}
	r := s.env(p)
	r.callback(time.Minute)
	r.at(70*time.Minute, func() {
		s.Equal(4, p.attempts)
		s.Equal(3, p.settled)
		s.Less(p.calls[3].Sub(p.calls[1]), 10*time.Second)
		s.Equal(workflows.ReasonRotationLost, r.status().Reason, "the doubt is not forgotten over them")
	})
	r.update(71*time.Minute, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
}

// A provider that loses a reply and wants to be left alone is left alone, also past the expiry.
func (s *ConnectionSuite) TestRetryAfterCountsMoreThanTheExpiry() {
	p := &provider{life: time.Hour, rotates: true}
	p.fail = func(_ time.Time, n int) error {
		if n == 1 {
			return failsAfter(workflows.ReasonReplyLost, 2*time.Hour)
		}
		return nil
	}
	r := s.env(p)
	r.callback(time.Minute)
	r.at(5*time.Hour, func() {
		s.GreaterOrEqual(len(p.calls), 2)
		s.Equal(2*time.Hour, p.calls[1].Sub(p.calls[0]))
	})
	r.update(5*time.Hour+time.Second, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
}

func (s *ConnectionSuite) TestLostReplyWithinGraceIsSettledSoon() {
	p := &provider{life: time.Hour, rotates: true, grace: 600}
	p.fail = func(_ time.Time, n int) error {
		if n == 1 {
			return fails(workflows.ReasonReplyLost)
		}
		return nil
	}
	r := s.env(p)
	r.callback(time.Minute)
	r.at(50*time.Minute, func() {
		s.Equal(2, p.attempts)
		s.Equal(5*time.Second, p.calls[1].Sub(p.calls[0]))
		s.Equal(workflows.StatusActive, r.status().Status)
	})
	r.update(51*time.Minute, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
}

func (s *ConnectionSuite) TestConfigurationFaultNeverAsksForReconnect() {
	mended := false
	p := &provider{life: time.Hour, fail: func(time.Time, int) error {
		if mended {
			return nil
		}
		return fails(workflows.ReasonClientRejected)
	}}
	r := s.env(p)
	r.callback(time.Minute)
	r.at(5*24*time.Hour, func() {
		s.Equal(workflows.StatusDegraded, r.status().Status)
		s.Equal(workflows.ReasonClientRejected, r.status().Reason)
		mended = true
	})
	r.at(5*24*time.Hour+61*time.Minute, func() { s.Equal(workflows.StatusActive, r.status().Status) })
	r.update(6*24*time.Hour, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.at(6*24*time.Hour-time.Minute, func() {})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
	s.NotContains(p.statuses(), workflows.StatusNeedsReauth)
}

func (s *ConnectionSuite) TestRejectedGrantNeedsAPerson() {
	p := &provider{life: time.Hour}
	p.fail = func(_ time.Time, n int) error {
		if n == 1 {
			return fails(workflows.ReasonGrantRejected)
		}
		return nil
	}
	r := s.env(p)
	r.callback(time.Minute)
	refused := &answer{}
	r.at(48*time.Minute, func() {
		s.Equal(workflows.StatusNeedsReauth, r.status().Status)
		s.NotEmpty(r.token().Sealed, "the live token is still handed out")
		r.UpdateWorkflow(workflows.UpdateRefresh, "", refused.callbacks(), workflows.Refresh{Generation: 1})
	})
	r.at(24*time.Hour, func() {
		s.Equal(1, p.attempts, "nothing is tried until a person has consented")
		s.True(r.token().Stale)
	})
	r.callback(25 * time.Hour)
	r.update(26*time.Hour, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.Equal(workflows.ReasonGrantRejected, reasonOf(refused.rejected))
	s.Equal(2, p.exchanged)
}

func (s *ConnectionSuite) TestTokenWithoutRefreshTokenLapses() {
	r := s.env(&provider{life: time.Hour, static: true})
	r.callback(time.Minute)
	r.at(2*time.Minute, func() { s.Contains(r.status().Message, "no refresh token") })
	r.at(2*time.Hour, func() {
		s.Equal(workflows.StatusNeedsReauth, r.status().Status)
		s.Equal(workflows.ReasonNoRefreshToken, r.status().Reason)
	})
	r.update(3*time.Hour, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
	s.Zero(r.attempts)
}

func (s *ConnectionSuite) TestTokenWithoutExpirySaysSo() {
	r := s.env(&provider{static: true})
	r.callback(time.Minute)
	r.at(30*24*time.Hour, func() {
		s.Equal(workflows.StatusActive, r.status().Status)
		s.Contains(r.status().Message, "no expiry")
		s.Nil(r.status().ExpiresAt)
		s.False(r.token().Stale)
	})
	r.update(31*24*time.Hour, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
}
