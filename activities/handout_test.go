package activities_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	tlog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// rows is a row that changes, and how often it was read.
type rows struct {
	mu    sync.Mutex
	row   vault.AccessRow
	err   error
	reads atomic.Int64
}

func (r *rows) AccessRow(context.Context, string) (vault.AccessRow, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads.Add(1)
	return r.row, r.err
}

func (r *rows) set(change func(*vault.AccessRow)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.row)
}

func live() vault.AccessRow {
	return vault.AccessRow{
		ID: "con_1", Status: "active", Generation: 3, TokenType: "Bearer", AccessToken: []byte("sealed"),
		ExpiresAt: time.Now().Add(time.Minute),
	}
}

// handOut runs one of the activities for callers, as a worker would.
func handOut(t *testing.T, name string, in workflows.TokenRequest, c activities.HandOutConfig) (workflows.AccessToken, error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(tlog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(20 * time.Second)
	activities.NewHandOut(c).Register(env)
	value, err := env.ExecuteActivity(name, in)
	var token workflows.AccessToken
	if err == nil {
		err = value.Get(&token)
	}
	return token, err
}

// TestHandOut_WhatARowGives: the whole table, for callers who wait for a person and for others.
func TestHandOut_WhatARowGives(t *testing.T) {
	t.Parallel()
	renewed := func(context.Context, string, int64, int64) (workflows.AccessToken, workflows.Reason) {
		return workflows.AccessToken{Status: workflows.StatusActive, Generation: 4, Sealed: []byte("sealed")}, workflows.ReasonNone
	}
	fails := func(reason workflows.Reason) func(context.Context, string, int64, int64) (workflows.AccessToken, workflows.Reason) {
		return func(context.Context, string, int64, int64) (workflows.AccessToken, workflows.Reason) {
			return workflows.AccessToken{}, reason
		}
	}
	dead := func(c *vault.AccessRow) { c.ExpiresAt = time.Now().Add(-time.Second) }
	status := func(s workflows.ConnectionStatus, r workflows.Reason) func(*vault.AccessRow) {
		return func(c *vault.AccessRow) { c.Status, c.Reason = string(s), string(r) }
	}
	both := func(a, b func(*vault.AccessRow)) func(*vault.AccessRow) {
		return func(c *vault.AccessRow) { a(c); b(c) }
	}
	for name, c := range map[string]struct {
		row     func(*vault.AccessRow)
		err     error
		minLife int64
		refresh func(context.Context, string, int64, int64) (workflows.AccessToken, workflows.Reason)
		// generation, or why not; awaited is the reason for callers who wait, where it differs.
		generation int64
		reason     workflows.Reason
		final      bool
		awaited    workflows.Reason
	}{
		"live":                            {generation: 3},
		"for ever":                        {row: func(c *vault.AccessRow) { c.ExpiresAt = time.Time{} }, minLife: 1e6, generation: 3},
		"too short":                       {minLife: 3600, refresh: renewed, generation: 4},
		"dead":                            {row: dead, refresh: renewed, generation: 4},
		"too short, provider away":        {minLife: 3600, refresh: fails(workflows.ReasonProviderUnavailable), generation: 3},
		"dead, provider away":             {row: dead, refresh: fails(workflows.ReasonProviderUnavailable), reason: workflows.ReasonProviderUnavailable},
		"dead, app wrong":                 {row: dead, refresh: fails(workflows.ReasonClientRejected), reason: workflows.ReasonClientRejected},
		"too short, nothing to renew":     {minLife: 3600, refresh: fails(workflows.ReasonNoRefreshToken), generation: 3, awaited: workflows.ReasonNoRefreshToken},
		"too short, disconnected":         {minLife: 3600, refresh: fails(workflows.ReasonDisconnected), reason: workflows.ReasonDisconnected, final: true},
		"too short, paused":               {minLife: 3600, refresh: fails(workflows.ReasonPaused), reason: workflows.ReasonPaused, final: true},
		"degraded":                        {row: status(workflows.StatusDegraded, workflows.ReasonProviderUnavailable), generation: 3},
		"needs a person, lives":           {row: status(workflows.StatusNeedsReauth, workflows.ReasonGrantRejected), generation: 3},
		"needs a person, lives too short": {row: status(workflows.StatusNeedsReauth, workflows.ReasonGrantRejected), minLife: 3600, generation: 3, awaited: workflows.ReasonGrantRejected},
		"needs a person":                  {row: both(dead, status(workflows.StatusNeedsReauth, workflows.ReasonRotationLost)), reason: workflows.ReasonRotationLost, final: true},
		"pending":                         {row: status(workflows.StatusPending, ""), reason: workflows.ReasonNotReady, final: true},
		"paused":                          {row: status(workflows.StatusPaused, workflows.ReasonPausedByRequest), reason: workflows.ReasonPausedByRequest, final: true},
		"disconnecting":                   {row: status(workflows.StatusDisconnecting, ""), reason: workflows.ReasonDisconnected, final: true},
		"expired":                         {row: status(workflows.StatusExpired, ""), reason: workflows.ReasonConsentExpired, final: true},
		"no such row":                     {err: vault.ErrNotFound, reason: workflows.ReasonNotFound, final: true},
		"vault away":                      {err: &vault.EngineError{Cause: "canary"}, reason: workflows.ReasonVaultUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &rows{row: live(), err: c.err}
			if c.row != nil {
				c.row(&r.row)
			}
			in := workflows.TokenRequest{ID: "con_1", MinLifeSeconds: c.minLife}
			config := activities.HandOutConfig{Rows: r, Refresh: c.refresh, ParkAttempt: time.Millisecond}
			require.Equal(t, []any{c.generation, c.reason, c.final}, said(handOut(t, workflows.ActivityToken, in, config)))
			got, err := handOut(t, workflows.ActivityAwaitToken, in, config)
			if c.awaited != "" {
				require.Equal(t, []any{int64(0), c.awaited, false}, said(got, err))
				return
			}
			// Who waits for a person tries again.
			final := c.final
			if refused, is := workflows.AsTokenError(err); is && refused.Kind.NeedsPerson() {
				final = false
			}
			require.Equal(t, []any{c.generation, c.reason, final}, said(got, err))
		})
	}
}

