package oauth_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/oauth"
)

// FuzzParse: no reply makes it panic, none is both a token and a failure, and a plain good one keeps its token.
func FuzzParse(f *testing.F) {
	for _, body := range []string{
		goodReply, "", "{", "[]", "null", `"x=1"`, "<html>", "access_token=at&refresh_token=rt", "a=%zz&;=&&=",
		"\xef\xbb\xbf" + goodReply, goodReply + goodReply, goodReply[:40], `{"access_token":"at"}`, `{"error":"invalid_grant"}`,
		`{"error":{},"access_token":"at"}`, `{"access_token":"at","expires_in":"1e400","scope":[1,["a"]]}`, `{"access_token":12,"access_token":"at"}`,
		`{"":{"":[{"":0}]}}`, `{"access_token":"\ud800"}`, "{\"access_token\":\"a\x00b\"}", `{"access_token":"at","expires_in":-9e99}`,
	} {
		for _, status := range []int{200, 400} {
			f.Add(status, []byte(body), false, "7")
			f.Add(status, []byte(body), true, "Wed, 01 Jul 2026 12:01:00 GMT")
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, cut bool, wait string) {
		raw := oauth.Raw{Status: status, RetryAfter: wait, RequestedAt: noon(), Body: body, Cut: cut}
		for _, separator := range []string{" ", ","} {
			c := at("https://provider.test")
			c.Scopes.Separator = separator
			reply, err := oauth.Parse(c, oauth.Refresh, raw)
			checkOutcome(t, reply, err)
			if token, plain := plainToken(raw); plain {
				require.NoError(t, err)
				require.Equal(t, token, reply.AccessToken.Reveal())
			}
		}
	})
}

func checkOutcome(t *testing.T, reply oauth.Reply, err error) {
	t.Helper()
	if err != nil {
		var failure *oauth.Failure
		require.True(t, errors.As(err, &failure))
		require.NotEmpty(t, failure.Kind)
		require.True(t, reply.AccessToken.Empty())
		require.GreaterOrEqual(t, failure.RetryAfter, time.Duration(0))
		require.LessOrEqual(t, failure.RetryAfter, 24*time.Hour)
		return
	}
	require.False(t, reply.AccessToken.Empty())
	require.NotEmpty(t, reply.TokenType)
	if !reply.ExpiresAt.IsZero() {
		require.True(t, reply.ExpiresAt.After(reply.IssuedAt))
		require.LessOrEqual(t, reply.ExpiresAt.Sub(reply.IssuedAt), 365*24*time.Hour)
	}
}

// plainToken is the token of a reply that encoding/json can read whole, 2xx and without an error.
func plainToken(raw oauth.Raw) (string, bool) {
	var plain map[string]any
	if raw.Status < 200 || raw.Status > 299 || json.Unmarshal(raw.Body, &plain) != nil {
		return "", false
	}
	_, refused := plain["error"]
	token, _ := plain["access_token"].(string)
	return token, token != "" && !refused
}
