package activities_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

const (
	shortReply = `{"access_token":"short","expires_in":3600}`
	longReply  = `{"access_token":"long","expires_in":5184000}`
)

// upgrades is a provider as Instagram is: a short-lived token at the exchange, swapped for a long-lived one, which then
// renews itself.
func upgrades(e *endpoint) func(*connector.Connector) {
	return func(c *connector.Connector) {
		c.Token.Auth = connector.AuthPost
		c.Upgrade = &connector.Upgrade{
			URL: e.URL + "/upgrade?v=1", Params: map[string]string{"grant_type": "swap_token"}, TokenParam: "access_token",
		}
		c.Refresh = connector.Refresh{
			URL: e.URL + "/refresh", Method: http.MethodGet, TokenSource: connector.FromAccessToken, TokenParam: "access_token",
			Params: map[string]string{"grant_type": "renew_token", "client_id": "", "client_secret": ""},
		}
	}
}

// connectShort brings the connection to generation 1, with the short-lived token.
func (r *rig) connectShort() workflows.TokenSet {
	r.t.Helper()
	r.create()
	in := r.consent("req_1")
	r.fault(sandbox.Faults{Status: 200, Body: shortReply, Count: 1})
	set, err := r.Exchange(r.t.Context(), in)
	require.NoError(r.t, err)
	return set
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, says(200, longReply))
	r := newRig(t, upgrades(e))
	set := r.connectShort()
	row := r.row()
	short := workflows.TokenSet{
		Generation: 1, IssuedAt: row.IssuedAt, ExpiresAt: row.IssuedAt.Add(time.Hour), RenewTo: row.IssuedAt, Scopes: appScopes,
		Type: "Bearer", Renewable: true, Sealed: row.AccessToken, ConsentedAt: row.ConsentedAt,
	}
	require.Equal(t, short, set)
	require.Equal(t, map[string]string{"token_kind": "short_lived"}, row.Metadata)
	require.Empty(t, e.requests(), "the exchange does not wait for it")
	require.Equal(t, set.IssuedAt.Add(5*time.Second), workflows.NextRenewal(r.id, set), "it is the first renewal, and due at once")

	set, err := r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	row = r.row()
	require.Equal(t, workflows.TokenSet{
		Generation: 2, IssuedAt: row.IssuedAt, ExpiresAt: row.IssuedAt.Add(60 * 24 * time.Hour), Scopes: appScopes,
		Type: "Bearer", Renewable: true, Sealed: row.AccessToken, ConsentedAt: row.ConsentedAt,
	}, set)
	require.Equal(t, map[string]string{"token_kind": "long_lived"}, row.Metadata)
	requests := e.requests()
	require.Len(t, requests, 1)
	require.Equal(t, http.MethodGet, requests[0].method)
	require.Equal(t, "/upgrade", requests[0].path)
	require.Equal(t, url.Values{
		"v": {"1"}, "grant_type": {"swap_token"}, "access_token": {"short"},
		"client_id": {sandbox.AppClientID}, "client_secret": {r.provider.Clients().App.Secret.Reveal()},
	}, requests[0].params)

	e.set(says(200, `{"access_token":"long 2","expires_in":5184000}`))
	set, err = r.Refresh(t.Context(), r.renew(2))
	require.NoError(t, err)
	require.EqualValues(t, 3, set.Generation)
	require.Zero(t, set.RenewTo)
	requests = e.requests()
	require.Len(t, requests, 1)
	require.Equal(t, "/refresh", requests[0].path)
	require.Equal(t, url.Values{"grant_type": {"renew_token"}, "access_token": {"long"}}, requests[0].params)
	access, refresh := r.tokens()
	require.Equal(t, "long 2", access)
	require.Empty(t, refresh)
	require.Equal(t, map[string]string{"token_kind": "long_lived"}, r.row().Metadata)
	r.requireSilent(r.log.String())
}

