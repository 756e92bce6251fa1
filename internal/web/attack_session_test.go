package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

func TestAttackSessionForwarded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.session()
	a, b := r.browser(), r.browser()
	require.Equal(t, http.StatusOK, b.get(link).status, "b opens it before a uses it")
	authorize := a.consentTo(link)
	for _, p := range []page{b.get(link), b.use(link), r.browser().get(link)} {
		require.Equal(t, http.StatusGone, p.status)
		require.Contains(t, p.body, "This link has been used")
		require.Empty(t, p.location)
	}
	// Not even the name of the session helps.
	for _, path := range []string{"/setup/" + id, "/setup/" + id + "/state", "/yours/" + id} {
		require.Equal(t, http.StatusNotFound, b.get(r.base+path).status)
	}
	require.Contains(t, a.settled(a.back(a.consent(authorize, "allow"))).body, "Connected to Sandbox")
	require.Len(t, r.rows(), 1)
}

// TestAttackSessionRace: of many browsers that press at once exactly one is let through.
func TestAttackSessionRace(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.session()
	answers := make([]page, 8)
	browsers := make([]*browser, len(answers))
	for i := range browsers {
		browsers[i] = r.browser()
		browsers[i].get(link)
	}
	var all sync.WaitGroup
	for i, b := range browsers {
		all.Go(func() { answers[i] = b.use(link) })
	}
	all.Wait()
	let := 0
	for _, p := range answers {
		if p.status == http.StatusSeeOther {
			let++
		} else {
			require.Equal(t, http.StatusGone, p.status)
		}
	}
	require.Equal(t, 1, let)
	require.Len(t, r.rows(), 1)
	require.Equal(t, r.rows()[0].ID, r.sessionOf(id).ConnectionID)
}

func TestAttackSessionExpired(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.session(func(q *connections.ConnectSessionRequest) { q.Expires = time.Minute })
	b := r.browser()
	b.consentTo(link)
	r.Clock.Move(time.Minute)
	for _, who := range []*browser{b, r.browser()} {
		for _, p := range []page{who.get(link), who.use(link)} {
			require.Equal(t, http.StatusGone, p.status)
			require.Contains(t, p.body, "This link has expired")
			require.Empty(t, p.location)
		}
	}
}

// TestAttackSessionGuessing: a link that never was and one that cannot be are answered alike.
func TestAttackSessionGuessing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.session()
	b := r.browser()
	unknown, _ := connections.NewSecret()
	want := b.get(r.base + "/session/" + unknown)
	require.Equal(t, http.StatusNotFound, want.status)
	for _, guess := range []string{"x", id, unknown[:42], unknown + "A", strings.Repeat("A", 10_000), "%00", "%ff", "..%2f..%2fetc", "'%20OR%201=1--"} {
		for _, p := range []page{b.get(r.base + "/session/" + guess), b.use(r.base + "/session/" + guess), b.get(r.base + "/session/" + guess + "?assertion=x")} {
			require.Equal(t, want.status, p.status, guess)
			require.Equal(t, want.body, p.body, guess)
			require.Empty(t, p.cookies)
		}
	}
}

func TestAttackSessionWithoutAssertion(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.session(forAda)
	b := r.browser()
	for _, p := range []page{b.get(link), b.use(link), b.get(link + "?assertion="), b.post(link+"/open", nil)} {
		require.Equal(t, http.StatusForbidden, p.status)
		require.Contains(t, p.body, "Open this from Acme Inc")
		require.NotContains(t, p.body, "Northwind")
		require.NotContains(t, p.body, "ada", "who it is for is not told")
	}
	// One who has shown it does not let others in.
	ada := r.browser()
	ada.get(link + "?assertion=" + r.assertionFor(id, "ada"))
	require.Equal(t, http.StatusOK, ada.get(link).status)
	require.Equal(t, http.StatusForbidden, b.get(link).status)
	require.Equal(t, http.StatusForbidden, b.use(link).status)
	require.Zero(t, r.sessionOf(id).ConsumedAt)
	ada.consentTo(link)
}

