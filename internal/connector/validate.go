package connector

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var (
	idPattern    = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	inputPattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
)

// faults collects what is wrong with a connector.
type faults struct{ list []error }

func (f *faults) add(format string, args ...any) {
	f.list = append(f.list, fmt.Errorf(format, args...))
}

// oneOf checks an enumeration; the empty value is the default, and allowed.
func (f *faults) oneOf(name, value string, allowed ...string) {
	if value != "" && !slices.Contains(allowed, value) {
		f.add("%s %q: use %s", name, value, strings.Join(allowed, ", "))
	}
}

// Validate reports everything that is wrong with a connector, in sentences.
func (c Connector) Validate() error {
	f := &faults{}
	c.checkNames(f)
	c.checkInputs(f)
	c.checkURLs(f)
	c.checkCalls(f)
	c.checkMetadata(f)
	c.checkReply(f)
	c.checkCallback(f)
	c.checkRest(f)
	if len(f.list) > 0 {
		return fmt.Errorf("connector %q: %w", c.ID, errors.Join(f.list...))
	}
	return nil
}

func (c Connector) checkNames(f *faults) {
	if !idPattern.MatchString(c.ID) {
		f.add("id %q: use 1 to 63 lower-case letters, digits and \"-\"", c.ID)
	}
	if strings.TrimSpace(c.Name) == "" {
		f.add("name is missing")
	}
	if len(c.Grants) == 0 {
		f.add("grants is empty: name %q, %q or both", AuthorizationCode, ClientCredentials)
	}
	for _, grant := range c.Grants {
		if grant != AuthorizationCode && grant != ClientCredentials {
			f.add("grant %q is not known: use %q or %q", grant, AuthorizationCode, ClientCredentials)
		}
	}
	f.oneOf("app", c.App, AppCustomer)
	f.oneOf("confidence", c.Confidence, "high", "medium", "low")
}

// checkInputs checks the inputs, that every one is used, and that nothing else is named.
func (c Connector) checkInputs(f *faults) {
	declared := make(map[string]bool, len(c.Inputs))
	for _, i := range c.Inputs {
		if !inputPattern.MatchString(i.Name) || declared[i.Name] || i.Name == "client_id" || i.Name == "client_secret" {
			f.add("input %q: use a name of its own, of lower-case letters, digits and \"_\"", i.Name)
		}
		declared[i.Name] = true
		if _, err := whole(i.Pattern); err != nil || i.Pattern == "" {
			f.add("input %s: the pattern %q is not a regular expression", i.Name, i.Pattern)
			continue
		}
		if !strings.HasPrefix(i.Pattern, "^") || !strings.HasSuffix(i.Pattern, "$") {
			f.add("input %s: the pattern must begin with ^ and end with $", i.Name)
		}
		if _, ok := i.Accept(i.Example); !ok {
			f.add("input %s: the example %q does not fit the pattern", i.Name, i.Example)
		}
		if _, ok := i.Accept(i.Default); i.Default != "" && !ok {
			f.add("input %s: the default %q does not fit the pattern", i.Name, i.Default)
		}
		if i.Label == "" {
			f.add("input %s: the label is missing: it tells people what to enter", i.Name)
		}
	}
	used := make(map[string]bool)
	for _, text := range c.templates() {
		for _, name := range variables(text) {
			used[name] = true
			if !declared[name] {
				f.add("{%s} is not among the inputs", name)
			}
		}
	}
	for _, i := range c.Inputs {
		if !used[i.Name] {
			f.add("input %s is used nowhere", i.Name)
		}
	}
}

// templates are all texts that may name inputs.
func (c Connector) templates() []string {
	var all []string
	if c.Revoke != nil {
		c.Revoke = copied(c.Revoke)
		c.Revoke.URL = strings.ReplaceAll(c.Revoke.URL, "{client_id}", "")
		c.Revoke.Params = without(c.Revoke.Params, "{client_id}")
		c.Revoke.Headers = without(c.Revoke.Headers, "{client_id}", "{client_secret}")
	}
	if c.ClientCredentials != nil {
		c.ClientCredentials = copied(c.ClientCredentials)
		c.ClientCredentials.Assertion = without(c.ClientCredentials.Assertion, "{client_id}")
	}
	for _, field := range c.urls() {
		all = append(all, *field.text)
	}
	for _, text := range c.texts() {
		all = append(all, *text)
	}
	for _, m := range c.maps() {
		all = slices.AppendSeq(all, maps.Values(*m))
	}
	for _, list := range c.lists() {
		all = append(all, *list...)
	}
	return all
}

