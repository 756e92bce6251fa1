package workflows_test

import (
	"time"

	"github.com/acme/connections/workflows"
)

// Ninety days of hourly tokens, with two days of outage in the middle, over continue-as-new.
func (s *ConnectionSuite) TestNinetyDaysHourly() {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	outage := start.AddDate(0, 0, 40)
	p := &provider{life: time.Hour, rotates: true, fail: func(now time.Time, _ int) error {
		if now.After(outage) && now.Before(outage.AddDate(0, 0, 2)) {
			return fails(workflows.ReasonProviderUnavailable)
		}
		return nil
	}}
	var (
		in      workflows.ConnectionInput
		now     = start
		end     = start.AddDate(0, 0, 90)
		runs    int
		outside int
	)
	for {
		r := s.env(p)
		r.SetStartTime(now)
		if runs == 0 {
			in = r.input(workflows.GrantClientCredentials)
		}
		begun := len(p.made())
		// The environment does not count history: a steady renewal is six events, so a run holds 75 of them.
		var watch func()
		watch = func() {
			if len(p.made())-begun >= 75 {
				r.SetCurrentHistoryLength(450)
			}
			if !r.Now().Before(end) {
				r.CancelWorkflow()
				return
			}
			r.RegisterDelayedCallback(watch, 10*time.Minute)
		}
		r.RegisterDelayedCallback(watch, 10*time.Minute)
		r.ExecuteWorkflow(workflows.TypeConnection, in)
		now = r.Now()
		runs++
		next, again := r.carried()
		if !again {
			break
		}
		s.NotNil(next.Carried)
		s.EqualValues(runs, next.Carried.Runs)
		in = next
	}
	for _, call := range p.made() {
		if call.Before(outage) || call.After(outage.AddDate(0, 0, 2)) {
			outside++
		}
	}
	// A token lives 60 minutes and is renewed between 36 and 45: 88 days hold between 2,816 and 3,520 renewals.
	s.GreaterOrEqual(outside, 88*24*60/45)
	s.LessOrEqual(outside, 88*24*60/36+2)
	// Two days of outage: retries double from two seconds to five minutes.
	s.Less(len(p.made())-outside, 2*24*60/5+30)
	s.Greater(runs, 20)
	s.Equal([]workflows.ConnectionStatus{workflows.StatusActive, workflows.StatusDegraded, workflows.StatusActive}, p.statuses())
}

func (s *ConnectionSuite) TestContinueAsNewCarriesEverything() {
	p := &provider{life: time.Hour, rotates: true}
	r := s.env(p)
	r.callback(time.Minute)
	var before workflows.Status
	r.at(2*time.Minute, func() {
		before = r.status()
		r.SetCurrentHistoryLength(1000)
		// Arrives in the same task as the decision to continue: it must be carried, not lost.
		r.SignalWorkflow(workflows.SignalCallback, workflows.Callback{RequestID: "late", Reason: workflows.ReasonConsentDenied})
	})
	r.ExecuteWorkflow(workflows.TypeConnection, r.input(workflows.GrantAuthorizationCode))
	in, again := r.carried()
	s.Require().True(again)
	s.EqualValues(1, in.Carried.Runs)

	// A new run, later, from nothing but its input.
	next := s.env(&provider{life: time.Hour, rotates: true, generation: 1})
	next.SetStartTime(r.Now().Add(time.Second))
	next.at(time.Second, func() {
		after := next.status()
		s.Equal(before, after, "absolute times, status and token survive")
		s.Equal([]byte("sealed"), next.token().Sealed)
	})
	next.at(before.NextRefreshAt.Sub(r.Now())+2*time.Second, func() {
		s.Equal(1, next.attempts)
		s.WithinDuration(*before.NextRefreshAt, next.calls[0], time.Second)
	})
	next.update(2*time.Hour, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	next.ExecuteWorkflow(workflows.TypeConnection, in)
	s.NoError(next.GetWorkflowError())
}

func (s *ConnectionSuite) TestCarriedCallbackIsHandledByTheNextRun() {
	p := &provider{life: time.Hour}
	r := s.env(p)
	in := r.input(workflows.GrantAuthorizationCode)
	in.Carried = &workflows.State{
		Status: workflows.StatusPending, Reason: workflows.ReasonAwaitingConsent, StatusSeq: 7,
		ConsentDeadline: in.ConsentDeadline,
		Callbacks:       []workflows.Callback{{RequestID: "drained", SealedCode: []byte("x")}},
	}
	r.at(time.Minute, func() { s.Equal(workflows.StatusActive, r.status().Status) })
	r.update(2*time.Minute, workflows.UpdateDisconnect, "", workflows.Disconnect{})
	r.ExecuteWorkflow(workflows.TypeConnection, in)
	s.NoError(r.GetWorkflowError())
	s.Equal(1, p.exchanged)
	s.EqualValues(8, p.records[0].Seq)
}
