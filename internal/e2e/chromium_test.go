package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// chromium starts a headless Chromium of its own, or fails with how to get one.
func chromium(t *testing.T) context.Context {
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
		chromedp.WSURLReadTimeout(patience),
		chromedp.WindowSize(900, 760),
	)
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancelTab := chromedp.NewContext(allocator)
	t.Cleanup(cancelTab)
	// The first call starts the browser, and must not carry the deadline of one action.
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("about:blank")))
	ctx, cancelTimeout := context.WithTimeout(ctx, 2*patience)
	t.Cleanup(cancelTimeout)
	return ctx
}

// see runs an action that returns a value.
func see[T any](ctx context.Context, t *testing.T, action chromedp.Action[T]) T {
	t.Helper()
	value, err := chromedp.Run(ctx, action)
	require.NoError(t, err)
	return value
}

// do runs actions in order.
func do(ctx context.Context, t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	require.NoError(t, chromedp.Do(ctx, steps...))
}

// shot keeps a screenshot as a test artefact (go test -artifacts).
func shot(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	image := see(ctx, t, chromedp.FullScreenshot(100))
	require.NoError(t, os.WriteFile(filepath.Join(t.ArtifactDir(), name), image, 0o600))
}

// A person clicks Connect, logs in, consents, and sees Connected.
func TestChromium(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	created := s.view("connect", "sandbox", "--owner", "acme")
	ctx := chromium(t)

	do(ctx, t, chromedp.Navigate(*created.ConnectURL), chromedp.WaitVisible("button"))
	require.Equal(t, "Connect to Sandbox", see(ctx, t, chromedp.Title()))
	text := see(ctx, t, chromedp.Text("main"))
	for _, part := range []string{"Acme Inc", "acme", "offline_access"} {
		require.Contains(t, text, part)
	}
	shot(ctx, t, "1-connect.png")

	do(ctx, t, chromedp.Click("button"), chromedp.WaitVisible("#username"))
	shot(ctx, t, "2-login.png")
	allow := `button[name="decision"][value="allow"]`
	do(ctx, t,
		chromedp.SendKeys("#username", "demo"),
		chromedp.SendKeys("#password", "demo"),
		chromedp.Submit("#password"),
		chromedp.WaitVisible(allow),
	)
	shot(ctx, t, "3-consent.png")

	// The result page goes on by itself, by its script.
	do(ctx, t, chromedp.Click(allow))
	answered := time.Now()
	do(ctx, t, chromedp.WaitVisible("h1.good"))
	t.Logf("Chromium showed the outcome %v after the consent click", time.Since(answered).Round(time.Millisecond))
	require.Contains(t, see(ctx, t, chromedp.Text("h1")), "Connected to Sandbox")
	shot(ctx, t, "4-connected.png")
	s.await(created.ID, active)

	// The operator's view of the same connection, in Temporal's Web UI: the status card, and what can be searched for.
	tab := func(name, shows string) string {
		link := fmt.Sprintf(`//a[contains(., %q)]`, name)
		do(ctx, t, chromedp.WaitVisible(link), chromedp.Click(link))
		var page string
		require.Eventually(t, func() bool {
			page = see(ctx, t, chromedp.Text("body"))
			return strings.Contains(page, shows)
		}, patience, 100*time.Millisecond, name)
		return page
	}
	do(ctx, t,
		chromedp.EmulateViewport(1300, 1000),
		chromedp.Navigate("http://"+s.dev.TemporalUI+"/namespaces/default/workflows/connection%2F"+created.ID),
	)
	// The card itself is drawn in a frame of its own; TestOperatorsView reads it.
	card := tab("User Metadata", "Current Details")
	shot(ctx, t, "5-temporal-card.png")
	require.Contains(t, card, "sandbox: exchange code")
	attributes := tab("Search Attributes", "ConnectionStatus")
	shot(ctx, t, "6-temporal-attributes.png")
	require.Contains(t, attributes, `"ConnectionStatus": "active"`)
	require.Contains(t, attributes, `"ConnectionOwner": "acme"`)
	token := s.token(created.ID)
	for _, page := range []string{card, attributes} {
		require.NotContains(t, page, token)
	}
}
