package workflows_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
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

// directory is a scripted [workflows.ReconcileActivities]. What the real one does is tested in internal/reconcile.
type directory struct {
	// pages are what is found, by whether it is looked for deeply.
	pages map[bool][]workflows.ReconciledPage
	fail  func(attempt int) error

	attempts int
	asked    []workflows.ReconcilePage
	ended    []workflows.Orphans
	calls    []string
}

func (d *directory) ResendCallbacks(_ context.Context, in workflows.ReconcileScope) (workflows.ReconcileReport, error) {
	d.calls = append(d.calls, "callbacks")
	report := workflows.ReconcileReport{DryRun: in.DryRun}
	report.Add(workflows.FoundCallbackLost, workflows.ActResent, "con_waits")
	return report, nil
}

func (d *directory) ReconcileConnections(_ context.Context, in workflows.ReconcilePage) (workflows.ReconciledPage, error) {
	d.attempts++
	if d.fail != nil {
		if err := d.fail(d.attempts); err != nil {
			return workflows.ReconciledPage{}, err
		}
	}
	d.asked = append(d.asked, in)
	d.calls = append(d.calls, "connections after "+in.After)
	for i, page := range d.pages[in.Deep] {
		if in.After == "" || (i > 0 && d.pages[in.Deep][i-1].After == in.After) {
			page.Done = i == len(d.pages[in.Deep])-1
			return page, nil
		}
	}
	return workflows.ReconciledPage{Done: true}, nil
}

func (d *directory) EndOrphans(_ context.Context, in workflows.Orphans) (workflows.ReconcileReport, error) {
	d.calls = append(d.calls, "orphans")
	d.ended = append(d.ended, in)
	var report workflows.ReconcileReport
	for _, id := range in.IDs {
		report.Add(workflows.FoundRowMissing, workflows.ActEnded, id)
	}
	return report, nil
}

func (d *directory) Tidy(context.Context, workflows.ReconcileScope) (workflows.ReconcileReport, error) {
	d.calls = append(d.calls, "tidy")
	var report workflows.ReconcileReport
	report.AddCount(workflows.FoundTombstone, workflows.ActRemoved, 2)
	report.AddCount(workflows.FoundLink, workflows.ActRemoved, 0)
	return report, nil
}

var _ workflows.ReconcileActivities = (*directory)(nil)

// page is one with so many rows and workflows, up to an id, with findings in pairs of kind and act.
func page(after string, rows int64, findings ...string) workflows.ReconciledPage {
	p := workflows.ReconciledPage{After: after}
	p.Report.Rows, p.Report.Workflows = rows, rows
	for i := 0; i < len(findings); i += 2 {
		p.Report.Add(workflows.ReconcileKind(findings[i]), workflows.ReconcileAct(findings[i+1]), after)
	}
	return p
}

// ReconcileSuite tests the reconciler's workflow under time skipping.
type ReconcileSuite struct {
	suite.Suite
	testsuite.WorkflowTestSuite
}

func TestReconcile(t *testing.T) {
	t.Parallel()
	suite.Run(t, new(ReconcileSuite))
}

