package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	cdptarget "github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/workflows"
)

// TestChromium_Pages looks at every page that a person may meet.
func TestChromium_Pages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.offer()
	c := newChrome(t)
	owner := func(q *connections.ConnectSessionRequest) { q.Owner = "Northwind Traders" }

	_, link := r.session(owner, several, returning)
	c.open(link)
	c.inspect("choose")
	c.do(chromedp.SendKeys("#q", "zzz"), chromedp.WaitVisible("p.none"))
	c.inspect("choose-none")
	c.open(link + "?connector=shop")
	c.inspect("inputs")
	c.do(chromedp.SendKeys("#input_shop", "no/such"))
	c.press("button[type=submit]", ".alert")
	require.Equal(t, "input_shop", look(c, chromedp.Evaluate[string]("document.activeElement.id")), "what is wrong has the focus")
	c.inspect("inputs-wrong")
	c.open(link + "?connector=own")
	c.do(chromedp.SendKeys("#client_id", "an-app"))
	c.press("button[type=submit]", ".alert")
	require.Empty(t, look(c, chromedp.Value("#client_secret")))
	c.inspect("own-app-wrong")

	c.open(link + "?connector=robot")
	c.inspect("credentials")
	c.do(chromedp.SendKeys("#client_id", r.Sandbox.Clients().Machine.ID), chromedp.SendKeys("#client_secret", r.secret("typed", "a wrong secret")))
	c.press("button[type=submit]", ".alert")
	require.Contains(t, c.text(), "does not accept this client ID or secret")
	c.inspect("credentials-refused")
	c.do(chromedp.SendKeys("#client_secret", r.Sandbox.Clients().Machine.Secret.Reveal()))
	c.press("button[type=submit]", "h1.good")
	c.inspect("connected-to-machine")

	_, link = r.session(owner, returning, confirming)
	c.open(link)
	c.inspect("connect")
	c.do(chromedp.Click("button"))
	c.signIn("demo", "deny")
	c.do(chromedp.WaitVisible("h1.bad"))
	c.inspect("refused")
	c.do(chromedp.Click("button"))
	c.signIn("demo", "allow")
	c.do(chromedp.WaitVisible("h1.confirm"))
	c.inspect("confirm")
	c.press(`button[value="yes"]`, "h1.good")
	c.inspect("connected")

	require.NoError(t, r.Sandbox.SetFaults(sandbox.Faults{Grant: "authorization_code", Count: 1, Status: http.StatusBadGateway}))
	_, link = r.session(owner)
	c.open(link)
	c.do(chromedp.Click("button"))
	c.signIn("demo", "allow")
	c.do(chromedp.WaitVisible("h1.bad"))
	c.inspect("failed")

	row := r.connected()
	_, link = r.session(func(q *connections.ConnectSessionRequest) { q.Connectors, q.Connection = nil, row.ID })
	c.open(link)
	require.Contains(t, c.text(), "demo@example.com")
	c.inspect("reconnect")

	_, link = r.session(owner, managing)
	c.open(link)
	c.inspect("manage")
	c.press("button", ".list")
	require.Contains(t, c.text(), "demo@example.com")
	c.inspect("yours")
	c.press(`.list a[href$="`+row.ID+`/disconnect"]`, "button.danger")
	c.inspect("disconnect")
	c.press("button.danger", ".said")
	require.Contains(t, c.text(), "Sandbox was disconnected.")
	c.inspect("yours-ended")

	used, link := r.session(owner)
	r.browser().consentTo(link)
	c.open(link)
	require.Contains(t, c.text(), "This link has been used")
	c.inspect("used")
	require.NotZero(t, r.sessionOf(used).ConsumedAt)
	_, link = r.session(owner, forAda)
	c.open(link)
	c.inspect("not-yours")
	_, link = r.session(owner)
	r.Clock.Move(connections.LinkLife)
	c.open(link)
	require.Contains(t, c.text(), "This link has expired")
	c.inspect("expired")
	c.open(r.base + "/nowhere")
	c.inspect("not-found")
}

// TestChromium_Waiting: the page between callback and outcome, while the outcome does not come.
func TestChromium_Waiting(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *options) { o.temporal = "127.0.0.1:9" })
	_, link := r.create()
	c := newChrome(t)
	c.open(link)
	c.inspect("connect-link")
	c.do(chromedp.Click("button"))
	c.signIn("demo", "allow")
	c.do(chromedp.WaitVisible("h1.waiting"))
	c.inspect("waiting")
}

