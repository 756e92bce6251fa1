package oauth_test

import (
	"strings"
	"time"

	"github.com/acme/connections/internal/oauth"
)

// rfcReplies are what the standards say, and servers that are known to stray from them.
func rfcReplies() []replyCase {
	page := "<!DOCTYPE html><html><title>" + canary + "</title></html>"
	list := []replyCase{
		granted("RFC 6749 §5.1: the example", "plain", each,
			`{"access_token":"at","token_type":"example","expires_in":3600,"refresh_token":"rt","example_parameter":"example_value"}`,
			gives{rt: "rt", kind: "example", life: time.Hour}),
		granted("RFC 6749 §5.1: no expires_in", "plain", each, `{"access_token":"at","token_type":"Bearer"}`, gives{}),
		granted("RFC 6749 §5.1: members that nobody knows are ignored", "plain", each,
			`{"access_token":"at","x":{"access_token":"other"},"y":[1],"error_uri":"https://x"}`, gives{}),
		granted("RFC 6749 §3.3: the scope that was granted", "plain", each, `{"access_token":"at","scope":"read write"}`, gives{scopes: []string{"read", "write"}}),
		granted("RFC 6749 §3.3: less than was asked for", "plain", each, `{"access_token":"at","scope":"read"}`, gives{scopes: []string{"read"}}),
		granted("RFC 6749 §6: no new refresh token", "plain", rf, `{"access_token":"at","expires_in":3600}`, gives{life: time.Hour}),
		granted("RFC 6749 §6: a new refresh token", "plain", rf, `{"access_token":"at","refresh_token":"rt2"}`, gives{rt: "rt2"}),
		granted("RFC 6749 §7.1: a token type in any case", "plain", each, `{"access_token":"at","token_type":"BEARER"}`, gives{kind: "bearer"}),
		granted("RFC 6749 §4.4.3: no refresh token with client credentials", "plain", cc, `{"access_token":"at","token_type":"Bearer","expires_in":3600}`, gives{life: time.Hour}),
		granted("RFC 9449 §5: a token that is bound to a key", "plain", each, `{"access_token":"at","token_type":"DPoP","expires_in":60}`, gives{kind: "DPoP", life: time.Minute}),
		granted("RFC 8259 §8.1: a byte order mark", "plain", each, "\ufeff"+`{"access_token":"at"}`, gives{}),
		granted("RFC 8259 §4: a name twice, the last counts", "plain", each, `{"access_token":"other","access_token":"at"}`, gives{}),
		granted("RFC 9068 §2.2: a JWT of 16 KiB", "plain", each, `{"access_token":"`+strings.Repeat("j", 16<<10)+`"}`, gives{at: strings.Repeat("j", 16<<10)}),
		granted("mockoidc: nanoseconds for seconds are a year at most", "mockoidc", each, `{"access_token":"at","expires_in":600000000000}`, gives{life: 365 * 24 * time.Hour}),
		granted("lemonldap: no scope member, as requested", "lemonldap", each, `{"access_token":"at","expires_in":3600,"token_type":"Bearer"}`, gives{life: time.Hour}),

		refused("RFC 6749 §5.2: invalid_request", "plain", each, 400, `{"error":"invalid_request"}`, oauth.AppRefused),
		refused("RFC 6749 §5.2: invalid_client", "plain", each, 401, `{"error":"invalid_client"}`, oauth.InvalidClient),
		refused("RFC 6749 §5.2: invalid_grant", "plain", each, 400, `{"error":"invalid_grant"}`, oauth.InvalidGrant),
		refused("RFC 6749 §5.2: unauthorized_client", "plain", each, 400, `{"error":"unauthorized_client"}`, oauth.AppRefused),
		refused("RFC 6749 §5.2: unsupported_grant_type", "plain", each, 400, `{"error":"unsupported_grant_type"}`, oauth.AppRefused),
		refused("RFC 6749 §5.2: invalid_scope", "plain", each, 400, `{"error":"invalid_scope"}`, oauth.InvalidScope),
		refused("RFC 6749 §4.1.2.1: server_error", "plain", each, 400, `{"error":"server_error"}`, oauth.ServerError),
		refused("RFC 6749 §4.1.2.1: temporarily_unavailable", "plain", each, 503, `{"error":"temporarily_unavailable"}`, oauth.Throttled),
		refused("RFC 6749 §4.1.2.1: access_denied", "plain", each, 400, `{"error":"access_denied"}`, oauth.AccessDenied),
		refused("RFC 8707 §2: invalid_target", "plain", each, 400, `{"error":"invalid_target"}`, oauth.InvalidScope),
		refused("RFC 8628 §3.5: slow_down", "plain", each, 400, `{"error":"slow_down"}`, oauth.Throttled),
		refused("RFC 8628 §3.5: authorization_pending, to one that has no device", "plain", each, 400, `{"error":"authorization_pending"}`, oauth.UnknownError),
		refused("RFC 9449 §8: use_dpop_nonce, to one that binds no key", "plain", each, 400, `{"error":"use_dpop_nonce"}`, oauth.UnknownError),
		refused("OpenID Connect Core §3.1.2.6: interaction_required", "plain", each, 400, `{"error":"interaction_required"}`, oauth.InteractionRequired),
		refused("OpenID Connect Core §3.1.2.6: login_required", "plain", each, 400, `{"error":"login_required"}`, oauth.InteractionRequired),
		refused("OpenID Connect Core §3.1.2.6: consent_required", "plain", each, 400, `{"error":"consent_required"}`, oauth.InteractionRequired),

		refused("RFC 9110 §15.4: a redirect is followed nowhere", "plain", each, 307, "", oauth.EndpointWrong),
		refused("RFC 9110 §15.5.5: 404", "plain", each, 404, page, oauth.EndpointWrong),
		refused("RFC 9110 §15.5.6: 405", "plain", each, 405, "", oauth.EndpointWrong),
		refused("RFC 9110 §15.5.9: 408", "plain", each, 408, "", oauth.ServerError),
		refused("RFC 9110 §15.5.11: 410", "plain", each, 410, "", oauth.EndpointWrong),
		refused("RFC 8470 §5.2: 425", "plain", each, 425, "", oauth.ServerError),
		refused("RFC 9110 §15.6.3: 502 as a page", "plain", each, 502, page, oauth.ServerError),
		refused("RFC 9110 §15.3.5: 204 is no token reply", "plain", each, 204, "", oauth.Unreadable),
		refused("RFC 6749 §5.1: 200 as a page", "plain", each, 200, page, oauth.Unreadable),
		refused("RFC 6749 §5.1: 200 without an access token", "plain", each, 200, `{"token_type":"Bearer","expires_in":3600}`, oauth.Unreadable),
		refused("RFC 6749 §5.2: 401 without a code says nothing of the client", "plain", each, 401, "", oauth.UnknownError),
		refused("RFC 6749 §5.2: 200 with a code is no success", "plain", each, 200, `{"error":"invalid_grant","access_token":"`+canary+`"}`, oauth.InvalidGrant),

		refused("go-oauth2: invalid_grant with 401", "go-oauth2", each, 401, `{"error":"invalid_grant","error_description":"`+canary+`"}`, oauth.InvalidGrant),
		refused("glewlwyd: invalid_code with 403", "glewlwyd", ex, 403, `{"error":"invalid_code"}`, oauth.InvalidGrant),
		refused("glewlwyd: invalid_code means nothing to a refresh", "glewlwyd", rf, 403, `{"error":"invalid_code"}`, oauth.UnknownError),
		refused("glewlwyd: an empty 400", "glewlwyd", each, 400, "", oauth.UnknownError),
		refused("glewlwyd: an empty 403", "glewlwyd", each, 403, "", oauth.UnknownError),
	}
	broken := refused("RFC 9112 §8: a reply that breaks off before its refresh token", "plain", rf, 200, `{"access_token":"`+canary+`","refresh_tok`, oauth.Unreadable)
	broken.cut = true
	whole := granted("RFC 9112 §8: a reply that breaks off after both tokens", "plain", rf, `{"access_token":"at","refresh_token":"rt","sco`, gives{rt: "rt"})
	whole.cut = true
	seconds := refused("RFC 6585 §4: 429, and when to come again", "plain", each, 429, "", oauth.Throttled)
	seconds.retryAfter, seconds.wait = "30", 30*time.Second
	date := refused("RFC 9110 §10.2.3: 503, and when to come again, as a date", "plain", each, 503, "", oauth.ServerError)
	date.retryAfter, date.wait = "Wed, 01 Jul 2026 12:02:00 GMT", 2*time.Minute
	return append(list, broken, whole, seconds, date)
}

// classReplies are the signals of OAuth's failure classes by phase (OAuth client requirements, §5), where the phase decides.
func classReplies() []replyCase {
	var list []replyCase
	for _, c := range []struct {
		what   string
		status int
		body   string
		kind   oauth.Kind
	}{
		{"a grant that is spent or revoked", 400, `{"error":"invalid_grant"}`, oauth.InvalidGrant},
		{"a client that is not known", 401, `{"error":"invalid_client"}`, oauth.InvalidClient},
		{"an outage", 500, `{"message":"` + canary + `"}`, oauth.ServerError},
		{"a refusal that says nothing", 400, "", oauth.UnknownError},
	} {
		for phase, where := range map[oauth.Phase]string{ex: "§4.1.3", rf: "§6", cc: "§4.4.2"} {
			list = append(list, refused("RFC 6749 "+where+": "+c.what, "plain", phase, c.status, c.body, c.kind))
		}
	}
	return list
}
