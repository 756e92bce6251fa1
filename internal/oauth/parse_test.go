package oauth_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
)

// known is a connector that knows its tokens' life.
func known(c *connector.Connector) { c.ExpiresInDefault = 7200 }

func parse(body string, mod ...func(*connector.Connector)) (oauth.Reply, error) {
	return oauth.Parse(at("https://provider.test", mod...), oauth.Refresh,
		oauth.Raw{Status: 200, ContentType: "application/json", RequestedAt: noon(), Body: []byte(body)})
}

// TestParse_Expiry: every way in which providers write a life. None costs the token, and none makes it live for ever.
func TestParse_Expiry(t *testing.T) {
	t.Parallel()
	const none = 0
	for name, c := range map[string]struct {
		member string // "" leaves it out
		life   time.Duration
	}{
		"RFC 6749 §5.1: seconds":              {`3600`, time.Hour},
		"PayPal, Amazon: a string":            {`"3600"`, time.Hour},
		"a string with blanks":                {`" 3600 "`, time.Hour},
		"x/oauth2 §3: a fraction":             {`3599.5`, 3599 * time.Second},
		"x/oauth2 §3: a float in a string":    {`"3600.0"`, time.Hour},
		"exponent":                            {`3.6e3`, time.Hour},
		"negative":                            {`-1`, none},
		"Facebook: 0 for unknown":             {`0`, none},
		"less than a second":                  {`0.4`, none},
		"null":                                {`null`, none},
		"object":                              {`{}`, none},
		"array":                               {`[3600]`, none},
		"true":                                {`true`, none},
		"empty string":                        {`""`, none},
		"words":                               {`"one hour"`, none},
		"NaN in a string":                     {`"NaN"`, none},
		"mockoidc: nanoseconds are clamped":   {`3600000000000`, 365 * 24 * time.Hour},
		"Clover: an epoch in ms is clamped":   {`1782907200000`, 365 * 24 * time.Hour},
		"infinite is clamped":                 {`"Inf"`, 365 * 24 * time.Hour},
		"more than a float holds":             {`1e400`, none},
		"more than a float holds, and a sign": {`-1e400`, none},
		"RFC 6749 §5.1: absent":               {``, none},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := `{"access_token":"at","expires_in":` + c.member + `}`
			if c.member == "" {
				body = `{"access_token":"at"}`
			}
			got, err := parse(body)
			require.NoError(t, err)
			require.Equal(t, "at", got.AccessToken.Reveal())
			require.Equal(t, noon(), got.IssuedAt)
			want := time.Time{}
			if c.life != none {
				want = noon().Add(c.life)
			}
			require.Equal(t, want, got.ExpiresAt)

			got, err = parse(body, known)
			require.NoError(t, err)
			if c.life == none {
				want = noon().Add(2 * time.Hour)
			}
			require.Equal(t, want, got.ExpiresAt, "with a default")
		})
	}
}