func TestAttackAssertionOfAnotherUser(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.session(forAda)
	other, _ := r.session(forAda)
	nobody, open := r.session()
	b := r.browser()
	for name, assertion := range map[string]string{
		"another user":      r.assertionFor(id, "eve"),
		"no user":           r.assertionFor(id, ""),
		"another session":   r.assertionFor(other, "ada"),
		"expired":           r.assertionFor(id, "ada", func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(r.Clock.Now().Add(-time.Second)) }),
		"lives for an hour": r.assertionFor(id, "ada", func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(r.Clock.Now().Add(time.Hour)) }),
		"never expires":     r.assertionFor(id, "ada", func(c *jwt.Claims) { c.Expiry = nil }),
		"works for ever":    r.assertionFor(id, "ada", func(c *jwt.Claims) { c.ID = "" }),
		"unsigned":          "eyJhbGciOiJub25lIn0." + strings.Split(r.assertionFor(id, "ada"), ".")[1] + ".",
		"tampered":          r.assertionFor(id, "ada") + "A",
		"junk":              "x",
		"long":              strings.Repeat("A", 20_000),
	} {
		p := b.get(link + "?assertion=" + url.QueryEscape(assertion))
		require.Equal(t, http.StatusForbidden, p.status, name)
		require.Empty(t, p.location, name)
		require.Equal(t, http.StatusForbidden, b.get(link).status, name)
		require.Equal(t, http.StatusForbidden, b.use(link).status, name)
	}
	require.Zero(t, r.sessionOf(id).ConsumedAt)
	require.Equal(t, http.StatusForbidden, b.get(open+"?assertion="+r.assertionFor(nobody, "ada")).status, "a session of nobody takes none")
}

func TestAttackAssertionReplayed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.session(forAda)
	assertion := r.assertionFor(id, "ada")
	ada, eve := r.browser(), r.browser()
	require.Equal(t, http.StatusSeeOther, ada.get(link+"?assertion="+assertion).status)
	for _, who := range []*browser{eve, ada} {
		p := who.get(link + "?assertion=" + assertion)
		require.Equal(t, http.StatusForbidden, p.status)
		require.Contains(t, p.body, "was used before")
	}
	require.Equal(t, http.StatusForbidden, eve.get(link).status)
	require.Equal(t, http.StatusOK, ada.get(link).status, "the first one stays")
	// Parallel: one browser gets in.
	again := r.assertionFor(id, "ada")
	answers := make([]page, 6)
	var all sync.WaitGroup
	for i := range answers {
		b := r.browser()
		all.Go(func() { answers[i] = b.get(link + "?assertion=" + again) })
	}
	all.Wait()
	let := 0
	for _, p := range answers {
		if p.status == http.StatusSeeOther {
			let++
		}
	}
	require.Equal(t, 1, let)
	// After the button an assertion lets no other browser in.
	ada.consentTo(link)
	require.Equal(t, http.StatusGone, eve.get(link+"?assertion="+r.assertionFor(id, "ada")).status)
}

// TestAttackAssertionForwarded: an end user sends her own assertion, unused, to somebody else, whose account would then be
// hers. Where the platform has said which pages are its own, no link and no other page hands one over.
func TestAttackAssertionForwarded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const platform = "https://app.example"
	r.pages.Connections.PlatformOrigins = []string{platform}
	id, link := r.session(forAda)
	assertion := r.assertionFor(id, "ada")
	victim := r.browser()
	hand := func(pairs ...string) page {
		return victim.post(link+"/open", url.Values{"assertion": {assertion}}, pairs...)
	}
	for _, p := range []page{
		victim.get(link + "?assertion=" + assertion), hand(), hand("Origin", "https://evil.example"), hand("Origin", "null"),
		hand("Origin", platform+".evil.example"), hand("Origin", "http://app.example"),
	} {
		require.Equal(t, http.StatusForbidden, p.status)
	}
	require.Equal(t, http.StatusForbidden, victim.get(link).status)
	require.Equal(t, http.StatusSeeOther, hand("Origin", platform, "Sec-Fetch-Site", "cross-site").status, "and nothing of it was used up")
	require.Equal(t, http.StatusOK, victim.get(link).status)
}

