package oauth_test

import (
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
)

// signedToken is an access token in the form of a JWT with these claims.
func signedToken(payload string) string {
	return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
}

// TestKnob_Expiry: every way to say how long a token lives (K11).
func TestKnob_Expiry(t *testing.T) {
	t.Parallel()
	in := func(path, unit string) func(*connector.Connector) {
		return func(c *connector.Connector) { c.Reply.ExpiresIn, c.Reply.ExpiresUnit = path, unit }
	}
	when := func(path string) func(*connector.Connector) {
		return func(c *connector.Connector) { c.Reply.ExpiresAt = path }
	}
	jwt := func(c *connector.Connector) { c.Reply.ExpiresJWT = true }
	two := noon().Add(2 * time.Hour)
	plain := func(*connector.Connector) {}
	for name, c := range map[string]struct {
		knob   func(*connector.Connector)
		member string
		life   time.Duration
	}{
		"RFC 6749 §5.1: seconds":             {plain, `"expires_in":7200`, 2 * time.Hour},
		"Fiserv: milliseconds":               {in("", "ms"), `"expires_in":7200000`, 2 * time.Hour},
		"milliseconds in a text":             {in("", "ms"), `"expires_in":"7200999"`, 2 * time.Hour},
		"minutes":                            {in("", "min"), `"expires_in":120`, 2 * time.Hour},
		"minutes, more than a year":          {in("", "min"), `"expires_in":5256000`, 365 * 24 * time.Hour},
		"under another name":                 {in("expires", ""), `"expires":7200`, 2 * time.Hour},
		"further down":                       {in("body.ttl.0", "min"), `"body":{"ttl":[120]}`, 2 * time.Hour},
		"the standard name, if not there":    {in("expires", ""), `"expires_in":7200`, 2 * time.Hour},
		"the named one first":                {in("ttl", ""), `"ttl":7200,"expires_in":1`, 2 * time.Hour},
		"Strava: an epoch beside it":         {plain, fmt.Sprintf(`"expires_at":%d,"expires_in":7200`, noon().Unix()), 2 * time.Hour},
		"an epoch in seconds":                {plain, fmt.Sprintf(`"expires_at":%d`, two.Unix()), 2 * time.Hour},
		"an epoch in a text":                 {plain, fmt.Sprintf(`"expires_at":"%d"`, two.Unix()), 2 * time.Hour},
		"Clover: an epoch in milliseconds":   {when("access_token_expiration"), fmt.Sprintf(`"access_token_expiration":%d`, two.UnixMilli()), 2 * time.Hour},
		"an epoch in seconds, elsewhere":     {when("access_token_expiration"), fmt.Sprintf(`"access_token_expiration":%d`, two.Unix()), 2 * time.Hour},
		"Square: RFC 3339":                   {plain, `"expires_at":"2026-07-01T14:00:00Z"`, 2 * time.Hour},
		"RFC 3339 with a zone":               {plain, `"expires_at":"2026-07-01T16:00:00+02:00"`, 2 * time.Hour},
		"RFC 3339 with a fraction":           {plain, `"expires_at":"2026-07-01T14:00:00.000Z"`, 2 * time.Hour},
		"a zone without its colon":           {plain, `"expires_at":"2026-07-01T14:00:00.000+0000"`, 2 * time.Hour},
		"a blank instead of T":               {plain, `"expires_at":"2026-07-01 14:00:00Z"`, 2 * time.Hour},
		"no zone is no point in time":        {plain, `"expires_at":"2026-07-01T14:00:00"`, 0},
		"words":                              {plain, `"expires_at":"tomorrow"`, 0},
		"in the past":                        {plain, `"expires_at":"2026-07-01T11:59:59Z"`, 0},
		"now":                                {plain, fmt.Sprintf(`"expires_at":%d`, noon().Unix()), 0},
		"the zero time":                      {plain, `"expires_at":"0001-01-01T00:00:00Z"`, 0},
		"in a hundred years":                 {plain, `"expires_at":"2126-07-01T12:00:00Z"`, 365 * 24 * time.Hour},
		"an epoch in nanoseconds":            {plain, fmt.Sprintf(`"expires_at":%d`, two.UnixNano()), 0},
		"negative, then a point in time":     {plain, fmt.Sprintf(`"expires_in":-1,"expires_at":%d`, two.Unix()), 2 * time.Hour},
		"Microsoft: the token's own":         {jwt, `"access_token":"` + signedToken(fmt.Sprintf(`{"exp":%d}`, two.Unix())) + `"`, 2 * time.Hour},
		"the reply before the token":         {jwt, `"expires_in":7200,"access_token":"` + signedToken(fmt.Sprintf(`{"exp":%d}`, two.Unix()+5)) + `"`, 2 * time.Hour},
		"the token's own, a float":           {jwt, `"access_token":"` + signedToken(fmt.Sprintf(`{"exp":%d.5}`, two.Unix())) + `"`, 2 * time.Hour},
		"the token's own, with padding":      {jwt, `"access_token":"eyJ9.` + base64.URLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp": %d}`, two.Unix())) + `.x"`, 2 * time.Hour},
		"the token's own, in the past":       {jwt, `"access_token":"` + signedToken(`{"exp":1}`) + `"`, 0},
		"the token's own, of another kind":   {jwt, `"access_token":"` + signedToken(`{"exp":{}}`) + `"`, 0},
		"a token that names none":            {jwt, `"access_token":"` + signedToken(`{}`) + `"`, 0},
		"a token that is no JWT":             {jwt, `"access_token":"a.b.c"`, 0},
		"a token that is opaque":             {jwt, `"access_token":"at"`, 0},
		"a JWT that nobody asked to be read": {plain, `"access_token":"` + signedToken(fmt.Sprintf(`{"exp":%d}`, two.Unix())) + `"`, 0},
		"RFC 6749 §5.1: absent":              {plain, `"x":1`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reply := `{"access_token":"at",` + c.member + `}`
			want := time.Time{}
			if c.life > 0 {
				want = noon().Add(c.life)
			}
			got, err := told(t, refreshAs, 200, reply, c.knob)
			require.NoError(t, err)
			require.Equal(t, want, got.ExpiresAt)

			if c.life == 0 {
				want = noon().Add(2 * time.Hour)
			}
			got, err = told(t, refreshAs, 200, reply, func(conn *connector.Connector) {
				c.knob(conn)
				known(conn)
			})
			require.NoError(t, err)
			require.Equal(t, want, got.ExpiresAt, "with a default")
		})
	}
}

// TestKnob_RefreshExpiry: the refresh token's own end is kept beside the token (K16).
func TestKnob_RefreshExpiry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ path, member, want string }{
		"LinkedIn, Keycloak and others": {"", `"refresh_token_expires_in":31536000`, "2027-07-01T12:00:00Z"},
		"QuickBooks":                    {"x_refresh_token_expires_in", `"x_refresh_token_expires_in":8726400`, "2026-10-10T12:00:00Z"},
		"TikTok: a text":                {"refresh_expires_in", `"refresh_expires_in":"31536000"`, "2027-07-01T12:00:00Z"},
		"further down":                  {"body.rt.0", `"body":{"rt":[60]}`, "2026-07-01T12:01:00Z"},
		"ten years at most":             {"", `"refresh_token_expires_in":1e300`, "2036-06-28T12:00:00Z"},
		"absent":                        {"", `"x":1`, ""},
		"Keycloak, offline: 0":          {"refresh_expires_in", `"refresh_expires_in":0`, ""},
		"negative":                      {"", `"refresh_token_expires_in":-1`, ""},
		"words":                         {"", `"refresh_token_expires_in":"never"`, ""},
		"no other name if one is given": {"refresh_expires_in", `"refresh_token_expires_in":60`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := told(t, refreshAs, 200, `{"access_token":"at","refresh_token":"rt",`+c.member+`}`, func(conn *connector.Connector) {
				conn.Reply.RefreshExpiresIn = c.path
			})
			require.NoError(t, err)
			require.Equal(t, c.want, got.Metadata[oauth.MetadataRefreshExpiresAt])
		})
	}
}

// TestKnob_RefreshExpiry_PointInTime: the same, where the provider names no life (K16).
func TestKnob_RefreshExpiry_PointInTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ path, member, want string }{
		"Clover: an epoch":                      {"refresh_token_expiration", fmt.Sprintf(`"refresh_token_expiration":%d`, noon().Add(time.Hour).Unix()), "2026-07-01T13:00:00Z"},
		"an epoch in milliseconds":              {"refresh_token_expiration", fmt.Sprintf(`"refresh_token_expiration":%d`, noon().Add(time.Hour).UnixMilli()), "2026-07-01T13:00:00Z"},
		"RFC 3339, further down":                {"rt.until", `"rt":{"until":"2026-07-31T12:00:00+00:00"}`, "2026-07-31T12:00:00Z"},
		"a life before a point in time":         {"until", `"refresh_token_expires_in":60,"until":"2026-07-31T12:00:00Z"`, "2026-07-01T12:01:00Z"},
		"ten years at most":                     {"until", `"until":"2126-07-31T12:00:00Z"`, "2036-06-28T12:00:00Z"},
		"in the past":                           {"until", `"until":"2020-07-31T12:00:00Z"`, ""},
		"absent":                                {"until", `"x":1`, ""},
		"words":                                 {"until", `"until":"never"`, ""},
		"a point in time that nobody asked for": {"", `"until":"2026-07-31T12:00:00Z"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := told(t, refreshAs, 200, `{"access_token":"at","refresh_token":"rt",`+c.member+`}`, func(conn *connector.Connector) {
				conn.Reply.RefreshExpiresAt = c.path
			})
			require.NoError(t, err)
			require.Equal(t, c.want, got.Metadata[oauth.MetadataRefreshExpiresAt])
		})
	}
}
