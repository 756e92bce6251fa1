package web

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// TestSession: one link, one page, one button, one consent, and back to the platform with ids only.
func TestSession(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.session(returning, func(q *connections.ConnectSessionRequest) { q.Tags = map[string]string{"team": "sales"} })
	b := r.browser()
	for range 2 {
		p := b.get(link)
		require.Equal(t, http.StatusOK, p.status)
		for _, text := range []string{"Connect to Sandbox", platform, "Northwind Traders", "<code>contacts.read</code>"} {
			require.Contains(t, p.body, text)
		}
	}
	require.Zero(t, r.sessionOf(id).ConsumedAt, "opening consumes nothing")
	require.Empty(t, r.rows(), "and makes nothing")

	authorize := b.consentTo(link)
	used := r.sessionOf(id)
	require.NotZero(t, used.ConsumedAt)
	result := b.back(b.consent(authorize, "allow"))
	p := b.settled(result)
	require.Contains(t, p.body, "Connected to Sandbox")
	require.Contains(t, p.body, `href="`+returnURL+`?connection_id=`+used.ConnectionID+`&amp;session_id=`+id+`&amp;status=connected"`)
	row := r.AwaitStatus(used.ConnectionID, workflows.StatusActive)
	require.Equal(t, "Northwind Traders", row.Owner)
	require.Equal(t, map[string]string{"team": "sales"}, row.Tags)
	require.Len(t, r.rows(), 1)

	require.Contains(t, b.get(link).body, "Sandbox is connected already")
	seen, err := r.Client.ConnectSession(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, used.ConnectionID, seen.ConnectionID)
	require.True(t, seen.Used)
}

func TestSession_RefusedAndTriedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.session(returning)
	b := r.browser()
	result := b.back(b.consent(b.consentTo(link), "deny"))
	p := b.settled(result)
	require.Contains(t, p.body, "Sandbox: consent refused")
	require.Contains(t, p.body, "status=failed")
	require.Contains(t, b.settled(b.back(b.consent(b.begin(result+"/again"), "allow"))).body, "Connected to Sandbox")
	r.AwaitStatus(r.sessionOf(id).ConnectionID, workflows.StatusActive)
	require.Len(t, r.rows(), 1)
}

// TestSession_PressedTwice: two presses at once make one connection.
func TestSession_PressedTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.session()
	b := r.browser()
	b.get(link)
	answers := make([]page, 6)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = b.use(link) })
	}
	all.Wait()
	for _, p := range answers {
		require.Equal(t, http.StatusSeeOther, p.status, p.body)
	}
	require.Len(t, r.rows(), 1)
	require.Contains(t, b.settled(b.back(b.consent(b.consentTo(link), "allow"))).body, "Connected to Sandbox")
	require.Equal(t, r.rows()[0].ID, r.sessionOf(id).ConnectionID)
}

func TestSession_Choose(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.offer()
	id, link := r.session(several)
	b := r.browser()
	p := b.get(link)
	require.Contains(t, p.body, "4 of 4 apps")
	require.Less(t, strings.Index(p.body, "Corner Shop"), strings.Index(p.body, "Own Cloud"), "in order of names")
	p = b.get(link + "?q=ECOMM+corner")
	require.Contains(t, p.body, "1 of 4 apps")
	require.NotContains(t, p.body, "Robot Works")
	require.Contains(t, b.get(link+"?q=zzz").body, "No app matches “<bdi>zzz</bdi>”")
	require.Equal(t, http.StatusNotFound, b.get(link+"?connector=slack").status)
	require.Equal(t, http.StatusNotFound, b.use(link, "connector", "slack").status)
	require.Equal(t, http.StatusNotFound, b.use(link).status)
	require.Zero(t, r.sessionOf(id).ConsumedAt)

	// The inputs are checked in place, and nothing is used up by an error.
	p = b.get(link + "?connector=shop")
	require.Contains(t, p.body, "Shop name")
	for value, fault := range map[string]string{"": "Enter the shop name.", "no/such/..": "This must look like “my-store”."} {
		p = b.use(link, "connector", "shop", "input_shop", value)
		require.Equal(t, http.StatusUnprocessableEntity, p.status)
		require.Contains(t, p.body, fault)
		require.Contains(t, p.body, `aria-invalid="true"`)
		require.Contains(t, p.body, `value="`+value+`"`)
	}
	require.Zero(t, r.sessionOf(id).ConsumedAt)

	// The person changes their mind twice: what nobody consented to is ended.
	first := b.consentTo(link, "connector", "shop", "input_shop", "one")
	require.Equal(t, "one", query(t, first).Get("shop"))
	before := r.sessionOf(id).ConnectionID
	b.consentTo(link, "connector", "shop", "input_shop", "two")
	second := r.sessionOf(id).ConnectionID
	require.NotEqual(t, before, second)
	r.AwaitStatus(before, workflows.StatusDisconnected)
	b.settled(b.back(b.consent(b.consentTo(link, "connector", "sandbox"), "allow")))
	last := r.sessionOf(id).ConnectionID
	require.Equal(t, "sandbox", r.AwaitStatus(last, workflows.StatusActive).Connector)
	r.AwaitStatus(second, workflows.StatusDisconnected)

	// Once it is connected the link has done its work.
	require.Contains(t, b.use(link, "connector", "shop", "input_shop", "three").body, "Sandbox is connected already")
	require.Equal(t, last, r.sessionOf(id).ConnectionID)
}