// TestParse_ShapesThatHoldATokenKeepIt: nothing odd in a reply costs a token.
func TestParse_ShapesThatHoldATokenKeepIt(t *testing.T) {
	t.Parallel()
	const rt = `,"refresh_token":"rt"`
	for name, body := range map[string]string{
		"RFC 6749 §5.1":                         `{"access_token":"at","refresh_token":"rt","token_type":"bearer"}`,
		"GitHub, Facebook of old: a form":       `access_token=at&refresh_token=rt&token_type=bearer&scope=repo%2Cuser`,
		"form with a semicolon":                 `access_token=at&refresh_token=rt&scope=a;b`,
		"form with a bad escape":                `access_token=at&refresh_token=rt&note=100%`,
		"form with a pair twice":                `access_token=at&access_token=other&refresh_token=rt`,
		"form with a member named error, empty": `access_token=at&refresh_token=rt&error=`,
		"byte order mark":                       "\xef\xbb\xbf" + `{"access_token":"at"` + rt + `}`,
		"blanks around it":                      "\r\n\t " + `{"access_token":"at"` + rt + "}\r\n\r\n",
		"something after it":                    `{"access_token":"at"` + rt + `}<!-- served by node 7 -->`,
		"Asana: objects beside the token":       `{"access_token":"at"` + rt + `,"data":{"id":1,"gid":["x"]}}`,
		"Slack: ok and nested user":             `{"ok":true,"access_token":"at"` + rt + `,"authed_user":{"access_token":"other"}}`,
		"error null":                            `{"error":null,"access_token":"at"` + rt + `}`,
		"error empty":                           `{"error":"","access_token":"at"` + rt + `}`,
		"error 0, with every success":           `{"error":0,"access_token":"at"` + rt + `}`,
		"error 0 as a string":                   `{"error":"0","access_token":"at"` + rt + `}`,
		"error false":                           `{"error":false,"access_token":"at"` + rt + `}`,
		"a member twice":                        `{"access_token":"other","access_token":"at"` + rt + `}`,
		"invalid UTF-8 elsewhere":               `{"access_token":"at"` + rt + ",\"name\":\"\xff\xfe\"}",
		"a raw newline in a later text":         `{"access_token":"at"` + rt + ",\"note\":\"a\nb\"}",
		"not quite JSON later":                  `{"access_token":"at"` + rt + `,"expires_in":NaN}`,
		"a comma too many":                      `{"access_token":"at"` + rt + `,}`,
		"cut after both tokens":                 `{"access_token":"at"` + rt + `,"scop`,
		"cut before the last brace":             `{"access_token":"at"` + rt,
		"64 KiB of scopes":                      `{"access_token":"at"` + rt + `,"scope":"` + strings.Repeat("s ", 32<<10) + `"}`,
		"deeper than the parser goes, later":    `{"access_token":"at"` + rt + `,"x":` + strings.Repeat("[", 20_000) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, label := range []string{"", "application/json", "text/plain", "text/html", "application/x-www-form-urlencoded", "image/png; ;"} {
				got, err := oauth.Parse(at("https://provider.test"), oauth.Refresh,
					oauth.Raw{Status: 200, ContentType: label, RequestedAt: noon(), Body: []byte(body)})
				require.NoError(t, err, label)
				require.Equal(t, "at", got.AccessToken.Reveal(), label)
				require.Equal(t, "rt", got.RefreshToken.Reveal(), label)
			}
		})
	}
}

// TestParse_CutReply: half a token must not pass for a whole one, and a reply without its refresh token must not pass
// for one that keeps the old.
func TestParse_CutReply(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		kept bool
	}{
		"form, cut in the last value":           {`access_token=at&refresh_token=rt&sco`, true},
		"form, cut in the refresh token":        {`access_token=at&refresh_token=r`, false},
		"form, cut in the access token":         {`access_token=a`, false},
		"form, cut between the pairs":           {`access_token=at&`, false},
		"JSON, whole although the stream broke": {`{"access_token":"at","refresh_token":"rt"}`, true},
		"JSON, no refresh token but whole":      {`{"access_token":"at"}`, true},
		"JSON, cut after both tokens":           {`{"refresh_token":"rt","access_token":"at","expires_in":36`, true},
		"JSON, cut in the refresh token":        {`{"access_token":"at","refresh_token":"r`, false},
		"JSON, cut before the refresh token":    {`{"access_token":"at","expires_in":3600,`, false},
		"JSON, cut in the access token":         {`{"refresh_token":"rt","access_token":"a`, false},
		"JSON, cut at once":                     {`{`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := oauth.Parse(at("https://provider.test"), oauth.Refresh, oauth.Raw{Status: 200, Body: []byte(c.body), Cut: true})
			if !c.kept {
				requireFailure(t, err, oauth.Unreadable)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "at", got.AccessToken.Reveal())
		})
	}
}

