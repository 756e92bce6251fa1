package connector

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// InputError says what is wrong with what the customer entered, in a sentence for people.
type InputError struct{ Sentence string }

func (e *InputError) Error() string { return e.Sentence }

func inputFault(format string, args ...any) error {
	return &InputError{Sentence: fmt.Sprintf(format, args...)}
}

// maxInput bounds a value: a host name is no longer.
const maxInput = 253

// Fill checks what the customer entered, adds defaults, and returns a value for every input of the connector. The
// error is an [*InputError].
func (c Connector) Fill(entered map[string]string) (map[string]string, error) {
	for _, name := range slices.Sorted(maps.Keys(entered)) {
		if !slices.ContainsFunc(c.Inputs, func(i Input) bool { return i.Name == name }) {
			return nil, inputFault("%s has no input %q. %s", c.Name, cut(name), c.inputHelp())
		}
	}
	values := make(map[string]string, len(c.Inputs))
	for _, input := range c.Inputs {
		value := entered[input.Name]
		if value == "" {
			value = input.Default
		}
		if value == "" {
			return nil, inputFault("%s needs %q (%s), for example %q. Give it with --input %s=VALUE.", c.Name, input.Name, input.Label, input.Example, input.Name)
		}
		accepted, ok := input.Accept(value)
		if !ok {
			return nil, inputFault("%q is not a %s for %s: it must look like %q.", cut(value), input.Label, c.Name, input.Example)
		}
		values[input.Name] = accepted
	}
	return values, nil
}

// Accept returns the value as it is used: as entered, or in lower case where only that fits.
func (i Input) Accept(value string) (string, bool) {
	pattern, err := whole(i.Pattern)
	if err != nil || len(value) > maxInput {
		return "", false
	}
	for _, v := range []string{value, strings.ToLower(value)} {
		if pattern.MatchString(v) {
			return v, true
		}
	}
	return "", false
}

func (c Connector) inputHelp() string {
	if len(c.Inputs) == 0 {
		return "It has none."
	}
	var names []string
	for _, i := range c.Inputs {
		names = append(names, fmt.Sprintf("%s (%s, for example %q)", i.Name, i.Label, i.Example))
	}
	return "It has: " + strings.Join(names, "; ") + "."
}

// cut keeps what people entered from filling the screen.
func cut(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// variable is a place for an input.
var variable = regexp.MustCompile(`\{([a-z][a-z0-9_]*)\}`)

// variables are the inputs that a text names.
func variables(text string) []string {
	var names []string
	for _, match := range variable.FindAllStringSubmatch(text, -1) {
		names = append(names, match[1])
	}
	return names
}

// isClientID: a revocation's URL may name the client, which is filled in when it is called.
func isClientID(name string) bool { return name == "client_id" }

func expand(text string, values map[string]string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	return variable.ReplaceAllStringFunc(text, func(found string) string {
		if value, ok := values[found[1:len(found)-1]]; ok {
			return value
		}
		return found
	})
}

// urlSafe is what an input may hold where it becomes part of a URL: nothing that ends one part of it or begins another,
// but for a host's port and a path.
var urlSafe = regexp.MustCompile(`\A[A-Za-z0-9._~:/-]+\z`)

// hostName is a host of at least two labels: no address, no name of a local network.
var hostName = regexp.MustCompile(`\A([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?\z`)

// expandURL fills a URL and proves that the values have not led it elsewhere.
func (c Connector) expandURL(text string, values map[string]string) (string, error) {
	names := slices.DeleteFunc(variables(text), isClientID)
	if len(names) == 0 {
		return text, nil
	}
	for _, name := range names {
		if v := values[name]; !urlSafe.MatchString(v) || strings.Contains(v, "..") || strings.Contains(v, "//") || v == "." {
			return "", inputFault("%q cannot be part of a URL of %s. %s", cut(v), c.Name, c.inputHelp())
		}
	}
	full := expand(text, values)
	u, err := url.Parse(full)
	if err != nil || u.User != nil || u.Fragment != "" || u.Host == "" || len(slices.DeleteFunc(variables(full), isClientID)) > 0 {
		return "", inputFault("What was entered does not make a URL of %s. %s", c.Name, c.inputHelp())
	}
	if !hostTemplated(text) {
		return full, nil
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case c.Loopback && IsLoopback(host):
	case u.Port() != "" && u.Port() != "443":
		return "", inputFault("%s is called on port 443 only, not on %s.", c.Name, u.Port())
	case !hostName.MatchString(host) || net.ParseIP(host) != nil:
		return "", inputFault("%q is not the name of a host that %s can be reached at: it must be a name with its domain, no address.", cut(host), c.Name)
	case len(c.Hosts) > 0 && !Under(host, c.Hosts):
		return "", inputFault("%q is not a host of %s: it must be below %s.", cut(host), c.Name, strings.Join(c.Hosts, " or "))
	}
	return full, nil
}

// hostTemplated reports whether the host of a URL depends on what is entered.
func hostTemplated(text string) bool {
	rest := strings.TrimPrefix(strings.TrimPrefix(text, "https://"), "http://")
	authority, _, _ := strings.Cut(rest, "/")
	return strings.Contains(authority, "{")
}

// Under reports whether host is one of the domains, or below one.
func Under(host string, domains []string) bool {
	host = strings.ToLower(host)
	return slices.ContainsFunc(domains, func(d string) bool { return host == d || strings.HasSuffix(host, "."+d) })
}

// IsLoopback reports whether host is this machine, by name or address.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// CustomersOnly reports whether only customers' own OAuth apps may be used: the platform's secret must not go to a
// host that somebody typed.
func (c Connector) CustomersOnly() bool { return c.App == AppCustomer }

// Resolve returns the connector for one customer: every {input} filled. The error is an [*InputError].
func (c Connector) Resolve(entered map[string]string) (Connector, error) {
	values, err := c.Fill(entered)
	if err != nil {
		return Connector{}, err
	}
	if len(values) == 0 {
		return c, nil
	}
	r := c.clone()
	for _, field := range r.urls() {
		if *field.text, err = c.expandURL(*field.text, values); err != nil {
			return Connector{}, err
		}
	}
	for _, text := range r.texts() {
		*text = expand(*text, values)
	}
	for _, m := range r.maps() {
		for name, value := range *m {
			(*m)[name] = expand(value, values)
		}
	}
	for _, list := range r.lists() {
		for i, item := range *list {
			(*list)[i] = expand(item, values)
		}
	}
	return r, nil
}
