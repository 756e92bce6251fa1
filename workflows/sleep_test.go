package workflows_test

import (
	"time"

	"github.com/acme/connections/workflows"
)

// A connection that nobody reads is renewed for a day, then sleeps, until a caller waits for a refresh.
func (s *ConnectionSuite) TestUnreadConnectionSleepsUntilItsNextRead() {
	p := &provider{life: time.Hour, rotates: true}
	p.read = func() time.Time { return time.Time{} }
	r := s.env(p)
	r.callback(time.Minute)
	var before int
	r.at(26*time.Hour, func() {
		before = len(p.made())
		s.Greater(before, 30, "a day of renewals comes first")
		s.Equal(1, p.unread)
		s.True(r.status().Asleep)
		s.Equal(workflows.StatusActive, r.status().Status)
		s.Contains(r.status().Message, "asleep")
		s.Nil(r.status().NextRefreshAt)
		s.True(r.token().Stale)
	})
	read := r.update(30*day, workflows.UpdateRefresh, "", workflows.Refresh{Generation: 0})
	stale := &answer{}
	r.at(30*day+time.Minute, func() {
		s.True(read.completed)
		s.Equal(before, len(p.made()), "the caller had seen an older one: it gets the one in hand, and sees that it is stale")
		r.UpdateWorkflow(workflows.UpdateRefresh, "", stale.callbacks(), workflows.Refresh{Generation: r.status().Generation})
	})
	r.at(30*day+2*time.Minute, func() {
		s.True(stale.completed)
		s.NoError(stale.failed)
		s.Equal(before+1, len(p.made()))
		s.Equal(1, p.forced)
		s.False(r.status().Asleep)
		s.NotNil(r.status().NextRefreshAt)
	})
	r.at(30*day+12*time.Hour, func() { s.Greater(len(p.made()), before+10, "awake again, for a day") })
	r.update(40*day, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
	s.Equal(2, p.unread)
	s.Equal([]workflows.ConnectionStatus{"active", "disconnecting", "disconnected"}, p.statuses(), "sleep is no change of status")
}

func (s *ConnectionSuite) TestReadConnectionNeverSleeps() {
	p := &provider{life: time.Hour, rotates: true}
	r := s.env(p)
	p.read = func() time.Time { return r.Now().Add(-time.Hour) }
	r.callback(time.Minute)
	r.update(30*day, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
	s.Zero(p.unread)
	s.Greater(len(p.made()), 30*24)
}

// Asleep, a refresh token that would die of disuse is used in time, and nothing else is.
func (s *ConnectionSuite) TestSleepingConnectionKeepsItsRefreshTokenAlive() {
	p := &provider{life: time.Hour, rotates: true}
	p.read = func() time.Time { return time.Time{} }
	p.shape = func(set *workflows.TokenSet) { set.RefreshIdleAt = set.IssuedAt.Add(60 * day) }
	r := s.env(p)
	r.callback(time.Minute)
	var asleep int
	r.at(2*day, func() {
		asleep = len(p.made())
		s.True(r.status().Asleep)
		s.NotNil(r.status().NextRefreshAt)
		s.WithinDuration(r.Now().Add(47*day), *r.status().NextRefreshAt, 5*day)
	})
	r.at(365*day, func() {
		s.InDelta(365/48, len(p.made())-asleep, 1, "every 45 to 51 days")
		s.True(r.status().Asleep)
		s.Equal(workflows.StatusActive, r.status().Status)
	})
	r.update(366*day, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
}

// A keep-alive that fails is retried like any refresh, and the connection sleeps on after it.
func (s *ConnectionSuite) TestKeepAliveDuringAnOutage() {
	p := &provider{life: time.Hour}
	p.read = func() time.Time { return time.Time{} }
	p.shape = func(set *workflows.TokenSet) { set.RefreshIdleAt = set.IssuedAt.Add(60 * day) }
	failed := 0
	p.fail = func(now time.Time, _ int) error {
		// All of the month in which the first keep-alive falls due, but for its last days.
		if asleep := now.Year() == 2026 && now.Month() == time.February && now.Day() < 26; asleep {
			failed++
			return fails(workflows.ReasonProviderUnavailable)
		}
		return nil
	}
	r := s.env(p)
	r.callback(time.Minute)
	r.at(100*day, func() {
		s.Equal(workflows.StatusActive, r.status().Status)
		s.True(r.status().Asleep)
		s.Positive(failed)
	})
	r.update(101*day, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
	s.NotContains(p.statuses(), workflows.StatusNeedsReauth)
}

// A grant that ends on a day that is known is announced, once for each warning, and a new consent ends that.
func (s *ConnectionSuite) TestEndOfTheGrantIsAnnounced() {
	p := &provider{life: time.Hour, rotates: true}
	var consented time.Time
	p.shape = func(set *workflows.TokenSet) {
		set.ConsentedAt, set.GrantEndsAt = consented, consented.Add(60*day)
	}
	r := s.env(p)
	consent := func(after time.Duration) {
		r.at(after-time.Second, func() { consented = r.Now() })
		r.callback(after)
	}
	consent(time.Minute)
	for after, want := range map[time.Duration]workflows.Reason{
		29 * day: "", 31 * day: workflows.ReasonGrantEndsInAMonth, 52 * day: workflows.ReasonGrantEndsInAMonth,
		54 * day: workflows.ReasonGrantEndsInAWeek, 59*day + time.Hour: workflows.ReasonGrantEndsInADay,
		59*day + 4*time.Hour: "", 100 * day: workflows.ReasonGrantEndsInAMonth,
	} {
		r.at(after, func() {
			s.Equal(want, r.status().Reason, after)
			s.Equal(workflows.StatusActive, r.status().Status)
			s.NotEmpty(r.token().Sealed)
		})
	}
	consent(59*day + 2*time.Hour)
	r.update(101*day, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	s.NoError(r.GetWorkflowError())
	var told []workflows.Reason
	for _, record := range p.records {
		if record.Status == workflows.StatusActive {
			told = append(told, record.Reason)
		}
	}
	s.Equal([]workflows.Reason{
		"", workflows.ReasonGrantEndsInAMonth, workflows.ReasonGrantEndsInAWeek, workflows.ReasonGrantEndsInADay, "", workflows.ReasonGrantEndsInAMonth,
	}, told)
}

// A connection that is started again from the vault's row does not fall asleep at once.
func (s *ConnectionSuite) TestRestartedConnectionStaysAwakeForADay() {
	p := &provider{life: time.Hour, rotates: true}
	p.read = func() time.Time { return time.Time{} }
	r := s.env(p)
	in := r.input(workflows.GrantAuthorizationCode)
	set := p.issue()
	in.Carried = &workflows.State{Status: workflows.StatusActive, Token: set, WakeAt: workflows.NextRenewal(in.ID, set)}
	r.at(23*time.Hour, func() {
		s.False(r.status().Asleep)
		s.Greater(len(p.made()), 20)
	})
	r.at(26*time.Hour, func() { s.True(r.status().Asleep) })
	r.update(27*time.Hour, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, in)
	s.NoError(r.GetWorkflowError())
}