func (s *ReconcileSuite) SetupTest() {
	s.SetLogger(tlog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
}

func (s *ReconcileSuite) env(d *directory) *testsuite.TestWorkflowEnvironment {
	env := s.NewTestWorkflowEnvironment()
	env.SetTestTimeout(30 * time.Second)
	env.RegisterWorkflowWithOptions(workflows.Reconcile, workflow.RegisterOptions{Name: workflows.TypeReconcile})
	for name, f := range map[string]any{
		workflows.ActivityResendCallbacks: d.ResendCallbacks, workflows.ActivityReconcileConnections: d.ReconcileConnections,
		workflows.ActivityEndOrphans: d.EndOrphans, workflows.ActivityTidy: d.Tidy,
	} {
		env.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
	return env
}

func (s *ReconcileSuite) run(d *directory, in workflows.ReconcileInput) workflows.ReconcileReport {
	env := s.env(d)
	env.ExecuteWorkflow(workflows.TypeReconcile, in)
	s.Require().NoError(env.GetWorkflowError())
	var report workflows.ReconcileReport
	s.Require().NoError(env.GetWorkflowResult(&report))
	return report
}

func (s *ReconcileSuite) TestPages() {
	d := &directory{pages: map[bool][]workflows.ReconciledPage{false: {
		page("con_b", 500, "workflow_missing", "started", "row_behind", "repaired"),
		page("con_d", 500, "workflow_missing", "started", "unanswered", "failed"),
		page("con_e", 7),
	}}}
	report := s.run(d, workflows.ReconcileInput{})
	s.Equal([]string{"callbacks", "connections after ", "connections after con_b", "connections after con_d", "tidy"}, d.calls)
	s.EqualValues(1007, report.Rows)
	s.EqualValues(1007, report.Workflows)
	s.Equal([]int64{2, 1, 1, 2, 1, 0, 0}, []int64{
		report.Started, report.Repaired, report.Resent, report.Removed, report.Failed, report.Ended, report.Restarted,
	})
	s.Equal([]string{"con_b", "con_d"}, report.Findings[len(report.Findings)-1].Examples)
	s.Equal("1007 rows and 1007 workflows: callback_lost: 1 resent, row_behind: 1 repaired, tombstone_over: 2 removed, "+
		"unanswered: 1 failed, workflow_missing: 2 started", report.Summary())
}

func (s *ReconcileSuite) TestOwner() {
	d := &directory{pages: map[bool][]workflows.ReconciledPage{false: {page("con_b", 2)}}}
	report := s.run(d, workflows.ReconcileInput{ReconcileScope: workflows.ReconcileScope{Owner: "acme"}})
	s.Equal([]string{"callbacks", "connections after "}, d.calls, "what is over is of all owners")
	s.Equal("acme", d.asked[0].Owner)
	s.Len(report.Findings, 1)
	s.Equal("2 rows and 3 workflows: all is well", workflows.ReconcileReport{Rows: 2, Workflows: 3}.Summary())
}

func (s *ReconcileSuite) TestDryRun() {
	d := &directory{pages: map[bool][]workflows.ReconciledPage{
		false: {page("con_b", 2, "workflow_behind", "restarted")},
		true:  {page("con_b", 2, "workflow_behind", "restarted", "tokens_behind", "noted")},
	}}
	report := s.run(d, workflows.ReconcileInput{ReconcileScope: workflows.ReconcileScope{DryRun: true}})
	s.True(report.DryRun)
	s.NotContains(d.calls, "tidy")
	s.EqualValues(1, report.Restarted, "found twice, counted once")
	s.True(strings.HasPrefix(report.Summary(), "dry run, "))
	s.True(d.asked[1].DryRun)
}

// One workflow from before shows that there are others.
func (s *ReconcileSuite) TestOnceMoreAndDeeper() {
	d := &directory{pages: map[bool][]workflows.ReconciledPage{
		false: {page("con_b", 5, "workflow_behind", "restarted", "unanswered", "failed"), page("con_d", 5, "workflow_missing", "started")},
		true:  {page("con_c", 6, "workflow_behind", "restarted"), page("con_d", 4, "unanswered", "failed")},
	}}
	report := s.run(d, workflows.ReconcileInput{})
	s.True(report.Deep)
	s.EqualValues(10, report.Rows)
	s.EqualValues(2, report.Restarted)
	s.EqualValues(1, report.Started)
	s.EqualValues(1, report.Failed, "what failed before was tried again")
	s.Len(d.asked, 4)

	deep := &directory{pages: d.pages}
	report = s.run(deep, workflows.ReconcileInput{ReconcileScope: workflows.ReconcileScope{Deep: true}})
	s.Len(deep.asked, 2, "once is enough")
	s.True(report.Deep)
}

func orphans(page workflows.ReconciledPage, n int) workflows.ReconciledPage {
	for i := range n {
		page.Orphans = append(page.Orphans, fmt.Sprintf("con_%04d", i))
	}
	return page
}

func (s *ReconcileSuite) TestOrphans() {
	for _, c := range []struct {
		workflows   int64
		orphans     int
		all         bool
		ended, held int64
		batches     int
	}{
		{workflows: 25, orphans: 25, ended: 25, batches: 1},
		{workflows: 26, orphans: 26, held: 26},
		{workflows: 26, orphans: 26, all: true, ended: 26, batches: 1},
		{workflows: 5000, orphans: 250, ended: 250, batches: 3},
		{workflows: 5000, orphans: 251, held: 251},
		{workflows: 90000, orphans: 4500, ended: 500, held: 4000, batches: 5},
		{workflows: 100, orphans: 0},
	} {
		d := &directory{pages: map[bool][]workflows.ReconciledPage{false: {orphans(page("con_z", c.workflows), c.orphans)}}}
		report := s.run(d, workflows.ReconcileInput{EndOrphans: c.all})
		s.Equal(c.ended, report.Of(workflows.FoundRowMissing, workflows.ActEnded), "%+v", c)
		s.Equal(c.held, report.Of(workflows.FoundRowMissing, workflows.ActHeld), "%+v", c)
		s.Len(d.ended, c.batches, "%+v", c)
	}
}

func (s *ReconcileSuite) TestContinueAsNew() {
	d := &directory{pages: map[bool][]workflows.ReconciledPage{false: {
		page("con_b", 500, "workflow_missing", "started"), orphans(page("con_d", 500), 3), page("con_e", 7),
	}}}
	env := s.env(d)
	env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
		if info.ActivityType.Name == workflows.ActivityReconcileConnections && len(d.asked) == 1 {
			env.SetCurrentHistoryLength(450)
		}
	})
	env.ExecuteWorkflow(workflows.TypeReconcile, workflows.ReconcileInput{ReconcileScope: workflows.ReconcileScope{IncludeYoung: true}})
	var again *workflow.ContinueAsNewError
	s.Require().ErrorAs(env.GetWorkflowError(), &again)
	var next workflows.ReconcileInput
	s.Require().NoError(converter.GetDefaultDataConverter().FromPayloads(again.Input, &next))
	s.Equal("con_d", next.Carried.After)
	s.True(next.IncludeYoung)
	s.Len(next.Carried.Orphans, 3)

	report := s.run(d, next)
	s.Equal([]string{"callbacks", "connections after ", "connections after con_b", "connections after con_d", "orphans", "tidy"}, d.calls)
	s.EqualValues(1007, report.Rows)
	s.EqualValues(1, report.Started)
	s.EqualValues(1, report.Resent)
	s.EqualValues(3, report.Ended)
}