// TestUpgrade_AfterANewConsent begins with a short-lived token again.
func TestUpgrade_AfterANewConsent(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, says(200, longReply))
	r := newRig(t, upgrades(e))
	r.connectShort()
	_, err := r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	in := r.consent("req_2")
	r.fault(sandbox.Faults{Status: 200, Body: shortReply, Count: 1})
	set, err := r.Exchange(t.Context(), in)
	require.NoError(t, err)
	require.EqualValues(t, 3, set.Generation)
	require.Equal(t, set.IssuedAt, set.RenewTo)
	require.Equal(t, "short_lived", r.row().Metadata["token_kind"])
	e.requests()
	_, err = r.Refresh(t.Context(), r.renew(3))
	require.NoError(t, err)
	require.Equal(t, "/upgrade", e.requests()[0].path)
}

// TestUpgrade_ThatFails leaves the short-lived token where it is: it spends nothing, and is tried again.
func TestUpgrade_ThatFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		want   workflows.Reason
	}{
		"500":            {says(500, canary), workflows.ReasonProviderUnavailable},
		"page":           {says(200, "<html>"+canary), workflows.ReasonProviderUnavailable},
		"no answer":      {hangsUp, workflows.ReasonProviderUnavailable},
		"429":            {says(429, ""), workflows.ReasonProviderThrottled},
		"not understood": {says(400, `{"error":{"message":"`+canary+`","code":190}}`), workflows.ReasonReplyUnknown},
		"404":            {says(404, canary), workflows.ReasonEndpointWrong},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t, c.answer)
			r := newRig(t, upgrades(e))
			r.connectShort()
			before := r.row()
			for range 2 {
				_, err := r.Refresh(t.Context(), r.renew(1))
				r.requireReason(err, c.want)
				require.Len(t, e.requests(), 1)
			}
			row := r.row()
			require.Equal(t, before.AccessToken, row.AccessToken)
			require.Equal(t, before.Metadata, row.Metadata)
			require.EqualValues(t, 1, row.Generation)

			e.set(says(200, longReply))
			set, err := r.Refresh(t.Context(), r.renew(1))
			require.NoError(t, err)
			require.EqualValues(t, 2, set.Generation)
			require.Equal(t, "/upgrade", e.requests()[0].path)
			require.Equal(t, "long_lived", r.row().Metadata["token_kind"])
		})
	}
}

// TestUpgrade_ACrashBetween: what was answered is finished from the vault, exchange and swap alike.
func TestUpgrade_ACrashBetween(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, says(500, canary))
	r := newRig(t, upgrades(e))
	r.create()
	in := r.consent("req_1")
	r.leaveBehind(vault.AttemptStart{Kind: "exchange", Generation: vault.AttemptAnyGeneration, RequestID: "req_1"}, 200, shortReply)
	set, err := r.instance().Exchange(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, set.IssuedAt, set.RenewTo)
	require.True(t, set.Renewable)
	require.Equal(t, "short_lived", r.row().Metadata["token_kind"])

	r.leaveBehind(vault.AttemptStart{Kind: "refresh", Generation: 1}, 200, longReply)
	set, err = r.instance().Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.EqualValues(t, 2, set.Generation)
	require.Zero(t, set.RenewTo)
	require.Equal(t, "long_lived", r.row().Metadata["token_kind"])
	access, _ := r.tokens()
	require.Equal(t, "long", access)
	require.Empty(t, e.requests())
}

// TestUpgrade_OfARotatingRefreshToken: nothing is spent by the swap, and everything by what comes after it.
func TestUpgrade_OfARotatingRefreshToken(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, says(200, `{"access_token":"long","refresh_token":"rt"}`))
	r := newRig(t, upgrades(e), func(c *connector.Connector) { c.Refresh = connector.Refresh{} })
	set := r.connectShort()
	require.False(t, set.Rotates)
	set, err := r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.True(t, set.Rotates)
	require.True(t, set.Renewable)
	r.fault(sandbox.Faults{Status: 500, Count: 1})
	_, err = r.Refresh(t.Context(), r.renew(2))
	r.requireReason(err, workflows.ReasonReplyLost)
}