// TestChromium_Session: a person at a full page. From the click to the consent screen it is one request of ours, and the
// outcome is there within a second of the callback. It measures, so that it runs before all others and beside none.
func TestChromium_Session(t *testing.T) {
	r := newRig(t)
	c := newChrome(t)
	for range 3 {
		id, link := r.session(returning)
		c.open(link)
		before := len(r.arrived(0))
		c.press("button", "#username, button[name=decision]")
		arrived := r.arrived(before)
		require.Len(t, arrived, 1, "%v", arrived)
		require.Equal(t, http.MethodPost, arrived[0].method)
		c.signIn("demo", "allow")
		c.do(chromedp.WaitVisible("h1.good"))
		shown := time.Now()
		var called time.Time
		for _, a := range r.arrived(before) {
			if a.path == "/callback" {
				called = a.at
			}
		}
		t.Logf("Chromium showed the outcome %v after the callback came in", shown.Sub(called).Round(time.Millisecond))
		require.Less(t, shown.Sub(called), time.Second)
		r.AwaitStatus(r.sessionOf(id).ConnectionID, workflows.StatusActive)
		require.Contains(t, look(c, chromedp.Evaluate[string](`document.querySelector("a.button").href`)), "status=connected")
		require.Empty(t, look(c, chromedp.Evaluate[string]("location.search + document.referrer")), "a clean URL, told to nobody")
	}
}

// TestChromium_WithoutScripts: the whole way without JavaScript, search, errors and waiting included.
func TestChromium_WithoutScripts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.offer()
	require.NoError(t, r.Sandbox.SetFaults(slowly(2*time.Second)))
	c := newChrome(t)
	c.scripts(false)
	id, link := r.session(several, returning, confirming)
	c.open(link)
	c.do(chromedp.SendKeys("#q", "corner"))
	c.press(".search button", ".choices li:only-child")
	require.Contains(t, c.text(), "1 of 4 apps")
	c.shot("no-scripts-choose.png")
	c.press(".choices a", "#input_shop")
	c.do(chromedp.SendKeys("#input_shop", "?"))
	c.press("button[type=submit]", ".fault")
	c.do(chromedp.Clear("#input_shop"), chromedp.SendKeys("#input_shop", "my-store"), chromedp.Click("button[type=submit]"))
	c.signIn("demo", "allow")
	c.do(chromedp.WaitVisible("h1.confirm"))
	c.press(`button[value="yes"]`, "h1.waiting")
	c.do(chromedp.WaitVisible("h1.good"))
	require.Contains(t, c.text(), "Connected to Corner Shop")
	c.shot("no-scripts-connected.png")
	row := r.AwaitStatus(r.sessionOf(id).ConnectionID, workflows.StatusActive)

	_, link = r.session(managing)
	c.open(link)
	c.press("button", ".list")
	c.press(`.list a[href$="/reconnect"]`, "form button")
	c.do(chromedp.Click("form button"))
	c.signIn("demo", "allow")
	c.do(chromedp.WaitVisible("h1.good"))
	require.EqualValues(t, 2, r.rowOf(row.ID).Generation)
	c.press("a.button", ".list")
	c.press(`.list a[href$="/disconnect"]`, "button.danger")
	c.press("button.danger", ".said")
	r.AwaitStatus(row.ID, workflows.StatusDisconnected)
}

// TestChromium_Keyboard: the whole way without a mouse.
func TestChromium_Keyboard(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.offer()
	c := newChrome(t)
	id, link := r.session(several)
	c.open(link)
	require.Equal(t, "q", look(c, chromedp.Evaluate[string]("document.activeElement.id")), "the search has the focus")
	c.do(chromedp.KeyEvent("corner"), chromedp.WaitNotVisible(`li[data-text^="Sandbox"]`), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible("#input_shop"))
	// The link back, the field, and the rest in the order of the page.
	var stops []string
	for range 4 {
		c.do(chromedp.KeyEvent(kb.Tab))
		stops = append(stops, look(c, chromedp.Evaluate[string](`document.activeElement.id || document.activeElement.tagName`)))
		if stops[len(stops)-1] == "input_shop" {
			c.do(chromedp.KeyEvent("my-store"))
		}
		require.Equal(t, "3px", look(c, chromedp.Evaluate[string](`getComputedStyle(document.activeElement).outlineWidth`)), "the focus is seen on %v", stops)
	}
	require.Equal(t, []string{"A", "input_shop", "SUMMARY", "BUTTON"}, stops)
	c.do(chromedp.KeyEvent(kb.Enter))
	c.signIn("demo", "allow")
	c.do(chromedp.WaitVisible("h1.good"))
	r.AwaitStatus(r.sessionOf(id).ConnectionID, workflows.StatusActive)
}

