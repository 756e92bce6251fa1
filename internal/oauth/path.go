package oauth

import (
	"encoding/json"
	"strconv"
	"strings"
)

// find follows a path of member names and list indices through decoded JSON; nil if it leads nowhere.
func find(value any, path string) any {
	for path != "" {
		// A member may have a dot in its own name.
		if members, ok := asMembers(value); ok {
			if v, ok := members[path]; ok {
				return v
			}
		}
		var name string
		name, path, _ = strings.Cut(path, ".")
		switch v := value.(type) {
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			members, ok := asMembers(value)
			if !ok {
				return nil
			}
			value = members[name]
		}
	}
	return value
}

func asMembers(value any) (map[string]any, bool) {
	switch v := value.(type) {
	case object:
		return v, true
	case map[string]any:
		return v, true
	default:
		return nil, false
	}
}

// text is a string or a number as text; empty for anything else.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	default:
		return ""
	}
}

// flag is text, and truth values too.
func flag(value any) string {
	if b, ok := value.(bool); ok {
		return strconv.FormatBool(b)
	}
	return text(value)
}