// TestAttackSessionInALoop: one link does not fill the vault, however often its form is posted, and nobody is told of what
// never came to anything.
func TestAttackSessionInALoop(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.offer()
	id, link := r.session(func(q *connections.ConnectSessionRequest) { q.Connectors = []string{"own"} })
	app := r.Sandbox.Clients().App
	kept, err := r.Client.PutIntegration(t.Context(), connections.IntegrationRequest{Owner: "Northwind Traders", Connector: "own", ClientID: "theirs", ClientSecret: secret.New("given before"), Scopes: []string{"x"}})
	require.NoError(t, err)
	b := r.browser()
	b.consentTo(link, "client_id", "theirs", "client_secret", "given before")
	stored := func() []string {
		list, err := r.Vault.ListIntegrations(t.Context(), "Northwind Traders")
		require.NoError(t, err)
		var ids []string
		for _, i := range list {
			ids = append(ids, i.ClientID)
		}
		return ids
	}
	var p page
	posts := 0
	for ; posts < vault.MaxSessionUses; posts++ {
		p = b.use(link, "client_id", "app-"+strconv.Itoa(posts), "client_secret", r.secret("typed", "typed in "+strconv.Itoa(posts)))
		if p.status != http.StatusSeeOther {
			break
		}
		require.ElementsMatch(t, []string{"theirs", "app-" + strconv.Itoa(posts)}, stored(), "one at a time, and what the platform had set stays")
	}
	require.Less(t, posts, vault.MaxSessionUses)
	require.Equal(t, http.StatusGone, p.status)
	require.Contains(t, p.body, "This link was used too often")
	require.LessOrEqual(t, len(stored()), 3)
	require.LessOrEqual(t, len(r.rows()), vault.MaxSessionUses)
	require.Equal(t, http.StatusGone, b.use(link, "client_id", app.ID, "client_secret", app.Secret.Reveal()).status)
	_, err = r.Vault.Integration(t.Context(), kept.ID)
	require.NoError(t, err)
	last := r.sessionOf(id).ConnectionID
	for _, row := range r.rows() {
		if row.ID != last {
			r.AwaitStatus(row.ID, workflows.StatusDisconnected)
		}
	}
	events, err := r.Vault.ListEvents(t.Context(), vault.EventFilter{})
	require.NoError(t, err)
	require.Empty(t, events)
}

// TestAttackSessionAfterItsToken: a session that has made its connection stores nothing any more.
func TestAttackSessionAfterItsToken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.offer()
	id, link := r.session(several)
	b := r.browser()
	b.settled(b.back(b.consent(b.consentTo(link, "connector", "sandbox"), "allow")))
	r.AwaitStatus(r.sessionOf(id).ConnectionID, workflows.StatusActive)
	for _, again := range [][]string{{"connector", "own", "client_id", "x", "client_secret", r.secret("typed", "typed too late")}, {"connector", "sandbox"}} {
		p := b.use(link, again...)
		require.Equal(t, http.StatusOK, p.status)
		require.Contains(t, p.body, "Sandbox is connected already")
	}
	list, err := r.Vault.ListIntegrations(t.Context(), "Northwind Traders")
	require.NoError(t, err)
	require.Empty(t, list)
	require.Len(t, r.rows(), 1)
}

// TestAttackSessionOfTwoConnections: a choice that cannot be ended is not replaced, and the answer to one that was replaced is
// not used.
func TestAttackSessionOfTwoConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.offer()
	id, link := r.session(several)
	b := r.browser()
	callback := b.consent(b.consentTo(link, "connector", "sandbox"), "allow")
	first := r.sessionOf(id)
	require.NoError(t, r.Temporal.TerminateWorkflow(t.Context(), workflows.WorkflowID(first.ConnectionID), "", "it is to be missing"))
	p := b.use(link, "connector", "shop", "input_shop", "one")
	require.Equal(t, http.StatusServiceUnavailable, p.status)
	require.NotEmpty(t, p.header.Get("Retry-After"))
	require.Equal(t, first.ConnectionID, r.sessionOf(id).ConnectionID)
	require.Len(t, r.rows(), 1)

	// Whatever else may have moved the session on.
	_, err := r.Vault.UseSession(t.Context(), vault.SessionUse{
		Hash: first.Hash, BrowserHash: first.BrowserHash, At: r.Clock.Now(), ConnectionID: "con_06eg2v00000000000000000000", Replaces: first.ConnectionID,
	})
	require.NoError(t, err)
	p = b.get(callback)
	require.Equal(t, http.StatusBadRequest, p.status)
	require.Contains(t, p.body, "This answer fits no request")
	r.requireUntouched(callback)
}

