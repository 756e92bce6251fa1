package connector

import (
	"slices"
	"strings"
)

// auths are the ways to authenticate.
func auths() []string {
	return []string{AuthBasic, AuthBasicRaw, AuthPost, AuthNone, AuthPrivateKeyJWT, AuthSecretJWT, AuthTLS, AuthTemplate}
}

// algorithms are those that sign assertions.
func algorithms() []string {
	return []string{
		"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512",
	}
}

func (c Connector) checkCalls(f *faults) {
	if c.Token.URL == "" {
		f.add("token.url is missing")
	}
	if c.Token.Auth == "" {
		f.add("token.auth is missing: name one of the ways to authenticate; it is never tried out")
	}
	f.oneOf("token.auth (it is never tried out)", c.Token.Auth, auths()...)
	f.oneOf("token.algorithm", c.Token.Algorithm, algorithms()...)
	f.oneOf("token.method", c.Token.Method, "POST", "GET")
	f.oneOf("token.body", c.Token.Body, BodyForm, BodyJSON)
	c.checkCredentials(f)
	f.oneOf("refresh.method", c.Refresh.Method, "POST", "GET")
	f.oneOf("refresh.token_source", c.Refresh.TokenSource, FromRefreshToken, FromAccessToken)
	f.oneOf("refresh.spent_on", c.Refresh.SpentOn, "reply", SpentOnFirstUse)
	switch {
	case c.Allows(AuthorizationCode) && c.Authorize == nil:
		f.add("authorize is missing: the authorization code grant needs its url and pkce")
	case c.Authorize != nil:
		if c.Authorize.URL == "" {
			f.add("authorize.url is missing")
		}
		if strings.ContainsAny(c.Authorize.Fragment, "#{} \t\r\n\"<>") {
			f.add("authorize.fragment %q: use what stands after the \"#\"", c.Authorize.Fragment)
		}
		if c.Authorize.PKCE != "S256" && c.Authorize.PKCE != "none" {
			f.add("authorize.pkce %q: use \"S256\" or \"none\"", c.Authorize.PKCE)
		}
		if c.Token.Auth == AuthNone && c.Authorize.PKCE != "S256" {
			f.add("a public client (token.auth %q) needs authorize.pkce \"S256\"", AuthNone)
		}
	}
	if u := c.Upgrade; u != nil {
		f.oneOf("upgrade.method", u.Method, "GET", "POST")
		if u.URL == "" || u.TokenParam == "" {
			f.add("upgrade needs a url and a token_param")
		}
	}
	if r := c.Revoke; r != nil {
		f.oneOf("revoke.method", r.Method, "POST", "GET", "DELETE")
		f.oneOf("revoke.body", r.Body, BodyForm, BodyJSON)
		f.oneOf("revoke.auth", r.Auth, RevokeAsClient, RevokeByBasic, RevokeByBearer, RevokeWithoutKey)
		f.oneOf("revoke.token", r.Token, RevokeBoth, FromRefreshToken, FromAccessToken)
		if r.URL == "" {
			f.add("revoke.url is missing")
		}
		if authority, _, _ := strings.Cut(strings.TrimPrefix(r.URL, "https://"), "/"); strings.Contains(authority, "{client_id}") {
			f.add("revoke.url: {client_id} may be in the path only")
		}
	}
}

// basicVariables may stand in token.basic.
func basicVariables() []string {
	return []string{"client_id", "client_secret", "client_id_base64", "client_secret_base64"}
}

// secretAuths are the ways to authenticate that need no more than the client secret.
func secretAuths() []string {
	return []string{AuthBasic, AuthBasicRaw, AuthPost, AuthTemplate}
}

