package oauth_test

import (
	"time"

	"github.com/acme/connections/internal/oauth"
)

// identityReplies are those of identity providers, of tools for developers and of those for talking.
func identityReplies() []replyCase {
	githubEnd := map[string]string{oauth.MetadataRefreshExpiresAt: endsIn(15897600)}
	slackTeam := map[string]string{
		"team.id": "T1", "team.name": "Acme", "bot_user_id": "U0", "app_id": "A1", "authed_user.id": "U1", "account_id": "T1", "account_label": "Acme",
	}
	const slackBot = `{"ok":true,"access_token":"at","token_type":"bot","scope":"chat:write,team:read","bot_user_id":"U0","app_id":"A1",` +
		`"team":{"id":"T1","name":"Acme"},"enterprise":null,`
	bot := []string{"chat:write", "team:read"}
	microsoft := func(text string) string {
		return `{"error":"` + text + `,"error_description":"AADSTS50076: ` + canary + `","error_codes":[50076],"trace_id":"1"}`
	}
	return []replyCase{
		granted("GitHub: an OAuth app's token, without an end, and commas", "github", ex,
			`{"access_token":"at","scope":"repo,gist","token_type":"bearer"}`, gives{scopes: []string{"repo", "gist"}}),
		granted("GitHub: a form, which is what it sends if nothing else is asked for", "github", ex,
			`access_token=at&scope=repo%2Cgist&token_type=bearer`, gives{scopes: []string{"repo", "gist"}}),
		granted("GitHub: an app's user token of eight hours, with no scope", "github", ex,
			`{"access_token":"at","expires_in":28800,"refresh_token":"rt","refresh_token_expires_in":15897600,"scope":"","token_type":"bearer"}`,
			gives{rt: "rt", life: 8 * time.Hour, scopes: []string{}, metadata: githubEnd}),
		granted("GitHub: a rotation as a form", "github", rf,
			`access_token=at&expires_in=28800&refresh_token=rt&refresh_token_expires_in=15897600&scope=&token_type=bearer`,
			gives{rt: "rt", life: 8 * time.Hour, scopes: []string{}, metadata: githubEnd}),
		refused("GitHub: bad_refresh_token with 200", "github", rf, 200,
			`{"error":"bad_refresh_token","error_description":"`+canary+`","error_uri":"https://docs.github.com"}`, oauth.InvalidGrant),
		refused("GitHub: bad_verification_code with 200", "github", ex, 200, `{"error":"bad_verification_code","error_description":"`+canary+`"}`, oauth.InvalidGrant),
		refused("GitHub: bad_verification_code as a form", "github", ex, 200, `error=bad_verification_code&error_description=`+canary, oauth.InvalidGrant),
		refused("GitHub: incorrect_client_credentials with 200", "github", each, 200, `{"error":"incorrect_client_credentials"}`, oauth.InvalidClient),
		refused("GitHub: redirect_uri_mismatch with 200", "github", ex, 200, `{"error":"redirect_uri_mismatch"}`, oauth.AppRefused),
		refused("GitHub: a user without a verified address", "github", ex, 200, `{"error":"unverified_user_email"}`, oauth.InteractionRequired),

		granted("GitLab: two hours, and when it was made", "gitlab", ex,
			`{"access_token":"at","token_type":"Bearer","expires_in":7200,"refresh_token":"rt","scope":"read_user","created_at":1782907200}`,
			gives{rt: "rt", life: 2 * time.Hour, scopes: []string{"read_user"}}),
		refused("GitLab: one of two refreshes at a time is locked out", "gitlab", rf, 400,
			`{"error":"invalid_grant","error_description":"The provided authorization grant is invalid, expired, revoked, `+canary+`"}`, oauth.InvalidGrant),
		granted("Bitbucket: scopes instead of scope", "bitbucket", ex,
			`{"scopes":"account repository:write","access_token":"at","expires_in":7200,"token_type":"bearer","state":"authorization_code","refresh_token":"rt"}`,
			gives{rt: "rt", life: 2 * time.Hour, scopes: []string{"account", "repository:write"}}),
		granted("Atlassian: an hour, and a new refresh token each time", "atlassian", rf,
			`{"access_token":"at","refresh_token":"rt2","scope":"read:me offline_access","expires_in":3600,"token_type":"Bearer"}`,
			gives{rt: "rt2", life: time.Hour, scopes: []string{"read:me", "offline_access"}}),
		refused("Atlassian: a spent refresh token is called an unauthorized client, with 403", "atlassian", rf, 403,
			`{"error":"unauthorized_client","error_description":"refresh_token is invalid"}`, oauth.InvalidGrant),
		refused("Atlassian: an unauthorized client is one otherwise", "atlassian", ex, 403,
			`{"error":"unauthorized_client","error_description":"`+canary+`"}`, oauth.AppRefused),
		granted("Linear: a day, and a list of scopes", "linear", ex,
			`{"access_token":"at","token_type":"Bearer","expires_in":86399,"refresh_token":"rt","scope":["read","write"]}`,
			gives{rt: "rt", life: 86399 * time.Second, scopes: []string{"read", "write"}}),
		granted("Linear: a token of before October 2025, for ten years", "linear", ex,
			`{"access_token":"at","token_type":"Bearer","expires_in":315705599,"scope":"read,write"}`,
			gives{life: 365 * 24 * time.Hour, scopes: []string{"read", "write"}}),

		granted("Google: offline access at the first consent", "google", ex,
			`{"access_token":"at","expires_in":3599,"refresh_token":"rt","scope":"openid https://www.googleapis.com/auth/userinfo.email","token_type":"Bearer","id_token":"`+canary+`"}`,
			gives{rt: "rt", life: 3599 * time.Second, scopes: []string{"openid", "https://www.googleapis.com/auth/userinfo.email"}}),
		granted("Google: no refresh token at a consent without prompt=consent", "google", ex,
			`{"access_token":"at","expires_in":3599,"scope":"openid","token_type":"Bearer"}`, gives{life: 3599 * time.Second, scopes: []string{"openid"}}),
		granted("Google: an app in testing, whose refresh tokens live seven days", "google", ex,
			`{"access_token":"at","expires_in":3599,"refresh_token":"rt","refresh_token_expires_in":604799,"token_type":"Bearer"}`,
			gives{rt: "rt", life: 3599 * time.Second, metadata: map[string]string{oauth.MetadataRefreshExpiresAt: endsIn(604799)}}),
		granted("Google: a refresh keeps the refresh token", "google", rf, `{"access_token":"at","expires_in":3599,"scope":"openid","token_type":"Bearer"}`,
			gives{life: 3599 * time.Second, scopes: []string{"openid"}}),
		refused("Google: a grant that is revoked", "google", rf, 400, `{"error":"invalid_grant","error_description":"Token has been expired or revoked."}`, oauth.InvalidGrant),
		refused("Google: a session that the company wants renewed", "google", rf, 400,
			`{"error":"invalid_grant","error_description":"reauth related error (invalid_rapt)","error_subtype":"invalid_rapt"}`, oauth.InteractionRequired),
		refused("Google: a company that does not let the app in", "google", each, 400, `{"error":"admin_policy_enforced"}`, oauth.AppRefused),
		refused("Google: a client that was deleted", "google", each, 401, `{"error":"deleted_client","error_description":"`+canary+`"}`, oauth.InvalidClient),
		refused("Google: too many refreshes", "google", rf, 403, `{"error":"rate_limit_exceeded"}`, oauth.Throttled),
		refused("Google: a page, when it is down", "google", each, 502, `<!DOCTYPE html><html lang=en><title>Error 502 (Server Error)!!1</title>`, oauth.ServerError),

		granted("Microsoft: a second life, for its own outages", "microsoft", ex,
			`{"token_type":"Bearer","scope":"User.Read openid","expires_in":3736,"ext_expires_in":3736,"access_token":"at","refresh_token":"rt"}`,
			gives{rt: "rt", life: 3736 * time.Second, scopes: []string{"User.Read", "openid"}}),
		granted("Microsoft: numbers in texts, as version 1 has them", "microsoft-app", cc,
			`{"token_type":"Bearer","expires_in":"3599","ext_expires_in":"3599","expires_on":"1782910799","not_before":"1782907199","resource":"https://graph.microsoft.com","access_token":"at"}`,
			gives{life: 3599 * time.Second}),
		refused("Microsoft: a second factor that is due", "microsoft", rf, 400, microsoft(`interaction_required"`), oauth.InteractionRequired),
		refused("Microsoft: invalid_grant whose suberror asks for consent", "microsoft", rf, 400, microsoft(`invalid_grant","suberror":"consent_required"`), oauth.InteractionRequired),
		refused("Microsoft: invalid_grant whose suberror asks for a password", "microsoft", rf, 400, microsoft(`invalid_grant","suberror":"user_password_expired"`), oauth.InteractionRequired),
		refused("Microsoft: invalid_grant and a bad token", "microsoft", rf, 400, microsoft(`invalid_grant","suberror":"bad_token"`), oauth.InvalidGrant),
		refused("Microsoft: a secret that ran out", "microsoft", each, 401, microsoft(`invalid_client"`), oauth.InvalidClient),
		refused("Microsoft: the number in the text decides nothing", "microsoft", rf, 400, microsoft(`invalid_request"`), oauth.AppRefused),
		refused("Microsoft: temporarily_unavailable", "microsoft", each, 503, microsoft(`temporarily_unavailable"`), oauth.Throttled),

		granted("Okta: an hour, and the scopes", "okta", ex,
			`{"token_type":"Bearer","expires_in":3600,"access_token":"at","scope":"offline_access openid","refresh_token":"rt","id_token":"`+canary+`"}`,
			gives{rt: "rt", life: time.Hour, scopes: []string{"offline_access", "openid"}}),
		refused("Okta: a rate limit without an OAuth code", "okta", each, 429, `{"errorCode":"E0000047","errorSummary":"API call exceeded rate limit due to too many requests."}`, oauth.Throttled),
		refused("Okta: an error of the API at the token endpoint", "okta", each, 403, `{"errorCode":"E0000006","errorSummary":"`+canary+`"}`, oauth.UnknownError),
		granted("Auth0: a day", "auth0", ex,
			`{"access_token":"at","refresh_token":"rt","scope":"openid offline_access","expires_in":86400,"token_type":"Bearer"}`,
			gives{rt: "rt", life: 24 * time.Hour, scopes: []string{"openid", "offline_access"}}),
		refused("Auth0: invalid_grant with 403", "auth0", rf, 403, `{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}`, oauth.InvalidGrant),
		refused("Auth0: a second factor that is due", "auth0", rf, 403, `{"error":"mfa_required","mfa_token":"`+canary+`"}`, oauth.InteractionRequired),
		refused("Auth0: access_denied with 401", "auth0", each, 401, `{"error":"access_denied","error_description":"Unauthorized"}`, oauth.AccessDenied),
		granted("Snowflake: ten minutes, and ninety days at most", "snowflake", ex,
			`{"access_token":"at","expires_in":599,"refresh_token":"rt","refresh_token_expires_in":7775999,"scope":"refresh_token session:role:R1","token_type":"Bearer","username":"JANE","idpInitiated":false}`,
			gives{
				rt: "rt", life: 599 * time.Second, scopes: []string{"refresh_token", "session:role:R1"},
				metadata: map[string]string{"username": "JANE", oauth.MetadataRefreshExpiresAt: endsIn(7775999)},
			}),
		refused("Snowflake: an error with its own text beside it", "snowflake", each, 400,
			`{"data":null,"error":"invalid_client","message":"`+canary+`","success":false}`, oauth.InvalidClient),

		granted("Slack: a bot and its user, each with a token and an end of its own", "slack", ex,
			slackBot+`"expires_in":43200,"refresh_token":"rt","authed_user":{"id":"U1","scope":"search:read,users:read","access_token":"user-at","refresh_token":"user-rt","token_type":"user","expires_in":43100}}`,
			gives{
				rt: "rt", kind: "bot", life: 12 * time.Hour, scopes: bot, metadata: slackTeam,
				second: &beside{at: "user-at", rt: "user-rt", kind: "user", life: 43100 * time.Second, scopes: []string{"search:read", "users:read"}},
			}),
		granted("Slack: without rotation there is no end", "slack", ex, slackBot+`"authed_user":{"id":"U1"}}`, gives{kind: "bot", scopes: bot, metadata: slackTeam}),
		granted("Slack: the user's token, where that is wanted", "slack-user", ex,
			`{"ok":true,"app_id":"A1","authed_user":{"id":"U1","scope":"users:read","access_token":"at","token_type":"user"},"team":{"id":"T1","name":"Acme"}}`,
			gives{scopes: []string{"users:read"}, metadata: map[string]string{"team.id": "T1", "team.name": "Acme", "authed_user.id": "U1", "account_id": "U1"}}),
		granted("Slack: a user's rotation is a reply as others are", "slack-user", rf,
			`{"ok":true,"access_token":"at","refresh_token":"rt","token_type":"user","expires_in":43200,"scope":"users:read","team":{"id":"T1"}}`,
			gives{rt: "rt", kind: "user", life: 12 * time.Hour, scopes: []string{"users:read"}, metadata: map[string]string{"team.id": "T1"}}),
		refused("Slack: ok false and invalid_refresh_token, with 200", "slack", rf, 200, `{"ok":false,"error":"invalid_refresh_token"}`, oauth.InvalidGrant),
		refused("Slack: ok false and token_expired", "slack", rf, 200, `{"ok":false,"error":"token_expired"}`, oauth.InvalidGrant),
		refused("Slack: ok false and token_revoked", "slack-user", rf, 200, `{"ok":false,"error":"token_revoked"}`, oauth.InvalidGrant),
		refused("Slack: a code that was used", "slack", ex, 200, `{"ok":false,"error":"code_already_used"}`, oauth.InvalidGrant),
		refused("Slack: bad_client_secret", "slack", each, 200, `{"ok":false,"error":"bad_client_secret"}`, oauth.InvalidClient),
		refused("Slack: ratelimited, although with 200", "slack", each, 200, `{"ok":false,"error":"ratelimited"}`, oauth.Throttled),
		refused("Slack: ok false, and a token all the same", "slack", each, 200, `{"ok":false,"access_token":"`+canary+`"}`, oauth.UnknownError),

		granted("Discord: a week; a bot's server beside it", "discord", ex,
			`{"token_type":"Bearer","access_token":"at","expires_in":604800,"refresh_token":"rt","scope":"identify bot","guild":{"id":"1","name":"Acme"}}`,
			gives{rt: "rt", life: 7 * 24 * time.Hour, scopes: []string{"identify", "bot"}}),
		refused("Discord: a body that is no form", "discord", each, 400, `{"message":"The request body contains invalid JSON.","code":50109}`, oauth.UnknownError),
		granted("Webex: fourteen days, and ninety", "webex", ex,
			`{"access_token":"at","expires_in":1209599,"refresh_token":"rt","refresh_token_expires_in":7775999,"token_type":"Bearer","scope":"spark:kms"}`,
			gives{rt: "rt", life: 1209599 * time.Second, scopes: []string{"spark:kms"}, metadata: map[string]string{oauth.MetadataRefreshExpiresAt: endsIn(7775999)}}),
		refused("Webex: an error in its own form", "webex", rf, 400, `{"message":"POST failed: HTTP/1.1 400 Bad Request","errors":[{"description":"`+canary+`"}],"trackingId":"1"}`, oauth.UnknownError),
		granted("Zoom: an hour", "zoom", rf, `{"access_token":"at","token_type":"bearer","refresh_token":"rt","expires_in":3599,"scope":"user:read","api_url":"https://api.zoom.us"}`,
			gives{rt: "rt", life: 3599 * time.Second, scopes: []string{"user:read"}}),
		granted("Zoom: a server's own token", "zoom-server-to-server", cc, `{"access_token":"at","token_type":"bearer","expires_in":3599,"scope":"user:read:admin"}`,
			gives{life: 3599 * time.Second, scopes: []string{"user:read:admin"}}),
		refused("Zoom: an older refresh token is an Invalid Token!", "zoom", rf, 401, `{"reason":"Invalid Token!","error":"invalid_request"}`, oauth.InvalidGrant),
		refused("Zoom: a code that is none", "zoom", ex, 400, `{"reason":"Invalid authorization code 123","error":"invalid_request"}`, oauth.InvalidGrant),
		refused("Zoom: a client that is none", "zoom", each, 401, `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`, oauth.InvalidClient),
	}
}
