package oauth_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
)

// told is what a provider's reply comes to, over the wire.
func told(t *testing.T, do ask, status int, body string, knob func(*connector.Connector)) (oauth.Reply, error) {
	t.Helper()
	p := replying(t, status, body)
	reply, err := do(t, p.connector(knob), app())
	p.only(t)
	return reply, err
}

func slackUser(c *connector.Connector) {
	comma(c)
	c.Authorize.PKCE = "none"
	c.Reply = connector.Reply{
		AccessToken: "authed_user.access_token", RefreshToken: "authed_user.refresh_token", ExpiresIn: "authed_user.expires_in",
		Scope: "authed_user.scope", TokenType: "authed_user.token_type", Success: &connector.Success{Path: "ok", Equals: "true"},
	}
}

// TestKnob_Slack_UserToken: the user's token is not the bot's, which stands where others have theirs (K9).
func TestKnob_Slack_UserToken(t *testing.T) {
	t.Parallel()
	got, err := told(t, exchangeAs, 200, `{"ok":true,"access_token":"`+canary+`","refresh_token":"`+canary+`","token_type":"bot","expires_in":1,"scope":"chat:write",
		"authed_user":{"id":"U1","access_token":"at","refresh_token":"rt","token_type":"user","expires_in":43200,"scope":"search:read,users:read"}}`, slackUser)
	require.NoError(t, err)
	require.Equal(t, "at", got.AccessToken.Reveal())
	require.Equal(t, "rt", got.RefreshToken.Reveal())
	require.Equal(t, "user", got.TokenType)
	require.Equal(t, []string{"search:read", "users:read"}, got.Scopes)
	require.Equal(t, noon().Add(43200e9), got.ExpiresAt)

	got, err = told(t, refreshAs, 200, `{"ok":true,"access_token":"at2","refresh_token":"rt2","token_type":"user","expires_in":43200,"scope":"users:read"}`, slackUser)
	require.NoError(t, err)
	require.Equal(t, "at2", got.AccessToken.Reveal())
	require.Equal(t, "rt2", got.RefreshToken.Reveal())
	require.Equal(t, []string{"users:read"}, got.Scopes)

	// Without rotation there is no refresh token; the bot's is none of the user's.
	got, err = told(t, exchangeAs, 200, `{"ok":true,"refresh_token":"`+canary+`","authed_user":{"access_token":"at"}}`, slackUser)
	require.NoError(t, err)
	require.True(t, got.RefreshToken.Empty())

	_, err = told(t, exchangeAs, 200, `{"ok":true,"access_token":"`+canary+`","authed_user":{"id":"U1"}}`, slackUser)
	requireFailure(t, err, oauth.Unreadable)
}

// TestKnob_Slack_Second: what is granted beside the first credential stays apart from it (K9).
func TestKnob_Slack_Second(t *testing.T) {
	t.Parallel()
	slack := func(c *connector.Connector) {
		comma(c)
		c.Reply.Second = &connector.Second{
			AccessToken: "authed_user.access_token", RefreshToken: "authed_user.refresh_token", TokenType: "authed_user.token_type",
			Scope: "authed_user.scope", ExpiresIn: "authed_user.expires_in",
		}
	}
	const bot = `{"ok":true,"access_token":"at","refresh_token":"rt","token_type":"bot","expires_in":43200,"scope":"chat:write,team:read"`
	got, err := told(t, exchangeAs, 200, bot+`,"authed_user":{"id":"U1","access_token":"user-at","refresh_token":"user-rt","token_type":"user","expires_in":3600,"scope":"search:read,users:read"}}`, slack)
	require.NoError(t, err)
	require.Equal(t, "at", got.AccessToken.Reveal())
	require.Equal(t, "rt", got.RefreshToken.Reveal())
	require.Equal(t, []string{"chat:write", "team:read"}, got.Scopes)
	require.Equal(t, "user-at", got.Second.AccessToken.Reveal())
	require.Equal(t, "user-rt", got.Second.RefreshToken.Reveal())
	require.Equal(t, "user", got.Second.TokenType)
	require.Equal(t, []string{"search:read", "users:read"}, got.Second.Scopes)
	require.Equal(t, noon().Add(time.Hour), got.Second.ExpiresAt)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", got.Second, got.Second, *got.Second), "user-")

	// Without rotation it has no more than a token; what stands in the standard places is the bot's alone.
	got, err = told(t, exchangeAs, 200, bot+`,"authed_user":{"id":"U1","access_token":"user-at"}}`, slack)
	require.NoError(t, err)
	require.True(t, got.Second.RefreshToken.Empty())
	require.Zero(t, got.Second.ExpiresAt)
	require.Nil(t, got.Second.Scopes)
	require.Equal(t, "Bearer", got.Second.TokenType)

	for _, body := range []string{bot + `,"authed_user":{"id":"U1"}}`, bot + `}`, bot + `,"authed_user":{"access_token":{}}}`} {
		got, err = told(t, exchangeAs, 200, body, slack)
		require.NoError(t, err)
		require.Nil(t, got.Second)
	}
	_, err = told(t, exchangeAs, 200, `{"ok":true,"authed_user":{"access_token":"`+canary+`"}}`, slack)
	requireFailure(t, err, oauth.Unreadable)
}