// checkCredentials checks that a call is asked for no credential that the client does not have.
func (c Connector) checkCredentials(f *faults) {
	if (c.Token.Auth == AuthTemplate) != (c.Token.Basic != nil) {
		f.add("token.basic goes with token.auth %q", AuthTemplate)
	}
	if b := c.Token.Basic; b != nil {
		for _, name := range variables(b.User + b.Password) {
			if !slices.Contains(basicVariables(), name) {
				f.add("token.basic: {%s} is not known: use %s", name, strings.Join(basicVariables(), ", "))
			}
		}
	}
	hasSecret := slices.Contains(secretAuths(), c.Token.Auth)
	if c.Token.Certificate && !hasSecret {
		f.add("token.certificate goes beside a client secret: with token.auth %q say nothing of it", c.Token.Auth)
	}
	f.oneOf("refresh.auth", c.Refresh.Auth, AuthBasic, AuthBasicRaw, AuthPost, AuthNone)
	if c.Refresh.Auth != "" && !hasSecret {
		f.add("refresh.auth needs a client secret, and token.auth is %q", c.Token.Auth)
	}
	var asserts bool
	if cc := c.ClientCredentials; cc != nil && cc.Assertion != nil {
		asserts = true
		if cc.Assertion["sub"] == "" {
			f.add("client_credentials.assertion needs the claim \"sub\" (RFC 7523 §3): who the token is for")
		}
		for _, name := range []string{"iss", "aud", "exp", "iat", "jti"} {
			if _, ok := cc.Assertion[name]; ok {
				f.add("client_credentials.assertion: %q is set anew for each assertion", name)
			}
		}
		if c.Token.Auth != AuthNone && c.Token.Auth != AuthPrivateKeyJWT {
			f.add("client_credentials.assertion is signed with a private key: token.auth must be %q or %q", AuthNone, AuthPrivateKeyJWT)
		}
	}
	if c.Token.Auth == AuthNone && c.Allows(ClientCredentials) && !asserts {
		f.add("client credentials need a credential: token.auth is %q", AuthNone)
	}
}

func (c Connector) checkReply(f *faults) {
	f.oneOf("reply.expires_unit", c.Reply.ExpiresUnit, "s", "ms", "min")
	f.oneOf("reply.scope_separator", c.Reply.ScopeSeparator, " ", ",")
	if s := c.Reply.Second; s != nil && s.AccessToken == "" {
		f.add("reply.second needs an access_token: the path of the second one")
	}
	if s := c.Reply.Success; s != nil && (s.Path == "" || s.Equals == "") {
		f.add("reply.success needs a path and what it equals")
	}
	for _, rule := range c.Reply.Errors {
		if rule.Means == "" {
			f.add("reply.errors: a rule says nothing: means is missing")
		}
		f.oneOf("reply.errors: means", rule.Means, Meanings()...)
		f.oneOf("reply.errors: phase", rule.Phase, "exchange", "refresh", "client_credentials", "revoke")
		if rule.Equals == "" && rule.Contains == "" {
			f.add("reply.errors: a rule must look at a text (equals or contains): a status alone proves nothing")
		}
	}
}

func (c Connector) checkCallback(f *faults) {
	if c.Callback == nil {
		return
	}
	inputs := make(map[string]bool)
	for _, i := range c.Inputs {
		inputs[i.Name] = true
	}
	for _, v := range c.Callback.Capture {
		if _, err := whole(v.Pattern); err != nil || v.Pattern == "" || v.Param == "" {
			f.add("callback.capture %q: it needs a param and a pattern that is a regular expression", v.Param)
		}
		if v.Input != "" && !inputs[v.Input] {
			f.add("callback.capture %q: %q is not among the inputs", v.Param, v.Input)
		}
		if v.Match && v.Input == "" {
			f.add("callback.capture %q: match needs an input", v.Param)
		}
		if secretName(v.Name()) {
			f.add("callback.capture %q names a secret, and metadata is kept and shown in clear", v.Param)
		}
	}
	if c.Callback.HMAC != nil && c.Callback.HMAC.Param == "" {
		f.add("callback.hmac.param is missing")
	}
}
