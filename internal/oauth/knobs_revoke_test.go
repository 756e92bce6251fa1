package oauth_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

// TestKnob_Revoke: each provider forgets a token in its own way (K19).
func TestKnob_Revoke(t *testing.T) {
	t.Parallel()
	asBasic := basic("id", canary+"-secret")
	for name, c := range map[string]struct {
		revoke connector.Revoke
		mod    func(*connector.Connector)
		want   expected
	}{
		"RFC 7009 §2.1, with the client in the body": {
			mod: post,
			want: expected{form: map[string]string{
				"token": theToken, "token_type_hint": "refresh_token", "client_id": "id", "client_secret": canary + "-secret",
			}},
		},
		"Slack: the token itself, and nothing else": {
			revoke: connector.Revoke{Auth: connector.RevokeByBearer, TokenParam: "-", Token: connector.FromAccessToken},
			want:   expected{header: map[string]string{"Authorization": "Bearer " + theToken}},
		},
		"Facebook: DELETE, with the token itself": {
			revoke: connector.Revoke{Method: http.MethodDelete, Auth: connector.RevokeByBearer, TokenParam: "-"},
			want:   expected{method: http.MethodDelete, header: map[string]string{"Authorization": "Bearer " + theToken}},
		},
		"Google: the token without the client": {
			revoke: connector.Revoke{Auth: connector.RevokeWithoutKey, TokenParam: "token"},
			want:   expected{form: map[string]string{"token": theToken}},
		},
		"GitHub: DELETE, JSON and Basic": {
			revoke: connector.Revoke{Method: http.MethodDelete, Body: connector.BodyJSON, TokenParam: "access_token"},
			want:   expected{method: http.MethodDelete, header: map[string]string{"Authorization": asBasic}, json: map[string]string{"access_token": theToken}},
		},
		"GitHub: the client in the path, and with Basic where its exchange has it in the body": {
			mod: post,
			revoke: connector.Revoke{
				URL: "/applications/{client_id}/token", Method: http.MethodDelete, Body: connector.BodyJSON, Auth: connector.RevokeByBasic,
				TokenParam: "access_token",
			},
			want: expected{
				method: http.MethodDelete, path: "/applications/id/token", header: map[string]string{"Authorization": asBasic},
				json: map[string]string{"access_token": theToken},
			},
		},
		"Stripe Connect: the account instead of a token": {
			mod: func(c *connector.Connector) {
				*c = c.WithMetadata(map[string]string{"stripe_user_id": "acct_1"})
			},
			revoke: connector.Revoke{
				Auth: connector.RevokeWithoutKey, TokenParam: "-", Headers: map[string]string{"Authorization": "Bearer {client_secret}"},
				Params: map[string]string{"client_id": "{client_id}", "stripe_user_id": "{metadata.stripe_user_id}"},
			},
			want: expected{
				header: map[string]string{"Authorization": "Bearer " + canary + "-secret"},
				form:   map[string]string{"client_id": "id", "stripe_user_id": "acct_1"},
			},
		},
		"Square: the secret in a header of its own": {
			revoke: connector.Revoke{
				Body: connector.BodyJSON, Auth: connector.RevokeWithoutKey, TokenParam: "access_token",
				Headers: map[string]string{"Authorization": "Client {client_secret}"}, Params: map[string]string{"client_id": "{client_id}"},
			},
			want: expected{
				header: map[string]string{"Authorization": "Client " + canary + "-secret"},
				json:   map[string]string{"access_token": theToken, "client_id": "id"},
			},
		},
		"Zoho: GET": {
			revoke: connector.Revoke{Method: http.MethodGet, Auth: connector.RevokeWithoutKey, TokenParam: "token"},
			want:   expected{method: http.MethodGet, query: map[string]string{"token": theToken}, header: map[string]string{"Content-Type": ""}},
		},
		"TikTok: the client under its other name": {
			mod: func(c *connector.Connector) {
				post(c)
				c.Token.Rename = map[string]string{"client_id": "client_key"}
			},
			revoke: connector.Revoke{TokenParam: "token"},
			want:   expected{form: map[string]string{"token": theToken, "client_key": "id", "client_secret": canary + "-secret"}},
		},
		"Deezer and others: an API key header of their own": {
			mod:    func(c *connector.Connector) { c.API = &connector.API{Header: "X-Token", Scheme: "-"} },
			revoke: connector.Revoke{Auth: connector.RevokeByBearer, TokenParam: "-"},
			want:   expected{header: map[string]string{"X-Token": theToken}},
		},
		"more parameters": {
			revoke: connector.Revoke{Params: map[string]string{"all": "1", "token_type_hint": ""}},
			want:   expected{header: map[string]string{"Authorization": asBasic}, form: map[string]string{"token": theToken, "all": "1"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.want.path = either(c.want.path, "/forget")
			requireKnob(t, c.want, revokeAs, func(conn *connector.Connector) {
				c.revoke.URL = dir(conn.Token.URL) + either(c.revoke.URL, "/forget")
				conn.Revoke = &c.revoke
				conn.Token.Params = map[string]string{"not": "here"}
				if c.mod != nil {
					c.mod(conn)
				}
			})
		})
	}
}

// TestKnob_Revoke_SuccessFlag: a 200 that says no is no success, unless the token is gone already.
func TestKnob_Revoke_SuccessFlag(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]oauth.Kind{
		`{"ok":true,"revoked":true}`:                      "",
		`{"ok":false,"error":"token_revoked"}`:            "",
		`{"ok":false,"error":"token_expired"}`:            "",
		`{"ok":false,"error":"ratelimited"}`:              oauth.Throttled,
		`{"ok":false,"error":"` + canary + `"}`:           oauth.UnknownError,
		`{"ok":false}`:                                    oauth.UnknownError,
		`{"error":"invalid_client","x":"` + canary + `"}`: oauth.InvalidClient,
	} {
		p := replying(t, 200, body)
		err := revoke(t, p.connector(func(c *connector.Connector) {
			c.Reply.Success = &connector.Success{Path: "ok", Equals: "true"}
			c.Reply.Errors = []connector.ErrorRule{{Equals: "token_revoked", Means: "invalid_grant"}, {Equals: "ratelimited", Means: "throttled"}}
		}))
		if want == "" {
			require.NoError(t, err, body)
			continue
		}
		requireFailure(t, err, want)
	}
}