// without takes the credentials that a revocation may name out of its texts.
func without(texts map[string]string, credentials ...string) map[string]string {
	texts = maps.Clone(texts)
	for name, text := range texts {
		for _, credential := range credentials {
			text = strings.ReplaceAll(text, credential, "")
		}
		texts[name] = text
	}
	return texts
}

func (c Connector) checkURLs(f *faults) {
	typed := false
	for _, field := range c.urls() {
		c.checkURL(f, field.name, *field.text)
		typed = typed || hostTemplated(*field.text)
	}
	for _, host := range c.Hosts {
		if !hostName.MatchString(host) {
			f.add("hosts: %q is not a domain", host)
		}
	}
	if typed && len(c.Hosts) == 0 && !c.CustomersOnly() {
		f.add("a host is an input, and hosts is empty: list the provider's domains, or say \"app\": %q, since the platform's secret must not go to a host that somebody typed", AppCustomer)
	}
	if len(f.list) > 0 || len(c.Inputs) == 0 {
		return
	}
	examples := make(map[string]string, len(c.Inputs))
	for _, i := range c.Inputs {
		examples[i.Name] = i.Example
	}
	if _, err := c.Resolve(examples); err != nil {
		f.add("the inputs' examples do not make its URLs: %w", err)
	}
}

func (c Connector) checkURL(f *faults, name, raw string) {
	u, err := url.Parse(metadataVariable.ReplaceAllString(variable.ReplaceAllString(raw, "x"), "x"))
	switch {
	case err != nil || u.Host == "" || strings.ContainsAny(raw, " \t\r\n\\\"'<>|"):
		f.add("%s is not a URL", name)
	case u.User != nil || (u.Fragment != "" && !pageRoute(name, u)):
		f.add("%s must not hold a user or a fragment", name)
	case u.Scheme != "https" && (u.Scheme != "http" || !c.Loopback || !IsLoopback(u.Hostname())):
		f.add("%s must be https", name)
	case !c.Loopback && (IsLoopback(u.Hostname()) || u.Port() != ""):
		f.add("%s leads to this machine, or to a port of its own: that is for \"worker --dev\"", name)
	}
}

// pageRoute reports whether a fragment is the path of a page that routes in the browser, as in "/#/oauth/authorize".
func pageRoute(name string, u *url.URL) bool {
	return name == "authorize.url" && strings.HasPrefix(u.Fragment, "/")
}

func (c Connector) checkRest(f *faults) {
	if c.Scopes.Separator != " " && c.Scopes.Separator != "," {
		f.add("scopes.separator %q: use \" \" or \",\"", c.Scopes.Separator)
	}
	for _, list := range c.lists() {
		if slices.Contains(*list, "") {
			f.add("scopes: there is an empty scope")
		}
	}
	if c.Scopes.Second != nil && (c.Scopes.Second.Param == "" || len(c.Scopes.Second.Scopes) == 0) {
		f.add("scopes.second needs a param and scopes")
	}
	r := c.Refresh
	if slices.Min([]int64{c.ExpiresInDefault, r.GraceSeconds, r.LifetimeSeconds, r.IdleSeconds, r.LeadSeconds, r.WindowSeconds, r.MinIntervalSeconds}) < 0 {
		f.add("a number of seconds is negative")
	}
	if c.NeverExpires && c.ExpiresInDefault > 0 {
		f.add("never_expires and expires_in_default contradict each other")
	}
	for _, s := range c.Steps {
		f.oneOf("steps.method", s.Method, "GET", "POST")
		if s.Name == "" || len(s.Metadata) == 0 {
			f.add("a step needs a name and the metadata to keep")
		}
		checkCaptures(f, s.Metadata)
	}
	checkCaptures(f, c.Metadata)
	if c.Sharing != nil && c.Sharing.Identity == "" {
		f.add("sharing.identity is missing: it names the metadata that tells accounts apart")
	}
}

func checkCaptures(f *faults, captures []Capture) {
	for _, capture := range captures {
		last := capture.Path[strings.LastIndex(capture.Path, ".")+1:]
		if capture.Path == "" || secretName(last) || secretName(capture.As) {
			f.add("metadata %q: it is empty or names a secret, and metadata is kept and shown in clear", capture.Path)
		}
		if _, err := whole(capture.Pattern); err != nil {
			f.add("metadata %q: the pattern is not a regular expression", capture.Path)
		}
	}
}

// secretName tells members that never belong into metadata, which is stored and shown in clear.
func secretName(name string) bool {
	name = strings.ToLower(name)
	return strings.Contains(name, "token") || strings.Contains(name, "secret") || strings.Contains(name, "password") || name == "code"
}