// A vault that is away for a while is waited for; what is then said is said once.
func (s *ReconcileSuite) TestVaultAway() {
	d := &directory{
		pages: map[bool][]workflows.ReconciledPage{false: {page("con_b", 5, "workflow_missing", "started")}},
		fail: func(attempt int) error {
			if attempt < 5 {
				return fails(workflows.ReasonVaultUnavailable)
			}
			return nil
		},
	}
	s.EqualValues(1, s.run(d, workflows.ReconcileInput{}).Started)
	s.Equal(5, d.attempts)
}

// One that stays away fails the run, with what was done up to there.
func (s *ReconcileSuite) TestVaultStaysAway() {
	d := &directory{fail: func(int) error { return fails(workflows.ReasonVaultUnavailable) }}
	env := s.env(d)
	env.ExecuteWorkflow(workflows.TypeReconcile, workflows.ReconcileInput{})
	var app *temporal.ApplicationError
	s.Require().ErrorAs(env.GetWorkflowError(), &app)
	s.Equal(string(workflows.ReasonVaultUnavailable), app.Type())
	s.True(app.NonRetryable())
	var report workflows.ReconcileReport
	s.Require().NoError(app.Details(&report))
	s.EqualValues(1, report.Resent)
	s.Greater(d.attempts, 10)
	s.Less(d.attempts, 40)
}

func (s *ReconcileSuite) TestCancelled() {
	d := &directory{fail: func(int) error { return fails(workflows.ReasonVaultUnavailable) }}
	env := s.env(d)
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
	env.ExecuteWorkflow(workflows.TypeReconcile, workflows.ReconcileInput{})
	s.True(temporal.IsCanceledError(env.GetWorkflowError()))
}

// TestReconcileContract: the words are closed tables, and each says what it means.
func TestReconcileContract(t *testing.T) {
	t.Parallel()
	require.Len(t, workflows.ReconcileKinds(), 17)
	require.Len(t, workflows.ReconcileActs(), 9)
	for _, kind := range workflows.ReconcileKinds() {
		for _, act := range workflows.ReconcileActs() {
			var report workflows.ReconcileReport
			report.Add(kind, act, "con_1")
			require.Regexp(t, `^[a-z_]+$`, string(kind))
			require.Regexp(t, `^[A-Z].*[.?] [A-Z].*\.$`, report.Findings[0].Message, "%s %s", kind, act)
		}
	}
}

// TestReconcileReport_Examples are ten at most, however many there are.
func TestReconcileReport_Examples(t *testing.T) {
	t.Parallel()
	var all workflows.ReconcileReport
	for range 3 {
		var report workflows.ReconcileReport
		for i := range 7 {
			report.Add(workflows.FoundRowMissing, workflows.ActEnded, fmt.Sprintf("con_%d", i))
		}
		report.Add(workflows.FoundRowEnded, workflows.ActEnded, "con_x")
		all.Merge(report)
	}
	require.Len(t, all.Findings, 2)
	require.EqualValues(t, 21, all.Of(workflows.FoundRowMissing, workflows.ActEnded))
	require.Len(t, all.Findings[1].Examples, 10)
	require.EqualValues(t, 24, all.Ended)
}
