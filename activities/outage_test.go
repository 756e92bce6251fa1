package activities_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// TestHandOut_WhatAWorkflowGives while the vault is away: the whole table, for both activities.
func TestHandOut_WhatAWorkflowGives(t *testing.T) {
	t.Parallel()
	status := func(s workflows.ConnectionStatus, r workflows.Reason) func(*vault.AccessRow) {
		return func(c *vault.AccessRow) { c.Status, c.Reason, c.AccessToken = string(s), string(r), nil }
	}
	needsPerson := func(c *vault.AccessRow) {
		c.Status, c.Reason = string(workflows.StatusNeedsReauth), string(workflows.ReasonGrantRejected)
	}
	away := workflows.ReasonVaultUnavailable
	for name, c := range map[string]struct {
		row     func(*vault.AccessRow)
		err     error
		in      workflows.TokenRequest
		reason  workflows.Reason
		final   bool
		awaited workflows.Reason // where it differs
	}{
		"live":             {},
		"live, its owner":  {in: workflows.TokenRequest{Owner: "acme"}},
		"live, another's":  {in: workflows.TokenRequest{Owner: "globex"}, reason: workflows.ReasonNotFound, final: true},
		"too short":        {in: workflows.TokenRequest{MinLifeSeconds: 3600}},
		"dead":             {row: func(c *vault.AccessRow) { c.ExpiresAt = time.Now().Add(-time.Second) }, reason: away},
		"no token":         {row: func(c *vault.AccessRow) { c.AccessToken = nil }, reason: away},
		"needs a person":   {row: needsPerson},
		"... and longer":   {row: needsPerson, in: workflows.TokenRequest{MinLifeSeconds: 3600}, awaited: away},
		"pending":          {row: status(workflows.StatusPending, ""), reason: workflows.ReasonNotReady, final: true, awaited: away},
		"paused":           {row: status(workflows.StatusPaused, workflows.ReasonPausedByRequest), reason: workflows.ReasonPausedByRequest, final: true, awaited: away},
		"disconnecting":    {row: status(workflows.StatusDisconnecting, workflows.ReasonDisconnectRequest), reason: workflows.ReasonDisconnectRequest, final: true},
		"no open workflow": {err: errors.New("canary"), reason: away},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row := live()
			row.Owner = "acme"
			if c.row != nil {
				c.row(&row)
			}
			c.in.ID = "con_1"
			var counted int64
			config := activities.HandOutConfig{
				Rows:        &rows{err: &vault.EngineError{Cause: "canary"}},
				Query:       func(context.Context, string) (vault.AccessRow, error) { return row, c.err },
				HandedOut:   func(h vault.Handout) { counted += h.Count },
				ParkAttempt: time.Millisecond,
			}
			generation := func(reason workflows.Reason) int64 {
				if reason != "" {
					return 0
				}
				return 3
			}
			require.Equal(t, []any{generation(c.reason), c.reason, c.final}, said(handOut(t, workflows.ActivityToken, c.in, config)))
			require.Equal(t, c.reason == "", counted == 1)
			if c.awaited != "" {
				c.reason, c.final = c.awaited, false
			}
			require.Equal(t, []any{generation(c.reason), c.reason, c.final}, said(handOut(t, workflows.ActivityAwaitToken, c.in, config)))
		})
	}
}
