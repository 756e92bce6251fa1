package oauth_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

// step is one that asks for an identity.
func step(base string, mod ...func(*connector.Step)) connector.Step {
	s := connector.Step{Name: "identity", URL: base + "/me", Metadata: []connector.Capture{{Path: "id", As: "account_id"}, {Path: "email", As: "account_label"}}}
	for _, m := range mod {
		m(&s)
	}
	return s
}

func askFor(t testing.TB, c connector.Connector, s connector.Step) (map[string]string, error) {
	t.Helper()
	return newClient().Ask(t.Context(), c, s, secret.New(theToken), nil)
}

// TestKnob_Step: each provider's API is asked as it wants to be (K18, K21).
func TestKnob_Step(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		api   *connector.API
		step  func(*connector.Step)
		want  expected
		reply string
		told  map[string]string
	}{
		"an identity, with a bearer token": {
			want:  expected{header: map[string]string{"Authorization": "Bearer " + theToken}},
			reply: `{"id":7,"email":"ann@acme.test","phone":"1"}`,
			told:  map[string]string{"account_id": "7", "account_label": "ann@acme.test"},
		},
		"Xero: the first of a list": {
			step: func(s *connector.Step) {
				s.URL = strings.Replace(s.URL, "/me", "/connections", 1)
				s.Metadata = []connector.Capture{{Path: "0.tenantId", As: "account_id"}, {Path: "0.tenantName", As: "account_label"}, {Path: "1.tenantId", As: "second"}}
			},
			want:  expected{path: "/connections", header: map[string]string{"Authorization": "Bearer " + theToken}},
			reply: `[{"id":"x","tenantId":"t-1","tenantName":"Acme"}]`,
			told:  map[string]string{"account_id": "t-1", "account_label": "Acme"},
		},
		"Mailchimp: the scheme is OAuth, and the answer a host": {
			api: &connector.API{Scheme: "OAuth"},
			step: func(s *connector.Step) {
				s.Metadata = []connector.Capture{{Path: "api_endpoint", Hosts: []string{"api.mailchimp.com"}}, {Path: "dc", Pattern: "[a-z0-9]+"}}
			},
			want:  expected{header: map[string]string{"Authorization": "OAuth " + theToken}},
			reply: `{"dc":"us6","api_endpoint":"https://us6.api.mailchimp.com","login_url":"x"}`,
			told:  map[string]string{"dc": "us6", "api_endpoint": "https://us6.api.mailchimp.com"},
		},
		"Mailchimp: the answer is somebody else's host": {
			api: &connector.API{Scheme: "OAuth"},
			step: func(s *connector.Step) {
				s.Metadata = []connector.Capture{{Path: "api_endpoint", Hosts: []string{"api.mailchimp.com"}}}
			},
			want:  expected{header: map[string]string{"Authorization": "OAuth " + theToken}},
			reply: `{"api_endpoint":"https://us6.api.mailchimp.com.evil.test"}`,
		},
		"Shopify: a header of its own, without a scheme": {
			api: &connector.API{Header: "X-Shopify-Access-Token", Scheme: "-"},
			step: func(s *connector.Step) {
				s.Metadata = []connector.Capture{{Path: "shop.myshopify_domain", Hosts: []string{"myshopify.com"}}}
			},
			want:  expected{header: map[string]string{"X-Shopify-Access-Token": theToken}},
			reply: `{"shop":{"myshopify_domain":"acme.myshopify.com"}}`,
			told:  map[string]string{"shop.myshopify_domain": "acme.myshopify.com"},
		},
		"Notion: the API's own headers, and the step's over them": {
			api: &connector.API{Headers: map[string]string{"Notion-Version": "2022-06-28", "X-Kind": "api"}},
			step: func(s *connector.Step) {
				s.Headers = map[string]string{"X-Kind": "step", "Accept": "application/vnd.acme+json"}
			},
			want:  expected{header: map[string]string{"Authorization": "Bearer " + theToken, "Notion-Version": "2022-06-28", "X-Kind": "step", "Accept": "application/vnd.acme+json"}},
			reply: `{"id":"u"}`,
			told:  map[string]string{"account_id": "u"},
		},
		"Dropbox: POST without a body": {
			step:  func(s *connector.Step) { s.Method = http.MethodPost },
			want:  expected{method: http.MethodPost, header: map[string]string{"Authorization": "Bearer " + theToken}},
			reply: `{"id":"u"}`,
			told:  map[string]string{"account_id": "u"},
		},
		"Facebook: a query": {
			step:  func(s *connector.Step) { s.URL += "?fields=id,email" },
			want:  expected{query: map[string]string{"fields": "id,email"}, header: map[string]string{"Authorization": "Bearer " + theToken}},
			reply: `{"id":"u"}`,
			told:  map[string]string{"account_id": "u"},
		},
		"nothing of interest": {
			want:  expected{header: map[string]string{"Authorization": "Bearer " + theToken}},
			reply: `{"ID":"x"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.want.path, c.want.method = either(c.want.path, "/me"), either(c.want.method, http.MethodGet)
			s := newStrict(t, c.want, c.reply)
			mod := c.step
			if mod == nil {
				mod = func(*connector.Step) {}
			}
			got, err := askFor(t, s.connector(func(conn *connector.Connector) { conn.API = c.api }), step(s.URL, mod))
			require.Empty(t, s.refusals())
			require.NoError(t, err)
			require.Equal(t, c.told, got)
			require.Empty(t, s.only(t).form)
		})
	}
}

// TestKnob_Step_Fails: a step that fails says nothing, and costs nothing but itself.
func TestKnob_Step_Fails(t *testing.T) {
	t.Parallel()
	elsewhere := replying(t, 200, `{"id":"`+canary+`"}`)
	closed := replying(t, 200, "")
	closed.Close()
	for name, c := range map[string]struct {
		p    *provider
		want oauth.Kind
	}{
		"401":             {replying(t, 401, `{"error":"invalid_token","id":"`+canary+`"}`), oauth.UnknownError},
		"403":             {replying(t, 403, canary), oauth.UnknownError},
		"404":             {replying(t, 404, canary), oauth.EndpointWrong},
		"429":             {replying(t, 429, canary), oauth.Throttled},
		"500":             {replying(t, 500, `{"id":"`+canary+`"}`), oauth.ServerError},
		"a redirect":      {replying(t, 302, `{"id":"`+canary+`"}`, "Location", elsewhere.URL), oauth.EndpointWrong},
		"not JSON":        {replying(t, 200, "<html>"+canary), oauth.Unreadable},
		"nothing":         {replying(t, 200, ""), oauth.Unreadable},
		"204":             {replying(t, 204, ""), oauth.Unreadable},
		"half of it":      {replying(t, 200, `{"id":"7","email":"`+canary), oauth.Unreadable},
		"too deep":        {replying(t, 200, strings.Repeat("[", 20_000)), oauth.Unreadable},
		"huge":            {replying(t, 200, `{"id":"7","x":"`+strings.Repeat("x", 300<<10)+`"}`), oauth.Unreadable},
		"cut":             {newProvider(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), oauth.ReplyLost},
		"not reachable":   {closed, oauth.Unreachable},
		"another machine": {newProvider(t, raw("SSH-2.0-"+canary+"\r\n")), oauth.ReplyLost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := askFor(t, c.p.connector(), step(c.p.URL))
			require.Equal(t, oauth.Identify, failureOf(t, err, c.want).Phase)
			require.Empty(t, got)
		})
	}
	require.Empty(t, elsewhere.requests())
	_, err := askFor(t, at("https://provider.test"), step("https://"+canary+"\x00"))
	requireFailure(t, err, oauth.EndpointWrong)
}

