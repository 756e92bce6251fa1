package activities_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// sharingRig is a provider that revokes grants rather than tokens, as Google does.
func sharingRig(t *testing.T, mod ...func(*connector.Connector)) (*rig, *endpoint) {
	t.Helper()
	e := newEndpoint(t, says(200, ""))
	return newRig(t, append([]func(*connector.Connector){func(c *connector.Connector) {
		c.Revoke = &connector.Revoke{URL: e.URL + "/revoke", Token: connector.FromRefreshToken}
		c.Metadata = []connector.Capture{{Path: "account"}}
		c.Sharing = &connector.Sharing{Identity: "account", RevokesAll: true}
	}}, mod...)...), e
}

// account is a connection of an account at the provider.
func (r *rig) account(t *testing.T, name string, mod ...func(*vault.Connection)) *rig {
	t.Helper()
	next := r.another(t)
	next.create(mod...)
	in := next.consent("req_1")
	next.fault(sandbox.Faults{Status: 200, Body: `{"access_token":"at of ` + next.id + `","refresh_token":"rt of ` + next.id + `","account":"` + name + `"}`, Count: 1})
	_, err := next.Exchange(t.Context(), in)
	require.NoError(t, err)
	return next
}

// end disconnects, as the workflow does.
func (r *rig) end() (revoked bool) {
	r.t.Helper()
	at := time.Now()
	require.NoError(r.t, r.Record(r.t.Context(), workflows.RecordInput{ID: r.id, Status: workflows.StatusDisconnecting, Seq: 8, At: at}))
	result, err := r.Revoke(r.t.Context(), workflows.RevokeInput{ID: r.id})
	require.NoError(r.t, err)
	require.NoError(r.t, r.Record(r.t.Context(), workflows.RecordInput{ID: r.id, Status: workflows.StatusDisconnected, Seq: 9, At: at, Erase: true}))
	return result.Revoked
}

func (r *rig) put(status workflows.ConnectionStatus) {
	r.t.Helper()
	require.NoError(r.t, r.vault.SetStatus(r.t.Context(), vault.StatusChange{ID: r.id, Status: string(status), Seq: 5, At: time.Now()}))
}

// TestSharing_TheLastOneRevokes: who goes before it would take the account away from those that stay.
func TestSharing_TheLastOneRevokes(t *testing.T) {
	t.Parallel()
	r, e := sharingRig(t)
	first, second, third := r.account(t, "jane"), r.account(t, "jane"), r.account(t, "jane")
	second.put(workflows.StatusNeedsReauth)
	third.put(workflows.StatusPaused)
	require.False(t, first.end())
	require.False(t, second.end())
	require.Empty(t, e.requests())
	require.True(t, third.end())
	requests := e.requests()
	require.Len(t, requests, 1)
	require.Equal(t, "rt of "+third.id, requests[0].params.Get("token"))
}

// TestSharing_WhoseGrantItIsNot does not count.
func TestSharing_WhoseGrantItIsNot(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T, *rig){
		"another account": func(t *testing.T, r *rig) { r.account(t, "joe") },
		"another owner's own app": func(t *testing.T, r *rig) {
			app, err := r.vault.Integration(t.Context(), sandbox.AppClientID)
			require.NoError(t, err)
			other := r.account(t, "jane")
			app.ID, app.Owner = "own:globex", "globex"
			require.NoError(t, r.vault.PutIntegration(t.Context(), app))
			require.NoError(t, r.vault.SetIntegration(t.Context(), other.id, app.ID))
		},
		"one without a token": func(t *testing.T, r *rig) { r.another(t).create() },
		"one that ends too":   func(t *testing.T, r *rig) { r.account(t, "jane").put(workflows.StatusDisconnecting) },
		"one that expired":    func(t *testing.T, r *rig) { r.account(t, "jane").put(workflows.StatusExpired) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, e := sharingRig(t)
			mine := r.account(t, "jane")
			prepare(t, r)
			require.True(t, mine.end())
			require.Len(t, e.requests(), 1)
		})
	}
}

// TestSharing_WhereATokenIsAToken: each connection revokes its own.
func TestSharing_WhereATokenIsAToken(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*connector.Connector){
		"revokes tokens":         func(c *connector.Connector) { c.Sharing.RevokesAll = false },
		"nothing is known of it": func(c *connector.Connector) { c.Sharing = nil },
		"accounts are unknown":   func(c *connector.Connector) { c.Sharing.Identity = "nobody tells" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, e := sharingRig(t, change)
			first, second := r.account(t, "jane"), r.account(t, "jane")
			require.True(t, first.end())
			require.True(t, second.end())
			require.Len(t, e.requests(), 2)
		})
	}
}

// TestSharing_AmongMany: the other one is found beyond the first page.
func TestSharing_AmongMany(t *testing.T) {
	t.Parallel()
	r, e := sharingRig(t)
	mine, other := r.account(t, "jane"), r.account(t, "jane")
	for i := range 1001 {
		require.NoError(t, r.vault.CreateConnection(t.Context(), vault.Connection{
			ID: fmt.Sprintf("a_%04d", i), Owner: "acme", Connector: "sandbox", IntegrationID: sandbox.AppClientID,
			Grant: string(workflows.GrantAuthorizationCode), Status: string(workflows.StatusPending), CreatedAt: time.Now(),
		}))
	}
	require.False(t, mine.end())
	require.True(t, other.end())
	require.Len(t, e.requests(), 1)
}