// TestChromium_Popup: the platform opens a pop-up from another origin. It is cut off from its opener, and closes itself;
// the platform asks us what has become of it. The provider's pages are left out: at each change from one process to
// another chromedp loses sight of a window that it did not open.
func TestChromium_Popup(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := newChrome(t)
	var link string
	asked, answers := make(chan string, 1), make(chan string, 1)
	platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/authorize" {
			asked <- q.URL.RawQuery
			http.Redirect(w, q, <-answers, http.StatusSeeOther)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<h1>Acme</h1><button onclick="window.popup = window.open('` + link + `', 'connect')">Connect</button>`))
	}))
	t.Cleanup(platform.Close)
	quick, err := r.Catalogue.Get(t.Context(), "sandbox")
	require.NoError(t, err)
	authorize := *quick.Authorize
	authorize.URL = platform.URL + "/authorize"
	quick.ID, quick.Authorize = "quick", &authorize
	require.NoError(t, r.Catalogue.Add(quick))
	app := r.Sandbox.Clients().App
	_, err = r.Client.PutIntegration(t.Context(), connections.IntegrationRequest{Connector: "quick", ClientID: app.ID, ClientSecret: app.Secret})
	require.NoError(t, err)

	id, clean := r.session(forAda, func(q *connections.ConnectSessionRequest) { q.Connectors = []string{"quick"} })
	clean += "?display=popup"
	link = clean + "&assertion=" + r.assertionFor(id, "ada")
	c.open(platform.URL)
	c.do(chromedp.Click("button"))
	var opened cdptarget.ID
	find := func() bool {
		infos, err := chromedp.Targets(c.ctx)
		require.NoError(t, err)
		opened = ""
		for _, info := range infos {
			if info.Type == "page" && strings.HasPrefix(info.URL, r.base) && !strings.Contains(info.URL, "assertion") {
				opened = info.TargetID
			}
		}
		return opened != ""
	}
	require.Eventually(t, find, patience, 20*time.Millisecond)
	require.Eventually(t, func() bool { return r.loaded("/assets/page.js") && r.loaded("/assets/style.css") }, patience, 20*time.Millisecond)
	var ctx context.Context
	ask := func(expression string) bool {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		answer, err := chromedp.Call(short, cdpruntime.Evaluate, cdpruntime.EvaluateParams{Expression: expression})
		return err == nil && answer.Result != nil && string(answer.Result.Value) == "true"
	}
	require.Eventually(t, func() bool {
		// One that was joined on its way from one process to another stays silent: it is joined again.
		var cancel context.CancelFunc
		ctx, cancel = chromedp.NewContext(c.ctx, chromedp.WithTargetID(opened))
		t.Cleanup(cancel)
		return ask(`document.readyState === "complete" && document.querySelector("form button") !== null && window.opener === null`)
	}, 2*patience, 100*time.Millisecond)
	require.True(t, look(c, chromedp.Evaluate[bool]("window.popup.closed")), "its opener is cut off, and may take it for closed")
	ask(`document.querySelector("form button").click()`)
	answers <- r.browser().consent(r.Sandbox.Endpoints().Authorization+"?"+<-asked, "allow")
	require.Eventually(t, func() bool { return !find() }, patience, 20*time.Millisecond, "the pop-up closes itself")
	seen, err := r.Client.ConnectSession(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "ada", r.AwaitStatus(seen.ConnectionID, workflows.StatusActive).EndUser)
}

// TestAttackFraming: no page of ours is shown in a frame, whatever it says.
func TestAttackFraming(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := newChrome(t)
	_, link := r.session()
	_, plain := r.create()
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<h1>Win</h1>`))
	}))
	t.Cleanup(evil.Close)
	for _, address := range []string{link, plain, r.base + "/", r.base + "/callback", r.base + "/result/x"} {
		c.open(evil.URL)
		before := len(r.arrived(0))
		loaded := look(c, chromedp.Evaluate[bool](`new Promise((done) => {
			const frame = document.createElement("iframe");
			frame.onload = () => done(true);
			frame.src = "`+address+`";
			document.body.append(frame);
		})`, chromedp.EvalAwaitPromise))
		require.True(t, loaded)
		require.NotEmpty(t, r.arrived(before), "it was asked for")
		tree, err := chromedp.Call(c.ctx, cdppage.GetFrameTree, cdp.Empty{})
		require.NoError(t, err)
		for _, child := range tree.FrameTree.ChildFrames {
			require.NotContains(t, child.Frame.URL, r.base, "shown in a frame")
		}
	}
}