func withingsReply(c *connector.Connector) {
	comma(c)
	c.Reply = connector.Reply{
		AccessToken: "body.access_token", RefreshToken: "body.refresh_token", ExpiresIn: "body.expires_in", Scope: "body.scope",
		TokenType: "body.token_type", Success: &connector.Success{Path: "status", Equals: "0"}, ErrorPaths: []string{"status"},
		Errors: []connector.ErrorRule{{Equals: "601", Means: "throttled"}, {Equals: "503", Means: "invalid_grant"}},
	}
	c.Metadata = []connector.Capture{{Path: "body.userid", As: "account_id"}}
}

func TestKnob_Withings_Body(t *testing.T) {
	t.Parallel()
	for _, do := range []ask{exchangeAs, refreshAs} {
		got, err := told(t, do, 200, `{"status":0,"body":{"userid":"363","access_token":"at","refresh_token":"rt","scope":"user.info,user.metrics","expires_in":10800,"token_type":"Bearer"}}`, withingsReply)
		require.NoError(t, err)
		require.Equal(t, "at", got.AccessToken.Reveal())
		require.Equal(t, "rt", got.RefreshToken.Reveal())
		require.Equal(t, noon().Add(10800e9), got.ExpiresAt)
		require.Equal(t, []string{"user.info", "user.metrics"}, got.Scopes)
		require.Equal(t, map[string]string{"account_id": "363"}, got.Metadata)

		_, err = told(t, do, 200, `{"status":601,"body":{},"error":"`+canary+`"}`, withingsReply)
		requireFailure(t, err, oauth.Throttled)
		_, err = told(t, do, 200, `{"status":503,"body":{"access_token":"`+canary+`"}}`, withingsReply)
		requireFailure(t, err, oauth.InvalidGrant)
		_, err = told(t, do, 200, `{"status":293,"body":{}}`, withingsReply)
		requireFailure(t, err, oauth.UnknownError)
	}
}

// TestKnob_TikTok_Data: a code other than 0 is a failure, although the status is 200.
func TestKnob_TikTok_Data(t *testing.T) {
	t.Parallel()
	tiktok := func(c *connector.Connector) {
		c.Reply = connector.Reply{
			AccessToken: "data.access_token", Scope: "data.scope", Success: &connector.Success{Path: "code", Equals: "0"}, ErrorPaths: []string{"code"},
			Errors: []connector.ErrorRule{
				{Equals: "40105", Means: "invalid_grant"}, {Equals: "40100", Means: "throttled"}, {Path: "message", Contains: "app_id", Means: "invalid_client"},
			},
		}
		c.NeverExpires = true
	}
	got, err := told(t, exchangeAs, 200, `{"code":0,"message":"OK","data":{"access_token":"at","scope":[1,4],"advertiser_ids":["7"]},"request_id":"1"}`, tiktok)
	require.NoError(t, err)
	require.Equal(t, "at", got.AccessToken.Reveal())
	require.Zero(t, got.ExpiresAt)
	for body, kind := range map[string]oauth.Kind{
		`{"code":40105,"message":"Access token is incorrect","data":{}}`:       oauth.InvalidGrant,
		`{"code":"40100","message":"` + canary + `","data":{}}`:                oauth.Throttled,
		`{"code":40002,"message":"Invalid APP_ID, ` + canary + `"}`:            oauth.InvalidClient,
		`{"code":50000,"message":"","data":{"access_token":"` + canary + `"}}`: oauth.UnknownError,
		`{"code":0,"message":"OK","data":{}}`:                                  oauth.Unreadable,
		`{"message":"OK"}`:                                                     oauth.Unreadable,
	} {
		_, err := told(t, exchangeAs, 200, body, tiktok)
		requireFailure(t, err, kind)
	}
}

