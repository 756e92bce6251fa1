package e2e_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/workflows"
)

// reconcile runs the verb and reads its report.
func (s *system) reconcile(args ...string) (workflows.ReconcileReport, string) {
	s.t.Helper()
	r := s.starter(append([]string{"reconcile", "-o", "json"}, args...)...)
	require.Zero(s.t, r.exit, r.stdout+r.stderr)
	var report workflows.ReconcileReport
	require.NoError(s.t, json.Unmarshal([]byte(r.stdout), &report), r.stdout)
	return report, r.stdout
}

// The worker is killed, and every workflow is terminated by hand. The vault has all that is needed: the reconciler
// starts them again, and each has a fresh token with no second consent. What is said about it holds no secret.
func TestReconcilerStartsWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := newSystemWith(t, []string{"--sandbox-token-life", "20s"})
	in := newInsider(t, s)
	person := s.view("connect", "sandbox", "--owner", "acme")
	in.consent(*person.ConnectURL)
	s.await(person.ID, active)
	machine := s.view("connect", "sandbox", "--grant", "client_credentials", "--wait")
	pending := s.view("connect", "sandbox", "--owner", "acme")
	for _, id := range []string{person.ID, machine.ID} {
		in.learn(id)
	}
	before := map[string]int64{}
	s.kill()
	temporal := s.temporal()
	for _, id := range []string{person.ID, machine.ID, pending.ID} {
		row, err := in.store.Connection(t.Context(), id)
		require.NoError(t, err)
		before[id] = row.Generation
		require.NoError(t, temporal.TerminateWorkflow(t.Context(), workflows.WorkflowID(id), "", "by hand"))
	}
	s.start()

	report, _ := s.reconcile()
	require.Empty(t, report.Findings, "they are younger than five minutes")
	require.EqualValues(t, 3, report.Young)
	dry, _ := s.reconcile("--dry-run", "--include-young")
	require.EqualValues(t, 3, dry.Started)
	report, said := s.reconcile("--include-young")
	require.EqualValues(t, 3, report.Rows)
	require.EqualValues(t, 3, report.Of(workflows.FoundWorkflowMissing, workflows.ActStarted))
	require.Len(t, report.Findings, 1)
	require.ElementsMatch(t, []string{person.ID, machine.ID, pending.ID}, report.Findings[0].Examples)

	for _, id := range []string{person.ID, machine.ID} {
		s.await(id, func(v connections.View) bool { return v.Status == "active" && v.Generation > before[id] })
		require.Equal(t, 200, s.call(s.dev.Sandbox.API, s.token(id)))
		in.learn(id)
	}
	require.Equal(t, "pending", s.view("status", pending.ID).Status)
	again, _ := s.reconcile("--include-young", "--deep")
	require.Empty(t, again.Findings)
	require.True(t, again.Deep)

	text := s.starter("reconcile")
	require.Zero(t, text.exit, text.stderr)
	require.Contains(t, text.stdout, "Looked at 3 rows and 3 workflows")
	require.Contains(t, text.stdout, "All is well.")
	require.Equal(t, 2, s.starter("reconcile", "surplus").exit)

	// The schedule is there, and a pause of it outlives the next start.
	schedule := temporal.ScheduleClient().GetHandle(t.Context(), workflows.ReconcilerID)
	require.Eventually(t, func() bool {
		return schedule.Pause(t.Context(), client.SchedulePauseOptions{Note: "by hand"}) == nil
	}, patience, 100*time.Millisecond, "a worker makes it soon after its start")
	s.stop()
	s.start()
	schedule = s.temporal().ScheduleClient().GetHandle(t.Context(), workflows.ReconcilerID)
	description, err := schedule.Describe(t.Context())
	require.NoError(t, err)
	require.True(t, description.Schedule.State.Paused)

	in.search("the report", []byte(said))
	runs := 0
	for _, e := range s.executions() {
		content, err := protojson.Marshal(e.history)
		require.NoError(t, err)
		in.search("the history of "+e.workflowID, content)
		for _, event := range e.history.GetEvents() {
			raw, err := proto.Marshal(event)
			require.NoError(t, err)
			in.search("an event of "+e.workflowID, raw)
		}
		if e.workflowID == connections.ReconcileID {
			runs++
		}
	}
	require.Equal(t, 5, runs)
	in.search("the worker's log", []byte(s.log.String()))
	require.Contains(t, s.log.String(), "found=workflow_missing act=started connection="+person.ID)
	in.searchFiles(s)
	s.replayAll()
}
