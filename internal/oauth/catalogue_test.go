package oauth_test

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

// The table of what providers do, each case through the row of the catalogue that is to bear it: replies (replies_*_test.go),
// authorization requests and calls (shapes_*_test.go). A case is named for the provider or the rule that it stands for.

// What calls are for; each stands for all three.
const (
	ex   = oauth.Exchange
	rf   = oauth.Refresh
	cc   = oauth.ClientCredentials
	each = oauth.Phase("")
)

// replyCase is one reply and what is to come of it.
type replyCase struct {
	name string
	// row is the connector's id in the catalogue, or among the unlisted.
	row string
	// phase is what the call was for; all three, if empty.
	phase      oauth.Phase
	status     int
	body       string
	retryAfter string
	cut        bool
	// want is what a success gives, kind what a failure is: one of the two.
	want gives
	kind oauth.Kind
	wait time.Duration
}

// gives is what a reply gives: the access token is "at" unless it says otherwise, and what is not named is not there.
type gives struct {
	at, rt, kind string
	life         time.Duration
	scopes       []string
	metadata     map[string]string
	second       *beside
}

// beside is a second credential.
type beside struct {
	at, rt, kind string
	life         time.Duration
	scopes       []string
}

// granted is a reply with a token, as providers give it: with the status 200.
func granted(name, row string, phase oauth.Phase, body string, want gives) replyCase {
	return replyCase{name: name, row: row, phase: phase, status: 200, body: body, want: want}
}

// refused is a reply without one.
func refused(name, row string, phase oauth.Phase, status int, body string, kind oauth.Kind) replyCase {
	return replyCase{name: name, row: row, phase: phase, status: status, body: body, kind: kind}
}

// replyCases are all of them.
func replyCases() []replyCase {
	return slices.Concat(rfcReplies(), classReplies(), identityReplies(), businessReplies(), commerceReplies(), socialReplies())
}

// endsIn is a point in time as it is kept in metadata.
func endsIn(seconds int64) string {
	return noon().Add(time.Duration(seconds) * time.Second).Format(time.RFC3339)
}

// catalogue is read once: each test asks for a few of its rows.
var catalogue = sync.OnceValue(func() *connector.Catalogue {
	c, err := connector.Load()
	if err != nil {
		panic(err)
	}
	return c
})

// rowOf is a provider's connector, with its inputs filled in by their examples.
func rowOf(t testing.TB, id string, entered ...string) connector.Connector {
	t.Helper()
	c, ok := unlisted()[id]
	if !ok {
		var err error
		c, err = catalogue().Get(t.Context(), id)
		require.NoError(t, err)
	}
	require.NoError(t, c.Validate())
	inputs := make(map[string]string)
	for _, input := range c.Inputs {
		inputs[input.Name] = input.Example
	}
	for i := 0; i < len(entered); i += 2 {
		inputs[entered[i]] = entered[i+1]
	}
	resolved, err := c.Resolve(inputs)
	require.NoError(t, err)
	return resolved
}

// unlisted are providers that the catalogue does not have, as an operator's file would describe them.
func unlisted() map[string]connector.Connector {
	own := func(id, name string, mod func(*connector.Connector)) connector.Connector {
		c := connector.Connector{
			ID: id, Name: name, Grants: []string{connector.AuthorizationCode, connector.ClientCredentials}, Scopes: connector.Scopes{Separator: " "},
			Authorize: &connector.Authorize{URL: "https://" + id + ".example/authorize", PKCE: "S256"},
			Token:     connector.TokenCall{URL: "https://" + id + ".example/token", Auth: connector.AuthBasic},
		}
		mod(&c)
		return c
	}
	list := []connector.Connector{
		own("plain", "RFC", func(*connector.Connector) {}),
		own("fitbit", "Fitbit", func(c *connector.Connector) {
			c.Reply.ErrorPaths = []string{"errors.0.errorType"}
			c.Reply.Errors = []connector.ErrorRule{{Path: "errors.0.errorType", Equals: "expired_token", Means: "invalid_grant"}}
			c.Metadata = []connector.Capture{{Path: "user_id", As: "account_id"}}
		}),
		own("fiserv", "Fiserv", func(c *connector.Connector) { c.Reply.ExpiresUnit = "ms" }),
		own("go-oauth2", "go-oauth2", func(*connector.Connector) {}),
		own("glewlwyd", "glewlwyd", func(c *connector.Connector) {
			c.Reply.Errors = []connector.ErrorRule{{Phase: "exchange", Equals: "invalid_code", Means: "invalid_grant"}}
		}),
		own("mockoidc", "mockoidc", func(*connector.Connector) {}),
		own("lemonldap", "lemonldap", func(*connector.Connector) {}),
		own("qq", "QQ", func(c *connector.Connector) { c.Token.Method, c.Token.Auth = "GET", connector.AuthPost }),
	}
	byID := make(map[string]connector.Connector, len(list))
	for _, c := range list {
		byID[c.ID] = c
	}
	return byID
}

