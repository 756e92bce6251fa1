package oauth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/oauth"
)

// TestParse_Refusals: what each reply without a token means. The error code counts more than the status; a status
// alone never speaks about the grant.
func TestParse_Refusals(t *testing.T) {
	t.Parallel()
	const page = "<html><title>" + canary + "</title></html>"
	code := func(c string) string {
		return `{"error":"` + c + `","error_description":"` + canary + `","error_uri":"https://` + canary + `"}`
	}
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   oauth.Kind
	}{
		{"RFC 6749 §5.2: invalid_grant", 400, code("invalid_grant"), oauth.InvalidGrant},
		{"go-oauth2: invalid_grant with 401", 401, code("invalid_grant"), oauth.InvalidGrant},
		{"Auth0: invalid_grant with 403", 403, code("invalid_grant"), oauth.InvalidGrant},
		{"invalid_grant with 200", 200, code("invalid_grant"), oauth.InvalidGrant},
		{"invalid_grant with 500", 500, code("invalid_grant"), oauth.InvalidGrant},
		{"invalid_grant in capitals", 400, code("INVALID_GRANT"), oauth.InvalidGrant},
		{"invalid_grant as a form", 400, "error=invalid_grant&error_description=" + canary, oauth.InvalidGrant},
		{"invalid_grant beside a dead token", 400, `{"error":"invalid_grant","access_token":"` + canary + `"}`, oauth.InvalidGrant},
		{"GitHub: bad_refresh_token with 200", 200, code("bad_refresh_token"), oauth.InvalidGrant},
		{"GitHub: bad_verification_code with 200", 200, code("bad_verification_code"), oauth.InvalidGrant},
		{"GitHub: 200, error as a form", 200, "error=bad_verification_code&error_description=" + canary, oauth.InvalidGrant},
		{"Slack: invalid_refresh_token with 200", 200, `{"ok":false,"error":"invalid_refresh_token"}`, oauth.InvalidGrant},
		{"Slack: token_expired with 200", 200, `{"ok":false,"error":"token_expired"}`, oauth.InvalidGrant},
		{"RFC 6749 §5.2: invalid_client", 401, code("invalid_client"), oauth.InvalidClient},
		{"invalid_client with 400", 400, code("invalid_client"), oauth.InvalidClient},
		{"invalid_client with 403", 403, code("invalid_client"), oauth.InvalidClient},
		{"invalid_client with 200", 200, code("invalid_client"), oauth.InvalidClient},
		{"invalid_client with 500", 500, code("invalid_client"), oauth.InvalidClient},
		{"GitHub: incorrect_client_credentials", 200, code("incorrect_client_credentials"), oauth.InvalidClient},
		{"unauthorized_client", 400, code("unauthorized_client"), oauth.AppRefused},
		{"unsupported_grant_type", 400, code("unsupported_grant_type"), oauth.AppRefused},
		{"invalid_request", 400, code("invalid_request"), oauth.AppRefused},
		{"GitHub: redirect_uri_mismatch", 200, code("redirect_uri_mismatch"), oauth.AppRefused},
		{"Google: admin_policy_enforced", 400, code("admin_policy_enforced"), oauth.AppRefused},
		{"invalid_scope", 400, code("invalid_scope"), oauth.InvalidScope},
		{"RFC 8707: invalid_target", 400, code("invalid_target"), oauth.InvalidScope},
		{"OIDC: interaction_required", 400, code("interaction_required"), oauth.InteractionRequired},
		{"OIDC: login_required", 400, code("login_required"), oauth.InteractionRequired},
		{"DocuSign: consent_required", 400, code("consent_required"), oauth.InteractionRequired},
		{"Google: invalid_rapt", 400, code("invalid_rapt"), oauth.InteractionRequired},
		{"access_denied", 403, code("access_denied"), oauth.AccessDenied},
		{"server_error with 400", 400, code("server_error"), oauth.ServerError},
		{"server_error with 200", 200, code("server_error"), oauth.ServerError},
		{"temporarily_unavailable", 503, code("temporarily_unavailable"), oauth.Throttled},
		{"RFC 8628: slow_down", 400, code("slow_down"), oauth.Throttled},
		{"RFC 6585: 429", 429, "", oauth.Throttled},
		{"429 as a page", 429, page, oauth.Throttled},
		{"Zoho: access denied in a throttle's words", 429, code("Access Denied"), oauth.Throttled},
		{"500 as JSON", 500, `{"message":"` + canary + `"}`, oauth.ServerError},
		{"502 as a page", 502, page, oauth.ServerError},
		{"503, empty", 503, "", oauth.ServerError},
		{"599", 599, "", oauth.ServerError},
		{"RFC 9110: 408", 408, "", oauth.ServerError},
		{"RFC 8470: 425", 425, "", oauth.ServerError},
		{"5xx with a token, never taken", 500, goodReply, oauth.ServerError},
		{"301", 301, page, oauth.EndpointWrong},
		{"302", 302, page, oauth.EndpointWrong},
		{"303", 303, "", oauth.EndpointWrong},
		{"307", 307, "", oauth.EndpointWrong},
		{"308", 308, "", oauth.EndpointWrong},
		{"302 with a token, never taken", 302, goodReply, oauth.EndpointWrong},
		{"404 as a page", 404, page, oauth.EndpointWrong},
		{"405", 405, "", oauth.EndpointWrong},
		{"410", 410, "", oauth.EndpointWrong},
		{"200 as a page", 200, page, oauth.Unreadable},
		{"200, empty", 200, "", oauth.Unreadable},
		{"204", 204, "", oauth.Unreadable},
		{"200, an array", 200, `[` + goodReply + `]`, oauth.Unreadable},
		{"200, a string", 200, `"` + canary + `=1"`, oauth.Unreadable},
		{"200, words", 200, canary, oauth.Unreadable},
		{"200, words with a sign", 200, "result = " + canary, oauth.Unreadable},
		{"TikTok: token below data", 200, `{"data":{"access_token":"` + canary + `"}}`, oauth.Unreadable},
		{"200, token empty", 200, `{"access_token":"","refresh_token":"` + canary + `"}`, oauth.Unreadable},
		{"200, token null", 200, `{"access_token":null}`, oauth.Unreadable},
		{"200, token an object", 200, `{"access_token":{"value":"` + canary + `"}}`, oauth.Unreadable},
		{"200, only a byte order mark", 200, "\xef\xbb\xbf", oauth.Unreadable},
		{"200, ok false and nothing else", 200, `{"ok":false}`, oauth.Unreadable},
		{"Facebook: error is an object, 400", 400, `{"error":{"code":190,"message":"` + canary + `"}}`, oauth.UnknownError},
		{"Facebook: error is an object, 200", 200, `{"error":{"code":190,"message":"` + canary + `"}}`, oauth.UnknownError},
		{"error is a list", 400, `{"error":["` + canary + `"]}`, oauth.UnknownError},
		{"200 and an unknown code", 200, code(canary), oauth.UnknownError},
		{"200, an unknown code and a token", 200, `{"error":"` + canary + `","access_token":"x"}`, oauth.UnknownError},
		{"HubSpot: status instead of error", 400, `{"status":"BAD_REFRESH_TOKEN","message":"` + canary + `"}`, oauth.UnknownError},
		{"Fitbit: errors[]", 400, `{"errors":[{"errorType":"invalid_grant","message":"` + canary + `"}]}`, oauth.UnknownError},
		{"glewlwyd: 400, empty", 400, "", oauth.UnknownError},
		{"glewlwyd: 403, empty", 403, "", oauth.UnknownError},
		{"401 alone says nothing of the client", 401, "", oauth.UnknownError},
		{"403 as a page", 403, page, oauth.UnknownError},
		{"418", 418, code("teapot"), oauth.UnknownError},
		{"101", 101, "", oauth.UnknownError},
		{"400, cut in the middle of a code", 400, `{"error":"invalid_gra`, oauth.UnknownError},
		{"400, cut after the code", 400, `{"error":"invalid_grant","error_desc`, oauth.UnknownError},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, phase := range []oauth.Phase{oauth.Exchange, oauth.Refresh, oauth.ClientCredentials} {
				reply, err := oauth.Parse(at("https://"+canary+".test"), phase,
					oauth.Raw{Status: c.status, ContentType: "text/html", RequestedAt: noon(), Body: []byte(c.body)})
				f := failureOf(t, err, c.want)
				require.Equal(t, phase, f.Phase)
				require.Equal(t, c.status, f.Status)
				require.True(t, f.Sent)
				require.Zero(t, f.RetryAfter)
				require.True(t, reply.AccessToken.Empty())
				require.NoError(t, f.Unwrap())
			}
		})
	}
}

