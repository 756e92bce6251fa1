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
			c.want.path = "/forget"
			requireKnob(t, c.want, revokeAs, func(conn *connector.Connector) {
				c.revoke.URL = dir(conn.Token.URL) + "/forget"
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

// TestKnob_Revoke_ByGET_NoErrorHoldsTheURL, in which the token stands.
func TestKnob_Revoke_ByGET_NoErrorHoldsTheURL(t *testing.T) {
	t.Parallel()
	p := replying(t, 500, canary)
	conn := p.connector(func(c *connector.Connector) {
		post(c)
		c.Revoke.Method = http.MethodGet
	})
	requireFailure(t, revoke(t, conn), oauth.ServerError)
	require.NotEmpty(t, p.only(t).query)
	p.Close()
	requireFailure(t, revoke(t, conn), oauth.Unreachable)
	conn.Loopback = false
	requireFailure(t, newClient().Revoke(t.Context(), conn, app(), secret.New(theToken), "access_token"), oauth.EndpointWrong)
}
