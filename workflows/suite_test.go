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
	// read says when the token was last read; nil for always just now.
	read func() time.Time
	// shape changes each token set.
	shape func(*workflows.TokenSet)

	mu         sync.Mutex
	generation int64
	attempts   int
	calls      []time.Time
	settled    int
	forced     int
	unread     int
	last       workflows.TokenSet
	exchanged  int
	revoked    int
	records    []workflows.RecordInput
}

func fails(reason workflows.Reason) error { return failsWith(reason, workflows.FailureDetails{}) }

func failsWith(reason workflows.Reason, details workflows.FailureDetails) error {
	return temporal.NewApplicationErrorWithOptions(reason.Sentence(), string(reason), temporal.ApplicationErrorOptions{
		NonRetryable: reason.Class() != workflows.ClassTransient, Details: []any{details},
		NextRetryDelay: time.Duration(details.RetryAfterSeconds) * time.Second,
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
	if p.shape != nil {
		p.shape(&set)
	}
	p.last = set
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
	if !in.UnreadSince.IsZero() && p.read != nil && p.read().Before(in.UnreadSince) {
		p.unread++
		set := p.last
		set.Unread = true
		return set, nil
	}
	p.attempts++
	p.calls = append(p.calls, p.now())
	if in.Forced {
		p.forced++
	}
	if in.Settle {
		p.settled++
	}
	if p.fail != nil {
		if err := p.fail(p.now(), p.attempts); err != nil {
			return workflows.TokenSet{}, reported(in, err)
		}
	}
	return p.issue(), nil
}

// reported does what RenewInput.Report asks for.
func reported(in workflows.RenewInput, err error) error {
	var app *temporal.ApplicationError
	if !in.Report || !errors.As(err, &app) || app.Type() == string(workflows.ReasonQueued) {
		return err
	}
	var details workflows.FailureDetails
	_ = app.Details(&details)
	return temporal.NewApplicationErrorWithOptions(app.Message(), app.Type(), temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{details}})
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

func (p *provider) Probe(context.Context, workflows.ProbeInput) (workflows.BreakerState, error) {
	return workflows.BreakerState{}, errors.New("connections do not probe")
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

func (r *run) token() workflows.AccessToken {
	value, err := r.QueryWorkflow(workflows.QueryToken)
	require.NoError(r.t, err)
	var token workflows.AccessToken
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
