package connector

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
	if (c.Token.Auth == AuthTemplate) != (c.Token.Basic != nil) {
		f.add("token.basic goes with token.auth %q", AuthTemplate)
	}
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
		if c.Authorize.PKCE != "S256" && c.Authorize.PKCE != "none" {
			f.add("authorize.pkce %q: use \"S256\" or \"none\"", c.Authorize.PKCE)
		}
		if c.Token.Auth == AuthNone && c.Authorize.PKCE != "S256" {
			f.add("a public client (token.auth %q) needs authorize.pkce \"S256\"", AuthNone)
		}
	}
	if c.Token.Auth == AuthNone && c.Allows(ClientCredentials) {
		f.add("client credentials need a credential: token.auth is %q", AuthNone)
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
		f.oneOf("revoke.auth", r.Auth, RevokeAsClient, RevokeByBearer, RevokeWithoutKey)
		f.oneOf("revoke.token", r.Token, RevokeBoth, FromRefreshToken, FromAccessToken)
		if r.URL == "" {
			f.add("revoke.url is missing")
		}
	}
}

func (c Connector) checkReply(f *faults) {
	f.oneOf("reply.expires_unit", c.Reply.ExpiresUnit, "s", "ms", "min")
	if s := c.Reply.Success; s != nil && (s.Path == "" || s.Equals == "") {
		f.add("reply.success needs a path and what it equals")
	}
	for _, rule := range c.Reply.Errors {
		if rule.Means == "" {
			f.add("reply.errors: a rule says nothing: means is missing")
		}
		f.oneOf("reply.errors: means", rule.Means, Meanings()...)
		f.oneOf("reply.errors: phase", rule.Phase, "exchange", "refresh", "client_credentials")
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