// TestSession_OwnApp: a customer's own app, checked in place; its secret is never shown again.
func TestSession_OwnApp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.offer()
	id, link := r.session(func(q *connections.ConnectSessionRequest) { q.Connectors = []string{"own"} })
	b := r.browser()
	p := b.get(link)
	require.Contains(t, p.body, "Your Own Cloud app")
	require.Contains(t, p.body, r.base+"/callback")
	p = b.use(link, "client_id", "some-app")
	require.Equal(t, http.StatusUnprocessableEntity, p.status)
	require.Contains(t, p.body, "Enter the client secret of your app.")
	require.Contains(t, p.body, `value="some-app"`)
	text := r.secret("entered secret", "a secret that was typed in")
	p = b.use(link, "client_secret", text)
	require.Contains(t, p.body, "Enter the client ID of your app.")
	require.Zero(t, r.sessionOf(id).ConsumedAt)

	app := r.Sandbox.Clients().App
	r.secret("app's secret", app.Secret.Reveal())
	authorize := b.consentTo(link, "client_id", app.ID, "client_secret", app.Secret.Reveal())
	require.Contains(t, b.settled(b.back(b.consent(authorize, "allow"))).body, "Connected to Own Cloud")
	row := r.AwaitStatus(r.sessionOf(id).ConnectionID, workflows.StatusActive)
	require.True(t, strings.HasPrefix(row.IntegrationID, "own:"))
}

// TestSession_ClientCredentials: nobody consents; credentials that the provider refuses are mended in place.
func TestSession_ClientCredentials(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.offer()
	id, link := r.session(returning, func(q *connections.ConnectSessionRequest) { q.Connectors = []string{"robot"} })
	b := r.browser()
	require.Contains(t, b.get(link).body, "Your Robot Works app")
	machine := r.Sandbox.Clients().Machine
	wrong := r.secret("wrong secret", "not the secret of this app")
	p := b.use(link, "client_id", machine.ID, "client_secret", wrong)
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	require.Equal(t, r.base+"/setup/"+id, p.location)
	p = b.settled(p.location)
	require.Contains(t, p.body, "Robot Works does not accept this client ID or secret.")
	require.Contains(t, p.body, `value="`+machine.ID+`"`)
	require.Equal(t, http.StatusNotFound, r.browser().get(r.base+"/setup/"+id).status, "another browser")

	r.secret("secret", machine.Secret.Reveal())
	first := r.sessionOf(id).ConnectionID
	p = b.use(r.base+"/setup/"+id, "client_id", machine.ID, "client_secret", machine.Secret.Reveal())
	require.Equal(t, r.base+"/setup/"+id, p.location, p.body)
	p = b.settled(p.location)
	require.Contains(t, p.body, "Connected to Robot Works")
	require.Contains(t, p.body, "status=connected")
	r.AwaitStatus(r.sessionOf(id).ConnectionID, workflows.StatusActive)
	r.AwaitStatus(first, workflows.StatusDisconnected)
}

func TestSession_Reconnect(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	before := r.connected()
	_, link := r.session(func(q *connections.ConnectSessionRequest) { q.Connectors, q.Connection = nil, before.ID })
	b := r.browser()
	p := b.get(link)
	for _, text := range []string{"Reconnect to Sandbox", "<dd><bdi>demo@example.com</bdi></dd>", "Sign in to Sandbox with this account: another one is not accepted."} {
		require.Contains(t, p.body, text)
	}
	require.Contains(t, b.settled(b.back(b.consent(b.consentTo(link), "allow"))).body, "Connected to Sandbox")
	require.EqualValues(t, 2, r.rowOf(before.ID).Generation)
	require.Equal(t, http.StatusGone, r.browser().get(link).status)
}

