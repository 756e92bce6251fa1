package activities_test

import (
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// unreachable points the connector to an address where nobody listens.
func unreachable(t testing.TB) func(*activities.Deps) {
	t.Helper()
	server := httptest.NewServer(nil)
	server.Close()
	return func(config *activities.Deps) {
		c, err := config.Catalogue.Get(t.Context(), "sandbox")
		require.NoError(t, err)
		c.Token.URL, c.Revoke = server.URL+"/token", &connector.Revoke{URL: server.URL + "/revoke"}
		config.Catalogue = &connector.Catalogue{}
		require.NoError(t, config.Catalogue.Add(c))
	}
}

func appType(err error) string {
	var app *temporal.ApplicationError
	if !errors.As(err, &app) {
		return ""
	}
	return app.Type()
}

func TestRefresh_Failures(t *testing.T) {
	t.Parallel()
	rotating, static := true, false
	yes, no := &rotating, &static
	rigs := map[*bool]*rig{}
	for _, rotates := range []*bool{yes, no, nil} {
		rigs[rotates] = newRig(t, func(conn *connector.Connector) { conn.Refresh.Rotates = rotates })
	}
	code := func(status int, code string) sandbox.Faults {
		return sandbox.Faults{Status: status, Body: `{"error":"` + code + `","error_description":"` + canary + `"}`}
	}
	for name, c := range map[string]struct {
		fault   sandbox.Faults
		rotates *bool
		want    workflows.Reason
		next    vault.AttemptOutcome // of an attempt that does not settle
		wait    time.Duration
	}{
		"500":                     {sandbox.Faults{Status: 500, Body: canary}, yes, workflows.ReasonReplyLost, vault.BeginInDoubt, 0},
		"500, nobody knows":       {sandbox.Faults{Status: 500}, nil, workflows.ReasonReplyLost, vault.BeginInDoubt, 0},
		"500, does not rotate":    {sandbox.Faults{Status: 500, RetryAfter: "9"}, no, workflows.ReasonProviderUnavailable, vault.BeginStarted, 9 * time.Second},
		"cut, does not rotate":    {sandbox.Faults{LoseReplyAfter: true}, no, workflows.ReasonProviderUnavailable, vault.BeginStarted, 0},
		"page":                    {sandbox.Faults{Status: 200, Body: "<html>" + canary}, yes, workflows.ReasonReplyUnreadable, vault.BeginInDoubt, 0},
		"page, does not rotate":   {sandbox.Faults{Status: 200, Body: "<html>" + canary}, no, workflows.ReasonProviderUnavailable, vault.BeginStarted, 0},
		"429":                     {sandbox.Faults{Status: 429, Body: canary, RetryAfter: "7"}, yes, workflows.ReasonProviderThrottled, vault.BeginStarted, 7 * time.Second},
		"429, for ever":           {sandbox.Faults{Status: 429, RetryAfter: "99999999"}, yes, workflows.ReasonProviderThrottled, vault.BeginStarted, 24 * time.Hour},
		"429, no wish":            {sandbox.Faults{Status: 429}, yes, workflows.ReasonProviderThrottled, vault.BeginStarted, 0},
		"temporarily_unavailable": {code(503, "temporarily_unavailable"), yes, workflows.ReasonProviderThrottled, vault.BeginStarted, 0},
		"invalid_client":          {sandbox.Faults{RejectClient: true}, yes, workflows.ReasonClientRejected, vault.BeginStarted, 0},
		"invalid_grant":           {code(400, "invalid_grant"), yes, workflows.ReasonGrantRejected, vault.BeginStarted, 0},
		"interaction_required":    {code(400, "interaction_required"), yes, workflows.ReasonInteractionRequired, vault.BeginStarted, 0},
		"access_denied":           {code(403, "access_denied"), yes, workflows.ReasonGrantRejected, vault.BeginStarted, 0},
		"invalid_scope":           {code(400, "invalid_scope"), yes, workflows.ReasonScopeRejected, vault.BeginStarted, 0},
		"unauthorized_client":     {code(400, "unauthorized_client"), yes, workflows.ReasonAppMisconfigured, vault.BeginStarted, 0},
		"redirect":                {sandbox.Faults{Status: 302}, yes, workflows.ReasonEndpointWrong, vault.BeginStarted, 0},
		"404":                     {sandbox.Faults{Status: 404, Body: canary}, yes, workflows.ReasonEndpointWrong, vault.BeginStarted, 0},
		"401, empty":              {sandbox.Faults{Status: 401}, yes, workflows.ReasonReplyUnknown, vault.BeginStarted, 0},
		"400, unknown":            {code(400, canary), yes, workflows.ReasonReplyUnknown, vault.BeginStarted, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := rigs[c.rotates].another(t)
			r.connect()
			before := r.row()
			c.fault.Count = 1
			r.fault(c.fault)
			_, err := r.Refresh(t.Context(), r.renew(1))
			app := r.reasonOf(err, c.want)
			require.Equal(t, c.wait, app.NextRetryDelay())
			var details workflows.FailureDetails
			require.NoError(t, app.Details(&details))
			require.EqualValues(t, c.wait/time.Second, details.RetryAfterSeconds)

			row := r.row()
			require.EqualValues(t, 1, row.Failures)
			require.EqualValues(t, 1, row.Generation)
			require.Equal(t, before.RefreshToken, row.RefreshToken)
			require.Equal(t, 1, r.calls("refresh_token"))
			require.Equal(t, c.next, r.lastAttempt(false).Outcome)
		})
	}
}

