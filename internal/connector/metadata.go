package connector

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// metadataVariable is a place for a value that the provider told.
var metadataVariable = regexp.MustCompile(`\{metadata\.([a-zA-Z0-9_.-]+)\}`)

// fillMetadata fills in what the provider told; ok is false if a value is not there.
func fillMetadata(text string, metadata map[string]string) (filled string, ok bool) {
	ok = true
	filled = metadataVariable.ReplaceAllStringFunc(text, func(found string) string {
		value := metadata[metadataVariable.FindStringSubmatch(found)[1]]
		ok = ok && value != ""
		return value
	})
	return filled, ok
}

// WithMetadata returns the connector for one account: what the provider told of it is filled in where calls depend on
// it (K13). A refresh whose host is not known, or none of the connector's, goes to the token endpoint; a revocation that
// needs a value that is not there cannot be made.
func (c Connector) WithMetadata(metadata map[string]string) Connector {
	if metadataVariable.MatchString(c.Refresh.URL) {
		full, ok := fillMetadata(c.Refresh.URL, metadata)
		if !ok || !c.leadsHome(full, "/"+afterHost(c.Refresh.URL)) {
			full = ""
		}
		c.Refresh.URL = full
	}
	if c.Revoke == nil {
		return c
	}
	c.Revoke = copied(c.Revoke)
	c.Revoke.Params = maps.Clone(c.Revoke.Params)
	for name, text := range c.Revoke.Params {
		filled, ok := fillMetadata(text, metadata)
		if !ok {
			c.Revoke = nil
			return c
		}
		c.Revoke.Params[name] = filled
	}
	return c
}

// leadsHome reports whether a URL whose host the provider's own reply has named is on one of the connector's hosts, and
// leads there to what the connector wants.
func (c Connector) leadsHome(full, wanted string) bool {
	u, err := url.Parse(full)
	if err != nil || u.User != nil || u.Fragment != "" || u.RequestURI() != wanted {
		return false
	}
	host := strings.ToLower(u.Hostname())
	if c.Loopback && IsLoopback(host) {
		return true
	}
	return u.Scheme == "https" && u.Port() == "" && hostName.MatchString(host) && Under(host, c.Hosts)
}

// afterHost is what follows the host of a URL.
func afterHost(full string) string {
	_, rest, _ := strings.Cut(full, "://")
	_, path, _ := strings.Cut(rest, "/")
	return path
}

// checkMetadata checks that {metadata.NAME} stands only where it has an effect, and names what is kept.
func (c Connector) checkMetadata(f *faults) {
	places := []string{c.Refresh.URL}
	if c.API != nil {
		places = append(places, c.API.BaseURL)
	}
	if c.Revoke != nil {
		places = slices.AppendSeq(places, maps.Values(c.Revoke.Params))
	}
	for _, text := range places {
		for _, match := range metadataVariable.FindAllStringSubmatch(text, -1) {
			if !c.told()[match[1]] {
				f.add("%s: nothing tells it: name it in metadata, in a step or in callback.capture", match[0])
			}
		}
	}
	if metadataVariable.MatchString(c.Refresh.URL) && len(c.Hosts) == 0 {
		f.add("refresh.url: its host is one that the provider tells, and hosts is empty: list the provider's domains")
	}
	if metadataVariable.MatchString(afterHost(c.Refresh.URL)) {
		f.add("refresh.url: only its host may be one that the provider tells")
	}
	c.Refresh.URL, c.API, c.Revoke = "", nil, copied(c.Revoke)
	if c.Revoke != nil {
		c.Revoke.Params = nil
	}
	for _, text := range c.templates() {
		if found := metadataVariable.FindString(text); found != "" {
			f.add("%s is filled in refresh.url, revoke.params and api.base_url only", found)
		}
	}
}

// told are the names of the metadata that can be kept.
func (c Connector) told() map[string]bool {
	captures := slices.Clone(c.Metadata)
	for _, step := range c.Steps {
		captures = append(captures, step.Metadata...)
	}
	names := make(map[string]bool, len(captures))
	for _, capture := range captures {
		names[capture.Name()] = true
	}
	if c.Callback != nil {
		for _, v := range c.Callback.Capture {
			names[v.Name()] = true
		}
	}
	return names
}

// AcceptMetadata reports whether the connector keeps metadata of that name, and whether it would keep this value: for
// metadata that does not come from the provider itself.
func (c Connector) AcceptMetadata(name, value string) (known, accepted bool) {
	captures := slices.Clone(c.Metadata)
	for _, step := range c.Steps {
		captures = append(captures, step.Metadata...)
	}
	for _, capture := range captures {
		if capture.Name() == name {
			known, accepted = true, accepted || capture.Accept(value)
		}
	}
	if c.Callback != nil {
		for _, v := range c.Callback.Capture {
			if v.Name() == name {
				kept, ok := v.Accept(value)
				known, accepted = true, accepted || (ok && kept == value)
			}
		}
	}
	return known, accepted
}
