package connector

import (
	"slices"
	"strconv"
	"strings"
)

// The names that metadata about the account has by convention.
const (
	// AccountID tells the account from all others of the provider.
	AccountID = "account_id"
	// AccountLabel names it for people, as an address or the name of a workspace. It may change, and repeat.
	AccountLabel = "account_label"
)

// Identity names the metadata that tells accounts apart: Sharing.Identity where it is set, [AccountID] otherwise.
func (c Connector) Identity() string {
	if c.Sharing != nil && c.Sharing.Identity != "" {
		return c.Sharing.Identity
	}
	return AccountID
}

// Identifies reports whether something of the connector tells [Connector.Identity]: a step, the token reply, or the
// callback.
func (c Connector) Identifies() bool {
	name := c.Identity()
	if c.Callback != nil && slices.ContainsFunc(c.Callback.Capture, func(v CallbackValue) bool { return v.Name() == name }) {
		return true
	}
	return c.identity(func(Capture) bool { return true })
}

// OneOfSeveral reports whether the identity is one element of a list, as a tenant of those that a person may open: two
// identities may then be of one person, and of one grant.
func (c Connector) OneOfSeveral() bool {
	return c.identity(func(capture Capture) bool {
		_, _, _, ok := capture.Element()
		return ok
	})
}

// identity reports whether a capture that tells the identity is so.
func (c Connector) identity(so func(Capture) bool) bool {
	name := c.Identity()
	captures := slices.Clone(c.Metadata)
	for _, step := range c.Steps {
		captures = append(captures, step.Metadata...)
	}
	return slices.ContainsFunc(captures, func(capture Capture) bool { return capture.Name() == name && so(capture) })
}

// Element splits a path that leads through a list: "accounts.0.account_id" is ("accounts", 0, "account_id").
func (c Capture) Element() (list string, index int, rest string, ok bool) {
	names := strings.Split(c.Path, ".")
	for i, name := range names {
		if index, err := strconv.Atoi(name); err == nil {
			return strings.Join(names[:i], "."), index, strings.Join(names[i+1:], "."), true
		}
	}
	return "", 0, "", false
}