func TestParse_Scope(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		member string
		mod    []func(*connector.Connector)
		want   []string
	}{
		"RFC 6749 §3.3: by blanks":          {`"a b"`, nil, []string{"a", "b"}},
		"several blanks":                    {`" a  b\n"`, nil, []string{"a", "b"}},
		"Slack, Linear, Strava: by commas":  {`"a,b"`, []func(*connector.Connector){comma}, []string{"a", "b"}},
		"by commas and blanks":              {`"a, b c"`, []func(*connector.Connector){comma}, []string{"a", "b", "c"}},
		"a comma inside a scope stays":      {`"a,b c"`, nil, []string{"a,b", "c"}},
		"Twitch: a list":                    {`["a","b"]`, nil, []string{"a", "b"}},
		"a list of lists in text":           {`["a b","c"]`, nil, []string{"a", "b", "c"}},
		"a list with other things":          {`["a",1,null,{}]`, nil, []string{"a"}},
		"RFC 6749 §5.1: null, as requested": {`null`, nil, nil},
		"an object":                         {`{"a":true}`, nil, nil},
		"a number":                          {`7`, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parse(`{"access_token":"at","scope":`+c.member+`}`, c.mod...)
			require.NoError(t, err)
			require.Equal(t, c.want, got.Scopes)
		})
	}
	absent, err := parse(`{"access_token":"at"}`)
	require.NoError(t, err)
	require.Nil(t, absent.Scopes)
}

func TestParse_Tokens(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200<<10)
	for name, c := range map[string]struct {
		body                  string
		access, refresh, kind string
	}{
		"RFC 6749 §6: no refresh token":    {`{"access_token":"at"}`, "at", "", "Bearer"},
		"refresh token null":               {`{"access_token":"at","refresh_token":null}`, "at", "", "Bearer"},
		"x/oauth2 §3: numbers":             {`{"access_token":12345678901234567890,"refresh_token":98765432109876543210}`, "12345678901234567890", "98765432109876543210", "Bearer"},
		"200 KiB":                          {`{"access_token":"` + long + `"}`, long, "", "Bearer"},
		"escapes":                          {`{"access_token":"a\u0041\/+="}`, "aA/+=", "", "Bearer"},
		"a form's escapes":                 {`access_token=a%2Bb%2F%3D&refresh_token=c%20d`, "a+b/=", "c d", "Bearer"},
		"RFC 6749 §7.1: lower case":        {`{"access_token":"at","token_type":"bearer"}`, "at", "", "bearer"},
		"Slack: bot":                       {`{"access_token":"at","token_type":"bot"}`, "at", "", "bot"},
		"RFC 9449: DPoP":                   {`{"access_token":"at","token_type":"DPoP"}`, "at", "", "DPoP"},
		"token type null":                  {`{"access_token":"at","token_type":null}`, "at", "", "Bearer"},
		"token type an object":             {`{"access_token":"at","token_type":{"a":1}}`, "at", "", "Bearer"},
		"token type longer than it can be": {`{"access_token":"at","token_type":"` + strings.Repeat("b", 65) + `"}`, "at", "", "Bearer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parse(c.body)
			require.NoError(t, err)
			require.Equal(t, c.access, got.AccessToken.Reveal())
			require.Equal(t, c.refresh, got.RefreshToken.Reveal())
			require.Equal(t, c.kind, got.TokenType)
		})
	}
}

func TestParse_MetadataIsNamedBoundedAndNoSecret(t *testing.T) {
	t.Parallel()
	got, err := parse(`{"access_token":"at","id_token":"x","instance_url":"https://na1.test","id":7,"big":"`+strings.Repeat("x", 2<<10+1)+
		`","team":{"id":"T"},"unnamed":"x","client_secret":"x","empty":""}`, func(c *connector.Connector) {
		for _, path := range []string{"instance_url", "id", "big", "team", "absent", "id_token", "client_secret", "code", "empty"} {
			c.Metadata = append(c.Metadata, connector.Capture{Path: path})
		}
	})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"instance_url": "https://na1.test", "id": "7"}, got.Metadata)
}

func TestParse_CountsFromTheRequest(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 5*3600)
	got, err := oauth.Parse(at("https://provider.test"), oauth.Exchange, oauth.Raw{
		Status: 201, RequestedAt: noon().Add(1234567 * time.Nanosecond).In(zone), Body: []byte(goodReply),
	})
	require.NoError(t, err)
	require.Equal(t, noon().Add(1234*time.Microsecond), got.IssuedAt)
	require.Equal(t, got.IssuedAt.Add(time.Hour), got.ExpiresAt)
	require.Less(t, got.ExpiresAt.Sub(got.IssuedAt).Seconds(), float64(math.MaxInt32))
}
