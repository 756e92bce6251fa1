package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/vault"
)

// agree goes from a connect link to the result page as a user of the sandbox, and waits for the outcome.
func (b *browser) agree(link, user string) *browser {
	b.t.Helper()
	b.open(link).submit()
	b.submit("username", user, "password", user)
	b.submit("decision", "allow")
	return b.outcome()
}

// outcome reloads the result page until it says what came of it.
func (b *browser) outcome() *browser {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		return !strings.Contains(b.open(b.url.String()).page, "Connecting to")
	}, patience, 50*time.Millisecond, "the result page waits for ever")
	return b
}

// asking makes the browser ask for other scopes than it was sent to ask for, as a person does who leaves a box empty.
func (b *browser) asking(scope string) *browser {
	b.t.Helper()
	follow := b.client.CheckRedirect
	b.client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if query := r.URL.Query(); query.Has("code_challenge") {
			query.Set("scope", scope)
			r.URL.RawQuery = query.Encode()
		}
		return follow(r, via)
	}
	return b
}

// whose is the user of the sandbox that a connection's token is of.
func (s *system) whose(id string) string {
	s.t.Helper()
	request, err := http.NewRequest(http.MethodGet, s.dev.Sandbox.Userinfo, nil)
	require.NoError(s.t, err)
	request.Header.Set("Authorization", "Bearer "+s.token(id))
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer func() { _ = response.Body.Close() }()
	require.Equal(s.t, http.StatusOK, response.StatusCode)
	var user struct{ Sub string }
	require.NoError(s.t, json.NewDecoder(response.Body).Decode(&user))
	return user.Sub
}

// A reconnect keeps what the connection is, and refuses the consent of somebody else unless that was allowed.
func TestReconnect(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	store := newInsider(t, s).store
	row := func(id string) vault.Connection {
		c, err := store.Connection(t.Context(), id)
		require.NoError(t, err)
		return c
	}
	created := s.view("connect", "sandbox", "--owner", "acme", "--tag", "team=sales", "--end-user", "u-1")
	id := created.ID
	require.Contains(t, newBrowser(t).agree(*created.ConnectURL, "demo").page, "Connected to Sandbox")
	first := s.await(id, active)
	before := row(id)
	require.Equal(t, map[string]string{"account_id": "user-demo", "account_label": "demo@example.com"}, before.Metadata)
	kept := func(c vault.Connection) []any { return []any{c.ID, c.Owner, c.EndUser, c.Tags, c.Policy, c.CreatedAt} }

	// Somebody else consents: nothing changes.
	link := *s.view("reconnect", id).ConnectURL
	b := newBrowser(t)
	require.Contains(t, b.open(link).page, "demo@example.com")
	b.agree(link, "ada")
	require.Contains(t, b.page, "Sandbox: another account")
	require.Contains(t, b.page, "“demo@example.com”")
	require.Contains(t, b.page, "Nothing has changed.")
	require.NotContains(t, b.page, "ada@example.com")
	require.Equal(t, "active", s.view("status", id).Status)
	require.Equal(t, before.Metadata, row(id).Metadata)
	require.Equal(t, "user-demo", s.whose(id))
	require.Equal(t, "active", s.view("refresh", id).Status, "the old grant lives")

	// The right person, from the same page.
	seen := s.view("status", id).Generation
	b.submit()
	b.submit("username", "demo", "password", "demo")
	require.Contains(t, b.submit("decision", "allow").outcome().page, "Connected to Sandbox")
	again := s.await(id, func(v connections.View) bool { return active(v) && v.Generation > seen })
	require.Greater(t, again.Generation, first.Generation)
	require.Equal(t, kept(before), kept(row(id)))
	require.Equal(t, before.Metadata, row(id).Metadata)

	// Somebody else, and that is meant.
	link = *s.view("reconnect", id, "--allow-account-change").ConnectURL
	b = newBrowser(t)
	require.Contains(t, b.open(link).page, "You may sign in to Sandbox with another account.")
	require.Contains(t, b.agree(link, "ada").page, "Connected to Sandbox")
	s.await(id, func(v connections.View) bool { return active(v) && v.Generation > again.Generation })
	require.Equal(t, "user-ada", s.whose(id))
	require.Equal(t, kept(before), kept(row(id)))
	require.Equal(t, map[string]string{"account_id": "user-ada", "account_label": "ada@example.com"}, row(id).Metadata)

	// That was for one link: from here on the account is hers.
	require.Contains(t, newBrowser(t).agree(*s.view("reconnect", id).ConnectURL, "demo").page, "Sandbox: another account")
	require.Equal(t, "user-ada", s.whose(id))

	machine := s.view("connect", "sandbox", "--grant", "client_credentials", "--wait")
	r := s.starter("reconnect", machine.ID, "--allow-account-change")
	require.Equal(t, 2, r.exit)
	require.Contains(t, r.stderr, "make a new connection")
	s.replayAll()
}

