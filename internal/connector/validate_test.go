package connector_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
)

// minimal is the least that a connector needs.
func minimal() connector.Connector {
	return connector.Connector{
		ID: "own", Name: "Own", Grants: []string{connector.AuthorizationCode, connector.ClientCredentials},
		Authorize: &connector.Authorize{URL: "https://as.example/authorize", PKCE: "S256"},
		Token:     connector.TokenCall{URL: "https://as.example/token", Auth: connector.AuthBasic},
		Scopes:    connector.Scopes{Separator: " "},
	}
}

func TestValidate_Minimal(t *testing.T) {
	t.Parallel()
	require.NoError(t, minimal().Validate())
	c, err := connector.Parse([]byte(`{"id":"own","name":"Own","grants":["client_credentials"],"token":{"url":"https://as.example/t","auth":"client_secret_basic"}}`))
	require.NoError(t, err)
	require.Equal(t, " ", c.Scopes.Separator)
}

func TestValidate_EachRule(t *testing.T) {
	t.Parallel()
	shop := connector.Input{Name: "shop", Label: "Shop", Example: "my-store", Pattern: "^[a-z-]+$"}
	// withShop uses an input, changed as the case wants.
	withShop := func(change func(*connector.Input)) func(*connector.Connector) {
		return func(c *connector.Connector) {
			input := shop
			change(&input)
			c.Inputs = []connector.Input{input}
			c.Token.Params = map[string]string{"s": "{" + input.Name + "}"}
		}
	}
	capture := func(v connector.CallbackValue) func(*connector.Connector) {
		return func(c *connector.Connector) {
			c.Callback = &connector.Callback{Capture: []connector.CallbackValue{v}}
		}
	}
	metadata := func(m connector.Capture) func(*connector.Connector) {
		return func(c *connector.Connector) { c.Metadata = []connector.Capture{m} }
	}
	rule := func(r connector.ErrorRule) func(*connector.Connector) {
		return func(c *connector.Connector) { c.Reply.Errors = []connector.ErrorRule{r} }
	}
	revoke := func(r connector.Revoke) func(*connector.Connector) {
		return func(c *connector.Connector) { c.Revoke = &r }
	}
	asserts := func(auth string, claims map[string]string) func(*connector.Connector) {
		return func(c *connector.Connector) {
			c.Token.Auth, c.ClientCredentials = auth, &connector.ClientCredentialsCall{Assertion: claims}
		}
	}
	step := func(s connector.Step) func(*connector.Connector) {
		return func(c *connector.Connector) { c.Steps = []connector.Step{s} }
	}
	for _, tc := range []struct {
		says   string
		change func(*connector.Connector)
	}{
		{`id "": use 1 to 63`, func(c *connector.Connector) { c.ID = "" }},
		{`id "Own": use`, func(c *connector.Connector) { c.ID = "Own" }},
		{`id "a/b": use`, func(c *connector.Connector) { c.ID = "a/b" }},
		{`id "own\n": use`, func(c *connector.Connector) { c.ID = "own\n" }},
		{`use 1 to 63`, func(c *connector.Connector) { c.ID = strings.Repeat("a", 64) }},
		{`name is missing`, func(c *connector.Connector) { c.Name = " " }},
		{`grants is empty`, func(c *connector.Connector) { c.Grants = nil }},
		{`grant "password" is not known`, func(c *connector.Connector) { c.Grants = []string{"password"} }},
		{`app "platform": use customer`, func(c *connector.Connector) { c.App = "platform" }},
		{`confidence "sure": use high`, func(c *connector.Connector) { c.Confidence = "sure" }},

		{`input "Shop": use a name`, withShop(func(i *connector.Input) { i.Name = "Shop" })},
		{`input "client_id": use a name`, withShop(func(i *connector.Input) { i.Name = "client_id" })},
		{`input "client_secret": use a name`, withShop(func(i *connector.Input) { i.Name = "client_secret" })},
		{`input "shop": use a name`, func(c *connector.Connector) { c.Inputs = []connector.Input{shop, shop} }},
		{`is not a regular expression`, withShop(func(i *connector.Input) { i.Pattern = "^($" })},
		{`is not a regular expression`, withShop(func(i *connector.Input) { i.Pattern = "^a)|(b$" })},
		{`is not a regular expression`, withShop(func(i *connector.Input) { i.Pattern = "" })},
		{`must begin with ^ and end with $`, withShop(func(i *connector.Input) { i.Pattern = "[a-z-]+" })},
		{`the example "My store" does not fit`, withShop(func(i *connector.Input) { i.Example = "My store" })},
		{`the default "1" does not fit`, withShop(func(i *connector.Input) { i.Default = "1" })},
		{`the label is missing`, withShop(func(i *connector.Input) { i.Label = "" })},
		{`{realm} is not among the inputs`, func(c *connector.Connector) { c.Token.URL = "https://as.example/{realm}" }},
		{`{realm} is not among the inputs`, func(c *connector.Connector) { c.Scopes.Default = []string{"{realm}"} }},
		{`{client_secret} is not among the inputs`, func(c *connector.Connector) { c.Token.Params = map[string]string{"a": "{client_secret}"} }},
		{`{client_secret} is not among the inputs`, revoke(connector.Revoke{URL: "https://as.example/r", Params: map[string]string{"a": "{client_secret}"}})},
		{`input shop is used nowhere`, func(c *connector.Connector) { c.Inputs = []connector.Input{shop} }},

		{`token.url is missing`, func(c *connector.Connector) { c.Token.URL = "" }},
		{`token.url must be https`, func(c *connector.Connector) { c.Token.URL = "http://as.example/token" }},
		{`token.url must be https`, func(c *connector.Connector) { c.Token.URL = "http://127.0.0.1/token" }},
		{`token.url is not a URL`, func(c *connector.Connector) { c.Token.URL = "/token" }},
		{`token.url is not a URL`, func(c *connector.Connector) { c.Token.URL = "https://as.example/to ken" }},
		{`token.url must not hold a user`, func(c *connector.Connector) { c.Token.URL = "https://u@as.example/token" }},
		{`token.url must not hold a user or a fragment`, func(c *connector.Connector) { c.Token.URL = "https://as.example/token#/x" }},
		{`token.url leads to this machine`, func(c *connector.Connector) { c.Token.URL = "https://localhost/token" }},
		{`token.url leads to this machine, or to a port`, func(c *connector.Connector) { c.Token.URL = "https://as.example:8443/token" }},
		{`authorize.url must not hold`, func(c *connector.Connector) { c.Authorize.URL = "https://as.example/#x" }},
		{`issuer must be https`, func(c *connector.Connector) { c.Issuer = "ftp://as.example" }},
		{`hosts: "Example.com" is not a domain`, func(c *connector.Connector) { c.Hosts = []string{"Example.com"} }},
		{`hosts: "com" is not a domain`, func(c *connector.Connector) { c.Hosts = []string{"com"} }},
		{`hosts: "10.0.0.1" is not a domain`, func(c *connector.Connector) { c.Hosts = []string{"10.0.0.1"} }},
		{`hosts: "*.example.com" is not a domain`, func(c *connector.Connector) { c.Hosts = []string{"*.example.com"} }},
		{`a host is an input, and hosts is empty`, func(c *connector.Connector) {
			c.Inputs, c.Token.URL = []connector.Input{shop}, "https://{shop}.shops.example/token"
		}},
		{`examples do not make its URLs`, func(c *connector.Connector) {
			c.Inputs, c.Token.URL, c.Hosts = []connector.Input{shop}, "https://{shop}.evil.example/token", []string{"shops.example"}
		}},

		{`token.auth is missing`, func(c *connector.Connector) { c.Token.Auth = "" }},
		{`token.auth (it is never tried out) "auto"`, func(c *connector.Connector) { c.Token.Auth = "auto" }},
		{`token.algorithm "none"`, func(c *connector.Connector) { c.Token.Algorithm = "none" }},
		{`token.method "PUT"`, func(c *connector.Connector) { c.Token.Method = "PUT" }},
		{`token.body "xml"`, func(c *connector.Connector) { c.Token.Body = "xml" }},
		{`token.basic goes with`, func(c *connector.Connector) { c.Token.Auth = connector.AuthTemplate }},
		{`token.basic goes with`, func(c *connector.Connector) { c.Token.Basic = &connector.BasicTemplate{} }},
		{`token.basic: {secret} is not known`, func(c *connector.Connector) {
			c.Token.Auth, c.Token.Basic = connector.AuthTemplate, &connector.BasicTemplate{User: "{secret}"}
		}},
		{`token.certificate goes beside a client secret`, func(c *connector.Connector) { c.Token.Auth, c.Token.Certificate = connector.AuthTLS, true }},
		{`refresh.auth "private_key_jwt"`, func(c *connector.Connector) { c.Refresh.Auth = connector.AuthPrivateKeyJWT }},
		{`refresh.auth needs a client secret`, func(c *connector.Connector) {
			c.Token.Auth, c.Refresh.Auth = connector.AuthPrivateKeyJWT, connector.AuthBasic
		}},
		{`assertion needs the claim "sub"`, asserts(connector.AuthNone, map[string]string{})},
		{`assertion: "aud" is set anew`, asserts(connector.AuthNone, map[string]string{"sub": "{client_id}", "aud": "https://as.example"})},
		{`assertion is signed with a private key`, asserts(connector.AuthPost, map[string]string{"sub": "{client_id}"})},
		{`{user} is not among the inputs`, asserts(connector.AuthNone, map[string]string{"sub": "{user}"})},
		{`refresh.method "PUT"`, func(c *connector.Connector) { c.Refresh.Method = "PUT" }},
		{`refresh.token_source "id_token"`, func(c *connector.Connector) { c.Refresh.TokenSource = "id_token" }},
		{`refresh.spent_on "never"`, func(c *connector.Connector) { c.Refresh.SpentOn = "never" }},
		{`authorize is missing`, func(c *connector.Connector) { c.Authorize = nil }},
		{`authorize.url is missing`, func(c *connector.Connector) { c.Authorize.URL = "" }},
		{`authorize.pkce "plain"`, func(c *connector.Connector) { c.Authorize.PKCE = "plain" }},
		{`authorize.pkce ""`, func(c *connector.Connector) { c.Authorize.PKCE = "" }},
		{`authorize.fragment "#here"`, func(c *connector.Connector) { c.Authorize.Fragment = "#here" }},
		{`{metadata.host}: nothing tells it`, func(c *connector.Connector) {
			c.Refresh.URL, c.Hosts = "https://{metadata.host}/token", []string{"as.example"}
		}},
		{`only its host may be one that the provider tells`, func(c *connector.Connector) {
			c.Refresh.URL, c.Metadata, c.Hosts = "https://as.example/{metadata.host}/token", []connector.Capture{{Path: "host"}}, []string{"as.example"}
		}},
		{`its host is one that the provider tells`, func(c *connector.Connector) {
			c.Refresh.URL, c.Metadata = "https://{metadata.host}/token", []connector.Capture{{Path: "host"}}
			c.App = connector.AppCustomer
		}},
		{`{metadata.host} is filled in`, func(c *connector.Connector) { c.Token.Params = map[string]string{"h": "{metadata.host}"} }},
		{`{metadata.host} is filled in`, func(c *connector.Connector) { c.Authorize.URL = "https://as.example/{metadata.host}" }},
		{`a public client`, func(c *connector.Connector) { c.Token.Auth, c.Authorize.PKCE = connector.AuthNone, "none" }},
		{`client credentials need a credential`, func(c *connector.Connector) { c.Token.Auth = connector.AuthNone }},
		{`upgrade needs a url and a token_param`, func(c *connector.Connector) { c.Upgrade = &connector.Upgrade{} }},
		{`upgrade.method "PUT"`, func(c *connector.Connector) { c.Upgrade = &connector.Upgrade{Method: "PUT"} }},
		{`revoke.url is missing`, revoke(connector.Revoke{})},
		{`revoke.method "PUT"`, revoke(connector.Revoke{Method: "PUT"})},
		{`revoke.body "xml"`, revoke(connector.Revoke{Body: "xml"})},
		{`revoke.auth "post"`, revoke(connector.Revoke{Auth: "post"})},
		{`revoke.url: {client_id} may be in the path only`, revoke(connector.Revoke{URL: "https://{client_id}.as.example/r"})},
		{`{client_id} is not among the inputs`, func(c *connector.Connector) { c.Token.URL = "https://as.example/{client_id}" }},
		{`revoke.token "id_token"`, revoke(connector.Revoke{Token: "id_token"})},

		{`reply.expires_unit "h"`, func(c *connector.Connector) { c.Reply.ExpiresUnit = "h" }},
		{`reply.success needs`, func(c *connector.Connector) { c.Reply.Success = &connector.Success{Path: "ok"} }},
		{`means is missing`, rule(connector.ErrorRule{Equals: "a"})},
		{`reply.errors: means "retry"`, rule(connector.ErrorRule{Equals: "a", Means: "retry"})},
		{`reply.errors: phase "identify"`, rule(connector.ErrorRule{Equals: "a", Means: "throttled", Phase: "identify"})},
		{`reply.scope_separator ";"`, func(c *connector.Connector) { c.Reply.ScopeSeparator = ";" }},
		{`reply.second needs an access_token`, func(c *connector.Connector) { c.Reply.Second = &connector.Second{Scope: "user.scope"} }},
		{`a status alone proves nothing`, rule(connector.ErrorRule{Status: 400, Means: "invalid_grant"})},

		{`it needs a param and a pattern`, capture(connector.CallbackValue{Param: "realmId"})},
		{`it needs a param and a pattern`, capture(connector.CallbackValue{Pattern: "^a$"})},
		{`it needs a param and a pattern`, capture(connector.CallbackValue{Param: "realmId", Pattern: "("})},
		{`"shop" is not among the inputs`, capture(connector.CallbackValue{Param: "shop", Pattern: "^a$", Input: "shop"})},
		{`match needs an input`, capture(connector.CallbackValue{Param: "shop", Pattern: "^a$", Match: true})},
		{`names a secret`, capture(connector.CallbackValue{Param: "id_token", Pattern: "^a$"})},
		{`callback.hmac.param is missing`, func(c *connector.Connector) { c.Callback = &connector.Callback{HMAC: &connector.CallbackHMAC{}} }},

		{`scopes.separator "": use`, func(c *connector.Connector) { c.Scopes.Separator = "" }},
		{`scopes.separator ";": use`, func(c *connector.Connector) { c.Scopes.Separator = ";" }},
		{`there is an empty scope`, func(c *connector.Connector) { c.Scopes.Always = []string{""} }},
		{`scopes.second needs`, func(c *connector.Connector) { c.Scopes.Second = &connector.SecondScopes{Param: "user_scope"} }},
		{`a number of seconds is negative`, func(c *connector.Connector) { c.Refresh.LeadSeconds = -1 }},
		{`a number of seconds is negative`, func(c *connector.Connector) { c.ExpiresInDefault = -1 }},
		{`contradict each other`, func(c *connector.Connector) { c.NeverExpires, c.ExpiresInDefault = true, 3600 }},
		{`a step needs a name`, step(connector.Step{URL: "https://api.example/me"})},
		{`steps.method "PUT"`, step(connector.Step{Name: "me", Method: "PUT", URL: "https://api.example/me"})},
		{`it is empty or names a secret`, step(connector.Step{Name: "me", URL: "https://api.example/me", Metadata: []connector.Capture{{Path: "api_token"}}})},
		{`it is empty or names a secret`, metadata(connector.Capture{})},
		{`it is empty or names a secret`, metadata(connector.Capture{Path: "data.access_token"})},
		{`it is empty or names a secret`, metadata(connector.Capture{Path: "x", As: "client_Secret"})},
		{`it is empty or names a secret`, metadata(connector.Capture{Path: "Password"})},
		{`it is empty or names a secret`, metadata(connector.Capture{Path: "code"})},
		{`the pattern is not a regular expression`, metadata(connector.Capture{Path: "id", Pattern: "("})},
		{`sharing.identity is missing`, func(c *connector.Connector) { c.Sharing = &connector.Sharing{} }},
	} {
		c := minimal()
		tc.change(&c)
		require.ErrorContains(t, c.Validate(), tc.says)
	}
}

