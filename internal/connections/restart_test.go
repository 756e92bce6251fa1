package connections_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/workflows"
)

// An operator has cancelled or terminated the workflow: the row is still there, and says what to do; "reconnect" gives
// it a new workflow that goes on from the vault.
func TestReconnectRestartsWhatWasEnded(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *connectionstest.Rig, string) error{
		"terminated": func(t *testing.T, r *connectionstest.Rig, id string) error {
			return r.Temporal.TerminateWorkflow(t.Context(), workflows.WorkflowID(id), "", "by hand")
		},
		"cancelled": func(t *testing.T, r *connectionstest.Rig, id string) error {
			if err := r.Temporal.CancelWorkflow(t.Context(), workflows.WorkflowID(id), ""); err != nil {
				return err
			}
			require.Error(t, r.Temporal.GetWorkflow(t.Context(), workflows.WorkflowID(id), "").Get(t.Context(), nil))
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := connectionstest.New(t, connectionstest.Options{})
			created, err := r.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme", Grant: workflows.GrantClientCredentials})
			require.NoError(t, err)
			r.AwaitStatus(created.ID, workflows.StatusActive)
			before, err := r.Client.Token(t.Context(), created.ID, 0)
			require.NoError(t, err)
			require.NoError(t, end(t, r, created.ID))

			_, err = r.Client.Refresh(t.Context(), created.ID)
			require.ErrorContains(t, err, "starter reconnect")
			still, err := r.Client.Token(t.Context(), created.ID, 0)
			require.NoError(t, err, "the vault hands out what lives")
			require.True(t, before.Text.Equal(still.Text))

			view, err := r.Client.Reconnect(t.Context(), created.ID)
			require.NoError(t, err)
			require.Equal(t, created.ID, view.ID)
			refreshed, err := r.Client.Refresh(t.Context(), created.ID)
			require.NoError(t, err)
			require.Greater(t, refreshed.Generation, before.View.Generation)
			require.Equal(t, "active", refreshed.Status)
		})
	}
}
