package activities

import "strings"

// maxScopes bounds what is taken over of an API's challenge.
const maxScopes = 50

// insufficientScope looks for error="insufficient_scope" in the challenges of an answer, and for the scopes that go
// with it (RFC 6750 §3).
func insufficientScope(challenges []string) (scopes []string, found bool) {
	for _, challenge := range challenges {
		if parameter(challenge, "error") == "insufficient_scope" {
			return validScopes(strings.Fields(parameter(challenge, "scope"))), true
		}
	}
	return nil, false
}

// parameter reads one auth-param of a challenge (RFC 9110 §11.2); empty if it is not there.
func parameter(challenge, name string) string {
	for rest := challenge; rest != ""; {
		at := strings.Index(rest, name+"=")
		if at < 0 {
			return ""
		}
		value := rest[at+len(name)+1:]
		if at > 0 && !strings.ContainsRune(" ,\t", rune(rest[at-1])) {
			rest = value
			continue
		}
		if quoted, is := strings.CutPrefix(value, `"`); is {
			text, _, _ := strings.Cut(quoted, `"`)
			return text
		}
		if end := strings.IndexAny(value, " ,\t"); end >= 0 {
			return value[:end]
		}
		return value
	}
	return ""
}

// validScopes keeps what can be a scope (RFC 6749 §3.3), so that an API's text does not get into our errors.
func validScopes(scopes []string) []string {
	var valid []string
	for _, scope := range scopes {
		if len(scope) <= 200 && len(valid) < maxScopes && !strings.ContainsFunc(scope, func(r rune) bool {
			return r < 0x21 || r > 0x7e || r == '"' || r == '\\'
		}) {
			valid = append(valid, scope)
		}
	}
	return valid
}
