package connector

import (
	"slices"
	"strings"
	"unicode"
)

// Missing lists what was asked for and not granted, in the order of asked. It says so only where it is sure, since
// providers report scopes in spellings of their own: in another case, with or without a URL before them, the wider in
// place of the narrower one, or in words that have nothing to do with what was asked. A provider that named nothing
// granted what was asked (RFC 6749 §5.1).
func Missing(asked, granted []string) []string {
	var missing []string
	understood := false
	for _, scope := range asked {
		switch {
		case slices.ContainsFunc(granted, func(g string) bool { return covers(g, scope) }):
			understood = true
		case !unreported(scope) && !slices.Contains(missing, scope):
			missing = append(missing, scope)
		}
	}
	if !understood {
		return nil
	}
	return missing
}

// Beyond lists what is configured and was not asked for, in the order of configured. Both spellings are ours, so that
// they are compared to the letter.
func Beyond(configured, asked []string) []string {
	var beyond []string
	for _, scope := range configured {
		if !slices.Contains(asked, scope) && !slices.Contains(beyond, scope) {
			beyond = append(beyond, scope)
		}
	}
	return beyond
}

// unreported tells scopes that many providers heed and do not report: they ask for a kind of answer rather than for
// access (OpenID Connect Core §5.4, §11). Whether there is a refresh token is seen from the reply itself.
func unreported(scope string) bool {
	switch spelling(scope) {
	case "openid", "profile", "email", "address", "phone", "offline_access", "offline.access", "offline", "refresh_token", ".default":
		return true
	default:
		return false
	}
}

// covers reports whether what was granted may well include what was asked.
func covers(granted, asked string) bool {
	g, a := spelling(granted), spelling(asked)
	if g == a || g == "*" {
		return true
	}
	if rest, ok := strings.CutPrefix(a, g); ok && g != "" && strings.ContainsAny(rest[:1], ":._-") {
		return true // as GitHub's "user", which includes "user:email"
	}
	theirs, more := access(g)
	ours, wanted := access(a)
	switch {
	case !more:
		return false
	case len(theirs) == 0:
		return true // as "full"
	default:
		// As Shopify's "write_products" and Microsoft's "Mail.ReadWrite", which include reading.
		return !wanted && slices.Equal(ours, theirs)
	}
}

// spelling is a scope in lower case, without the URL before it.
func spelling(scope string) string {
	scope = strings.TrimRight(strings.ToLower(scope), "/")
	return scope[strings.LastIndexByte(scope, '/')+1:]
}

// access is what a scope is about, in sorted words, and whether it is for more than reading.
func access(scope string) (words []string, writes bool) {
	for _, word := range strings.FieldsFunc(scope, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		switch word {
		case "read", "readonly", "view", "list":
		case "write", "readwrite", "modify", "manage", "admin", "full", "all", "rw":
			writes = true
		default:
			words = append(words, word)
		}
	}
	slices.Sort(words)
	return words, writes
}