// TestKnob_Success tells success from failure by a member, of whatever type; a reply without it is judged as usual.
func TestKnob_Success(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		success connector.Success
		reply   string
		want    oauth.Kind
	}{
		"Slack: ok":               {connector.Success{Path: "ok", Equals: "true"}, `{"ok":true,"access_token":"at"}`, ""},
		"Slack: not ok":           {connector.Success{Path: "ok", Equals: "true"}, `{"ok":false,"access_token":"` + canary + `"}`, oauth.UnknownError},
		"ok as a text":            {connector.Success{Path: "ok", Equals: "true"}, `{"ok":"True","access_token":"at"}`, ""},
		"not there":               {connector.Success{Path: "ok", Equals: "true"}, `{"access_token":"at"}`, ""},
		"null":                    {connector.Success{Path: "ok", Equals: "true"}, `{"ok":null,"access_token":"at"}`, ""},
		"nothing there":           {connector.Success{Path: "ok", Equals: "true"}, `{}`, oauth.Unreadable},
		"WeChat: errcode 0":       {connector.Success{Path: "errcode", Equals: "0"}, `{"errcode":0,"access_token":"at"}`, ""},
		"Lark: code 99":           {connector.Success{Path: "code", Equals: "0"}, `{"code":99,"access_token":"` + canary + `"}`, oauth.UnknownError},
		"deeper":                  {connector.Success{Path: "meta.0.state", Equals: "success"}, `{"meta":[{"state":"SUCCESS"}],"access_token":"at"}`, ""},
		"deeper, and a failure":   {connector.Success{Path: "meta.0.state", Equals: "success"}, `{"meta":[{"state":"fail"}],"access_token":"` + canary + `"}`, oauth.UnknownError},
		"a member with a dot":     {connector.Success{Path: "a.b", Equals: "1"}, `{"a.b":0,"access_token":"` + canary + `"}`, oauth.UnknownError},
		"success does not excuse": {connector.Success{Path: "ok", Equals: "true"}, `{"ok":true,"error":"invalid_grant"}`, oauth.InvalidGrant},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := told(t, refreshAs, 200, c.reply, func(conn *connector.Connector) { conn.Reply.Success = &c.success })
			if c.want != "" {
				requireFailure(t, err, c.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "at", got.AccessToken.Reveal())
		})
	}
}

// TestKnob_Scope finds what was granted where the provider says it (K10).
func TestKnob_Scope(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path, reply string
		want        []string
	}{
		"Bitbucket: scopes":                {"scopes", `{"access_token":"at","scopes":"account repository:write"}`, []string{"account", "repository:write"}},
		"Twitch: a list":                   {"", `{"access_token":"at","scope":["a","b"]}`, []string{"a", "b"}},
		"a list further down":              {"grant.scopes", `{"access_token":"at","grant":{"scopes":["a","b"]},"scope":"x"}`, []string{"a", "b"}},
		"by index":                         {"grants.1", `{"access_token":"at","grants":["x","a b"]}`, []string{"a", "b"}},
		"the standard place, if not there": {"scopes", `{"access_token":"at","scope":"a b"}`, []string{"a", "b"}},
		"nowhere":                          {"scopes", `{"access_token":"at"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := told(t, refreshAs, 200, c.reply, func(conn *connector.Connector) { conn.Reply.Scope = c.path })
			require.NoError(t, err)
			require.Equal(t, c.want, got.Scopes)
		})
	}
}

// TestKnob_ScopeSeparator: GitHub is asked with blanks and answers with commas.
func TestKnob_ScopeSeparator(t *testing.T) {
	t.Parallel()
	for separator, want := range map[string][]string{"": {"repo,gist"}, " ": {"repo,gist"}, ",": {"repo", "gist"}} {
		got, err := told(t, exchangeAs, 200, `{"access_token":"at","scope":"repo,gist"}`, func(c *connector.Connector) { c.Reply.ScopeSeparator = separator })
		require.NoError(t, err)
		require.Equal(t, want, got.Scopes)
	}
	got, err := told(t, exchangeAs, 200, `{"access_token":"at","scope":"a,b c"}`, func(c *connector.Connector) {
		comma(c)
		c.Reply.ScopeSeparator = " "
	})
	require.NoError(t, err)
	require.Equal(t, []string{"a,b", "c"}, got.Scopes)
}

// TestKnob_NestedReplyBreaksOff: both tokens are a grant wherever they stand; without the refresh token it is none.
func TestKnob_NestedReplyBreaksOff(t *testing.T) {
	t.Parallel()
	for body, kept := range map[string]bool{
		`{"status":0,"body":{"access_token":"at","refresh_token":"rt"}`:                true,
		`{"body":{"access_token":"at","refresh_token":"rt"},"status":`:                 true,
		`{"body":{"access_token":"at","refresh_token":"rt"},"x":NaN}`:                  true,
		`{"status":0,"body":{"access_token":"at"},`:                                    false,
		`{"status":0,"body":{"access_token":"at","refresh_token":"rt"`:                 false,
		`{"status":0,"access_token":"` + canary + `","body":{"access_token":"at","ref`: false,
	} {
		for _, do := range []ask{exchangeAs, refreshAs} {
			got, err := told(t, do, 200, body, withingsReply)
			if !kept {
				requireFailure(t, err, oauth.Unreadable)
				continue
			}
			require.NoError(t, err, body)
			require.Equal(t, "rt", got.RefreshToken.Reveal(), body)
		}
	}
}
