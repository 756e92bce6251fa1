package web

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/workflows"
)

func TestRefusalCanBeTakenBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.create()
	b := r.browser()
	authorize := b.press(link)
	p := b.settled(b.back(b.consent(authorize, "deny")))
	require.Contains(t, p.body, "Sandbox: consent refused")
	require.Contains(t, p.body, "try again, or ask Acme Inc for a new connect link")
	r.requireOutcome(authorize, workflows.ReasonConsentDenied)
	// The same browser may open the link again.
	b.connect(link)
	r.AwaitStatus(id, workflows.StatusActive)
}

func TestTryAgainFromTheResult(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, link := r.create()
	b := r.browser()
	result := b.back(b.consent(b.press(link), "deny"))
	require.Contains(t, b.settled(result).body, `action="`+result+`/again"`)
	require.Equal(t, http.StatusNotFound, r.browser().post(result+"/again", nil).status, "another browser")
	require.Equal(t, http.StatusNotFound, b.get(result+"/again").status)
	require.Contains(t, b.settled(b.back(b.consent(b.begin(result+"/again"), "allow"))).body, "Connected to Sandbox")
	r.AwaitStatus(id, workflows.StatusActive)
	r.Clock.Move(connections.LinkLife)
	require.NotContains(t, b.get(result).body, "Try again")
	require.Equal(t, http.StatusGone, b.post(result+"/again", nil).status, "the link has expired")
}

// TestProviderErrors: codes become our own sentences; what the provider wrote beside them is shown nowhere.
func TestProviderErrors(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for code, want := range map[string]struct {
		reason workflows.Reason
		text   string
	}{
		"access_denied":             {workflows.ReasonConsentDenied, "Access was refused at Sandbox"},
		"login_required":            {workflows.ReasonConsentDenied, "Access was refused at Sandbox"},
		"invalid_scope":             {workflows.ReasonScopeRejected, "only Acme Inc can mend that. Tell them this code: scope_rejected"},
		"unauthorized_client":       {workflows.ReasonAppMisconfigured, "Tell them this code: app_misconfigured"},
		"unsupported_response_type": {workflows.ReasonAppMisconfigured, "Tell them this code: app_misconfigured"},
		"server_error":              {workflows.ReasonConsentFailed, "Sandbox did not complete the connection"},
		"temporarily_unavailable":   {workflows.ReasonConsentFailed, "Sandbox did not complete the connection"},
		"made_up_by_this_provider":  {workflows.ReasonConsentFailed, "Sandbox did not complete the connection"},
	} {
		_, link := r.create()
		b := r.browser()
		authorize := b.press(link)
		p := b.settled(b.back(r.answerTo(authorize, url.Values{
			"error": {code}, "error_description": {r.secret("description", "words-of-the-provider")}, "error_uri": {"https://evil.example/"},
		})))
		require.Contains(t, p.body, want.text, code)
		require.NotContains(t, p.body, "evil.example")
		require.NotContains(t, r.Logged.String(), code+`"`)
		r.requireOutcome(authorize, want.reason)
	}
}

// answerTo is a callback URL for a request, with the sandbox's "iss".
func (r *rig) answerTo(authorize string, values url.Values) string {
	r.t.Helper()
	values.Set("state", query(r.t, authorize).Get("state"))
	values.Set("iss", r.Sandbox.Endpoints().Issuer)
	return r.base + "/callback?" + values.Encode()
}

// TestCodeRefusedByTheProvider: a made-up code gets as far as the provider, once.
func TestCodeRefusedByTheProvider(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	b := r.browser()
	p := b.settled(b.back(r.answerTo(b.press(link), url.Values{"code": {r.secret("code", "made-up-code")}})))
	require.Contains(t, p.body, "Not connected to Sandbox")
	require.Equal(t, 1, r.TokenRequests("authorization_code"))
}

// TestAppRejectedByTheProvider: the person is told that it is not their fault.
func TestAppRejectedByTheProvider(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.NoError(t, r.Sandbox.SetFaults(sandbox.Faults{RejectClient: true}))
	_, link := r.create()
	b := r.browser()
	p := b.settled(b.back(b.consent(b.press(link), "allow")))
	require.Contains(t, p.body, "Sandbox does not accept the app of Acme Inc")
	require.Contains(t, p.body, "client_rejected")
}
