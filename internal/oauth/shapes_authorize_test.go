package oauth_test

// noPKCE are the parameters that a provider which refuses PKCE does not get (RFC 7636 §4.3).
func noPKCE(more ...string) []string { return append(more, "code_challenge", "code_challenge_method") }

func scope(scopes string, more ...string) map[string]string {
	query := map[string]string{"scope": scopes}
	for i := 0; i < len(more); i += 2 {
		query[more[i]] = more[i+1]
	}
	return query
}

func authorizeCases() []authorizeCase {
	return []authorizeCase{
		{name: "RFC 6749 §4.1.1: the request", row: "plain", url: "https://plain.example/authorize"},
		{
			name: "Google: offline, and consent each time, or there is no refresh token", row: "google",
			url: "https://accounts.google.com/o/oauth2/v2/auth", query: scope("openid email", "access_type", "offline", "prompt", "consent"),
		},
		{
			name: "Microsoft: the tenant in the path", row: "microsoft", inputs: []string{"tenant", "contoso.onmicrosoft.com"},
			url: "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/authorize", query: scope("offline_access openid User.Read"),
		},
		{name: "Okta: the customer's domain", row: "okta", url: "https://acme.okta.com/oauth2/v1/authorize", query: scope("openid offline_access")},
		{name: "Auth0: the customer's domain", row: "auth0", url: "https://acme.eu.auth0.com/authorize", query: scope("openid offline_access")},
		{
			name: "Slack: commas, and the bot's scopes", row: "slack", url: "https://slack.com/oauth/v2/authorize",
			query: scope("users:read"), without: noPKCE(),
		},
		{
			name: "Slack: a user's scopes have a parameter of their own", row: "slack-user", url: "https://slack.com/oauth/v2/authorize",
			query: map[string]string{"user_scope": "users:read"}, without: noPKCE(),
		},
		{
			name: "Atlassian: an audience", row: "atlassian", url: "https://auth.atlassian.com/authorize",
			query: scope("offline_access read:me", "audience", "api.atlassian.com", "prompt", "consent"),
		},
		{name: "Linear: commas", row: "linear", url: "https://linear.app/oauth/authorize", query: scope("read", "prompt", "consent")},
		{name: "Bitbucket: as any other", row: "bitbucket", url: "https://bitbucket.org/site/oauth2/authorize", query: scope("account")},
		{
			name: "Snowflake: the account's host, and a scope that brings refresh tokens", row: "snowflake",
			url: "https://acme-xy12345.snowflakecomputing.com/oauth/authorize", query: scope("refresh_token"),
		},
		{
			name: "Salesforce: a sandbox's own domain", row: "salesforce-my-domain", inputs: []string{"my_domain", "acme--uat.sandbox"},
			url: "https://acme--uat.sandbox.my.salesforce.com/services/oauth2/authorize", query: scope("api refresh_token"),
		},
		{name: "Zoho: the data centre", row: "zoho", inputs: []string{"data_center", "com.au"}, url: "https://accounts.zoho.com.au/oauth/v2/auth", query: scope("AaaServer.profile.READ", "access_type", "offline", "prompt", "consent")},
		{name: "Zendesk: the subdomain", row: "zendesk", url: "https://acme.zendesk.com/oauth/authorizations/new", query: scope("read")},
		{name: "Notion: the owner, and no scopes", row: "notion", url: "https://api.notion.com/v1/oauth/authorize", query: map[string]string{"owner": "user"}},
		{name: "Dropbox: offline in its own words", row: "dropbox", url: "https://www.dropbox.com/oauth2/authorize", query: scope("account_info.read", "token_access_type", "offline")},
		{name: "Monday: no response_type", row: "monday", url: "https://auth.monday.com/oauth2/authorize", without: noPKCE("response_type")},
		{name: "Typeform: offline, whatever else", row: "typeform", url: "https://api.typeform.com/oauth/authorize", query: scope("offline accounts:read"), without: noPKCE()},
		{name: "Mailchimp: no scopes", row: "mailchimp", url: "https://login.mailchimp.com/oauth2/authorize"},
		{name: "ServiceNow: the instance's host", row: "servicenow", url: "https://acme.service-now.com/oauth_auth.do", query: scope("useraccount")},
		{name: "Workday: a host and a tenant", row: "workday", url: "https://impl.workday.com/acme_dpt1/authorize"},
		{name: "NetSuite: the account's host", row: "netsuite", url: "https://1234567-sb1.app.netsuite.com/app/login/oauth2/authorize.nl", query: scope("rest_webservices")},
		{
			name: "Shopify: the shop's own host", row: "shopify", url: "https://my-store.myshopify.com/admin/oauth/authorize", query: scope("read_products"),
		},
		{
			name: "Square: no PKCE, or the refresh token serves once", row: "square", url: "https://connect.squareup.com/oauth2/authorize",
			query: scope("MERCHANT_PROFILE_READ", "session", "false"), without: noPKCE(),
		},
		{
			name: "Amazon: an application, and neither client nor scope", row: "amazon-selling-partner", inputs: []string{"seller_central_host", "sellercentral-europe.amazon.com"},
			url: "https://sellercentral-europe.amazon.com/apps/authorize/consent", without: noPKCE("client_id", "response_type"),
			query: map[string]string{"application_id": "amzn1.sp.solution.12345678-aaaa-bbbb-cccc-1234567890ab"},
		},
		{
			name: "eBay: a name for the redirect URI", row: "ebay", url: "https://auth.ebay.com/oauth2/authorize",
			query: scope("https://api.ebay.com/oauth/api_scope", "redirect_uri", "Acme-AcmeApp-PRD-1a2b3c4d5"),
		},
		{name: "Exact Online: the country's domain", row: "exact-online", inputs: []string{"country", "co.uk"}, url: "https://start.exactonline.co.uk/api/oauth2/auth"},
		{name: "Clover: the merchant's region", row: "clover", inputs: []string{"authorize_host", "www.eu.clover.com"}, url: "https://www.eu.clover.com/oauth/v2/authorize", without: noPKCE()},
		{name: "LinkedIn: PKCE breaks its flow for the web", row: "linkedin", url: "https://www.linkedin.com/oauth/v2/authorization", query: scope("openid profile"), without: noPKCE()},
		{name: "X: PKCE, and a scope that brings refresh tokens", row: "x", url: "https://x.com/i/oauth2/authorize", query: scope("users.read tweet.read offline.access")},
		{
			name: "TikTok: client_key", row: "tiktok", url: "https://www.tiktok.com/v2/auth/authorize/",
			query: scope("user.info.basic", "client_key", "id"), without: []string{"client_id"},
		},
		{name: "TikTok: an advertiser's app_id", row: "tiktok-ads", url: "https://business-api.tiktok.com/portal/auth", query: map[string]string{"app_id": "id"}, without: []string{"client_id"}},
		{name: "Strava: a prompt in its own words", row: "strava", url: "https://www.strava.com/oauth/authorize", query: scope("read", "approval_prompt", "auto")},
		{name: "Facebook: the version in the path", row: "facebook", url: "https://www.facebook.com/v25.0/dialog/oauth", query: scope("public_profile")},
		{
			name: "WeChat: appid, and a fragment at the end", row: "wechat", url: "https://open.weixin.qq.com/connect/qrconnect",
			query: scope("snsapi_login", "appid", "id"), without: []string{"client_id"}, fragment: "wechat_redirect",
		},
		{name: "Withings: as any other", row: "withings", url: "https://account.withings.com/oauth2_user/authorize2", query: scope("user.info")},
	}
}
