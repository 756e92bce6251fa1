package connector

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
)

// UnmarshalJSON reads a path, or an object.
func (c *Capture) UnmarshalJSON(content []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(content), []byte(`"`)) {
		*c = Capture{}
		return json.Unmarshal(content, &c.Path)
	}
	type plain Capture
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	return decoder.Decode((*plain)(c))
}

// MarshalJSON writes the shorter of the two forms.
func (c Capture) MarshalJSON() ([]byte, error) {
	if c.As == "" && c.Pattern == "" && len(c.Hosts) == 0 {
		return json.Marshal(c.Path)
	}
	type plain Capture
	return json.Marshal(plain(c))
}

// maxCaptured bounds one value.
const maxCaptured = 2 << 10

// Accept reports whether a value may be kept: it fits the pattern, and is on one of the hosts if there are any.
func (c Capture) Accept(value string) bool {
	if value == "" || len(value) > maxCaptured {
		return false
	}
	if c.Pattern != "" {
		pattern, err := whole(c.Pattern)
		if err != nil || !pattern.MatchString(value) {
			return false
		}
	}
	if len(c.Hosts) == 0 {
		return true
	}
	if !strings.Contains(value, "/") {
		value = "https://" + value
	}
	u, err := url.Parse(value)
	return err == nil && u.Scheme == "https" && u.User == nil && u.Port() == "" && u.Fragment == "" &&
		hostName.MatchString(strings.ToLower(u.Hostname())) && Under(u.Hostname(), c.Hosts)
}

// Accept returns what counts of a parameter's value, if it fits.
func (v CallbackValue) Accept(value string) (string, bool) {
	pattern, err := whole(v.Pattern)
	if err != nil || value == "" || len(value) > maxCaptured {
		return "", false
	}
	switch match := pattern.FindStringSubmatch(value); {
	case match == nil:
		return "", false
	case len(match) > 1:
		return match[1], match[1] != ""
	default:
		return value, true
	}
}

// Name is the value's name in the metadata; empty if it is not kept there.
func (v CallbackValue) Name() string {
	if v.As == "" && v.Input == "" {
		return v.Param
	}
	return v.As
}