// What was asked for, what was granted and what is configured, where they differ.
func TestScopeDrift(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	created := s.view("connect", "sandbox", "--owner", "acme", "--scope", "openid,offline_access,contacts.read,contacts.write")
	id := created.ID
	b := newBrowser(t).asking("openid offline_access contacts.read").agree(*created.ConnectURL, "demo")
	require.Contains(t, b.page, "Connected to Sandbox")
	require.Contains(t, b.page, "contacts.write is missing")
	v := s.await(id, active)
	require.ElementsMatch(t, []string{"openid", "offline_access", "contacts.read"}, v.Scopes)
	require.ElementsMatch(t, []string{"openid", "offline_access", "contacts.read", "contacts.write"}, v.RequestedScopes)
	require.Equal(t, v.RequestedScopes, v.ConfiguredScopes)
	require.Equal(t, []string{"contacts.write"}, v.MissingScopes)
	require.Contains(t, v.Message, "contacts.write is missing. Reconnect and agree to it at the provider, or do without.")
	text := s.starter("status", id).stdout
	require.Regexp(t, `asked for +openid offline_access contacts.read contacts.write\n`, text)
	require.Regexp(t, `missing +contacts.write\n`, text)

	// A renewal changes nothing of that; a consent to all of it does.
	require.Equal(t, []string{"contacts.write"}, s.view("refresh", id).MissingScopes)
	seen := s.view("status", id).Generation
	require.Contains(t, newBrowser(t).agree(*s.view("reconnect", id).ConnectURL, "demo").page, "You can close this window.")
	v = s.await(id, func(v connections.View) bool { return v.Generation > seen })
	require.Empty(t, v.MissingScopes)
	require.Equal(t, "Connected.", v.Message)
	require.NotContains(t, s.starter("status", id).stdout, "asked for")

	// The integration's scopes change: its connections say so, and a reconnect asks for them.
	plain := s.view("connect", "sandbox", "--owner", "acme")
	newBrowser(t).agree(*plain.ConnectURL, "demo")
	s.await(plain.ID, active)
	in := newInsider(t, s)
	app, err := in.store.Integration(t.Context(), connections.PlatformIntegrationID("sandbox", ""))
	require.NoError(t, err)
	app.Scopes = append(plain.ConfiguredScopes, "contacts.write")
	require.NoError(t, in.store.PutIntegration(t.Context(), app))
	require.Contains(t, s.view("status", plain.ID).Message, "reconnect to ask for contacts.write too")
	require.Equal(t, "Connected.", s.view("status", id).Message, "its scopes were chosen")
	again := s.view("reconnect", plain.ID)
	b = newBrowser(t).agree(*again.ConnectURL, "demo")
	require.Contains(t, scopeOf(t, b), "contacts.write")
	v = s.await(plain.ID, func(v connections.View) bool { return v.Generation > again.Generation })
	require.Contains(t, v.Scopes, "contacts.write")
	require.Equal(t, app.Scopes, v.RequestedScopes)
	require.Equal(t, "Connected.", v.Message)
}

// scopeOf is what a browser was sent to the provider with.
func scopeOf(t *testing.T, b *browser) string {
	t.Helper()
	for _, visited := range b.visited {
		u, err := url.Parse(visited)
		require.NoError(t, err)
		if scope := u.Query().Get("scope"); scope != "" {
			return scope
		}
	}
	require.Fail(t, "the browser was never at the provider")
	return ""
}

// What the person sees who comes back with another account.
func TestChromiumReconnect(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	created := s.view("connect", "sandbox", "--owner", "acme")
	newBrowser(t).agree(*created.ConnectURL, "demo")
	s.await(created.ID, active)
	ctx := chromium(t)

	do(ctx, t, chromedp.Navigate(*s.view("reconnect", created.ID).ConnectURL), chromedp.WaitVisible("button"))
	require.Equal(t, "Reconnect to Sandbox", see(ctx, t, chromedp.Title()))
	text := see(ctx, t, chromedp.Text("main"))
	for _, part := range []string{"demo@example.com", "works", "another one is not accepted"} {
		require.Contains(t, text, part)
	}
	shot(ctx, t, "1-reconnect.png")

	allow := `button[name="decision"][value="allow"]`
	do(ctx, t,
		chromedp.Click("button"), chromedp.WaitVisible("#username"),
		chromedp.SendKeys("#username", "ada"), chromedp.SendKeys("#password", "ada"), chromedp.Submit("#password"),
		chromedp.WaitVisible(allow), chromedp.Click(allow), chromedp.WaitVisible("h1.bad"),
	)
	require.Contains(t, see(ctx, t, chromedp.Text("main")), "“demo@example.com”")
	shot(ctx, t, "2-another-account.png")

	// "Try again", as the person who is connected.
	do(ctx, t,
		chromedp.Click("button"), chromedp.WaitVisible("#username"),
		chromedp.SendKeys("#username", "demo"), chromedp.SendKeys("#password", "demo"), chromedp.Submit("#password"),
		chromedp.WaitVisible(allow), chromedp.Click(allow), chromedp.WaitVisible("h1.good"),
	)
	require.Equal(t, "user-demo", s.whose(created.ID))
}
