// Package connector knows how each provider speaks OAuth 2.0: as data, one file a connector, checked when it is loaded.
// Code knows only the fields below; what is special about a provider is a value in one of them. The field's number in
// the list of knobs (K1 … K22) stands with it. schema.json describes the same fields for editors.
package connector

import (
	"slices"
)

// The grants of a connector (RFC 6749 §4.1, §4.4).
const (
	AuthorizationCode = "authorization_code"
	ClientCredentials = "client_credentials"
)

// Connector is one provider.
type Connector struct {
	// Schema lets an editor check the file; it has no effect.
	Schema string `json:"$schema,omitempty"`
	// ID is lower-case letters, digits and "-".
	ID       string `json:"id"`
	Name     string `json:"name"`
	Category string `json:"category"`
	// Family names connectors that share an authorization server.
	Family  string   `json:"family,omitempty"`
	DocsURL string   `json:"docs_url,omitempty"`
	Grants  []string `json:"grants"`
	// Inputs are what the customer enters; they fill {name} in URLs, parameters, headers and scopes (K1).
	Inputs []Input `json:"inputs,omitempty"`
	// Hosts are the domains that credentials may go to, themselves or below. Without a list they are the literal hosts
	// of the URLs; a connector whose host is an input and that has no list takes customers' own apps only (K1, K22).
	Hosts []string `json:"hosts,omitempty"`
	// Issuer identifies the authorization server (RFC 8414 §2). The callback's "iss" must equal it, where there is one.
	Issuer string `json:"issuer,omitempty"`
	// Discovery fills the endpoints that are missing from the issuer's metadata (RFC 8414, OpenID Connect Discovery),
	// once, when the connector is added.
	Discovery bool       `json:"discovery,omitempty"`
	Authorize *Authorize `json:"authorize,omitempty"`
	Callback  *Callback  `json:"callback,omitempty"`
	Token     TokenCall  `json:"token"`
	Reply     Reply      `json:"reply,omitzero"`
	Refresh   Refresh    `json:"refresh"`
	// Upgrade swaps the short-lived token of the exchange for a long-lived one: the first renewal (K18).
	Upgrade *Upgrade `json:"upgrade,omitempty"`
	// Steps ask the provider's API for facts about the account after a consent (K18).
	Steps []Step `json:"steps,omitempty"`
	// ClientCredentials holds what differs in that grant, for connectors that have both.
	ClientCredentials *ClientCredentialsCall `json:"client_credentials,omitempty"`
	Revoke            *Revoke                `json:"revoke,omitempty"`
	Sharing           *Sharing               `json:"sharing,omitempty"`
	// IntrospectURL is asked when an access token expires if neither its reply nor the connector says so (K11).
	IntrospectURL string `json:"introspect_url,omitempty"`
	// UserinfoURL is a fact for people.
	UserinfoURL string `json:"userinfo_url,omitempty"`
	Scopes      Scopes `json:"scopes"`
	// ExpiresInDefault is the access token's life in seconds where the reply names none; 0 if unknown.
	ExpiresInDefault int64 `json:"expires_in_default,omitempty"`
	// NeverExpires says that the provider's access tokens have no expiry (K14).
	NeverExpires bool `json:"never_expires,omitempty"`
	// Metadata are values of the token reply that callers need beside the token (K13).
	Metadata []Capture `json:"metadata,omitempty"`
	API      *API      `json:"api,omitempty"`
	// App says whose OAuth app may be used (K22): "customer" for customers' own only; empty for anyone's.
	App        string `json:"app,omitempty"`
	Notes      string `json:"notes,omitempty"`
	Confidence string `json:"confidence,omitempty"`
	// Unverified names the fields that no source confirmed.
	Unverified []string `json:"unverified,omitempty"`
	Sources    []string `json:"sources,omitempty"`

	// Loopback allows addresses on this machine, plain http included: set by code under --dev, never by data.
	Loopback bool `json:"-"`
}

// AppCustomer is the value of Connector.App for customers' own OAuth apps only.
const AppCustomer = "customer"

// Input is something that the customer enters (K1).
type Input struct {
	Name    string `json:"name"`
	Label   string `json:"label"`
	Example string `json:"example"`
	// Pattern is a regular expression (RE2) that the whole value must match.
	Pattern string `json:"pattern"`
	// Default is used if nothing is entered.
	Default string `json:"default,omitempty"`
}