// TestAttackReturnURLTakenBack: what was allowed when the session was made must still be when its result is shown.
func TestAttackReturnURLTakenBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.session(returning)
	b := r.browser()
	result := b.back(b.consent(b.consentTo(link+"?return_url=https://evil.example", "return_url", "https://evil.example"), "allow"))
	p := b.settled(result)
	require.Contains(t, p.body, `href="`+returnURL)
	require.NotContains(t, p.body, "evil")
	r.pages.Connections.ReturnURLs = []string{"https://app.example/other"}
	p = b.get(result)
	require.Contains(t, p.body, "Connected to Sandbox")
	require.NotContains(t, p.body, "app.example")
}

func TestAttackSessionCrossSiteForm(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.session()
	manageID, manage := r.session(managing)
	row := r.connected()
	b := r.browser()
	b.use(manage)
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		for _, address := range []string{link, r.base + "/yours/" + manageID + "/" + row.ID + "/disconnect", r.base + "/yours/" + manageID + "/" + row.ID + "/reconnect", r.base + "/setup/" + id} {
			require.Equal(t, http.StatusForbidden, b.post(address, nil, header...).status)
		}
	}
	require.Zero(t, r.sessionOf(id).ConsumedAt)
	require.Equal(t, string(workflows.StatusActive), r.rowOf(row.ID).Status)
}

func TestAttackSessionMarkup(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.offer()
	id, link := r.session(several, func(q *connections.ConnectSessionRequest) { q.Owner, q.EndUser = markup, markup })
	b := r.browser()
	b.get(link + "?assertion=" + r.assertionFor(id, markup))
	for _, p := range []page{
		b.get(link), b.get(link + "?q=" + url.QueryEscape(markup)), b.get(link + "?connector=shop"), b.get(link + "?connector=" + url.QueryEscape(markup)),
		b.use(link, "connector", "shop", "input_shop", markup), b.use(link, "connector", "own", "client_id", markup, "display", markup),
	} {
		requireNoMarkup(t, p)
	}
}

// TestAttackSessionSizes: a megabyte in any field is refused before it is looked at.
func TestAttackSessionSizes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.offer()
	id, link := r.session(several)
	b := r.browser()
	huge := strings.Repeat("A", 1<<20)
	for _, field := range []string{"connector", "input_shop", "client_id", "client_secret", "display"} {
		p := b.use(link, "connector", "shop", field, huge)
		require.Equal(t, http.StatusBadRequest, p.status, field)
		require.Less(t, len(p.body), 10_000)
	}
	p := b.use(link, "connector", "shop", "input_shop", huge[:20_000])
	require.Equal(t, http.StatusUnprocessableEntity, p.status)
	require.Equal(t, http.StatusForbidden, b.post(link+"/open", url.Values{"assertion": {huge}}).status)
	require.Zero(t, r.sessionOf(id).ConsumedAt)
}

// TestAttackSessionDisconnected: a consent that comes after the connection was ended brings nothing back.
func TestAttackSessionDisconnected(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.session(confirming)
	b := r.browser()
	authorize := b.consentTo(link)
	callback := b.consent(authorize, "allow")
	result := b.back(callback)
	connection := r.sessionOf(id).ConnectionID
	_, err := r.Client.Disconnect(t.Context(), connection)
	require.NoError(t, err)
	r.AwaitStatus(connection, workflows.StatusDisconnected)
	require.Equal(t, http.StatusNotFound, b.get(result).status)
	require.Equal(t, http.StatusNotFound, b.post(result+"/confirm", url.Values{"decision": {"yes"}}).status)
	require.Equal(t, http.StatusBadRequest, b.get(callback).status)
	require.Zero(t, r.TokenRequests("authorization_code"))
	require.Nil(t, r.rowOf(connection).AccessToken)
}

// TestAttackConfirmElsewhere: whoever has the URL of the result cannot confirm in place of the person.
func TestAttackConfirmElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.session(confirming)
	a, b := r.browser(), r.browser()
	authorize := a.consentTo(link)
	result := a.back(a.consent(authorize, "allow"))
	for _, p := range []page{b.get(result), b.get(result + "/state"), b.post(result+"/confirm", url.Values{"decision": {"yes"}})} {
		require.Equal(t, http.StatusNotFound, p.status)
	}
	require.Equal(t, http.StatusMethodNotAllowed, a.do(http.MethodPut, result+"/confirm", "decision=yes").status)
	require.Equal(t, http.StatusNotFound, a.get(result+"/confirm?decision=yes").status)
	require.True(t, r.requestOf(authorize).Held)
	require.Zero(t, r.TokenRequests("authorization_code"))
}
