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
		in   workflows.ConnectionInput
		now  = start
		end  = start.AddDate(0, 0, 90)
		runs int
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
	want := byHand("con_1", start, outage, outage.AddDate(0, 0, 2), end)
	made := p.made()[1:]
	s.Len(made, len(want))
	for i := range min(len(want), len(made)) {
		// Temporal's timers tick in whole seconds or so; that of a test, too.
		s.Require().WithinDuration(want[i], made[i], 2*time.Second, "call %d: each when it was to be made, and no other", i)
	}
	inside := 0
	for _, call := range want {
		if call.After(outage) && call.Before(outage.AddDate(0, 0, 2)) {
			inside++
		}
	}
	// A token lives 60 minutes and is renewed between 36 and 45: 88 days hold between 2,816 and 3,520 renewals. Two days
	// of outage: retries double from two seconds to five minutes.
	s.InDelta((88*24*60/45+88*24*60/36)/2, len(want)-inside, 352)
	s.InDelta(2*24*60/5, inside, 30)
	s.Greater(runs, 20)
	s.Equal([]workflows.ConnectionStatus{workflows.StatusActive, workflows.StatusDegraded, workflows.StatusActive}, p.statuses())
}

// byHand says when a connection with hourly tokens calls its provider: what the documentation promises, computed without
// the workflow. Each token is renewed at its time. A call that fails is repeated at once, where operators see it, then
// after 2, 4, 8 … seconds, at most five minutes, for a day; then the ladder begins anew.
func byHand(id string, first, outage, mended, end time.Time) []time.Time {
	var calls []time.Time
	down := func(at time.Time) bool { return at.After(outage) && at.Before(mended) }
	set := workflows.TokenSet{Generation: 1, IssuedAt: first, ExpiresAt: first.Add(time.Hour), Renewable: true}
	at := workflows.NextRenewal(id, set)
	failures := int64(0)
	for at.Before(end) {
		calls = append(calls, at)
		if down(at) {
			failures++
			began, wait := at, 2*time.Second
			for calls = append(calls, at); down(at) && at.Add(wait).Before(began.Add(24*time.Hour)); wait = min(2*wait, 5*time.Minute) {
				at = at.Add(wait)
				calls = append(calls, at)
			}
			if down(at) {
				failures++
				at = at.Add(workflows.Rung(id, failures))
				continue
			}
		}
		failures = 0
		set.Generation++
		set.IssuedAt, set.ExpiresAt = at, at.Add(time.Hour)
		at = workflows.NextRenewal(id, set)
	}
	return calls
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
