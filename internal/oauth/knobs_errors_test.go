package oauth_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
)

// TestKnob_ErrorPaths: codes that stand elsewhere count as if they stood in "error" (K12).
func TestKnob_ErrorPaths(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		paths  []string
		status int
		reply  string
		want   oauth.Kind
	}{
		"HubSpot: status":                 {[]string{"status"}, 400, `{"status":"BAD_REFRESH_TOKEN","message":"` + canary + `"}`, oauth.InvalidGrant},
		"Fitbit: errors[0].errorType":     {[]string{"errors.0.errorType"}, 400, `{"errors":[{"errorType":"invalid_grant","message":"` + canary + `"}],"success":false}`, oauth.InvalidGrant},
		"Fitbit: the client":              {[]string{"errors.0.errorType"}, 401, `{"errors":[{"errorType":"invalid_client"}]}`, oauth.InvalidClient},
		"Google: error_subtype":           {[]string{"error_subtype"}, 400, `{"error":"unknown","error_subtype":"invalid_rapt"}`, oauth.InteractionRequired},
		"Microsoft: suberror":             {[]string{"suberror"}, 400, `{"error":"` + canary + `","suberror":"consent_required"}`, oauth.InteractionRequired},
		"a list that is empty":            {[]string{"errors.0.errorType"}, 400, `{"errors":[]}`, oauth.UnknownError},
		"the first that says something":   {[]string{"a", "b"}, 400, `{"a":"` + canary + `","b":"invalid_scope"}`, oauth.InvalidScope},
		"error itself before the others":  {[]string{"a"}, 400, `{"error":"invalid_client","a":"invalid_grant"}`, oauth.InvalidClient},
		"0 is no error, in text either":   {[]string{"code"}, 400, `{"code":"0"}`, oauth.UnknownError},
		"200, and no token":               {[]string{"code"}, 200, `{"code":7}`, oauth.UnknownError},
		"200, no token, and a code of 0":  {[]string{"code"}, 200, `{"code":0}`, oauth.Unreadable},
		"a throttle with 400":             {[]string{"code"}, 400, `{"code":"slow_down"}`, oauth.Throttled},
		"an error in a form, by its path": {[]string{"err"}, 400, `err=invalid_grant&text=` + canary, oauth.InvalidGrant},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := told(t, refreshAs, c.status, c.reply, func(conn *connector.Connector) { conn.Reply.ErrorPaths = c.paths })
			requireFailure(t, err, c.want)
		})
	}
}