// said is the outcome of a call: the generation, or the reason and whether it is final.
func said(token workflows.AccessToken, err error) []any {
	var app *temporal.ApplicationError
	if refused, is := workflows.AsTokenError(err); is && errors.As(err, &app) {
		return []any{int64(0), refused.Reason, app.NonRetryable()}
	}
	return []any{token.Generation, workflows.ReasonNone, false}
}

// TestAwaitToken_WokenByTheVault: told of changes, it does not poll; without, it does.
func TestAwaitToken_WokenByTheVault(t *testing.T) {
	t.Parallel()
	for _, told := range []bool{true, false} {
		r := &rows{row: live()}
		r.set(func(c *vault.AccessRow) { c.Status = "paused" })
		var changes activities.Changes
		if told {
			changes.Ready()
		}
		type answer struct {
			token workflows.AccessToken
			err   error
		}
		done := make(chan answer)
		go func() {
			token, err := handOut(t, workflows.ActivityAwaitToken, workflows.TokenRequest{ID: "con_1"}, activities.HandOutConfig{Rows: r, Changes: &changes})
			done <- answer{token, err}
		}()
		require.Eventually(t, func() bool { return r.reads.Load() > 0 }, 10*time.Second, time.Millisecond)
		changes.Changed("con_other")
		r.set(func(c *vault.AccessRow) { c.Status = "active" })
		begun := time.Now()
		changes.Changed("con_1")
		got := <-done
		require.NoError(t, got.err)
		require.EqualValues(t, 3, got.token.Generation)
		require.Less(t, time.Since(begun), 5*time.Second, "sooner than the look that is taken all the same")
	}
}