// TestCatalogue_Replies: what each provider's row makes of what the provider sends.
func TestCatalogue_Replies(t *testing.T) {
	t.Parallel()
	for _, c := range replyCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := rowOf(t, c.row)
			phases := []oauth.Phase{c.phase}
			if c.phase == "" {
				phases = []oauth.Phase{oauth.Exchange, oauth.Refresh, oauth.ClientCredentials}
			}
			for _, phase := range phases {
				reply, err := oauth.Parse(conn, phase, oauth.Raw{
					Status: c.status, ContentType: "application/json", RetryAfter: c.retryAfter, RequestedAt: noon(), Body: []byte(c.body), Cut: c.cut,
				})
				if c.kind != "" {
					f := failureOf(t, err, c.kind)
					require.Equal(t, c.wait, f.RetryAfter)
					require.True(t, reply.AccessToken.Empty())
					continue
				}
				require.NoError(t, err)
				requireGives(t, c.want, reply)
			}
		})
	}
}

func requireGives(t *testing.T, want gives, got oauth.Reply) {
	t.Helper()
	require.Equal(t, either(want.at, "at"), got.AccessToken.Reveal())
	require.Equal(t, want.rt, got.RefreshToken.Reveal())
	require.Equal(t, strings.ToLower(either(want.kind, "bearer")), strings.ToLower(got.TokenType))
	require.Equal(t, want.life, lifeOf(got.ExpiresAt))
	require.ElementsMatch(t, want.scopes, got.Scopes)
	require.Equal(t, want.scopes == nil, got.Scopes == nil, "granted as requested, or granted nothing")
	if len(want.metadata) == 0 {
		require.Empty(t, got.Metadata)
	} else {
		require.Equal(t, want.metadata, got.Metadata)
	}
	if want.second == nil {
		require.Nil(t, got.Second)
		return
	}
	require.Equal(t, want.second.at, got.Second.AccessToken.Reveal())
	require.Equal(t, want.second.rt, got.Second.RefreshToken.Reveal())
	require.Equal(t, want.second.kind, got.Second.TokenType)
	require.Equal(t, want.second.life, lifeOf(got.Second.ExpiresAt))
	require.Equal(t, want.second.scopes, got.Second.Scopes)
}

func lifeOf(expires time.Time) time.Duration {
	if expires.IsZero() {
		return 0
	}
	return expires.Sub(noon())
}

func challenge() string { return oauth2.S256ChallengeFromVerifier(theVerifier) }

// authorizeCase is one authorization request, to the letter.
type authorizeCase struct {
	name, row string
	// inputs are names and values that are entered instead of the examples.
	inputs []string
	// url is where it goes, without its query; query is what it says beside the names that all have (see standard).
	url   string
	query map[string]string
	// without are the standard parameters that are not there.
	without []string
	// fragment stands at the end.
	fragment string
}

// standard is what every authorization request says if its connector does not say otherwise.
func standard() map[string]string {
	return map[string]string{
		"client_id": "id", "response_type": "code", "redirect_uri": theRedirect, "state": "st",
		"code_challenge": challenge(), "code_challenge_method": "S256",
	}
}

// TestCatalogue_Authorize: where each provider's row sends a browser, and with what.
func TestCatalogue_Authorize(t *testing.T) {
	t.Parallel()
	for _, c := range authorizeCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := rowOf(t, c.row, c.inputs...)
			scopes := conn.WithAlways(connector.AuthorizationCode, conn.DefaultScopes(connector.AuthorizationCode))
			u, err := url.Parse(oauth.AuthorizeURL(conn, "id", oauth.RedirectURI(conn, theRedirect), "st", secret.New(theVerifier), scopes))
			require.NoError(t, err)
			want := standard()
			for _, name := range c.without {
				delete(want, name)
			}
			maps.Copy(want, c.query)
			require.Equal(t, want, flat(t, u.Query()))
			require.Equal(t, c.fragment, u.Fragment)
			u.RawQuery, u.Fragment = "", ""
			require.Equal(t, c.url, u.String())
		})
	}
}

// callCase is one call, to the letter.
type callCase struct {
	name, row string
	do        ask
	want      expected
	// mod changes the row, as an account's metadata or a grant's own scopes do.
	mod func(connector.Connector) connector.Connector
}

