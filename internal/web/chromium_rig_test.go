package web

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// chrome is a tab of a headless Chromium.
type chrome struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp keeps a tab in a context
	// shots counts the screenshots.
	shots int
}

// chromiumLimit bounds all that one tab does.
const chromiumLimit = 3 * time.Minute

// newChrome starts a headless Chromium of its own, or fails with how to get one.
func newChrome(t *testing.T) *chrome {
	t.Helper()
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	require.NotEmpty(t, program, "no Chromium found: install it (Debian: apt-get install chromium), or run \"make test\", which does")
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(chromiumLimit),
		chromedp.WindowSize(900, 760),
	)
	allocator, cancel := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(cancel)
	ctx, cancelTab := chromedp.NewContext(allocator)
	t.Cleanup(cancelTab)
	// The first call starts the browser, and must not carry the deadline of one action.
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("about:blank")))
	ctx, cancelTimeout := context.WithTimeout(ctx, chromiumLimit)
	t.Cleanup(cancelTimeout)
	return &chrome{t: t, ctx: ctx}
}

// do runs actions in order.
func (c *chrome) do(steps ...chromedp.Action[chromedp.Void]) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, 2*patience)
	defer cancel()
	require.NoError(c.t, chromedp.Do(ctx, steps...))
}

// look runs an action that returns a value.
func look[T any](c *chrome, action chromedp.Action[T]) T {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, 2*patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	require.NoError(c.t, err)
	return value
}

// open goes to a page and waits until it has a heading.
func (c *chrome) open(address string) {
	c.t.Helper()
	c.do(chromedp.Navigate(address), chromedp.WaitVisible("h1"))
}

// text is what the page says.
func (c *chrome) text() string { c.t.Helper(); return look(c, chromedp.Text("body")) }

// press clicks, and waits for what comes.
func (c *chrome) press(selector, comes string) {
	c.t.Helper()
	c.do(chromedp.Click(selector), chromedp.WaitVisible(comes))
}

// signIn signs in at the sandbox, where it asks for that, and decides.
func (c *chrome) signIn(user, decision string) {
	c.t.Helper()
	c.do(chromedp.WaitVisible("#username, button[name=decision]"))
	if len(look(c, chromedp.Nodes("#username", chromedp.AtLeast(0)))) > 0 {
		c.do(chromedp.SendKeys("#username", user), chromedp.SendKeys("#password", user), chromedp.Submit("#password"))
	}
	button := `button[name="decision"][value="` + decision + `"]`
	c.do(chromedp.WaitVisible(button), chromedp.Click(button))
}

// scripts switches JavaScript on or off, from the next page on.
func (c *chrome) scripts(on bool) {
	c.t.Helper()
	_, err := chromedp.Call(c.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
	require.NoError(c.t, err)
}

func (c *chrome) scheme(name string) {
	c.t.Helper()
	_, err := chromedp.Call(c.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	require.NoError(c.t, err)
}

// barrier is one that axe found.
type barrier struct {
	ID     string   `json:"id"`
	Impact string   `json:"impact"`
	Help   string   `json:"help"`
	Nodes  []string `json:"nodes"`
}

const runAxe = `axe.run(document, { resultTypes: ["violations"] }).then((found) => found.violations.map((v) => ({
	id: v.id, impact: v.impact || "", help: v.help, nodes: v.nodes.map((n) => n.html + " " + n.failureSummary) })))`

// inspect looks at the page in light and in dark, on a wide and on a narrow screen: no barriers, nothing wider than the
// screen, nothing that the policy stopped. It keeps screenshots as test artefacts (go test -artifacts).
func (c *chrome) inspect(name string) {
	c.t.Helper()
	source, err := axe()
	require.NoError(c.t, err)
	c.shots++
	for _, scheme := range []string{"light", "dark"} {
		c.scheme(scheme)
		_ = look(c, chromedp.Evaluate[bool]("("+"() => {"+source+"; return true})()"))
		found := look(c, chromedp.Evaluate[[]barrier](runAxe, chromedp.EvalAwaitPromise))
		for _, b := range found {
			if b.Impact == "serious" || b.Impact == "critical" {
				require.Fail(c.t, "a barrier", "%s in %s: %s (%s)\n%s", name, scheme, b.Help, b.ID, strings.Join(b.Nodes, "\n"))
			}
			c.t.Logf("%s in %s: %s (%s, %s)", name, scheme, b.Help, b.ID, b.Impact)
		}
		c.shot(fmt.Sprintf("%02d-%s-%s.png", c.shots, name, scheme))
	}
	c.scheme("light")
	c.do(chromedp.EmulateViewport(320, 640))
	require.LessOrEqual(c.t, look(c, chromedp.Evaluate[int]("document.documentElement.scrollWidth")), 320, "%s is wider than a narrow screen (WCAG 2.2 §1.4.10)", name)
	c.shot(fmt.Sprintf("%02d-%s-narrow.png", c.shots, name))
	c.do(chromedp.EmulateViewport(900, 760))
}

// shot keeps a screenshot.
func (c *chrome) shot(name string) {
	c.t.Helper()
	image := look(c, chromedp.FullScreenshot(100))
	require.NoError(c.t, os.WriteFile(filepath.Join(c.t.ArtifactDir(), name), image, 0o600))
}
