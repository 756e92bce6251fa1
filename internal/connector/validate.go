package connector

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var idPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// Validate reports everything that is wrong with a connector, in sentences.
func (c Connector) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	if !idPattern.MatchString(c.ID) {
		fault("id %q: use 1 to 63 lower-case letters, digits and \"-\"", c.ID)
	}
	if c.Name == "" {
		fault("name is missing")
	}
	if len(c.Grants) == 0 {
		fault("grants is empty: name %q, %q or both", AuthorizationCode, ClientCredentials)
	}
	for _, grant := range c.Grants {
		if grant != AuthorizationCode && grant != ClientCredentials {
			fault("grant %q is not known: use %q or %q", grant, AuthorizationCode, ClientCredentials)
		}
	}
	c.checkURL("token.url", c.Token.URL, fault)
	if c.Token.Auth != AuthBasic && c.Token.Auth != AuthPost {
		fault("token.auth %q: name %q or %q; it is never tried out", c.Token.Auth, AuthBasic, AuthPost)
	}
	switch {
	case c.Allows(AuthorizationCode) && c.Authorize == nil:
		fault("authorize is missing: the authorization code grant needs its url and pkce")
	case c.Authorize != nil:
		c.checkURL("authorize.url", c.Authorize.URL, fault)
		if c.Authorize.PKCE != "S256" && c.Authorize.PKCE != "none" {
			fault("authorize.pkce %q: use \"S256\" or \"none\"", c.Authorize.PKCE)
		}
	}
	for name, raw := range map[string]string{
		"revoke_url": c.RevokeURL, "introspect_url": c.IntrospectURL, "userinfo_url": c.UserinfoURL, "issuer": c.Issuer,
	} {
		if raw != "" {
			c.checkURL(name, raw, fault)
		}
	}
	if c.Scopes.Separator != " " && c.Scopes.Separator != "," {
		fault("scopes.separator %q: use \" \" or \",\"", c.Scopes.Separator)
	}
	if slices.Contains(c.Scopes.Default, "") {
		fault("scopes.default holds an empty scope")
	}
	if c.ExpiresInDefault < 0 || c.Refresh.GraceSeconds < 0 || c.Refresh.LifetimeSeconds < 0 {
		fault("a number of seconds is negative")
	}
	if len(faults) > 0 {
		return fmt.Errorf("connector %q: %w", c.ID, errors.Join(faults...))
	}
	return nil
}

func (c Connector) checkURL(field, raw string, fault func(string, ...any)) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || strings.ContainsAny(raw, " \t\r\n\\"):
		fault("%s is not a URL", field)
	case u.User != nil || u.Fragment != "":
		fault("%s must not hold a user or a fragment", field)
	case u.Scheme == "https":
	case u.Scheme == "http" && c.Loopback && isLoopback(u.Hostname()):
	default:
		fault("%s must be https", field)
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