// TestSession_Confirm: until the person has confirmed, the code stays sealed in the vault and is exchanged by nobody.
func TestSession_Confirm(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.session(confirming, returning)
	b := r.browser()
	authorize := b.consentTo(link)
	result := b.back(b.consent(authorize, "allow"))
	p := b.get(result)
	require.Contains(t, p.body, "Is this right?")
	require.JSONEq(t, `{"state":"confirm"}`, b.get(result+"/state").body)
	unfinished, err := r.Vault.ListUnfinishedRequests(t.Context(), time.Time{}, r.Clock.Now().Add(time.Hour), 10)
	require.NoError(t, err)
	require.Empty(t, unfinished, "the reconciler does not send it either")
	require.Zero(t, r.TokenRequests("authorization_code"))
	require.Equal(t, http.StatusNotFound, r.browser().post(result+"/confirm", map[string][]string{"decision": {"yes"}}).status, "another browser")
	require.Equal(t, http.StatusForbidden, b.post(result+"/confirm", map[string][]string{"decision": {"yes"}}, "Sec-Fetch-Site", "cross-site").status)
	require.True(t, r.requestOf(authorize).Held)

	p = b.post(result+"/confirm", map[string][]string{"decision": {"yes"}})
	require.Equal(t, result, p.location, p.body)
	require.Contains(t, b.settled(result).body, "Connected to Sandbox")
	require.Equal(t, result, b.post(result+"/confirm", map[string][]string{"decision": {"no"}}).location)
	require.Contains(t, b.get(result).body, "Connected to Sandbox", "once is enough")
	r.AwaitStatus(r.sessionOf(id).ConnectionID, workflows.StatusActive)
}

func TestSession_ConfirmNo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.session(confirming)
	b := r.browser()
	authorize := b.consentTo(link)
	result := b.back(b.consent(authorize, "allow"))
	b.post(result+"/confirm", map[string][]string{"decision": {"no"}})
	require.Contains(t, b.settled(result).body, "consent refused")
	r.requireOutcome(authorize, workflows.ReasonConsentDenied)
	require.Eventually(t, func() bool {
		return r.rowOf(r.sessionOf(id).ConnectionID).Reason == string(workflows.ReasonConsentDenied)
	}, patience, pollEvery)
}

func TestSession_ConfirmTooLate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.session(confirming)
	b := r.browser()
	authorize := b.consentTo(link)
	result := b.back(b.consent(authorize, "allow"))
	r.Clock.Move(holdLimit)
	require.Contains(t, b.get(result).body, "Consent was not given in time")
	b.post(result+"/confirm", map[string][]string{"decision": {"yes"}})
	require.True(t, r.requestOf(authorize).Held)
	require.Zero(t, r.TokenRequests("authorization_code"))
}

// TestSession_ConfirmLate: an answer that was confirmed in the last moment is waited for as long as any other.
func TestSession_ConfirmLate(t *testing.T) {
	t.Parallel()
	line := newLine(t)
	r := newRig(t, func(o *options) { o.temporal = line.address() })
	line.lead(r.TemporalAddress())
	_, link := r.session(confirming)
	b := r.browser()
	result := b.back(b.consent(b.consentTo(link), "allow"))
	r.Clock.Move(holdLimit - 2*time.Second)
	line.cut() // so that it stays without an outcome
	b.post(result+"/confirm", map[string][]string{"decision": {"yes"}})
	for range 2 {
		require.JSONEq(t, `{"state":"waiting"}`, b.get(result+"/state").body)
		r.Clock.Move(outcomeLimit)
	}
	r.Clock.Move(3 * time.Second)
	require.Contains(t, b.get(result).body, "was lost on the way")
}

// TestSession_EndUser: the platform's assertion opens the session, by a link or by a form, and is out of sight at once.
func TestSession_EndUser(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, open := range map[string]func(b *browser, link, assertion string) page{
		"link": func(b *browser, link, assertion string) page {
			return b.get(link + "?display=popup&assertion=" + assertion)
		},
		"form": func(b *browser, link, assertion string) page {
			return b.post(link+"/open", map[string][]string{"assertion": {assertion}, "display": {"popup"}}, "Sec-Fetch-Site", "cross-site", "Origin", "https://app.example")
		},
	} {
		id, link := r.session(forAda)
		b := r.browser()
		p := open(b, link, r.secret("assertion", r.assertionFor(id, "ada")))
		require.Equal(t, http.StatusSeeOther, p.status, name)
		require.Equal(t, link+"?display=popup", p.location)
		require.Zero(t, r.sessionOf(id).ConsumedAt)
		p = b.get(p.location)
		require.Contains(t, p.body, "for the user <strong><bdi>ada</bdi></strong>")
		require.Contains(t, p.body, `name="display" value="popup"`)
		b.settled(b.back(b.consent(b.consentTo(link, "display", "popup"), "allow")))
		require.True(t, r.sessionOf(id).Popup)
		require.Equal(t, "ada", r.rowOf(r.sessionOf(id).ConnectionID).EndUser)
	}
}

