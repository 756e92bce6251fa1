package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/acme/connections/internal/connector"
)

// metadata is what we read of an authorization server's metadata (RFC 8414 §2, OpenID Connect Discovery §3).
type metadata struct {
	Issuer          string   `json:"issuer"`
	Authorization   string   `json:"authorization_endpoint"`
	Token           string   `json:"token_endpoint"`
	Revocation      string   `json:"revocation_endpoint"`
	Introspection   string   `json:"introspection_endpoint"`
	Userinfo        string   `json:"userinfo_endpoint"`
	AuthMethods     []string `json:"token_endpoint_auth_methods_supported"`
	GrantTypes      []string `json:"grant_types_supported"`
	AnswersWithIss  bool     `json:"authorization_response_iss_parameter_supported"`
	ChallengeMethod []string `json:"code_challenge_methods_supported"`
}

// DiscoveryError says why a connector could not be completed from its issuer's metadata.
type DiscoveryError struct{ Sentence string }

func (e *DiscoveryError) Error() string { return e.Sentence }

// Discover completes a connector from its issuer's metadata: what the connector says itself stays. The addresses tried
// are those of RFC 8414 §3.1 and OpenID Connect Discovery §4, in that order. The error is a [*DiscoveryError].
func (c *Client) Discover(ctx context.Context, conn connector.Connector) (connector.Connector, error) {
	issuer, err := url.Parse(conn.Issuer)
	if err != nil || issuer.Host == "" || (issuer.Scheme != "https" && !IsLoopbackURL(conn, issuer)) {
		return conn, &DiscoveryError{"Discovery needs the connector's \"issuer\": the https URL that identifies the authorization server."}
	}
	var last error
	for _, at := range wellKnown(issuer) {
		m, err := c.metadata(ctx, conn, at)
		if err != nil {
			last = err
			continue
		}
		if m.Issuer != conn.Issuer {
			// RFC 8414 §3.3: it must be identical, or all of it is worth nothing.
			return conn, &DiscoveryError{fmt.Sprintf("The metadata at %s names another issuer than %q: write the issuer in the connector exactly as the server does.", at, conn.Issuer)}
		}
		return completed(conn, m), nil
	}
	return conn, &DiscoveryError{fmt.Sprintf("%s gives no authorization server metadata (%v). Check the issuer, or write the endpoints into the connector.", conn.Issuer, last)}
}

// wellKnown are the addresses of an issuer's metadata.
func wellKnown(issuer *url.URL) []string {
	path := strings.TrimSuffix(issuer.Path, "/")
	base := issuer.Scheme + "://" + issuer.Host
	list := []string{base + "/.well-known/oauth-authorization-server" + path, base + "/.well-known/openid-configuration" + path, base + path + "/.well-known/openid-configuration"}
	return slices.Compact(list)
}

// errNoMetadata tells no more than it must of what was found at an address that somebody typed.
var errNoMetadata = errors.New("no metadata there")

func (c *Client) metadata(ctx context.Context, conn connector.Connector, at string) (metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	t := c.transport(conn, connector.TokenCall{URL: at, Method: http.MethodGet}, App{}, Identify, Hooks{})
	t.authenticate = false
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at, http.NoBody)
	if err != nil {
		return metadata{}, errNoMetadata
	}
	response, err := t.client().Do(request)
	if err == nil {
		err = response.Body.Close()
	}
	if failure := t.failure(err); failure != nil {
		return metadata{}, failure
	}
	var m metadata
	if t.raw.Status != http.StatusOK || t.raw.Cut || json.Unmarshal(t.raw.Body, &m) != nil {
		return metadata{}, errNoMetadata
	}
	return m, nil
}

// completed fills what the connector leaves open.
func completed(c connector.Connector, m metadata) connector.Connector {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	if len(c.Grants) == 0 {
		c.Grants = grants(m)
	}
	fill(&c.Token.URL, m.Token)
	fill(&c.Token.Auth, authMethod(m.AuthMethods))
	fill(&c.IntrospectURL, m.Introspection)
	fill(&c.UserinfoURL, m.Userinfo)
	if c.Revoke == nil && m.Revocation != "" {
		c.Revoke = &connector.Revoke{URL: m.Revocation}
	}
	if c.Allows(connector.AuthorizationCode) {
		var a connector.Authorize
		if c.Authorize != nil {
			a = *c.Authorize
		}
		fill(&a.URL, m.Authorization)
		// A server that does not know PKCE ignores it.
		fill(&a.PKCE, "S256")
		a.IssRequired = a.IssRequired || m.AnswersWithIss
		c.Authorize = &a
	}
	if c.Scopes.Separator == "" {
		c.Scopes.Separator = " "
	}
	// What was found is now the connector's own: a server that changes its mind needs an operator.
	c.Discovery = false
	return c
}

// grants are those of ours that the server names; without a list it has the code grant (RFC 8414 §2).
func grants(m metadata) []string {
	var list []string
	for _, grant := range []string{connector.AuthorizationCode, connector.ClientCredentials} {
		if slices.Contains(m.GrantTypes, grant) || (len(m.GrantTypes) == 0 && grant == connector.AuthorizationCode) {
			list = append(list, grant)
		}
	}
	return list
}

// authMethod picks a way to authenticate that needs no more than a client secret; Basic, if the server names none
// (RFC 8414 §2).
func authMethod(supported []string) string {
	for _, method := range []string{connector.AuthBasic, connector.AuthPost, connector.AuthPrivateKeyJWT, connector.AuthNone} {
		if slices.Contains(supported, method) {
			return method
		}
	}
	return connector.AuthBasic
}
