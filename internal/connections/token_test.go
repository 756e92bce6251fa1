package connections_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/workflows"
)

const grant = "client_credentials"

// active is a connection with a token.
func active(t *testing.T, r *connectionstest.Rig) string {
	t.Helper()
	created, err := r.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme", Grant: grant})
	require.NoError(t, err)
	require.Empty(t, created.ConnectURL)
	r.AwaitStatus(created.ID, workflows.StatusActive)
	return created.ID
}

func requireCode(t *testing.T, err error, code string) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, code, connections.CodeOf(err), err)
	require.NotEmpty(t, err.Error())
}

func TestTokenOfALiveConnection(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	id := active(t, r)
	first, err := r.Client.Token(t.Context(), id, 0)
	require.NoError(t, err)
	second, err := r.Client.Token(t.Context(), id, time.Minute)
	require.NoError(t, err)
	require.Equal(t, first.Text.Reveal(), second.Text.Reveal())
	require.Equal(t, "Bearer", first.Type)
	require.Equal(t, "active", first.View.Status)
	require.Equal(t, 1, r.TokenRequests(grant))
}

func TestTokenIsAudited(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	id := active(t, r)
	named := connections.New(r.Client.Config)
	named.Caller = "an operator"
	for _, c := range []*connections.Client{r.Client, named, named} {
		_, err := c.Token(t.Context(), id, 0)
		require.NoError(t, err)
	}
	handouts, err := r.Vault.Handouts(t.Context(), id, 0)
	require.NoError(t, err)
	var count int64
	for _, h := range handouts {
		require.Equal(t, []string{"an operator", "client"}, []string{h.Who, h.Tier})
		count += h.Count
	}
	require.EqualValues(t, 2, count)
}

func TestTokenThatIsTooOldIsRefreshed(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	id := active(t, r)
	first, err := r.Client.Token(t.Context(), id, 0)
	require.NoError(t, err)
	second, err := r.Client.Token(t.Context(), id, time.Hour)
	require.NoError(t, err)
	require.NotEqual(t, first.Text.Reveal(), second.Text.Reveal())
	require.EqualValues(t, 2, second.View.Generation)
	r.Clock.Move(11 * time.Minute)
	third, err := r.Client.Token(t.Context(), id, 0)
	require.NoError(t, err)
	require.EqualValues(t, 3, third.View.Generation)
}

func TestTokenWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	id := active(t, r)
	require.NoError(t, r.Sandbox.SetFaults(sandbox.Faults{Status: 503, Body: "canary-of-the-provider"}))
	live, err := r.Client.Token(t.Context(), id, time.Hour)
	require.NoError(t, err, "the refresh fails, the token lives")
	require.False(t, live.Text.Empty())
	require.EqualValues(t, 1, live.View.Generation)
	r.Clock.Move(11 * time.Minute)
	_, err = r.Client.Token(t.Context(), id, 0)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "canary")
}

func TestTokenIsRefused(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	created, err := r.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme"})
	require.NoError(t, err)
	_, err = r.Client.Token(t.Context(), created.ID, 0)
	requireCode(t, err, "not_ready")
	_, err = r.Client.Token(t.Context(), "con_unknown", 0)
	requireCode(t, err, "not_found")
	for _, id := range []string{"", "con/../x", "CON", "a b", "connection/x"} {
		_, err = r.Client.Token(t.Context(), id, 0)
		requireCode(t, err, "invalid_request")
	}

	id := active(t, r)
	view, err := r.Client.Pause(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "paused", view.Status)
	_, err = r.Client.Token(t.Context(), id, 0)
	requireCode(t, err, "paused")
	_, err = r.Client.Refresh(t.Context(), id)
	requireCode(t, err, "paused")
	_, err = r.Client.Resume(t.Context(), id)
	require.NoError(t, err)
	_, err = r.Client.Token(t.Context(), id, 0)
	require.NoError(t, err)
}

func TestAfterDisconnect(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	id := active(t, r)
	_, err := r.Client.Disconnect(t.Context(), id)
	require.NoError(t, err)
	_, err = r.Client.Token(t.Context(), id, 0)
	requireCode(t, err, "disconnected")
	r.AwaitStatus(id, workflows.StatusDisconnected)
	view, err := r.Client.Status(t.Context(), id)
	require.NoError(t, err, "the tombstone answers")
	require.Equal(t, "disconnected", view.Status)
	require.Equal(t, "sandbox", view.Connector)
	require.Equal(t, "acme", view.Owner)
	require.NotEmpty(t, view.Message)
	require.Nil(t, view.ExpiresAt)
	for _, do := range []func() error{
		func() error { _, err := r.Client.Token(t.Context(), id, 0); return err },
		func() error { _, err := r.Client.Refresh(t.Context(), id); return err },
		func() error { _, err := r.Client.Reconnect(t.Context(), id); return err },
		func() error { _, err := r.Client.Pause(t.Context(), id); return err },
		func() error { _, err := r.Client.Disconnect(t.Context(), id); return err },
	} {
		requireCode(t, do(), "disconnected")
	}
}

// TestManyRefreshesAreOne: who saw the same generation shares one call at the provider.
func TestManyRefreshesAreOne(t *testing.T) {
	t.Parallel()
	r := connectionstest.New(t, connectionstest.Options{})
	id := active(t, r)
	require.NoError(t, r.Sandbox.SetFaults(sandbox.Faults{Count: 1, Delay: 2 * time.Second}))
	const callers = 50
	var (
		all   sync.WaitGroup
		views [callers]connections.View
		errs  [callers]error
	)
	for i := range callers {
		all.Go(func() { views[i], errs[i] = r.Client.Refresh(t.Context(), id) })
	}
	all.Wait()
	for i := range callers {
		require.NoError(t, errs[i])
		require.EqualValues(t, 2, views[i].Generation)
	}
	require.Equal(t, 2, r.TokenRequests(grant), "one to connect, one for all")
}
