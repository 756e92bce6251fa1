package activities_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/workflows"
)

const (
	accessToken  = "access token of the reply"
	refreshToken = "refresh token of the reply"
)

// TestRevoke_Styles: which tokens a provider is told, in which order, and who tells it.
func TestRevoke_Styles(t *testing.T) {
	t.Parallel()
	type asked struct{ token, hint string }
	both := []asked{{refreshToken, "refresh_token"}, {accessToken, "access_token"}}
	for name, c := range map[string]struct {
		revoke connector.Revoke
		want   []asked
	}{
		"the usual":                 {connector.Revoke{}, both},
		"both, by name":             {connector.Revoke{Token: connector.RevokeBoth, Auth: connector.RevokeAsClient}, both},
		"refresh token":             {connector.Revoke{Token: connector.FromRefreshToken}, both[:1]},
		"access token":              {connector.Revoke{Token: connector.FromAccessToken}, both[1:]},
		"nobody in particular":      {connector.Revoke{Auth: connector.RevokeWithoutKey}, both},
		"its bearer":                {connector.Revoke{Auth: connector.RevokeByBearer}, both[1:]},
		"its bearer, whatever else": {connector.Revoke{Auth: connector.RevokeByBearer, Token: connector.FromRefreshToken}, both[1:]},
		"its bearer, in the header only": {
			connector.Revoke{Auth: connector.RevokeByBearer, TokenParam: "-"}, []asked{{}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t, says(200, ""))
			c.revoke.URL = e.URL + "/revoke"
			r := newRig(t, func(conn *connector.Connector) { conn.Revoke = &c.revoke })
			r.connectTo(`{"access_token":"` + accessToken + `","refresh_token":"` + refreshToken + `"}`)
			result, err := r.Revoke(t.Context(), workflows.RevokeInput{ID: r.id})
			require.NoError(t, err)
			require.True(t, result.Revoked)
			var got []asked
			for _, s := range e.requests() {
				got = append(got, asked{s.params.Get("token"), s.params.Get("token_type_hint")})
				_, _, client := s.basic()
				require.Equal(t, c.revoke.Auth == "" || c.revoke.Auth == connector.RevokeAsClient, client)
				require.Equal(t, c.revoke.Auth == connector.RevokeByBearer, s.header.Get("Authorization") == "Bearer "+accessToken)
				if !client {
					require.NotContains(t, s.all, r.provider.Clients().App.Secret.Reveal())
				}
			}
			require.Equal(t, c.want, got)
			r.requireSilent(r.log.String())
		})
	}
}

// TestRevoke_WhatThereIs: a token that was never given is not revoked.
func TestRevoke_WhatThereIs(t *testing.T) {
	t.Parallel()
	for which, want := range map[string]int{"": 1, connector.FromAccessToken: 1, connector.FromRefreshToken: 0} {
		e := newEndpoint(t, says(200, ""))
		r := newRig(t, func(c *connector.Connector) { c.Revoke = &connector.Revoke{URL: e.URL, Token: which} })
		r.connectTo(`{"access_token":"` + accessToken + `"}`)
		result, err := r.Revoke(t.Context(), workflows.RevokeInput{ID: r.id})
		require.NoError(t, err)
		require.Equal(t, want > 0, result.Revoked)
		require.Len(t, e.requests(), want)
	}
}

// connectTo brings the connection to generation 1 with a reply of the test's own.
func (r *rig) connectTo(reply string) {
	r.t.Helper()
	r.create()
	in := r.consent("req_1")
	r.fault(sandbox.Faults{Status: 200, Body: reply, Count: 1})
	_, err := r.Exchange(r.t.Context(), in)
	require.NoError(r.t, err)
}