// TestKnob_Revoke_PhaseOfARule: what means that a token is gone may mean something else at the token endpoint.
func TestKnob_Revoke_PhaseOfARule(t *testing.T) {
	t.Parallel()
	p := replying(t, 401, `{"error":"invalid_client","error_description":"This application is not connected to stripe account acct_1, or that account does not exist."}`)
	conn := p.connector(func(c *connector.Connector) {
		c.Reply.Errors = []connector.ErrorRule{{Phase: "revoke", Path: "error_description", Contains: "not connected to stripe account", Means: "invalid_grant"}}
	})
	require.NoError(t, revoke(t, conn))
	_, err := refreshAs(t, conn, app())
	requireFailure(t, err, oauth.InvalidClient)
}

// TestKnob_Revoke_ClientInThePath stays in its place.
func TestKnob_Revoke_ClientInThePath(t *testing.T) {
	t.Parallel()
	p := replying(t, 204, "")
	conn := p.connector(func(c *connector.Connector) { c.Revoke.URL = dir(c.Token.URL) + "/applications/{client_id}/token" })
	require.NoError(t, newClient().Revoke(t.Context(), conn, oauth.App{ClientID: "../../x?y#z ü"}, secret.New(theToken), "access_token"))
	r := p.only(t)
	require.Equal(t, "/applications/../../x?y#z ü/token", r.path, "one segment, escaped")
	require.Empty(t, r.query)
}

// TestKnob_Revoke_ByGET_NoErrorHoldsTheURL, in which the token stands.
func TestKnob_Revoke_ByGET_NoErrorHoldsTheURL(t *testing.T) {
	t.Parallel()
	p := replying(t, 500, canary)
	byGET := func(c *connector.Connector) {
		post(c)
		c.Revoke.Method = http.MethodGet
	}
	conn := p.connector(byGET)
	requireFailure(t, revoke(t, conn), oauth.ServerError)
	require.NotEmpty(t, p.only(t).query)
	requireFailure(t, revoke(t, at(nobody, byGET)), oauth.Unreachable)
	conn.Loopback = false
	requireFailure(t, newClient().Revoke(t.Context(), conn, app(), secret.New(theToken), "access_token"), oauth.EndpointWrong)
}
