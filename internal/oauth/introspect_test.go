package oauth_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
)

func introspect(t testing.TB, c connector.Connector) (time.Time, error) {
	t.Helper()
	return newClient().Introspect(t.Context(), c, app(), secret.New(theToken))
}

func introspected(c *connector.Connector) { c.IntrospectURL = dir(c.Token.URL) + "/introspect" }

// TestIntrospect_Request: the client authenticates as at the token endpoint (RFC 7662 §2.1).
func TestIntrospect_Request(t *testing.T) {
	t.Parallel()
	form := map[string]string{"token": theToken, "token_type_hint": "access_token"}
	withClient := map[string]string{"token": theToken, "token_type_hint": "access_token", "client_id": "id", "client_secret": canary + "-secret"}
	asBasic := map[string]string{"Authorization": basic("id", canary+"-secret")}
	for name, c := range map[string]struct {
		mod  func(*connector.Connector)
		want expected
	}{
		"RFC 7662 §2.1: Basic":              {func(*connector.Connector) {}, expected{header: asBasic, form: form}},
		"Salesforce, LinkedIn: in the body": {post, expected{form: withClient}},
		"Notion: JSON, and a header of its own": {func(c *connector.Connector) {
			c.Token.Body, c.Token.Headers = connector.BodyJSON, map[string]string{"Notion-Version": "2022-06-28"}
		}, expected{header: map[string]string{"Authorization": asBasic["Authorization"], "Notion-Version": "2022-06-28"}, json: form}},
		"what belongs to the token endpoint stays there": {func(c *connector.Connector) {
			c.Token.Method, c.Token.Params, c.Token.Drop = http.MethodGet, map[string]string{"audience": "x"}, []string{"token"}
		}, expected{header: asBasic, form: form}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.want.path = "/introspect"
			s := newStrict(t, c.want, `{"active":true,"exp":1782914400}`)
			expires, err := introspect(t, s.connector(introspected, c.mod))
			require.Empty(t, s.refusals())
			require.NoError(t, err)
			require.Equal(t, noon().Add(2*time.Hour), expires)
			s.only(t)
		})
	}
}

// TestIntrospect_Replies: what the provider does not say for certain is not known (RFC 7662 §2.2).
func TestIntrospect_Replies(t *testing.T) {
	t.Parallel()
	two := noon().Add(2 * time.Hour)
	for name, c := range map[string]struct {
		body string
		want time.Time
	}{
		"RFC 7662 §2.2":                       {fmt.Sprintf(`{"active":true,"exp":%d,"iat":1,"scope":"a","sub":"%s"}`, two.Unix(), canary), two},
		"a text":                              {fmt.Sprintf(`{"active":"true","exp":"%d"}`, two.Unix()), two},
		"a float":                             {fmt.Sprintf(`{"active":true,"exp":%d.0}`, two.Unix()), two},
		"LinkedIn: expires_at":                {fmt.Sprintf(`{"active":true,"status":"active","expires_at":%d}`, two.Unix()), two},
		"in a hundred years":                  {`{"active":true,"exp":4938897600}`, noon().Add(365 * 24 * time.Hour)},
		"Notion: no exp":                      {`{"active":true,"iat":1782907200}`, time.Time{}},
		"Salesforce: not active, while it is": {`{"active":false}`, time.Time{}},
		"not active, with a time":             {fmt.Sprintf(`{"active":false,"exp":%d}`, two.Unix()), time.Time{}},
		"no active":                           {fmt.Sprintf(`{"exp":%d}`, two.Unix()), time.Time{}},
		"in the past":                         {`{"active":true,"exp":1}`, time.Time{}},
		"now":                                 {fmt.Sprintf(`{"active":true,"exp":%d}`, noon().Unix()), time.Time{}},
		"0 for never":                         {`{"active":true,"exp":0}`, time.Time{}},
		"null":                                {`{"active":true,"exp":null}`, time.Time{}},
		"words":                               {`{"active":true,"exp":"soon"}`, time.Time{}},
		"a page":                              {"<html>" + canary, time.Time{}},
		"nothing":                             {"", time.Time{}},
		"a signed answer (RFC 9701)":          {"eyJh.e30.c2ln", time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expires, err := introspect(t, replying(t, 200, c.body).connector(introspected))
			require.NoError(t, err)
			require.Equal(t, c.want, expires)
		})
	}
}

// TestIntrospect_Fails silently: no error holds the token, or a word of the provider's.
func TestIntrospect_Fails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		want   oauth.Kind
	}{
		"RFC 7662 §2.3: the client is not known": {401, `{"error":"invalid_client","error_description":"` + canary + `"}`, oauth.InvalidClient},
		"it may not ask":   {403, canary, oauth.UnknownError},
		"404":              {404, "", oauth.EndpointWrong},
		"429":              {429, "", oauth.Throttled},
		"500":              {500, canary, oauth.ServerError},
		"200 that says no": {200, `{"error":"invalid_request"}`, oauth.AppRefused},
		"a redirect":       {302, "", oauth.EndpointWrong},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := replying(t, c.status, c.body, "Location", "/elsewhere")
			_, err := introspect(t, p.connector(introspected))
			requireFailure(t, err, c.want)
			p.only(t)
		})
	}
	p := replying(t, 200, strings.Repeat("x", 1<<20))
	expires, err := introspect(t, p.connector(introspected))
	require.NoError(t, err)
	require.Zero(t, expires)
	_, err = introspect(t, at(nobody, introspected))
	requireFailure(t, err, oauth.Unreachable)
	_, err = introspect(t, at("https://"+canary+".test", func(c *connector.Connector) { c.IntrospectURL = "https://" + canary + "\x00/" }))
	requireFailure(t, err, oauth.EndpointWrong)
}
