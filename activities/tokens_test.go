package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/sqlitevault"
	"github.com/acme/connections/workflows"
)

// caller is a process of another team's, on a rig.
type caller struct {
	*connectionstest.Rig
	*activities.Tokens
	t *testing.T
}

func newCaller(t *testing.T, change ...func(*connector.Connector)) *caller {
	t.Helper()
	r := connectionstest.New(t, connectionstest.Options{Connector: func(c *connector.Connector) {
		for _, f := range change {
			f(c)
		}
	}})
	return &caller{Rig: r, Tokens: open(t, r, activities.Config{Owner: "acme"}), t: t}
}

func open(t *testing.T, r *connectionstest.Rig, c activities.Config) *activities.Tokens {
	t.Helper()
	c.Temporal, c.Caller, c.Log = r.Temporal, "test", slog.New(slog.DiscardHandler)
	tokens := activities.NewTokens(c, r.Vault, r.Keys.Access, r.Catalogue)
	t.Cleanup(func() { require.NoError(t, tokens.Close()) })
	return tokens
}

// active makes a connection with a token.
func (c *caller) active() string {
	c.t.Helper()
	created, err := c.Client.Create(c.t.Context(), connections.CreateRequest{
		Connector: "sandbox", Owner: "acme", Grant: workflows.GrantClientCredentials,
	})
	require.NoError(c.t, err)
	c.AwaitStatus(created.ID, workflows.StatusActive)
	return created.ID
}

func TestTokenAndItsSource(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	id := c.active()
	token, err := c.Token(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "Bearer", token.Type())
	require.EqualValues(t, 1, token.Generation())
	require.Equal(t, []string{"contacts.read"}, token.Scopes())
	require.WithinDuration(t, time.Now().Add(10*time.Minute), token.ExpiresAt(), time.Minute)
	source := c.TokenSource(t.Context(), id)
	same, err := source.Token()
	require.NoError(t, err)
	require.Equal(t, token.Reveal(), same.AccessToken)
	require.True(t, same.Valid())

	encoded, err := json.Marshal(map[string]any{"token": token})
	require.NoError(t, err)
	for _, printed := range []string{
		fmt.Sprint(token), fmt.Sprintf("%+v", token), fmt.Sprintf("%#v", token), fmt.Sprintf("%s %q %d", token, token, token), string(encoded),
	} {
		require.NotContains(t, printed, token.Reveal())
		require.Contains(t, printed, "[redacted]")
	}
	require.Empty(t, activities.Token{}.Reveal())
}

// TestADisconnectIsHeardByAll: process A disconnects, and B, which has the token cached, refuses within a second.
func TestADisconnectIsHeardByAll(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	id := c.active()
	_, err := c.Token(t.Context(), id)
	require.NoError(t, err)
	_, err = c.Client.Disconnect(t.Context(), id)
	require.NoError(t, err)
	from := time.Now()
	require.Eventually(t, func() bool {
		_, err = c.Token(t.Context(), id)
		return err != nil
	}, 5*time.Second, time.Millisecond)
	require.Less(t, time.Since(from), time.Second)
	var over *activities.Disconnected
	require.ErrorAs(t, err, &over)
	require.Equal(t, id, over.ConnectionID)
}

func TestRefusalsAreTyped(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	other := open(t, c.Rig, activities.Config{Owner: "another"})
	id := c.active()
	_, err := other.Token(t.Context(), id)
	var missing *activities.NotFound
	require.ErrorAs(t, err, &missing)
	requireApplicationError(t, err, "not_found", true)

	_, err = c.Client.Pause(t.Context(), id)
	require.NoError(t, err)
	_, err = open(t, c.Rig, activities.Config{}).Token(t.Context(), id)
	var paused *activities.Paused
	require.ErrorAs(t, err, &paused)
	requireApplicationError(t, err, "paused", true)

	created, err := c.Client.Create(t.Context(), connections.CreateRequest{Connector: "sandbox", Owner: "acme"})
	require.NoError(t, err)
	linked := open(t, c.Rig, activities.Config{ConnectURL: func(context.Context, string) string { return "https://connect.example/secret" }})
	_, err = linked.Token(t.Context(), created.ID)
	var needs *activities.NeedsReauthorization
	require.ErrorAs(t, err, &needs)
	require.Equal(t, "https://connect.example/secret", needs.ConnectURL)
	requireApplicationError(t, err, "not_ready", true)
	require.NotContains(t, err.Error(), "connect.example")
	kept := temporal.GetDefaultFailureConverter().ErrorToFailure(err)
	require.NotContains(t, kept.String(), "connect.example", "a link is a secret: Temporal does not get it")

	require.NoError(t, other.Close())
	_, err = other.Token(t.Context(), id)
	var away *activities.TemporarilyUnavailable
	require.ErrorAs(t, err, &away)
}