// TestValidate_Allows what looks odd and is right.
func TestValidate_Allows(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*connector.Connector){
		"a page that routes in the browser": func(c *connector.Connector) { c.Authorize.URL = "https://as.example/#/oauth/authorize" },
		"this machine, in development": func(c *connector.Connector) {
			c.Token.URL, c.Loopback = "http://127.0.0.1:8080/token", true
		},
		"a revocation that names the client": func(c *connector.Connector) {
			c.Revoke = &connector.Revoke{
				URL: "https://as.example/r", Params: map[string]string{"c": "{client_id}"},
				Headers: map[string]string{"A": "{client_id}:{client_secret}"},
			}
		},
		"a refresh at the account's own host": func(c *connector.Connector) {
			c.Hosts, c.Metadata = []string{"as.example"}, []connector.Capture{{Path: "host", Hosts: []string{"as.example"}}}
			c.Refresh.URL = "https://{metadata.host}/token"
		},
		"a client that its assertion alone proves": func(c *connector.Connector) {
			c.Token.Auth = connector.AuthNone
			c.ClientCredentials = &connector.ClientCredentialsCall{Assertion: map[string]string{"sub": "{client_id}"}}
		},
		"any host, with the customer's own app": func(c *connector.Connector) {
			c.Inputs = []connector.Input{{Name: "host", Label: "Host", Example: "id.example.com", Pattern: "^[a-z.]+$"}}
			c.Token.URL, c.App = "https://{host}/token", connector.AppCustomer
		},
	} {
		c := minimal()
		change(&c)
		require.NoError(t, c.Validate(), name)
	}
}

