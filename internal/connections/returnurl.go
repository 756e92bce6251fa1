package connections

import (
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
)

// maxURL bounds a return URL.
const maxURL = 2000

// AllowsReturn reports whether a result may lead to the URL (RFC 9700 §4.11): it is well-formed, https (or http on
// loopback), and either one of Config.ReturnURLs to the letter, or below an entry that names an origin and ends in
// "/*". It is asked when a session is made and again when its result is shown.
func (c *Client) AllowsReturn(raw string) bool {
	u, ok := plainURL(raw)
	if !ok {
		return false
	}
	return slices.ContainsFunc(c.ReturnURLs, func(entry string) bool {
		if origin, whole := strings.CutSuffix(entry, "/*"); whole {
			return u.Scheme+"://"+u.Host == origin
		}
		return raw == entry
	})
}

// plainURL parses a URL that every parser reads alike: nothing of user information, backslashes, control characters,
// or a spelling that is not its own normal form.
func plainURL(raw string) (*url.URL, bool) {
	if len(raw) > maxURL || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' || r == '"' || r == '<' || r == '>' }) {
		return nil, false
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" || u.Fragment != "" || strings.Contains(raw, "#") || u.String() != raw {
		return nil, false
	}
	if strings.Contains(u.Host, "@") || strings.Contains(u.Host, "%") {
		return nil, false
	}
	switch u.Scheme {
	case "https":
		return u, true
	case "http":
		ip := net.ParseIP(u.Hostname())
		return u, u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback())
	default:
		return nil, false
	}
}

// ReturnTarget is a return URL that is allowed, with the ids of the result added; empty if it is not allowed.
func (c *Client) ReturnTarget(raw string, ids url.Values) string {
	if raw == "" || !c.AllowsReturn(raw) {
		return ""
	}
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	query := u.Query()
	maps.Copy(query, ids)
	u.RawQuery = query.Encode()
	return u.String()
}

// ParseReturnURLs reads a configured list, separated by commas or spaces.
func ParseReturnURLs(list string) ([]string, error) {
	entries := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' })
	for _, entry := range entries {
		origin, whole := strings.CutSuffix(entry, "/*")
		u, ok := plainURL(origin)
		if !ok || (whole && u.Scheme+"://"+u.Host != origin) {
			return nil, invalid("%q is no return URL: give whole https URLs, or origins as https://host/*.", entry)
		}
	}
	return entries, nil
}

// parseOrigins reads a configured list of origins, as browsers write them (RFC 6454 §6.2).
func parseOrigins(list string) ([]string, error) {
	origins := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' })
	for _, origin := range origins {
		if u, ok := plainURL(origin); !ok || u.Scheme+"://"+strings.ToLower(u.Host) != origin {
			return nil, invalid("%q is no origin: give them as https://host, in small letters, without a path.", origin)
		}
	}
	return origins, nil
}