func requireApplicationError(t *testing.T, err error, code string, final bool) {
	t.Helper()
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.Equal(t, code, app.Type())
	require.Equal(t, final, app.NonRetryable())
}

// TestErrorsOfActivities: wrapped as deep as may be, Temporal sees our error alone.
func TestErrorsOfActivities(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	id := c.active()
	_, err := c.Client.Pause(t.Context(), id)
	require.NoError(t, err)
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{activities.TokenErrors()}})
	env.RegisterActivityWithOptions(func(ctx context.Context) error {
		_, err := c.Token(ctx, id)
		return fmt.Errorf("while on page 3 with %s: %w", canary, err)
	}, activity.RegisterOptions{Name: "wrapping"})
	env.RegisterActivityWithOptions(func(context.Context) error { return errors.New("its own") }, activity.RegisterOptions{Name: "own"})
	_, err = env.ExecuteActivity("wrapping")
	require.Error(t, err)
	require.NotContains(t, err.Error(), canary)
	requireApplicationError(t, err, "paused", true)
	_, err = env.ExecuteActivity("own")
	require.ErrorContains(t, err, "its own")
	require.NoError(t, activities.TemporalError(nil))
}

type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

// TestOpen reads the data directory of a worker that need not run.
func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := activities.Open(t.Context(), activities.Config{DataDir: dir})
	require.ErrorContains(t, err, "CONNECTIONS_ACCESS_KEYSET_FILE")
	dev := config.NewDev(dir)
	dev.TemporalAddress = "127.0.0.1:1"
	dev.Sandbox = config.Sandbox{
		Issuer: "http://127.0.0.1:1", Authorization: "http://127.0.0.1:1/a", Token: "http://127.0.0.1:1/t", Revocation: "http://127.0.0.1:1/r",
	}
	require.NoError(t, dev.Write())
	store, err := sqlitevault.Open(t.Context(), dev.VaultFile())
	require.NoError(t, err)
	access, err := keyring.LoadOrCreate(keyring.Access, dev.AccessKeyset())
	require.NoError(t, err)
	id := seed(t, store, access, 1)
	tokens, err := activities.Open(t.Context(), activities.Config{DataDir: dir, Owner: "acme", Caller: "reports"})
	require.NoError(t, err)
	token, err := tokens.Token(t.Context(), id)
	require.NoError(t, err)
	require.NotEmpty(t, token.Reveal())
	require.NoError(t, tokens.Close())
	handouts, err := store.Handouts(t.Context(), id, 0)
	require.NoError(t, err)
	require.Len(t, handouts, 1)
	require.Equal(t, "reports", handouts[0].Who)
	require.EqualValues(t, 1, handouts[0].Count)
	require.NoError(t, store.Close())
	require.NoFileExists(t, filepath.Join(dir, "keyset-vault.json"), "it was not needed")
}

// TestWhatAnotherKeysetSealed is not opened, and says so without a word of it.
func TestWhatAnotherKeysetSealed(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	id := c.active()
	other, err := keyring.LoadOrCreate(keyring.Access, filepath.Join(t.TempDir(), "other.json"))
	require.NoError(t, err)
	tokens := activities.NewTokens(activities.Config{}, vault.Access(c.Vault), other, c.Catalogue)
	t.Cleanup(func() { require.NoError(t, tokens.Close()) })
	_, err = tokens.Token(t.Context(), id)
	requireApplicationError(t, err, "key_missing", false)
}