// TestKnob_Step_TakesNoLongerThanACall: silence, and half an answer, end with the call.
func TestKnob_Step_TakesNoLongerThanACall(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"id":`)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	_, err := oauth.NewClient(100*time.Millisecond, noon).Ask(t.Context(), p.connector(), step(p.URL), secret.New(theToken), nil)
	requireFailure(t, err, oauth.Unreadable)

	silent := newProvider(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	_, err = oauth.NewClient(100*time.Millisecond, noon).Ask(t.Context(), silent.connector(), step(silent.URL), secret.New(theToken), nil)
	requireFailure(t, err, oauth.ReplyLost)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = newClient().Ask(ctx, silent.connector(), step(silent.URL), secret.New(theToken), nil)
	requireFailure(t, err, oauth.Unreachable)
}

// TestKnob_Step_IsGuardedAsTheTokenCallIs: a step's URL is data too.
func TestKnob_Step_IsGuardedAsTheTokenCallIs(t *testing.T) {
	t.Parallel()
	p := replying(t, 200, `{"id":"7"}`)
	_, err := askFor(t, p.connector(func(c *connector.Connector) { c.Loopback = false }), step(p.URL))
	require.False(t, failureOf(t, err, oauth.EndpointWrong).Sent)
	p.Close()
	require.Empty(t, p.requests())
}

// TestKnob_Step_SendsNoSecretOfTheApp, whatever the token endpoint asks for.
func TestKnob_Step_SendsNoSecretOfTheApp(t *testing.T) {
	t.Parallel()
	for _, auth := range []string{connector.AuthBasic, connector.AuthPost, connector.AuthPrivateKeyJWT, connector.AuthTLS, connector.AuthTemplate} {
		p := replying(t, 200, `{"id":"7"}`)
		_, err := askFor(t, p.connector(func(c *connector.Connector) { c.Token.Auth = auth }), step(p.URL))
		require.NoError(t, err, auth)
		r := p.only(t)
		require.Empty(t, r.query)
		require.Empty(t, r.form)
		require.Equal(t, "Bearer "+theToken, r.header.Get("Authorization"))
	}
}
