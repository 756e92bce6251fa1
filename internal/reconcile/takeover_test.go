package reconcile_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	tlog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/reconcile"
	"github.com/acme/connections/workflows"
)

// environment runs one activity at a time: as an attempt after the one that left these details, in a worker that is
// asked to stop by the channel.
func (r *rig) environment(details any, stop chan struct{}) *testsuite.TestActivityEnvironment {
	r.t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(tlog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	if details != nil {
		env.SetHeartbeatDetails(details)
	}
	if stop != nil {
		env.SetWorkerStopChannel(stop)
	}
	reconcile.New(r.Client).Register(registry{env})
	return env
}

// registry is a worker's registry that only takes functions of fixed names.
type registry struct {
	*testsuite.TestActivityEnvironment
}

var _ worker.ActivityRegistry = registry{}

func (r registry) RegisterActivity(any) { panic("activities have names") }

func (r registry) RegisterDynamicActivity(any, activity.DynamicRegisterOptions) {
	panic("activities have names")
}

func (r *rig) page(env *testsuite.TestActivityEnvironment, after string) (workflows.ReconciledPage, error) {
	r.t.Helper()
	var page workflows.ReconciledPage
	value, err := env.ExecuteActivity(workflows.ActivityReconcileConnections, workflows.ReconcilePage{
		ReconcileScope: workflows.ReconcileScope{Owner: r.owner}, After: after,
	})
	if err == nil {
		require.NoError(r.t, value.Get(&page))
	}
	return page, err
}

// TestTakeover: the worker that was at a page is gone. Another goes on from where it said it was, with what it had done.
func TestTakeover(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	ids := sorted(
		r.row(workflows.GrantAuthorizationCode, workflows.StatusPaused, time.Hour),
		r.row(workflows.GrantAuthorizationCode, workflows.StatusPaused, time.Hour),
		r.row(workflows.GrantAuthorizationCode, workflows.StatusPaused, time.Hour),
	)
	left := workflows.ReconciledPage{After: ids[0], Orphans: []string{"an-orphan"}}
	left.Report.Rows, left.Report.Workflows = 1, 1
	left.Report.Add(workflows.FoundWorkflowMissing, workflows.ActStarted, ids[0])
	page, err := r.page(r.environment(left, nil), "")
	require.NoError(t, err)
	require.True(t, page.Done)
	require.Equal(t, ids[2], page.After)
	require.Equal(t, []string{"an-orphan"}, page.Orphans)
	require.EqualValues(t, 3, page.Report.Rows)
	require.Equal(t, ids, page.Report.Findings[0].Examples)
	require.EqualValues(t, 3, page.Report.Started)

	// What nobody can read is begun anew.
	page, err = r.page(r.environment("what is this", nil), ids[1])
	require.NoError(t, err)
	require.EqualValues(t, 1, page.Report.Rows)
}

// TestStop: a worker that is about to stop hands the rest on, and has not said that it is done.
func TestStop(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	id := r.row(workflows.GrantAuthorizationCode, workflows.StatusPaused, time.Hour)
	stop := make(chan struct{})
	close(stop)
	page, err := r.page(r.environment(nil, stop), "con_")
	require.NoError(t, err)
	require.False(t, page.Done)
	require.Equal(t, "con_", page.After)
	require.Zero(t, page.Report.Rows)
	page, err = r.page(r.environment(nil, nil), page.After)
	require.NoError(t, err)
	require.True(t, page.Done)
	require.Equal(t, id, page.After)
}

// TestAway: while the vault or Temporal is away nothing is judged, and the error is one of ours.
func TestAway(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	r.row(workflows.GrantAuthorizationCode, workflows.StatusPaused, time.Hour)
	client := r.NewClient(connectionstest.LazyTemporal(t, "127.0.0.1:9"), "http://127.0.0.1:9")
	r.Client = client
	_, err := r.page(r.environment(nil, nil), "")
	requireReason(t, err, workflows.ReasonInternal)
	require.NoError(t, r.Vault.Close())
	for name, argument := range map[string]any{
		workflows.ActivityReconcileConnections: workflows.ReconcilePage{},
		workflows.ActivityResendCallbacks:      workflows.ReconcileScope{},
		workflows.ActivityTidy:                 workflows.ReconcileScope{},
		workflows.ActivityEndOrphans:           workflows.Orphans{IDs: []string{"con_1"}},
	} {
		_, err := r.environment(nil, nil).ExecuteActivity(name, argument)
		requireReason(t, err, workflows.ReasonVaultUnavailable)
	}
}

func requireReason(t *testing.T, err error, reason workflows.Reason) {
	t.Helper()
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.Equal(t, string(reason), app.Type())
	require.Equal(t, reason.Sentence(), app.Message())
	require.False(t, app.NonRetryable())
}
