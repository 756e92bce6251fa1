package oauth_test

import (
	"fmt"
	"time"

	"github.com/acme/connections/internal/oauth"
)

// graph is an error as Facebook's graph and its relatives send them: an object.
func graph(members string) string {
	return `{"error":{"message":"` + canary + `","type":"OAuthException",` + members + `,"fbtrace_id":"1"}}`
}

// socialReplies are those of networks, media, sports and health.
func socialReplies() []replyCase {
	const sixtyDays = 60 * 24 * time.Hour
	user := map[string]string{"user_id": "17841"}
	return []replyCase{
		granted("Facebook: a short-lived token", "facebook", ex, `{"access_token":"at","token_type":"bearer","expires_in":5183}`, gives{life: 5183 * time.Second}),
		granted("Facebook: a long-lived token without its end", "facebook", rf, `{"access_token":"at","token_type":"bearer"}`, gives{life: sixtyDays}),
		refused("Facebook: OAuthException 190, an error that is an object", "facebook", rf, 400, graph(`"code":190,"error_subcode":460`), oauth.InvalidGrant),
		refused("Facebook: the same with 200", "facebook", rf, 200, graph(`"code":190`), oauth.InvalidGrant),
		refused("Facebook: a code that is spent", "facebook", ex, 400, graph(`"code":100,"error_subcode":36009`), oauth.InvalidGrant),
		refused("Facebook: a client secret that is wrong", "facebook", each, 400, `{"error":{"message":"Error validating client secret.","type":"OAuthException","code":1}}`, oauth.InvalidClient),
		refused("Facebook: an app that is none", "facebook", each, 400, graph(`"code":101`), oauth.InvalidClient),
		refused("Facebook: too many calls of the app", "facebook", each, 400, graph(`"code":4`), oauth.Throttled),
		refused("Facebook: an outage with 500", "facebook", each, 500, graph(`"code":2,"is_transient":true`), oauth.ServerError),
		refused("Facebook: an object that says nothing known", "facebook", each, 400, graph(`"code":99999`), oauth.UnknownError),
		granted("Instagram: an hour that is not named, and permissions in a list", "instagram", ex,
			`{"access_token":"at","user_id":17841,"permissions":["instagram_business_basic","instagram_business_manage_messages"]}`,
			gives{life: time.Hour, scopes: []string{"instagram_business_basic", "instagram_business_manage_messages"}, metadata: user}),
		granted("Instagram: sixty days for the hour", "instagram", rf, `{"access_token":"at","token_type":"bearer","expires_in":5183944}`, gives{life: 5183944 * time.Second}),
		refused("Instagram: a code that is spent", "instagram", ex, 400, `{"error_type":"OAuthException","code":400,"error_message":"This authorization code has been used"}`, oauth.InvalidGrant),
		refused("Instagram: an app that is none", "instagram", each, 400, `{"error_type":"OAuthException","code":400,"error_message":"Invalid platform app"}`, oauth.InvalidClient),
		refused("Instagram: a token that is dead cannot renew itself", "instagram", rf, 400, graph(`"code":190`), oauth.InvalidGrant),
		granted("Threads: an hour that is not named", "threads", ex, `{"access_token":"at","user_id":17841}`, gives{life: time.Hour, metadata: user}),
		granted("Threads: sixty days", "threads", rf, `{"access_token":"at","token_type":"bearer","expires_in":5184000}`, gives{life: sixtyDays}),
		refused("Threads: a token that is dead cannot renew itself", "threads", rf, 400, graph(`"code":190`), oauth.InvalidGrant),
		granted("TikTok: a day, and a year", "tiktok", ex,
			`{"access_token":"at","expires_in":86400,"open_id":"o1","refresh_expires_in":31536000,"refresh_token":"rt","scope":"user.info.basic,video.list","token_type":"Bearer"}`,
			gives{rt: "rt", life: 24 * time.Hour, scopes: []string{"user.info.basic", "video.list"}, metadata: map[string]string{
				"open_id": "o1", oauth.MetadataRefreshExpiresAt: endsIn(31536000),
			}}),
		refused("TikTok: a refresh token that is dead, with 200", "tiktok", rf, 200, `{"error":"invalid_grant","error_description":"Refresh token is invalid or expired.","log_id":"1"}`, oauth.InvalidGrant),
		refused("TikTok: too many calls", "tiktok", each, 200, `{"error":"rate_limit_exceeded","error_description":"`+canary+`","log_id":"1"}`, oauth.Throttled),
		granted("TikTok: an advertiser's token, below data", "tiktok-ads", ex,
			`{"code":0,"message":"OK","request_id":"1","data":{"access_token":"at","advertiser_ids":["7001","7002"],"scope":[1,4]}}`,
			gives{metadata: map[string]string{"data.advertiser_ids.0": "7001"}}),
		refused("TikTok: a code other than 0, with 200", "tiktok-ads", ex, 200, `{"code":40105,"message":"`+canary+`","data":{}}`, oauth.InvalidGrant),
		refused("TikTok: too many calls, in its own number", "tiktok-ads", ex, 200, `{"code":40100,"message":"`+canary+`"}`, oauth.Throttled),
		refused("TikTok: its own failure, with 200", "tiktok-ads", ex, 200, `{"code":50000,"message":"`+canary+`"}`, oauth.ServerError),
		granted("LinkedIn: sixty days, commas, and no refresh token", "linkedin", ex, `{"access_token":"at","expires_in":5184000,"scope":"openid,profile"}`,
			gives{life: sixtyDays, scopes: []string{"openid", "profile"}}),
		granted("LinkedIn: a partner's, whose year does not begin anew", "linkedin", rf,
			`{"access_token":"at","expires_in":5184000,"refresh_token":"rt","refresh_token_expires_in":439200,"scope":"r_basicprofile"}`,
			gives{rt: "rt", life: sixtyDays, scopes: []string{"r_basicprofile"}, metadata: map[string]string{oauth.MetadataRefreshExpiresAt: endsIn(439200)}}),
		refused("LinkedIn: a member who has revoked", "linkedin", rf, 400, `{"error":"invalid_grant","error_description":"`+canary+`"}`, oauth.InvalidGrant),
		refused("LinkedIn: an error of the API", "linkedin", each, 401, `{"serviceErrorCode":65604,"message":"`+canary+`","status":401}`, oauth.UnknownError),
		granted("X: two hours, and a refresh token that serves once", "x", rf,
			`{"token_type":"bearer","expires_in":7200,"access_token":"at","scope":"users.read tweet.read offline.access","refresh_token":"rt"}`,
			gives{rt: "rt", life: 2 * time.Hour, scopes: []string{"users.read", "tweet.read", "offline.access"}}),
		refused("X: a spent refresh token is an invalid request", "x", rf, 400,
			`{"error":"invalid_request","error_description":"Value passed for the token was invalid."}`, oauth.InvalidGrant),
		refused("X: a spent code is an invalid request", "x", ex, 400,
			`{"error":"invalid_request","error_description":"Value passed for the authorization code was invalid."}`, oauth.InvalidGrant),
		refused("X: a client that shows no Basic", "x", each, 401, `{"error":"unauthorized_client","error_description":"Missing valid authorization header"}`, oauth.AppRefused),
		granted("Twitch: scopes in a list", "twitch", ex,
			`{"access_token":"at","expires_in":14124,"refresh_token":"rt","scope":["user:read:email","channel:read:polls"],"token_type":"bearer"}`,
			gives{rt: "rt", life: 14124 * time.Second, scopes: []string{"user:read:email", "channel:read:polls"}}),
		refused("Twitch: a message instead of a code", "twitch", rf, 400, `{"status":400,"message":"Invalid refresh token"}`, oauth.InvalidGrant),
		refused("Twitch: a client secret that is wrong", "twitch", each, 403, `{"status":403,"message":"invalid client secret"}`, oauth.InvalidClient),
		granted("Spotify: a refresh keeps the refresh token", "spotify", rf, `{"access_token":"at","token_type":"Bearer","expires_in":3600,"scope":"user-read-email"}`,
			gives{life: time.Hour, scopes: []string{"user-read-email"}}),
		refused("Spotify: six months are over", "spotify", rf, 400, `{"error":"invalid_grant","error_description":"Refresh token revoked"}`, oauth.InvalidGrant),
		granted("Strava: a point in time beside the life", "strava", ex,
			fmt.Sprintf(`{"token_type":"Bearer","expires_at":%d,"expires_in":21600,"refresh_token":"rt","access_token":"at","athlete":{"id":227615,"firstname":"Jane"}}`, noon().Add(6*time.Hour).Unix()),
			gives{rt: "rt", life: 6 * time.Hour, metadata: map[string]string{"athlete.id": "227615", "account_id": "227615"}}),
		granted("Strava: a point in time alone", "strava", rf, fmt.Sprintf(`{"token_type":"Bearer","access_token":"at","expires_at":%d,"refresh_token":"rt"}`, noon().Add(time.Hour).Unix()),
			gives{rt: "rt", life: time.Hour}),
		refused("Strava: which of its things is invalid", "strava", rf, 400,
			`{"message":"Bad Request","errors":[{"resource":"RefreshToken","field":"refresh_token","code":"invalid"}]}`, oauth.InvalidGrant),
		refused("Strava: a code that is spent", "strava", ex, 400, `{"message":"Bad Request","errors":[{"resource":"AuthorizationCode","field":"code","code":"invalid"}]}`, oauth.InvalidGrant),
		refused("Strava: an application that is none", "strava", each, 401, `{"message":"Authorization Error","errors":[{"resource":"Application","field":"","code":"invalid"}]}`, oauth.InvalidClient),
		granted("Fitbit: fewer scopes, as the user unticked", "fitbit", ex,
			`{"access_token":"at","expires_in":28800,"refresh_token":"rt","scope":"heartrate","token_type":"Bearer","user_id":"26FWFL"}`,
			gives{rt: "rt", life: 8 * time.Hour, scopes: []string{"heartrate"}, metadata: map[string]string{"account_id": "26FWFL"}}),
		refused("Fitbit: errors in a list", "fitbit", rf, 400, `{"errors":[{"errorType":"invalid_grant","message":"`+canary+`"}],"success":false}`, oauth.InvalidGrant),
		refused("Fitbit: a client that is none", "fitbit", each, 401, `{"errors":[{"errorType":"invalid_client","message":"`+canary+`"}],"success":false}`, oauth.InvalidClient),
		granted("WeChat: an openid beside the token", "wechat", ex,
			`{"access_token":"at","expires_in":7200,"refresh_token":"rt","openid":"o1","scope":"snsapi_login","unionid":"u1"}`,
			gives{rt: "rt", life: 2 * time.Hour, scopes: []string{"snsapi_login"}, metadata: map[string]string{"openid": "o1", "unionid": "u1"}}),
		refused("WeChat: errcode 40029, with 200", "wechat", ex, 200, `{"errcode":40029,"errmsg":"`+canary+`"}`, oauth.InvalidGrant),
		refused("WeChat: errcode 42002, a refresh token of thirty days ago", "wechat", rf, 200, `{"errcode":42002,"errmsg":"refresh_token expired"}`, oauth.InvalidGrant),
		refused("WeChat: errcode 40125, a wrong secret", "wechat", each, 200, `{"errcode":40125,"errmsg":"invalid appsecret"}`, oauth.InvalidClient),
		refused("WeChat: errcode -1, it is busy", "wechat", each, 200, `{"errcode":-1,"errmsg":"system error"}`, oauth.ServerError),
		granted("QQ: a form for a reply", "qq", ex, `access_token=at&expires_in=7776000&refresh_token=rt`, gives{rt: "rt", life: 90 * 24 * time.Hour}),
		refused("QQ: a script for an error", "qq", ex, 200, `callback( {"error":100020,"error_description":"code is reused error"} );`, oauth.Unreadable),
		granted("Withings: everything below body", "withings", rf,
			`{"status":0,"body":{"userid":"363","access_token":"at","refresh_token":"rt","scope":"user.info,user.metrics","expires_in":10800,"token_type":"Bearer"}}`,
			gives{rt: "rt", life: 3 * time.Hour, scopes: []string{"user.info", "user.metrics"}, metadata: map[string]string{"body.userid": "363"}}),
		refused("Withings: status 601, with 200", "withings", each, 200, `{"status":601,"body":{},"error":"Too Many Requests"}`, oauth.Throttled),
		refused("Withings: status 503 is no outage, but a refusal", "withings", rf, 200, `{"status":503,"body":{},"error":"Invalid Params: invalid refresh_token"}`, oauth.InvalidGrant),
		refused("Withings: a status that nobody knows, and a token all the same", "withings", each, 200, `{"status":293,"body":{"access_token":"`+canary+`"}}`, oauth.UnknownError),
	}
}
