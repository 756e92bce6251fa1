package activities_test

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// atHost is a provider that has its customers at hosts of their own.
func atHost(c *connector.Connector) {
	c.Inputs = []connector.Input{{Name: "host", Label: "host", Example: "127.0.0.1:1", Pattern: `^127\.0\.0\.1:[0-9]+$`}}
	c.Hosts = []string{"sandbox.example"}
	c.Token.URL, c.Revoke.URL = "https://{host}/token", "https://{host}/revoke"
}

// routes is a rig of such a provider with two hosts; the customer entered the first.
func routes(t *testing.T) (r *rig, first, second *endpoint) {
	t.Helper()
	r = newRig(t, atHost)
	first, second = newTLSEndpoint(t, r.provider.Handler().ServeHTTP), newTLSEndpoint(t, r.provider.Handler().ServeHTTP)
	roots := x509.NewCertPool()
	roots.AddCert(first.Certificate())
	roots.AddCert(second.Certificate())
	r.Activities = r.instance(func(c *activities.Deps) {
		c.OAuth = oauth.NewClient(workflows.HTTPLimit, time.Now).WithRoots(roots)
	})
	r.create(func(c *vault.Connection) { c.Inputs = map[string]string{"host": hostOf(first)} })
	return r, first, second
}

func hostOf(e *endpoint) string { return strings.TrimPrefix(e.URL, "https://") }

// leads is a callback that names the host of e.
func leads(e *endpoint) func(*vault.Consumption) {
	return func(c *vault.Consumption) { c.Inputs = map[string]string{"host": hostOf(e)} }
}

// TestRouted: where the provider says that the account is decides where the code goes, and all that follows.
func TestRouted(t *testing.T) {
	t.Parallel()
	r, first, second := routes(t)
	in := r.consent("req_1", leads(second))
	require.Equal(t, hostOf(first), r.row().Inputs["host"])
	_, err := r.Exchange(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"host": hostOf(second)}, r.row().Inputs)
	_, err = r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	result, err := r.Revoke(t.Context(), workflows.RevokeInput{ID: r.id})
	require.NoError(t, err)
	require.True(t, result.Revoked)
	require.Equal(t, []string{"/token", "/token", "/revoke", "/revoke"}, paths(second.requests()))
	require.Empty(t, first.requests(), "nothing goes where the customer was taken to be")
}

func TestRouted_AfterACrash(t *testing.T) {
	t.Parallel()
	r, first, second := routes(t)
	in := r.consent("req_1", leads(second))
	r.leaveBehind(vault.AttemptStart{Kind: "exchange", Generation: vault.AttemptAnyGeneration, RequestID: "req_1"}, 200,
		`{"access_token":"left behind","refresh_token":"left behind too"}`)
	_, err := r.Exchange(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"host": hostOf(second)}, r.row().Inputs)
	_, err = r.Refresh(t.Context(), r.renew(1))
	r.requireReason(err, workflows.ReasonGrantRejected) // the provider has never given it
	require.Equal(t, []string{"/token"}, paths(second.requests()))
	require.Empty(t, first.requests())
}

// TestRouted_OnlyByASuccess: the row's own inputs stay until the code was taken.
func TestRouted_OnlyByASuccess(t *testing.T) {
	t.Parallel()
	r, first, second := routes(t)
	_, err := r.Exchange(t.Context(), r.consent("req_1"))
	require.NoError(t, err)
	require.Equal(t, []string{"/token"}, paths(first.requests()))
	second.set(says(400, `{"error":"invalid_grant"}`))
	_, err = r.Exchange(t.Context(), r.consent("req_2", leads(second)))
	r.requireReason(err, workflows.ReasonCodeRejected)
	require.Len(t, second.requests(), 1)
	require.Equal(t, map[string]string{"host": hostOf(first)}, r.row().Inputs)
	_, err = r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.Empty(t, second.requests())
}