// TestCatalogue_Calls: what each provider's row makes of a call, at a provider that takes it and no other.
func TestCatalogue_Calls(t *testing.T) {
	t.Parallel()
	for _, c := range callCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := rowOf(t, c.row)
			if c.mod != nil {
				conn = c.mod(conn)
			}
			s := newStrict(t, c.want, `{"active":true,"ok":true,"status":0,"code":0,"access_token":"at","body":{"access_token":"at"},"data":{"access_token":"at"},"authed_user":{"access_token":"at"}}`)
			_, err := c.do(t, moved(conn, s.URL), app())
			require.Empty(t, s.refusals())
			require.NoError(t, err)
			s.only(t)
		})
	}
}

// moved is a connector whose calls go to this machine, on their own paths.
func moved(c connector.Connector, base string) connector.Connector {
	move := func(full string) string {
		_, rest, ok := strings.Cut(full, "://")
		if !ok {
			return full
		}
		_, path, _ := strings.Cut(rest, "/")
		return base + "/" + path
	}
	c.Loopback = true
	c.Token.URL, c.Refresh.URL, c.IntrospectURL = move(c.Token.URL), move(c.Refresh.URL), move(c.IntrospectURL)
	if c.Upgrade != nil {
		upgrade := *c.Upgrade
		upgrade.URL = move(upgrade.URL)
		c.Upgrade = &upgrade
	}
	if c.Revoke != nil {
		revoke := *c.Revoke
		revoke.URL = move(revoke.URL)
		c.Revoke = &revoke
	}
	return c
}

// introspectAs is an ask like the others, for introspection.
func introspectAs(t testing.TB, c connector.Connector, a oauth.App) (oauth.Reply, error) {
	t.Helper()
	_, err := newClient().Introspect(t.Context(), c, a, secret.New(theToken))
	return oauth.Reply{}, err
}

// providers are those of the quirk table (OAuth client requirements, §4).
func providers() []string {
	return []string{
		"GitHub", "Slack", "Salesforce", "Google", "Microsoft", "HubSpot", "QuickBooks", "Shopify", "TikTok", "Notion", "Xero", "Zoom",
		"Atlassian", "Airtable", "Dropbox", "Box", "Stripe", "Zendesk", "Okta", "Auth0", "Snowflake", "NetSuite", "DocuSign", "Linear", "Asana",
		"Monday", "Intercom", "Facebook", "Instagram", "Threads", "LinkedIn", "X", "Discord", "Twitch", "Spotify", "Strava", "Fitbit",
		"Mailchimp", "Pipedrive", "Gusto", "Calendly", "Bitbucket", "GitLab", "Square", "PayPal", "Amazon", "eBay", "Typeform", "Webex", "Zoho",
		"ServiceNow", "Workday", "Fiserv", "Clover", "Exact Online", "ADP", "WeChat", "QQ", "Smartsheet", "Withings",
	}
}

// TestCatalogue_Covers: there are as many cases as there are to be, each with a name of its own that says whose it is, and
// every provider that is known to be odd has some.
func TestCatalogue_Covers(t *testing.T) {
	t.Parallel()
	replies := replyCases()
	require.GreaterOrEqual(t, len(replies), 120)
	rows := make(map[string]string)
	note := func(name, id string) {
		_, twice := rows[name]
		require.False(t, twice, "two cases are named %q", name)
		rows[name] = id
	}
	for _, c := range replies {
		note(c.name, c.row)
	}
	authorize, calls := authorizeCases(), callCases()
	for _, c := range authorize {
		note(c.name, c.row)
	}
	for _, c := range calls {
		note(c.name, c.row)
	}
	cases := make(map[string]int)
	for name, id := range rows {
		whose, what, ok := strings.Cut(name, ": ")
		require.True(t, ok && what != "", "%q names no one", name)
		cases[whose]++
		if strings.HasPrefix(whose, "RFC ") || strings.HasPrefix(whose, "OpenID ") {
			require.Equal(t, "plain", id, name)
			continue
		}
		require.Regexp(t, `(?i)(^|\W)`+regexp.QuoteMeta(whose)+`(\W|$)`, rowOf(t, id).Name, "%q is judged by the row of another", name)
	}
	answered := make(map[string]bool)
	for _, c := range replies {
		whose, _, _ := strings.Cut(c.name, ": ")
		answered[whose] = true
	}
	for _, name := range providers() {
		require.True(t, answered[name], "%s has no reply in the table", name)
	}
	t.Logf("%d replies, %d authorization requests, %d calls, for %d providers and rules", len(replies), len(authorize), len(calls), len(cases))
}