// Scopes is how scopes are written and which are asked for (K3).
type Scopes struct {
	// Separator is " " or ",".
	Separator string `json:"separator"`
	// Default is asked for if nobody says otherwise.
	Default []string `json:"default"`
	// Always is asked for whatever else is: without offline access, for instance, there is no refresh token.
	Always []string `json:"always,omitempty"`
	// Param is the name of the parameter, if it is not "scope".
	Param string `json:"param,omitempty"`
	// Hints are scopes worth knowing, by what they are for.
	Hints map[string]string `json:"hints,omitempty"`
	// Second is a second scope parameter, as Slack's user_scope.
	Second *SecondScopes `json:"second,omitempty"`
}

// SecondScopes is a second scope parameter with fixed scopes.
type SecondScopes struct {
	Param  string   `json:"param"`
	Scopes []string `json:"scopes"`
}

// Capture is a value that a provider's reply has beside the token (K13). In JSON it is a path, or an object.
type Capture struct {
	// Path leads to the value by member names and list indices: "team.id", "0.tenantId".
	Path string `json:"path"`
	// As is its name in the metadata; the path, if empty.
	As string `json:"as,omitempty"`
	// Pattern must match the whole value; else it is not kept.
	Pattern string `json:"pattern,omitempty"`
	// Hosts says that the value is a host or an https URL, and which domains it may be on.
	Hosts []string `json:"hosts,omitempty"`
}

// Name is the capture's name in the metadata.
func (c Capture) Name() string {
	if c.As != "" {
		return c.As
	}
	return c.Path
}

// Step is one call to the provider's API after a consent, with the new access token (K18). If it fails, the
// connection lives without what it would have told.
type Step struct {
	Name string `json:"name"`
	// Method is GET if empty.
	Method  string            `json:"method,omitempty"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	// Metadata are the values to keep. By convention "account_id" identifies the account and "account_label" names it
	// for people. A reconnect is held to the first, or to Sharing.Identity where that is set.
	Metadata []Capture `json:"metadata"`
}

// Sharing says what connections of one account have in common at the provider (K20).
type Sharing struct {
	// Identity names the metadata that tells accounts apart.
	Identity string `json:"identity"`
	// Limit is how many grants one account may have at a time before the oldest dies; 0 if unknown.
	Limit int `json:"limit,omitempty"`
	// RevokesAll says that revoking one token ends the grant of every connection of the account.
	RevokesAll bool `json:"revokes_all,omitempty"`
}

// API is how the provider's API wants to be called with the access token (K21).
type API struct {
	// Scheme stands before the token in the header; "Bearer" if empty, "-" for none.
	Scheme string `json:"scheme,omitempty"`
	// Header is "Authorization" if empty.
	Header string `json:"header,omitempty"`
	// Headers go with every call.
	Headers map[string]string `json:"headers,omitempty"`
	// BaseURL is where the API is; it may hold {inputs} and {metadata}.
	BaseURL string `json:"base_url,omitempty"`
}

// Allows reports whether the connector has the grant.
func (c Connector) Allows(grant string) bool { return slices.Contains(c.Grants, grant) }

// MayRotate reports whether a refresh may spend what it presents. Presenting an access token spends nothing.
func (c Connector) MayRotate() bool {
	return c.Refresh.TokenSource != FromAccessToken && (c.Refresh.Rotates == nil || *c.Refresh.Rotates)
}

// DefaultScopes are asked for if nobody says otherwise.
func (c Connector) DefaultScopes(grant string) []string {
	if grant == ClientCredentials && c.ClientCredentials != nil {
		return c.ClientCredentials.Scopes
	}
	return c.Scopes.Default
}

// WithAlways adds the scopes that are always asked for with a consent.
func (c Connector) WithAlways(grant string, scopes []string) []string {
	if grant != AuthorizationCode {
		return scopes
	}
	scopes = slices.Clone(scopes)
	for _, always := range c.Scopes.Always {
		if !slices.Contains(scopes, always) {
			scopes = append(scopes, always)
		}
	}
	return scopes
}