func TestRefresh_ConnectionRefusedRetriesFreely(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	dead := r.instance(unreachable(t))
	for n := range int64(3) {
		_, err := dead.Refresh(t.Context(), r.renew(1))
		r.requireReason(err, workflows.ReasonProviderUnavailable)
		require.Equal(t, n+1, r.row().Failures)
	}
	_, err := r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.Zero(t, r.row().Failures)
}

// TestRefresh_WhatIsMissing: nothing is sent, and the reason says what.
func TestRefresh_WhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mod  func(testing.TB, *activities.Deps)
		want workflows.Reason
	}{
		"connector": {func(_ testing.TB, c *activities.Deps) { c.Catalogue = &connector.Catalogue{} }, workflows.ReasonConnectorMissing},
		"keyset":    {func(t testing.TB, c *activities.Deps) { c.Keys.Vault = newKeys(t, t.TempDir()).Vault }, workflows.ReasonKeyMissing},
		"vault":     {func(_ testing.TB, c *activities.Deps) { c.Vault = awayVault{c.Vault} }, workflows.ReasonVaultUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.connect()
			broken := r.instance(func(config *activities.Deps) { c.mod(t, config) })
			for range 2 {
				_, err := broken.Refresh(t.Context(), r.renew(1))
				r.requireReason(err, c.want)
			}
			if c.want != workflows.ReasonVaultUnavailable {
				_, err := broken.Revoke(t.Context(), workflows.RevokeInput{ID: r.id})
				r.requireReason(err, c.want)
			}
			require.Zero(t, r.calls("refresh_token"))
			require.Zero(t, r.provider.Stats().Revocations)
			_, err := r.Refresh(t.Context(), r.renew(1)) // nothing was spent
			require.NoError(t, err)
		})
	}
	t.Run("integration", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.connect()
		require.NoError(t, r.vault.SetIntegration(t.Context(), r.id, "none"))
		_, err := r.Refresh(t.Context(), r.renew(1))
		r.requireReason(err, workflows.ReasonIntegrationMissing)
		require.Zero(t, r.calls("refresh_token"))
	})
	t.Run("connection", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		_, err := r.Refresh(t.Context(), r.renew(1))
		r.requireReason(err, workflows.ReasonNotFound)
		_, err = r.Revoke(t.Context(), workflows.RevokeInput{ID: r.id})
		r.requireReason(err, workflows.ReasonNotFound)
		_, err = r.ClientCredentials(t.Context(), r.renew(0))
		r.requireReason(err, workflows.ReasonNotFound)
		r.requireReason(r.Record(t.Context(), workflows.RecordInput{ID: r.id, At: time.Now()}), workflows.ReasonNotFound)
	})
}

// TestRefresh_OldKeysetOfTheTokens: client secrets open, the refresh token does not.
func TestRefresh_OldKeysetOfTheTokens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	require.NoError(t, r.vault.PutIntegration(t.Context(), vault.Integration{ID: sandbox.AppClientID, Connector: "sandbox", ClientID: sandbox.AppClientID}))
	other := r.instance(func(c *activities.Deps) { c.Keys = newKeys(t, t.TempDir()) })
	_, err := other.Refresh(t.Context(), r.renew(1))
	r.requireReason(err, workflows.ReasonKeyMissing)
	require.Zero(t, r.calls("refresh_token"))
}
