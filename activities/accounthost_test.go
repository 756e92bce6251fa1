package activities_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/workflows"
)

// silent is a reply that names no expiry.
const silent = `{"access_token":"at of nobody knows when","refresh_token":"rt"}`

// answers lets the provider's next token reply be this one.
func (r *rig) answers(body string) {
	r.t.Helper()
	r.fault(sandbox.Faults{Status: 200, Body: body, Count: 1})
}

// TestRefresh_AtTheAccountsOwnHost, once the provider has told it: Wrike.
func TestRefresh_AtTheAccountsOwnHost(t *testing.T) {
	t.Parallel()
	e := newTLSEndpoint(t, says(200, `{"access_token":"at","refresh_token":"rt"}`))
	roots := x509.NewCertPool()
	roots.AddCert(e.Certificate())
	r := newRig(t, func(c *connector.Connector) {
		c.Hosts = []string{"sandbox.example"}
		c.Metadata = []connector.Capture{{Path: "host", Pattern: `^127\.0\.0\.1:[0-9]+$|^evil\.example$`}}
		c.Refresh.URL = "https://{metadata.host}/own/token"
	})
	r.Activities = r.instance(func(c *activities.Deps) {
		c.OAuth = oauth.NewClient(workflows.HTTPLimit, time.Now).WithRoots(roots)
	})
	r.create()
	in := r.consent("req_1")
	r.answers(`{"access_token":"at","refresh_token":"rt","host":"` + hostOf(e) + `"}`)
	_, err := r.Exchange(t.Context(), in)
	require.NoError(t, err)
	_, err = r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.Equal(t, []string{"/own/token"}, paths(e.requests()))
	require.Zero(t, r.calls("refresh_token"))

	e.set(says(200, `{"access_token":"at","refresh_token":"rt","host":"evil.example"}`))
	_, err = r.Refresh(t.Context(), r.renew(2))
	require.NoError(t, err)
	require.Len(t, e.requests(), 1)
	r.answers(`{"access_token":"at","refresh_token":"rt"}`)
	_, err = r.Refresh(t.Context(), r.renew(3))
	require.NoError(t, err, "what is none of the provider's hosts gets nothing: it goes to the token endpoint")
	require.Empty(t, e.requests())
}

// TestRevoke_ByAccount: a provider that is told the account, and a connection that does not know it.
func TestRevoke_ByAccount(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, says(200, ""))
	r := newRig(t, func(c *connector.Connector) {
		c.Metadata = []connector.Capture{{Path: "account"}}
		c.Revoke = &connector.Revoke{
			URL: e.URL + "/deauthorize", Auth: connector.RevokeWithoutKey, TokenParam: "-", Token: connector.FromAccessToken,
			Params: map[string]string{"account": "{metadata.account}"}, Headers: map[string]string{"Authorization": "Bearer {client_secret}"},
		}
	})
	r.create()
	in := r.consent("req_1")
	r.answers(silent)
	_, err := r.Exchange(t.Context(), in)
	require.NoError(t, err)
	result, err := r.Revoke(t.Context(), workflows.RevokeInput{ID: r.id})
	require.NoError(t, err)
	require.False(t, result.Revoked)
	require.Empty(t, e.requests())

	r.answers(`{"access_token":"at","refresh_token":"rt","account":"acct_1"}`)
	_, err = r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	result, err = r.Revoke(t.Context(), workflows.RevokeInput{ID: r.id})
	require.NoError(t, err)
	require.True(t, result.Revoked)
	requests := e.requests()
	require.Len(t, requests, 1)
	require.Equal(t, "acct_1", requests[0].params.Get("account"))
	require.Equal(t, "Bearer "+r.provider.Clients().App.Secret.Reveal(), requests[0].header.Get("Authorization"))
}