// TestValidate_TellsEverythingAtOnce, so that an operator mends a file in one go.
func TestValidate_TellsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	err := connector.Connector{ID: "Bad"}.Validate()
	for _, fragment := range []string{`connector "Bad"`, "name is missing", "grants is empty", "token.url is missing", "token.auth is missing", "scopes.separator"} {
		require.ErrorContains(t, err, fragment)
	}
}

func TestParse_Refuses(t *testing.T) {
	t.Parallel()
	good := `{"id":"own","name":"Own","grants":["client_credentials"],"token":{"url":"https://as.example/t","auth":"client_secret_basic"}}`
	for _, content := range []string{
		"", "null", "[]", "{", `"own"`, good + "{}", good + good, strings.Replace(good, `"id"`, `"idd":1,"id"`, 1),
		strings.Replace(good, `"auth"`, `"secret":"s","auth"`, 1), strings.Replace(good, `"name":"Own"`, `"name":1`, 1),
		strings.Replace(good, `"name"`, `"loopback":true,"name"`, 1), strings.Replace(good, `"name"`, `"metadata":[{"pathh":"x"}],"name"`, 1),
	} {
		_, err := connector.Parse([]byte(content))
		require.Error(t, err, content)
	}
	inside := strings.Replace(good, "https://as.example", "http://localhost:1", 1)
	_, err := connector.Parse([]byte(inside))
	require.ErrorContains(t, err, "must be https")
	c, err := connector.ParseLoopback([]byte(inside))
	require.NoError(t, err)
	require.True(t, c.Loopback)
}
