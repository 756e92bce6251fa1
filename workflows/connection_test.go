package workflows_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stretchr/testify/suite"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	tlog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/acme/connections/workflows"
)

// provider is a scripted [workflows.Activities] on the environment's clock. It is not a mock of a provider: what it
// stands for, and what the real one does, is tested in packages activities and e2e. Here time is virtual.
type provider struct {
	now func() time.Time
	// life is the lifetime of each token; 0 for unknown.
	life     time.Duration
	rotates  bool
	static   bool
	grace    int64
	fail     func(now time.Time, attempt int) error
	failCode func() error

	mu         sync.Mutex
	generation int64
	attempts   int
	calls      []time.Time
	settled    int
	exchanged  int
	revoked    int
	records    []workflows.RecordInput
}

func fails(reason workflows.Reason) error {
	return temporal.NewApplicationErrorWithOptions(reason.Sentence(), string(reason), temporal.ApplicationErrorOptions{
		NonRetryable: reason.Class() != workflows.ClassTransient, Details: []any{workflows.FailureDetails{}},
	})
}

func failsAfter(reason workflows.Reason, wait time.Duration) error {
	return temporal.NewApplicationErrorWithOptions(reason.Sentence(), string(reason), temporal.ApplicationErrorOptions{
		NextRetryDelay: wait, Details: []any{workflows.FailureDetails{RetryAfterSeconds: int64(wait.Seconds())}},
	})
}

func (p *provider) issue() workflows.TokenSet {
	p.generation++
	set := workflows.TokenSet{
		Generation: p.generation, IssuedAt: p.now().UTC(), Type: "Bearer", Scopes: []string{"read"},
		Sealed: []byte("sealed"), Renewable: !p.static, Rotates: p.rotates, GraceSeconds: p.grace,
	}
	if p.life > 0 {
		set.ExpiresAt = set.IssuedAt.Add(p.life)
	}
	return set
}

func (p *provider) Exchange(_ context.Context, _ workflows.ExchangeInput) (workflows.TokenSet, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exchanged++
	if p.failCode != nil {
		if err := p.failCode(); err != nil {
			return workflows.TokenSet{}, err
		}
	}
	return p.issue(), nil
}

func (p *provider) Refresh(_ context.Context, in workflows.RenewInput) (workflows.TokenSet, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attempts++
	p.calls = append(p.calls, p.now())
	if in.Settle {
		p.settled++
	}
	if p.fail != nil {
		if err := p.fail(p.now(), p.attempts); err != nil {
			return workflows.TokenSet{}, err
		}
	}
	return p.issue(), nil
}

func (p *provider) ClientCredentials(ctx context.Context, in workflows.RenewInput) (workflows.TokenSet, error) {
	return p.Refresh(ctx, in)
}

func (p *provider) Revoke(context.Context, workflows.RevokeInput) (workflows.RevokeResult, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revoked++
	if p.fail != nil {
		if err := p.fail(p.now(), p.attempts); err != nil {
			return workflows.RevokeResult{}, err
		}
	}
	return workflows.RevokeResult{Revoked: true}, nil
}

func (p *provider) Record(_ context.Context, in workflows.RecordInput) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.records = append(p.records, in)
	return nil
}

// made returns the attempts so far: an attempt may be under way while the test looks.
func (p *provider) made() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

func (p *provider) statuses() []workflows.ConnectionStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []workflows.ConnectionStatus
	for _, r := range p.records {
		if len(list) == 0 || list[len(list)-1] != r.Status {
			list = append(list, r.Status)
		}
	}
	return list
}

// ConnectionSuite tests the workflow's logic under time skipping.
type ConnectionSuite struct {
	suite.Suite
	testsuite.WorkflowTestSuite
}

func TestConnection(t *testing.T) {
	t.Parallel()
	suite.Run(t, new(ConnectionSuite))
}

// run is one environment with its provider.
type run struct {
	*testsuite.TestWorkflowEnvironment
	*provider
	t *testing.T
}

func (s *ConnectionSuite) SetupTest() {
	s.SetLogger(tlog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
}

func (s *ConnectionSuite) env(p *provider) *run {
	env := s.NewTestWorkflowEnvironment()
	env.SetTestTimeout(30 * time.Second)
	env.SetStartTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	p.now = env.Now
	env.RegisterWorkflowWithOptions(workflows.Connection, workflow.RegisterOptions{Name: workflows.TypeConnection})
	for name, f := range map[string]any{
		workflows.ActivityExchange: p.Exchange, workflows.ActivityRefresh: p.Refresh,
		workflows.ActivityClientCredentials: p.ClientCredentials, workflows.ActivityRevoke: p.Revoke,
		workflows.ActivityRecord: p.Record,
	} {
		env.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
	return &run{TestWorkflowEnvironment: env, provider: p, t: s.T()}
}

func (r *run) input(grant workflows.Grant) workflows.ConnectionInput {
	return workflows.ConnectionInput{
		ID: "con_1", Owner: "acme", Connector: "sandbox", Integration: "platform:sandbox", Grant: grant,
		ConsentDeadline: r.Now().Add(24 * time.Hour),
	}
}

func (r *run) at(after time.Duration, f func()) { r.RegisterDelayedCallback(f, after) }

func (r *run) callback(after time.Duration) {
	r.at(after, func() {
		r.SignalWorkflow(workflows.SignalCallback, workflows.Callback{RequestID: "req-1", SealedCode: []byte("sealed")})
	})
}

func (r *run) status() workflows.Status {
	value, err := r.QueryWorkflow(workflows.QueryStatus)
	require.NoError(r.t, err)
	var status workflows.Status
	require.NoError(r.t, value.Get(&status))
	return status
}

func (r *run) token() workflows.Token {
	value, err := r.QueryWorkflow(workflows.QueryToken)
	require.NoError(r.t, err)
	var token workflows.Token
	require.NoError(r.t, value.Get(&token))
	return token
}

// answer is what became of an update.
type answer struct {
	rejected, failed error
	completed        bool
	result           any
}

func (a *answer) callbacks() *testsuite.TestUpdateCallback {
	return &testsuite.TestUpdateCallback{
		OnReject: func(err error) { a.rejected = err },
		OnAccept: func() {},
		OnComplete: func(result any, err error) {
			a.completed, a.result, a.failed = true, result, err
		},
	}
}

func (r *run) update(after time.Duration, name, id string, argument any) *answer {
	a := &answer{}
	r.at(after, func() { r.UpdateWorkflow(name, id, a.callbacks(), argument) })
	return a
}

func reasonOf(err error) workflows.Reason {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return workflows.Reason(app.Type())
	}
	return ""
}

// carried returns the input of the next run.
func (r *run) carried() (workflows.ConnectionInput, bool) {
	var can *workflow.ContinueAsNewError
	if !errors.As(r.GetWorkflowError(), &can) {
		return workflows.ConnectionInput{}, false
	}
	var in workflows.ConnectionInput
	require.NoError(r.t, converter.GetDefaultDataConverter().FromPayloads(can.Input, &in))
	return in, true
}

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
		token, ok := a.result.(workflows.Token)
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
