package devserver_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/acme/connections/internal/devserver"
	"github.com/acme/connections/internal/devserver/devservertest"
)

func stop(t *testing.T, server *devserver.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	defer cancel()
	require.NoError(t, server.Stop(ctx))
	require.True(t, isDone(server), "Done is closed after Stop")
}

func isDone(server *devserver.Server) bool {
	select {
	case <-server.Done():
		return true
	default:
		return false
	}
}

func start(t *testing.T, opts devserver.Options) *devserver.Server {
	t.Helper()
	opts.Log = t.Output()
	server, err := devserver.Start(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { stop(t, server) })
	return server
}

func TestMemory(t *testing.T) {
	t.Parallel()
	server := devservertest.Start(t, "Colour")
	require.NotEmpty(t, server.Address)
	require.Empty(t, server.UIAddress)
	require.False(t, server.Adopted)
	require.False(t, isDone(server))

	c := devservertest.Client(t, server)
	startWorkflow(t, c, "memory", "Colour")
	stop(t, server)
	_, err := net.Dial("tcp", server.Address)
	require.Error(t, err)
}

// startWorkflow starts one that no worker runs. The server refuses it if it does not know the attribute.
func startWorkflow(t *testing.T, c client.Client, id, attribute string) {
	t.Helper()
	key := temporal.NewSearchAttributeKeyKeyword(attribute)
	_, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: id, TaskQueue: "nobody", TypedSearchAttributes: temporal.NewSearchAttributes(key.ValueSet("blue")),
	}, "Nothing")
	require.NoError(t, err)
}

func requireRunning(t *testing.T, c client.Client, id string) {
	t.Helper()
	description, err := c.DescribeWorkflow(t.Context(), id, "")
	require.NoError(t, err)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, description.Status)
}

func TestPersistence(t *testing.T) {
	t.Parallel()
	opts := devserver.Options{DataDir: t.TempDir(), DieWithParent: true, SearchAttributes: []string{"Colour"}}
	first := start(t, opts)
	startWorkflow(t, devservertest.Client(t, first), "kept", "Colour")
	stop(t, first)

	// An attribute that came with a new version of the program is usable at once.
	opts.SearchAttributes = append(opts.SearchAttributes, "Shape")
	second := start(t, opts)
	require.False(t, second.Adopted)
	require.NotEqual(t, first.PID, second.PID)
	c := devservertest.Client(t, second)
	requireRunning(t, c, "kept")
	startWorkflow(t, c, "new", "Shape")
}

func TestUIAndNamespace(t *testing.T) {
	t.Parallel()
	server := start(t, devserver.Options{UI: true, Namespace: "painters", SearchAttributes: []string{"Colour"}})
	require.NotEmpty(t, server.UIAddress)
	require.NotEqual(t, server.Address, server.UIAddress)
	c, err := client.Dial(client.Options{HostPort: server.Address, Namespace: "painters"})
	require.NoError(t, err)
	defer c.Close()
	startWorkflow(t, c, "picture", "Colour")
}
