package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/workflows"
)

func TestStatesOf(t *testing.T) {
	t.Parallel()
	a, b, c := strings.Repeat("a", randomSecret), strings.Repeat("b", randomSecret), strings.Repeat("c", randomSecret)
	for raw, want := range map[string][]string{
		"":                               nil,
		"state=s&code=c":                 {"s"},
		"code=" + a + "&state=" + b:      {b},
		"code=c&back=" + a:               {a},
		"code=" + a + "&back=" + b:       {a, b},
		"state_id=" + a:                  {a},
		"back=" + a[1:]:                  nil,
		"back=" + a + "a":                nil,
		"state=s&state=" + a:             nil,
		"%73tate=" + a + "&state=" + b:   nil,
		"state=&back=" + a:               {a},
		"%zz=" + a + "&back=" + b:        {b},
		"x=" + a + "&x=" + b + "&y=" + c: {a, b, c},
		"back=" + a + "&" + strings.Repeat("x", maxQuery): nil,
		strings.Repeat("x="+a+"&", 100):                   {a, a, a, a},
	} {
		require.Equal(t, want, statesOf(raw), "%.80s", raw)
	}
}

// TestCallback_StateAmongOthersOfItsForm: the code of such a provider may look like a state.
func TestCallback_StateAmongOthersOfItsForm(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(connector.Callback{CodeParam: "auth_code", StateParam: "state_back"}))
	_, link := r.create(myStore)
	b := r.browser()
	authorize := renamed(t, b.pressForeign(link), "state_back", "state")
	state := query(t, authorize).Get("state")
	code := r.secret("code", strings.Repeat("c", randomSecret))
	at := r.base + "/callback?"
	issuer := url.QueryEscape(r.Sandbox.Endpoints().Issuer)

	// Another browser, or a state that nobody made, finds nothing and spoils nothing.
	require.Equal(t, http.StatusForbidden, r.browser().get(at+"auth_code="+code+"&state_back="+state).status)
	require.Equal(t, http.StatusBadRequest, b.get(at+"auth_code="+code+"&state_back="+strings.Repeat("x", randomSecret)).status)
	r.requireUntouched(authorize)

	b.settled(b.back(at + "auth_code=" + code + "&state_back=" + state + "&iss=" + issuer))
	require.Equal(t, 1, r.TokenRequests("authorization_code"), "it got as far as the provider")
}

// TestCallback_StateUnderAnotherParameter is an answer, and not the one that was asked for.
func TestCallback_StateUnderAnotherParameter(t *testing.T) {
	t.Parallel()
	r := newRig(t, shop(connector.Callback{StateParam: "back"}))
	for _, as := range []string{"state", "other"} {
		_, link := r.create(myStore)
		b := r.browser()
		authorize := renamed(t, b.pressForeign(link), "back", "state")
		b.back(r.base + "/callback?code=x&iss=" + url.QueryEscape(r.Sandbox.Endpoints().Issuer) + "&" + as + "=" + query(t, authorize).Get("state"))
		r.requireOutcome(authorize, workflows.ReasonConsentFailed)
	}
}

// TestCallback_IssuerNotAnnounced: such a server may leave "iss" out; another's name is refused all the same (RFC 9207 §2.4).
func TestCallback_IssuerNotAnnounced(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *options) {
		o.Connector = func(c *connector.Connector) { c.Authorize.IssRequired = false }
	})
	for _, issuer := range []string{"https://evil.example", r.Sandbox.Endpoints().Issuer + "/"} {
		_, link := r.create()
		b := r.browser()
		authorize := b.press(link)
		b.back(with(t, b.consent(authorize, "allow"), "iss", issuer))
		r.requireOutcome(authorize, workflows.ReasonIssuerMismatch)
	}
	id, link := r.create()
	b := r.browser()
	b.back(with(t, b.consent(b.press(link), "allow"), "iss", "-"))
	r.AwaitStatus(id, workflows.StatusActive)
}
