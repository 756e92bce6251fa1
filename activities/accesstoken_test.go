package activities_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// TestRefresh_ByAccessToken: there is no refresh token, and renewing spends nothing.
func TestRefresh_ByAccessToken(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, says(200, `{"access_token":"second"}`))
	r := newRig(t, func(c *connector.Connector) {
		c.Refresh = connector.Refresh{URL: e.URL + "/refresh", TokenSource: connector.FromAccessToken, TokenParam: "access_token"}
	})
	r.create()
	in := r.consent("req_1")
	r.fault(sandbox.Faults{Status: 200, Body: `{"access_token":"first"}`, Count: 1})
	set, err := r.Exchange(t.Context(), in)
	require.NoError(t, err)
	require.True(t, set.Renewable)
	require.False(t, set.Rotates, "though nobody says that it does not")
	require.False(t, workflows.NextRenewal(r.id, set).IsZero(), "also of unknown expiry")
	before := r.row()
	require.Nil(t, before.RefreshToken)

	for _, answer := range []func(http.ResponseWriter, *http.Request){says(500, canary), says(200, "<html>"), hangsUp} {
		e.set(answer)
		_, err = r.Refresh(t.Context(), r.renew(1))
		r.requireReason(err, workflows.ReasonProviderUnavailable)
		require.Equal(t, vault.BeginStarted, r.lastAttempt(false).Outcome)
		require.Equal(t, before.AccessToken, r.row().AccessToken)
	}

	e.requests()
	e.set(says(200, `{"access_token":"second"}`))
	set, err = r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.True(t, set.Renewable)
	requests := e.requests()
	require.Len(t, requests, 1)
	require.Equal(t, url.Values{"grant_type": {"refresh_token"}, "access_token": {"first"}}, requests[0].params)
	access, refresh := r.tokens()
	require.Equal(t, "second", access)
	require.Empty(t, refresh)
}
