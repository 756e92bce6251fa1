package connector

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// field is a text of a connector and its name in the file.
type field struct {
	name string
	text *string
}

// urls are the URLs of a connector that are not empty.
func (c *Connector) urls() []field {
	fields := []field{
		{"issuer", &c.Issuer},
		{"token.url", &c.Token.URL},
		{"refresh.url", &c.Refresh.URL},
		{"introspect_url", &c.IntrospectURL},
		{"userinfo_url", &c.UserinfoURL},
	}
	if c.Authorize != nil {
		fields = append(fields, field{"authorize.url", &c.Authorize.URL})
	}
	if c.Upgrade != nil {
		fields = append(fields, field{"upgrade.url", &c.Upgrade.URL})
	}
	if c.Revoke != nil {
		fields = append(fields, field{"revoke.url", &c.Revoke.URL})
	}
	for i := range c.Steps {
		fields = append(fields, field{"steps.url", &c.Steps[i].URL})
	}
	return slices.DeleteFunc(fields, func(f field) bool { return *f.text == "" })
}

// LiteralHosts are the hosts of its URLs that depend on nothing that is entered, in order.
func (c Connector) LiteralHosts() []string {
	c = c.clone()
	var hosts []string
	for _, field := range c.urls() {
		if u, err := url.Parse(*field.text); err == nil && !hostTemplated(*field.text) && u.Hostname() != "" {
			hosts = append(hosts, strings.ToLower(u.Hostname()))
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// texts are the other texts that may name inputs.
func (c *Connector) texts() []*string {
	texts := []*string{&c.Token.Audience}
	if c.Authorize != nil {
		texts = append(texts, &c.Authorize.RedirectURI)
	}
	if c.API != nil {
		texts = append(texts, &c.API.BaseURL)
	}
	return texts
}

// maps are the parameters and headers, which may name inputs.
func (c *Connector) maps() []*map[string]string {
	list := []*map[string]string{&c.Token.Params, &c.Token.Headers, &c.Refresh.Params}
	if c.Authorize != nil {
		list = append(list, &c.Authorize.Params)
	}
	if c.ClientCredentials != nil {
		list = append(list, &c.ClientCredentials.Params, &c.ClientCredentials.Assertion)
	}
	if c.Upgrade != nil {
		list = append(list, &c.Upgrade.Params)
	}
	if c.Revoke != nil {
		list = append(list, &c.Revoke.Params, &c.Revoke.Headers)
	}
	if c.API != nil {
		list = append(list, &c.API.Headers)
	}
	for i := range c.Steps {
		list = append(list, &c.Steps[i].Headers)
	}
	return list
}

// lists are the scopes, which may name inputs.
func (c *Connector) lists() []*[]string {
	list := []*[]string{&c.Scopes.Default, &c.Scopes.Always}
	if c.Scopes.Second != nil {
		list = append(list, &c.Scopes.Second.Scopes)
	}
	if c.ClientCredentials != nil {
		list = append(list, &c.ClientCredentials.Scopes)
	}
	return list
}

// clone copies everything that Resolve writes to.
func (c Connector) clone() Connector {
	c.Authorize, c.Upgrade, c.Revoke, c.API = copied(c.Authorize), copied(c.Upgrade), copied(c.Revoke), copied(c.API)
	c.ClientCredentials, c.Scopes.Second = copied(c.ClientCredentials), copied(c.Scopes.Second)
	c.Steps = slices.Clone(c.Steps)
	for _, m := range c.maps() {
		*m = maps.Clone(*m)
	}
	for _, list := range c.lists() {
		*list = slices.Clone(*list)
	}
	return c
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