// TestKnob_Errors: what a provider's own errors mean is data; the first rule that fits counts.
func TestKnob_Errors(t *testing.T) {
	t.Parallel()
	facebook := []connector.ErrorRule{
		{Path: "error.code", Equals: "190", Means: "invalid_grant"},
		{Path: "error.code", Equals: "4", Means: "throttled"},
		{Path: "error.message", Contains: "client secret", Means: "invalid_client"},
	}
	salesforce := []connector.ErrorRule{
		{Path: "error_description", Contains: "already being processed", Means: "throttled"},
		{Path: "error_description", Contains: "expired access/refresh token", Means: "invalid_grant"},
	}
	zoho := []connector.ErrorRule{
		{Path: "error_description", Contains: "too many requests", Means: "throttled"},
		{Equals: "invalid_code", Means: "invalid_grant"},
	}
	zoom := []connector.ErrorRule{{Path: "reason", Contains: "Invalid Token!", Phase: "refresh", Means: "invalid_grant"}}
	for name, c := range map[string]struct {
		do     ask
		rules  []connector.ErrorRule
		status int
		reply  string
		want   oauth.Kind
	}{
		"Facebook: 190":                     {refreshAs, facebook, 400, `{"error":{"message":"` + canary + `","type":"OAuthException","code":190,"error_subcode":463}}`, oauth.InvalidGrant},
		"Facebook: 190 with 200":            {refreshAs, facebook, 200, `{"error":{"message":"` + canary + `","type":"OAuthException","code":190}}`, oauth.InvalidGrant},
		"Facebook: 4":                       {refreshAs, facebook, 400, `{"error":{"code":4}}`, oauth.Throttled},
		"Facebook: 40 is not 4":             {refreshAs, facebook, 400, `{"error":{"code":40}}`, oauth.UnknownError},
		"Facebook: the app's secret":        {exchangeAs, facebook, 400, `{"error":{"message":"Error validating Client Secret.","code":1}}`, oauth.InvalidClient},
		"Salesforce: busy is not dead":      {refreshAs, salesforce, 400, `{"error":"invalid_grant","error_description":"Token request is already being processed"}`, oauth.Throttled},
		"Salesforce: expired":               {refreshAs, salesforce, 400, `{"error":"invalid_request","error_description":"expired access/refresh token"}`, oauth.InvalidGrant},
		"Zoho: a throttle in other words":   {refreshAs, zoho, 400, `{"error":"Access Denied","error_description":"You have made too many requests continuously. ` + canary + `"}`, oauth.Throttled},
		"Zoho: the same with 200":           {refreshAs, zoho, 200, `{"error":"access_denied","error_description":"You have made Too Many Requests"}`, oauth.Throttled},
		"Zoho: invalid_code with 200":       {refreshAs, zoho, 200, `{"error":"invalid_code"}`, oauth.InvalidGrant},
		"glewlwyd: invalid_code with 403":   {refreshAs, zoho, 403, `{"error":"INVALID_CODE"}`, oauth.InvalidGrant},
		"Zoom: only of a refresh":           {refreshAs, zoom, 401, `{"reason":"Invalid Token!","error":"x"}`, oauth.InvalidGrant},
		"Zoom: of an exchange it is not so": {exchangeAs, zoom, 401, `{"reason":"Invalid Token!","error":"x"}`, oauth.UnknownError},
		"a rule for one status": {
			refreshAs,
			[]connector.ErrorRule{{Status: 403, Equals: "invalid_request", Means: "throttled"}},
			403, `{"error":"invalid_request"}`, oauth.Throttled,
		},
		"and not for another": {
			refreshAs,
			[]connector.ErrorRule{{Status: 403, Equals: "invalid_request", Means: "throttled"}},
			400, `{"error":"invalid_request"}`, oauth.AppRefused,
		},
		"both texts must fit": {
			refreshAs,
			[]connector.ErrorRule{{Equals: "abc", Contains: "x", Means: "throttled"}, {Equals: "abc", Contains: "b", Means: "invalid_scope"}},
			400, `{"error":"abc"}`, oauth.InvalidScope,
		},
		"the first that fits": {
			refreshAs,
			[]connector.ErrorRule{{Contains: "b", Means: "access_denied"}, {Equals: "abc", Means: "throttled"}},
			400, `{"error":"abc"}`, oauth.AccessDenied,
		},
		"a rule before the status": {
			refreshAs,
			[]connector.ErrorRule{{Path: "message", Contains: "grant is gone", Means: "invalid_grant"}},
			500, `{"message":"The grant is gone"}`, oauth.InvalidGrant,
		},
		"a truth value": {
			refreshAs,
			[]connector.ErrorRule{{Path: "retry", Equals: "true", Means: "throttled"}},
			400, `{"retry":true}`, oauth.Throttled,
		},
		"what is not there fits nothing": {
			refreshAs,
			[]connector.ErrorRule{{Path: "a.b.0", Contains: "x", Means: "throttled"}},
			400, `{"a":{"b":[]}}`, oauth.UnknownError,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := told(t, c.do, c.status, c.reply, func(conn *connector.Connector) { conn.Reply.Errors = c.rules })
			requireFailure(t, err, c.want)
		})
	}
}

// TestKnob_Errors_CostNoSuccess: rules are for replies without a token.
func TestKnob_Errors_CostNoSuccess(t *testing.T) {
	t.Parallel()
	got, err := told(t, refreshAs, 200, `{"access_token":"at","message":"expired tokens were removed"}`, func(conn *connector.Connector) {
		conn.Reply.Errors = []connector.ErrorRule{{Path: "message", Contains: "expired", Means: "invalid_grant"}}
	})
	require.NoError(t, err)
	require.Equal(t, "at", got.AccessToken.Reveal())
}

// TestKnob_Errors_EveryMeaningIsAKind that callers know what to do with.
func TestKnob_Errors_EveryMeaningIsAKind(t *testing.T) {
	t.Parallel()
	for _, means := range connector.Meanings() {
		_, err := oauth.Parse(at("https://provider.test", func(c *connector.Connector) {
			c.Reply.Errors = []connector.ErrorRule{{Equals: "odd", Means: means}}
		}), oauth.Refresh, oauth.Raw{Status: 400, RequestedAt: noon(), Body: []byte(`{"error":"odd"}`)})
		requireFailure(t, err, oauth.Kind(means))
	}
	require.ElementsMatch(t, []string{
		string(oauth.InvalidGrant), string(oauth.InvalidClient), string(oauth.AppRefused), string(oauth.InvalidScope), string(oauth.InteractionRequired),
		string(oauth.AccessDenied), string(oauth.Throttled), string(oauth.ServerError), string(oauth.UnknownError),
	}, connector.Meanings())
}