// TestYours: the list of an owner's connections, and what can be done with them.
func TestYours(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mine := r.connected()
	other := r.connected(func(q *connections.CreateRequest) { q.Owner = "Somebody Else" })
	id, link := r.session(managing)
	b := r.browser()
	require.Contains(t, b.get(link).body, "Show connections")
	require.Zero(t, r.sessionOf(id).ConsumedAt)
	p := b.use(link)
	list := r.base + "/yours/" + id
	require.Equal(t, list, p.location, p.body)
	require.Equal(t, http.StatusGone, r.browser().get(link).status)
	require.Equal(t, http.StatusNotFound, r.browser().get(list).status)
	require.Equal(t, list, b.get(link).location)
	p = b.get(list)
	for _, text := range []string{"Sandbox", "demo@example.com", "Connected", "last refresh", "just now"} {
		require.Contains(t, p.body, text)
	}
	require.Equal(t, 1, strings.Count(p.body, "demo@example.com</bdi>"))

	// Only what is theirs, by whatever path.
	for _, path := range []string{"/reconnect", "/disconnect"} {
		for _, wrong := range []string{other.ID, "con_06eg2v00000000000000000000", "x"} {
			require.Equal(t, http.StatusNotFound, b.get(list+"/"+wrong+path).status)
			require.Equal(t, http.StatusNotFound, b.use(list+"/"+wrong+path).status)
		}
		require.Equal(t, http.StatusNotFound, r.browser().use(list+"/"+mine.ID+path).status)
	}
	p = b.get(list + "/" + mine.ID + "/reconnect")
	require.Contains(t, p.body, "Reconnect to Sandbox")
	require.Contains(t, p.body, "demo@example.com")
	result := b.back(b.consent(b.consentTo(list+"/"+mine.ID+"/reconnect"), "allow"))
	require.Contains(t, b.settled(result).body, `href="`+list+`"`)
	require.EqualValues(t, 2, r.rowOf(mine.ID).Generation)

	require.Contains(t, b.get(list+"/"+mine.ID+"/disconnect").body, "Disconnect Sandbox?")
	require.Equal(t, string(workflows.StatusActive), r.rowOf(mine.ID).Status, "asking changes nothing")
	p = b.use(list + "/" + mine.ID + "/disconnect")
	require.Equal(t, list+"?ended="+mine.ID, p.location)
	require.Contains(t, b.get(p.location).body, "Sandbox was disconnected.")
	r.AwaitStatus(mine.ID, workflows.StatusDisconnected)
	require.Contains(t, b.get(list).body, "Nothing is connected.")
	require.NotContains(t, b.get(list+"?ended="+other.ID).body, "was disconnected")
	require.Equal(t, string(workflows.StatusActive), r.rowOf(other.ID).Status)
	r.Clock.Move(connections.LinkLife)
	require.Equal(t, http.StatusGone, b.get(list).status)
}

// TestYours_Pages: many connections come in pages, of which none is empty, and what has ended or is another's is in none.
func TestYours_Pages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range pageSize + 2 {
		for _, row := range []vault.Connection{{EndUser: "ada", Status: "paused"}, {EndUser: "ada", Status: "expired"}, {EndUser: "bob", Status: "paused"}} {
			row.ID = fmt.Sprintf("con_%s_%s_%02d", row.EndUser, row.Status, i)
			row.Owner, row.Connector, row.Grant = "Northwind Traders", "sandbox", string(workflows.GrantAuthorizationCode)
			require.NoError(t, r.Vault.CreateConnection(t.Context(), row))
		}
	}
	id, link := r.session(managing, forAda)
	b := r.browser()
	b.get(link + "?assertion=" + r.assertionFor(id, "ada"))
	list := b.use(link).location
	for _, want := range []int{pageSize, 2} {
		p := b.get(list)
		require.Equal(t, want, strings.Count(p.body, "/reconnect\""))
		require.NotContains(t, p.body, "con_bob")
		require.NotContains(t, p.body, "con_ada_expired")
		next := fmt.Sprintf("%s/yours/%s?after=con_ada_paused_%02d", r.base, id, pageSize-1)
		require.Equal(t, want == pageSize, strings.Contains(p.body, next))
		list = next
	}
}

// TestYours_OfOnePerson: a link for one person shows that person's connections.
func TestYours_OfOnePerson(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hers := r.connected(func(q *connections.CreateRequest) { q.EndUser = "ada" })
	his := r.connected(func(q *connections.CreateRequest) { q.EndUser = "bob" })
	id, link := r.session(managing, forAda)
	b := r.browser()
	require.Equal(t, http.StatusForbidden, b.get(link).status)
	require.Equal(t, http.StatusForbidden, b.use(link).status)
	b.get(link + "?assertion=" + r.assertionFor(id, "ada"))
	list := b.use(link).location
	p := b.get(list)
	require.Contains(t, p.body, hers.ID)
	require.NotContains(t, p.body, his.ID)
	require.Equal(t, http.StatusNotFound, b.use(list+"/"+his.ID+"/disconnect").status)
}
