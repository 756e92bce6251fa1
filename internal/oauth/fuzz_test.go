package oauth_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
)

// FuzzParse: no reply makes it panic, whatever the connector looks for in it; none is both a token and a failure, and a
// plain good one keeps its token. The seeds are odd bodies, and the table of what providers send, with their own knobs.
func FuzzParse(f *testing.F) {
	for _, body := range []string{
		goodReply, "", "{", "[]", "null", `"x=1"`, "<html>", "access_token=at&refresh_token=rt", "a=%zz&;=&&=",
		"\xef\xbb\xbf" + goodReply, goodReply + goodReply, goodReply[:40], `{"access_token":"at"}`, `{"error":"invalid_grant"}`,
		`{"error":{},"access_token":"at"}`, `{"access_token":"at","expires_in":"1e400","scope":[1,["a"]]}`, `{"access_token":12,"access_token":"at"}`,
		`{"":{"":[{"":0}]}}`, `{"access_token":"\ud800"}`, "{\"access_token\":\"a\x00b\"}", `{"access_token":"at","expires_in":-9e99}`,
	} {
		for _, status := range []int{200, 400} {
			f.Add(status, []byte(body), false, "7", "")
			f.Add(status, []byte(body), true, "Wed, 01 Jul 2026 12:01:00 GMT", ",")
		}
	}
	for _, c := range replyCases() {
		f.Add(c.status, []byte(c.body), c.cut, c.retryAfter, written(rowOf(f, c.row)))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, cut bool, wait, text string) {
		raw := oauth.Raw{Status: status, RetryAfter: wait, RequestedAt: noon(), Body: body, Cut: cut}
		c := knobbed(text)
		for _, phase := range []oauth.Phase{oauth.Exchange, oauth.Refresh} {
			reply, err := oauth.Parse(c, phase, raw)
			checkOutcome(t, reply, err)
			again, errAgain := oauth.Parse(c, phase, raw)
			require.Equal(t, err == nil, errAgain == nil, "the same after a crash")
			require.Equal(t, reply.AccessToken.Reveal(), again.AccessToken.Reveal())
			if token, plain := plainToken(raw); plain && strings.Trim(text, ",") == "" {
				require.NoError(t, err)
				require.Equal(t, token, reply.AccessToken.Reveal())
			}
		}
	})
}

// knobs are the fields of a connector that decide how a reply is read, in the order in which they are written: one a line.
func knobs(c *connector.Connector) []*string {
	if c.Reply.Success == nil {
		c.Reply.Success = &connector.Success{}
	}
	if c.Reply.Second == nil {
		c.Reply.Second = &connector.Second{}
	}
	c.Metadata = append(slices.Clone(c.Metadata), make([]connector.Capture, 2)...)
	c.Reply.ErrorPaths = append(slices.Clone(c.Reply.ErrorPaths), "")
	c.Reply.Errors = append(slices.Clone(c.Reply.Errors), make([]connector.ErrorRule, 2)...)
	r, first, second := &c.Reply, &c.Reply.Errors[0], &c.Reply.Errors[1]
	return []*string{
		&c.Scopes.Separator, &r.AccessToken, &r.RefreshToken, &r.TokenType, &r.Scope, &r.ScopeSeparator, &r.ExpiresIn, &r.ExpiresUnit, &r.ExpiresAt,
		&r.RefreshExpiresIn, &r.RefreshExpiresAt, &r.Success.Path, &r.Success.Equals, &r.ErrorPaths[0],
		&first.Phase, &first.Path, &first.Equals, &first.Contains, &first.Means, &second.Path, &second.Equals, &second.Contains, &second.Means,
		&r.Second.AccessToken, &r.Second.RefreshToken, &r.Second.Scope, &r.Second.ExpiresIn,
		&c.Metadata[0].Path, &c.Metadata[0].Pattern, &c.Metadata[1].Path, &c.Metadata[1].As,
	}
}

// written is a connector's knobs as a text.
func written(c connector.Connector) string {
	fields := knobs(&c)
	lines := make([]string, len(fields))
	for i, field := range fields {
		lines[i] = *field
	}
	return strings.Join(lines, "\n")
}

// knobbed is a connector with the knobs of a text, whatever they are worth: a file is validated before it gets here, but
// nothing that it holds may cost a token that was granted.
func knobbed(text string) connector.Connector {
	c := at("https://provider.test")
	fields := knobs(&c)
	for i, line := range strings.Split(text, "\n") {
		if i < len(fields) {
			*fields[i] = line
		}
	}
	c.Reply.ExpiresJWT = len(text)%2 == 1
	if c.Reply.Success.Path == "" {
		c.Reply.Success = nil
	}
	c.Reply.Errors = slices.DeleteFunc(c.Reply.Errors, func(rule connector.ErrorRule) bool { return rule.Means == "" })
	return c
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
	for name, value := range reply.Metadata {
		require.NotEmpty(t, value, name)
		require.LessOrEqual(t, len(value), 2<<10, name)
	}
	if s := reply.Second; s != nil {
		require.False(t, s.AccessToken.Empty())
		require.True(t, s.ExpiresAt.IsZero() || s.ExpiresAt.After(reply.IssuedAt))
	}
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