// TestParse_RetryAfter follows RFC 9110 §10.2.3, within a day.
func TestParse_RetryAfter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		header string
		want   time.Duration
	}{
		"seconds":                   {"7", 7 * time.Second},
		"a day at most":             {"86401", 24 * time.Hour},
		"huge":                      {"99999999999", 24 * time.Hour},
		"more than any number":      {strings.Repeat("9", 400), 24 * time.Hour},
		"negative":                  {"-5", 0},
		"hugely negative":           {"-" + strings.Repeat("9", 400), 0},
		"none":                      {"", 0},
		"nonsense":                  {"soon " + canary, 0},
		"a fraction is no number":   {"1.5", 0},
		"a date":                    {"Wed, 01 Jul 2026 12:01:00 GMT", time.Minute},
		"a date of the old form":    {"Wednesday, 01-Jul-26 12:01:00 GMT", time.Minute},
		"a date in the past":        {"Wed, 01 Jul 2020 12:01:00 GMT", 0},
		"a date in another century": {"Wed, 01 Jul 2126 12:01:00 GMT", 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, status := range []int{429, 503} {
				_, err := oauth.Parse(at("https://provider.test"), oauth.Refresh,
					oauth.Raw{Status: status, RetryAfter: c.header, RequestedAt: noon()})
				var f *oauth.Failure
				require.ErrorAs(t, err, &f)
				requireSilent(t, err)
				require.Equal(t, c.want, f.RetryAfter)
			}
		})
	}
}
