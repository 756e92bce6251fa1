// Package devservertest gives tests a real Temporal server.
package devservertest

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/acme/connections/internal/devserver"
)

// Start starts a server in memory, with the search attributes as keywords. It ends with the test, and with the test
// process. The first start on a machine without a Temporal CLI builds one, which takes minutes: raise -timeout there.
func Start(t testing.TB, searchAttributes ...string) *devserver.Server {
	t.Helper()
	server, err := devserver.Start(t.Context(), devserver.Options{
		SearchAttributes: searchAttributes,
		Log:              t.Output(),
		DieWithParent:    true,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.WithoutCancel(t.Context()))) })
	return server
}

// Client connects to the server's default namespace, without logging. It is closed with the test.
func Client(t testing.TB, server *devserver.Server) client.Client {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: server.Address,
		Logger:   log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}
