package oauth_test

import (
	"encoding/base64"
	"maps"
	"net/http"

	"github.com/acme/connections/internal/connector"
)

// The parts of calls, as RFC 6749 has them.
func exchanging(more ...string) map[string]string {
	return pairs(map[string]string{"grant_type": "authorization_code", "code": theCode, "redirect_uri": theRedirect, "code_verifier": theVerifier}, more)
}

func refreshing(more ...string) map[string]string {
	return pairs(map[string]string{"grant_type": "refresh_token", "refresh_token": theToken}, more)
}

// client is the client in a body.
func client() []string { return []string{"client_id", "id", "client_secret", canary + "-secret"} }

// withClient adds more to it.
func withClient(more ...string) []string { return append(client(), more...) }

func pairs(base map[string]string, more []string) map[string]string {
	all := maps.Clone(base)
	for i := 0; i < len(more); i += 2 {
		if all[more[i]] = more[i+1]; more[i+1] == "" {
			delete(all, more[i])
		}
	}
	return all
}

// knowing fills in what the provider has told of an account.
func knowing(metadata ...string) func(connector.Connector) connector.Connector {
	return func(c connector.Connector) connector.Connector {
		return c.WithMetadata(pairs(map[string]string{}, metadata))
	}
}

func callCases() []callCase {
	asBasic := map[string]string{"Authorization": basic("id", canary+"-secret")}
	asBearer := map[string]string{"Authorization": "Bearer " + theToken}
	revoking := map[string]string{"token": theToken, "token_type_hint": "refresh_token"}
	asking := map[string]string{"token": theToken, "token_type_hint": "access_token"}
	twice := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	return []callCase{
		{name: "RFC 6749 §4.1.3: the exchange", row: "plain", do: exchangeAs, want: expected{header: asBasic, form: exchanging()}},
		{name: "RFC 6749 §6: the refresh", row: "plain", do: refreshAs, want: expected{header: asBasic, form: refreshing()}},
		{name: "Slack: the exchange, without a verifier", row: "slack", do: exchangeAs, want: expected{path: "/api/oauth.v2.access", form: exchanging(withClient("code_verifier", "")...)}},
		{name: "Discord: a form, and nothing else", row: "discord", do: exchangeAs, want: expected{path: "/api/oauth2/token", form: exchanging(client()...)}},
		{name: "Airtable: Basic, and the verifier", row: "airtable", do: exchangeAs, want: expected{path: "/oauth2/v1/token", header: asBasic, form: exchanging()}},
		{name: "Notion: JSON with Basic", row: "notion", do: exchangeAs, want: expected{path: "/v1/oauth/token", header: asBasic, json: exchanging()}},
		{name: "Atlassian: JSON with the client in it", row: "atlassian", do: refreshAs, want: expected{path: "/oauth/token", json: refreshing(client()...)}},
		{name: "Zendesk: JSON that asks for an end", row: "zendesk", do: exchangeAs, want: expected{path: "/oauth/tokens", json: exchanging(withClient("expires_in", "1800")...)}},
		{name: "Zendesk: a refresh asks for an end too", row: "zendesk", do: refreshAs, want: expected{path: "/oauth/tokens", json: refreshing(withClient("expires_in", "1800")...)}},
		{name: "Shopify: it asks for tokens that expire", row: "shopify", do: exchangeAs, want: expected{path: "/admin/oauth/access_token", form: exchanging(withClient("expiring", "1")...)}},
		{name: "TikTok: client_key in every call", row: "tiktok", do: refreshAs, want: expected{path: "/v2/oauth/token/", form: refreshing("client_key", "id", "client_secret", canary+"-secret")}},
		{
			name: "TikTok: an advertiser's names, and no grant_type", row: "tiktok-ads", do: exchangeAs,
			want: expected{path: "/open_api/v1.3/oauth2/access_token/", json: map[string]string{
				"app_id": "id", "secret": canary + "-secret", "auth_code": theCode, "code_verifier": theVerifier,
			}},
		},
		{name: "Dropbox: the client in one place", row: "dropbox", do: refreshAs, want: expected{path: "/oauth2/token", form: refreshing(client()...)}},
		{name: "Snowflake: a path of its own, and Basic", row: "snowflake", do: refreshAs, want: expected{path: "/oauth/token-request", header: asBasic, form: refreshing()}},
		{name: "Stripe: the key as user", row: "stripe-apps", do: refreshAs, want: expected{path: "/v1/oauth/token", header: map[string]string{"Authorization": basic(canary+"-secret", "")}, form: refreshing()}},
		{name: "Pipedrive: Basic, and nothing that is empty", row: "pipedrive", do: refreshAs, want: expected{path: "/oauth/token", header: asBasic, form: refreshing()}},
		{name: "QuickBooks: Basic", row: "quickbooks", do: refreshAs, want: expected{path: "/oauth2/v1/tokens/bearer", header: asBasic, form: refreshing()}},
		{name: "Gusto: the redirect URI with a refresh", row: "gusto", do: refreshAs, want: expected{path: "/oauth/token", form: refreshing(withClient("redirect_uri", theRedirect)...)}},
		{name: "eBay: its name for the redirect URI, in the exchange too", row: "ebay", do: exchangeAs, want: expected{
			path: "/identity/v1/oauth2/token", header: asBasic, form: exchanging("redirect_uri", "Acme-AcmeApp-PRD-1a2b3c4d5"),
		}},
		{name: "PayPal: client credentials with Basic", row: "paypal", do: clientCredentialsAs, want: expected{
			path: "/v1/oauth2/token", header: asBasic, form: map[string]string{"grant_type": "client_credentials", "scope": "a b"},
		}},
		{name: "Zoom: account_credentials", row: "zoom-server-to-server", do: clientCredentialsAs, want: expected{
			path: "/oauth/token", header: asBasic, form: map[string]string{"grant_type": "account_credentials", "account_id": "abcDEF123_-xyz", "scope": "a b"},
		}},
		{name: "Square: JSON, without a verifier", row: "square", do: exchangeAs, want: expected{path: "/oauth2/token", json: exchanging(withClient("code_verifier", "")...)}},
		{name: "Clover: refreshes have a path of their own", row: "clover", do: refreshAs, want: expected{path: "/oauth/v2/refresh", json: refreshing(client()...)}},
		{name: "Facebook: the access token renews itself, by GET", row: "facebook", do: refreshAs, want: expected{
			method: http.MethodGet, path: "/v25.0/oauth/access_token", query: pairs(map[string]string{"grant_type": "fb_exchange_token", "fb_exchange_token": theToken}, client()),
		}},
		{name: "Instagram: the hour is swapped for sixty days", row: "instagram", do: upgradeAs, want: expected{
			method: http.MethodGet, path: "/access_token", query: pairs(map[string]string{"grant_type": "ig_exchange_token", "access_token": theToken}, client()),
		}},
		{name: "Threads: another host renews", row: "threads", do: refreshAs, want: expected{
			method: http.MethodGet, path: "/refresh_access_token", query: pairs(map[string]string{"grant_type": "th_refresh_token", "access_token": theToken}, client()),
		}},
		{name: "X: Basic, and a verifier", row: "x", do: exchangeAs, want: expected{path: "/2/oauth2/token", header: asBasic, form: exchanging()}},
		{name: "LinkedIn: no verifier", row: "linkedin", do: exchangeAs, want: expected{path: "/oauth/v2/accessToken", form: exchanging(withClient("code_verifier", "")...)}},
		{name: "WeChat: GET, appid and secret", row: "wechat", do: exchangeAs, want: expected{
			method: http.MethodGet, path: "/sns/oauth2/access_token", query: exchanging("appid", "id", "secret", canary+"-secret"),
		}},
		{name: "QQ: GET", row: "qq", do: refreshAs, want: expected{method: http.MethodGet, query: refreshing(client()...)}},
		{name: "Withings: an action", row: "withings", do: refreshAs, want: expected{path: "/v2/oauth2", form: refreshing(withClient("action", "requesttoken")...)}},
		{name: "Fitbit: Basic", row: "fitbit", do: refreshAs, want: expected{header: asBasic, form: refreshing()}},
		{name: "Keap: the client in the body of an exchange", row: "keap", do: exchangeAs, want: expected{path: "/token", form: exchanging(client()...)}},
		{name: "Keap: Basic with a refresh", row: "keap", do: refreshAs, want: expected{path: "/token", header: asBasic, form: refreshing()}},
		{name: "Sabre: base64 in base64", row: "sabre", do: clientCredentialsAs, want: expected{
			path: "/v2/auth/token", header: map[string]string{"Authorization": "Basic " + twice(twice("id")+":"+twice(canary+"-secret"))},
			form: map[string]string{"grant_type": "client_credentials", "scope": "a b"},
		}},
		{name: "Wrike: a refresh before the host is known", row: "wrike", do: refreshAs, want: expected{path: "/oauth2/token", form: refreshing(client()...)}},

		{name: "GitHub: a token is deleted at the client's own path", row: "github", do: revokeAs, want: expected{
			method: http.MethodDelete, path: "/applications/id/token", json: map[string]string{"access_token": theToken},
			header: map[string]string{"Authorization": basic("id", canary+"-secret"), "Accept": "application/vnd.github+json"},
		}},
		{name: "Stripe: an account is deauthorized", row: "stripe-connect", do: revokeAs, mod: knowing("stripe_user_id", "acct_1"), want: expected{
			path: "/oauth/deauthorize", header: map[string]string{"Authorization": "Bearer " + canary + "-secret"},
			form: map[string]string{"client_id": "id", "stripe_user_id": "acct_1"},
		}},
		{name: "Square: the secret in a header of its own", row: "square", do: revokeAs, want: expected{
			path: "/oauth2/revoke", header: map[string]string{"Authorization": "Client " + canary + "-secret"}, json: map[string]string{"access_token": theToken, "client_id": "id"},
		}},
		{name: "Slack: a token revokes itself", row: "slack", do: revokeAs, want: expected{path: "/api/auth.revoke", header: asBearer}},
		{name: "Dropbox: a token revokes itself", row: "dropbox", do: revokeAs, want: expected{path: "/2/auth/token/revoke", header: asBearer}},
		{name: "Google: the token, without the client", row: "google", do: revokeAs, want: expected{path: "/revoke", form: map[string]string{"token": theToken}}},
		{name: "QuickBooks: revocation is JSON, with Basic", row: "quickbooks", do: revokeAs, want: expected{path: "/v2/oauth2/tokens/revoke", header: asBasic, json: revoking}},
		{name: "Strava: deauthorize", row: "strava", do: revokeAs, want: expected{path: "/oauth/deauthorize", form: map[string]string{"access_token": theToken}}},
		{name: "Salesforce: introspection with the client in the body", row: "salesforce", do: introspectAs, want: expected{path: "/services/oauth2/introspect", form: pairs(asking, client())}},
		{name: "LinkedIn: introspection", row: "linkedin", do: introspectAs, want: expected{path: "/oauth/v2/introspectToken", form: pairs(asking, client())}},
		{name: "Notion: introspection in JSON, with Basic", row: "notion", do: introspectAs, want: expected{path: "/v1/oauth/introspect", header: asBasic, json: asking}},
		{name: "Okta: introspection with Basic", row: "okta", do: introspectAs, want: expected{path: "/oauth2/v1/introspect", header: asBasic, form: asking}},
	}
}
