package oauth_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/acme/connections/internal/oauth"
)

func replaced(text, value string) string { return strings.ReplaceAll(text, "%", value) }

// commerceReplies are those of shops, payments and books.
func commerceReplies() []replyCase {
	quarter := noon().Add(15 * time.Minute)
	return []replyCase{
		granted("Shopify: an hour, and ninety days", "shopify", ex,
			`{"access_token":"at","scope":"read_products,write_orders","expires_in":3600,"refresh_token":"rt","refresh_token_expires_in":7776000}`,
			gives{rt: "rt", life: time.Hour, scopes: []string{"read_products", "write_orders"}, metadata: map[string]string{oauth.MetadataRefreshExpiresAt: endsIn(7776000)}}),
		granted("Shopify: a token of before December 2025, without an end", "shopify", ex, `{"access_token":"at","scope":"read_products"}`, gives{scopes: []string{"read_products"}}),
		granted("Shopify: one of its users", "shopify", ex,
			`{"access_token":"at","scope":"read_products","expires_in":86399,"associated_user_scope":"read_products","associated_user":{"id":902541635,"email":"`+canary+`"}}`,
			gives{life: 86399 * time.Second, scopes: []string{"read_products"}, metadata: map[string]string{"associated_user.id": "902541635"}}),
		refused("Shopify: a code that is spent is an invalid request", "shopify", ex, 400,
			`{"error":"invalid_request","error_description":"The authorization code was not found or was already used"}`, oauth.InvalidGrant),
		refused("Shopify: an invalid request is one otherwise", "shopify", rf, 400, `{"error":"invalid_request","error_description":"`+canary+`"}`, oauth.AppRefused),
		refused("Shopify: an app that is gone", "shopify", each, 400, `{"error":"application_cannot_be_found"}`, oauth.InvalidClient),
		refused("Shopify: a page for an error", "shopify", ex, 400, `<!DOCTYPE html><html><body>Oauth error invalid_request: `+canary+`</body>`, oauth.UnknownError),
		refused("Shopify: a shop that is closed", "shopify", each, 404, `{"errors":"Not Found"}`, oauth.EndpointWrong),
		granted("Stripe: an app's token, of the hour that it does not name", "stripe-apps", ex,
			`{"access_token":"at","livemode":true,"refresh_token":"rt","scope":"stripe_apps","stripe_publishable_key":"pk_1","stripe_user_id":"acct_1","token_type":"bearer"}`,
			gives{rt: "rt", life: time.Hour, scopes: []string{"stripe_apps"}, metadata: map[string]string{"stripe_user_id": "acct_1", "livemode": "true", "account_id": "acct_1"}}),
		granted("Stripe: a connected account's, without an end", "stripe-connect", ex,
			`{"access_token":"at","livemode":false,"refresh_token":"rt","token_type":"bearer","stripe_publishable_key":"pk_1","stripe_user_id":"acct_1","scope":"read_write"}`,
			gives{rt: "rt", scopes: []string{"read_write"}, metadata: map[string]string{
				"stripe_user_id": "acct_1", "livemode": "false", "stripe_publishable_key": "pk_1", "account_id": "acct_1",
			}}),
		refused("Stripe: an error object for a key that is none", "stripe-apps", each, 401,
			`{"error":{"message":"Invalid API Key provided: sk_test_****","type":"invalid_request_error"}}`, oauth.InvalidClient),
		refused("Stripe: a code that is spent", "stripe-connect", ex, 400, `{"error":"invalid_grant","error_description":"Authorization code does not exist: ac_1"}`, oauth.InvalidGrant),
		refused("Stripe: the account is connected no more, and the client is well", "stripe-connect", oauth.Revoke, 401,
			`{"error":"invalid_client","error_description":"This application is not connected to stripe account acct_1, or that account does not exist."}`, oauth.InvalidGrant),
		granted("Square: a date", "square", ex,
			`{"access_token":"at","token_type":"bearer","expires_at":"2026-07-31T12:00:00Z","merchant_id":"M1","refresh_token":"rt","short_lived":false}`,
			gives{rt: "rt", life: 30 * 24 * time.Hour, metadata: map[string]string{"merchant_id": "M1", "account_id": "M1"}}),
		granted("Square: no date", "square", rf, `{"access_token":"at","merchant_id":"M1"}`,
			gives{life: 30 * 24 * time.Hour, metadata: map[string]string{"merchant_id": "M1", "account_id": "M1"}}),
		refused("Square: a list of errors", "square", each, 401, `{"errors":[{"category":"AUTHENTICATION_ERROR","code":"UNAUTHORIZED","detail":"`+canary+`"}]}`, oauth.UnknownError),
		granted("PayPal: a number in a text", "paypal", ex, `{"scope":"openid email","access_token":"at","token_type":"Bearer","expires_in":"28800","refresh_token":"rt","nonce":"1"}`,
			gives{rt: "rt", life: 8 * time.Hour, scopes: []string{"openid", "email"}}),
		granted("PayPal: a machine's token, of nine hours", "paypal", cc,
			`{"scope":"https://uri.paypal.com/services/invoicing","access_token":"at","token_type":"Bearer","app_id":"APP-1","expires_in":32400,"nonce":"1"}`,
			gives{life: 9 * time.Hour, scopes: []string{"https://uri.paypal.com/services/invoicing"}, metadata: map[string]string{"app_id": "APP-1"}}),
		refused("PayPal: a client that is none", "paypal", each, 401, `{"error":"invalid_client","error_description":"Client Authentication failed"}`, oauth.InvalidClient),
		granted("Amazon: an hour", "amazon", rf, `{"access_token":"at","refresh_token":"rt","token_type":"bearer","expires_in":3600}`, gives{rt: "rt", life: time.Hour}),
		granted("Amazon: a seller's", "amazon-selling-partner", ex, `{"access_token":"at","refresh_token":"rt","token_type":"bearer","expires_in":3600}`, gives{rt: "rt", life: time.Hour}),
		refused("Amazon: a seller who has revoked the app", "amazon-selling-partner", rf, 400,
			`{"error_description":"The request has an invalid grant parameter : refresh_token","error":"invalid_grant"}`, oauth.InvalidGrant),
		refused("Amazon: an app that the seller's is not", "amazon-selling-partner", each, 400, `{"error":"unauthorized_client","error_description":"`+canary+`"}`, oauth.AppRefused),
		granted("eBay: two hours, and eighteen months", "ebay", ex,
			`{"access_token":"at","expires_in":7200,"refresh_token":"rt","refresh_token_expires_in":47304000,"token_type":"User Access Token"}`,
			gives{rt: "rt", kind: "User Access Token", life: 2 * time.Hour, metadata: map[string]string{oauth.MetadataRefreshExpiresAt: endsIn(47304000)}}),
		granted("eBay: an application's", "ebay", cc, `{"access_token":"at","expires_in":7200,"token_type":"Application Access Token"}`,
			gives{kind: "Application Access Token", life: 2 * time.Hour}),
		refused("eBay: a refresh token of another client", "ebay", rf, 400,
			`{"error":"invalid_grant","error_description":"the provided authorization refresh token is invalid or was issued to another client"}`, oauth.InvalidGrant),

		granted("QuickBooks: the refresh token's hundred and one days", "quickbooks", rf,
			`{"token_type":"bearer","expires_in":3600,"refresh_token":"rt","x_refresh_token_expires_in":8726400,"access_token":"at"}`,
			gives{rt: "rt", life: time.Hour, metadata: map[string]string{oauth.MetadataRefreshExpiresAt: endsIn(8726400)}}),
		refused("QuickBooks: a value that has been replaced", "quickbooks", rf, 400, `{"error":"invalid_grant","error_description":"Incorrect or invalid refresh token"}`, oauth.InvalidGrant),
		granted("Xero: half an hour", "xero", rf,
			`{"id_token":"`+canary+`","access_token":"at","expires_in":1800,"token_type":"Bearer","refresh_token":"rt","scope":"accounting.settings.read offline_access"}`,
			gives{rt: "rt", life: 30 * time.Minute, scopes: []string{"accounting.settings.read", "offline_access"}}),
		refused("Xero: a refresh token after its half hour of grace", "xero", rf, 400, `{"error":"invalid_grant"}`, oauth.InvalidGrant),
		granted("Exact Online: ten minutes, in a text", "exact-online", rf, `{"access_token":"at","token_type":"bearer","expires_in":"600","refresh_token":"rt"}`, gives{rt: "rt", life: 10 * time.Minute}),
		refused("Exact Online: a refresh before the last thirty seconds", "exact-online", rf, 401,
			`{"error":"unauthorized_client","error_description":"Rate limit exceeded: access_token not expired"}`, oauth.Throttled),
		refused("Exact Online: a refresh token that was used", "exact-online", rf, 400, `{"error":"invalid_grant","error_description":"`+canary+`"}`, oauth.InvalidGrant),
		granted("Clover: both ends, in seconds since 1970", "clover", ex,
			fmt.Sprintf(`{"access_token":"at","access_token_expiration":%d,"refresh_token":"rt","refresh_token_expiration":%d}`, quarter.Unix(), quarter.Unix()),
			gives{rt: "rt", life: 15 * time.Minute, metadata: map[string]string{oauth.MetadataRefreshExpiresAt: endsIn(900)}}),
		granted("Clover: both ends, in milliseconds", "clover", rf,
			fmt.Sprintf(`{"access_token":"at","access_token_expiration":%d,"refresh_token":"rt","refresh_token_expiration":%d}`, quarter.UnixMilli(), quarter.UnixMilli()),
			gives{rt: "rt", life: 15 * time.Minute, metadata: map[string]string{oauth.MetadataRefreshExpiresAt: endsIn(900)}}),
		refused("Clover: a refusal without a code", "clover", rf, 401, `{"message":"`+canary+`"}`, oauth.UnknownError),
		granted("Fiserv: milliseconds", "fiserv", cc, `{"access_token":"at","token_type":"Bearer","expires_in":900000}`, gives{life: 15 * time.Minute}),
		refused("Fiserv: a client that is none", "fiserv", cc, 401, `{"error":"invalid_client"}`, oauth.InvalidClient),
		granted("Sabre: seven days", "sabre", cc, `{"access_token":"at","token_type":"bearer","expires_in":604800}`, gives{life: 7 * 24 * time.Hour}),
		refused("Sabre: credentials that are not encoded twice", "sabre", cc, 401,
			`{"error":"invalid_client","error_description":"Credentials are missing or the syntax is not correct"}`, oauth.InvalidClient),
	}
}
