package connections_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

const patience = 20 * time.Second

// startless is the real Temporal, gone between the look at its health and the start.
type startless struct{ client.Client }

func (startless) ExecuteWorkflow(context.Context, client.StartWorkflowOptions, any, ...any) (client.WorkflowRun, error) {
	return nil, errors.New("connection refused: canary-of-the-driver")
}

func TestCreateUndoesWhatItBegan(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	c := r.NewClient(startless{r.Temporal}, "http://127.0.0.1:9")
	_, err := c.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme"})
	require.Equal(t, connections.CodeTemporalUnavailable, connections.CodeOf(err))
	require.NotContains(t, err.Error(), "canary")
	pending, err := c.List(t.Context(), vault.ConnectionFilter{Status: "pending"})
	require.NoError(t, err)
	require.Empty(t, pending)
	expired, err := c.List(t.Context(), vault.ConnectionFilter{Status: "expired"})
	require.NoError(t, err)
	require.Len(t, expired, 1)
	require.NotEmpty(t, expired[0].Message)
	_, err = c.Token(t.Context(), expired[0].ID, 0)
	require.Equal(t, "consent_expired", connections.CodeOf(err))
}

func TestReconnectUndoesWhatItBegan(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	id := expired(t, r)
	_, err := r.NewClient(startless{r.Temporal}, "http://127.0.0.1:9").Reconnect(t.Context(), id)
	require.Equal(t, connections.CodeTemporalUnavailable, connections.CodeOf(err))
	row, err := r.Client.Row(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "expired", row.Status)
	// And it can be had once Temporal is there.
	view, err := r.Client.Reconnect(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "pending", view.Status)
}

// expired is a connection that nobody consented to.
func expired(t *testing.T, r *connectionstest.Rig) string {
	t.Helper()
	r.Clock.Move(-connections.ConsentWindow - time.Minute)
	created, err := r.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme"})
	require.NoError(t, err)
	r.Clock.Move(connections.ConsentWindow + time.Minute)
	r.AwaitStatus(created.ID, workflows.StatusExpired)
	return created.ID
}

func TestReconnectRevivesAnExpiredConnection(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	id := expired(t, r)
	view, err := r.Client.Reconnect(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, id, view.ID)
	require.Equal(t, "pending", view.Status)
	require.Equal(t, "awaiting_consent", view.Reason)
	require.NotNil(t, view.ConnectURL)
	link, err := r.Vault.Link(t.Context(), connections.HashSecret((*view.ConnectURL)[len("http://127.0.0.1:9/connect/"):]))
	require.NoError(t, err)
	require.Equal(t, id, link.ConnectionID)
	row, err := r.Client.Row(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "pending", row.Status)
	// Twice changes nothing but the link.
	again, err := r.Client.Reconnect(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "pending", again.Status)
	require.NotEqual(t, *view.ConnectURL, *again.ConnectURL)
}

func TestTwoReviveAtOnce(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	id := expired(t, r)
	errs := make(chan error, 5)
	for range cap(errs) {
		go func() {
			_, err := r.Client.Reconnect(t.Context(), id)
			errs <- err
		}()
	}
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	r.AwaitStatus(id, workflows.StatusPending)
}

// TestReconnectStartsWhatWasNeverStarted: the process died between the row and the start of its workflow.
func TestReconnectStartsWhatWasNeverStarted(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	require.NoError(t, r.Vault.CreateConnection(t.Context(), vault.Connection{
		ID: "con_" + strings.ReplaceAll(uuid.NewString(), "-", ""), Owner: "acme", Connector: "sandbox",
		IntegrationID: connections.PlatformIntegrationID("sandbox", "client_credentials"), Grant: "client_credentials",
		Status: "pending", CreatedAt: time.Now(),
	}))
	rows, err := r.Client.List(t.Context(), vault.ConnectionFilter{})
	require.NoError(t, err)
	_, err = r.Client.Reconnect(t.Context(), rows[0].ID)
	require.NoError(t, err)
	r.AwaitStatus(rows[0].ID, workflows.StatusActive)
}
