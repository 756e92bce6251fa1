package activities

import (
	"fmt"
	"slices"
	"time"

	"github.com/acme/connections/internal/tokens"
)

// Token is an access token. It prints as "[redacted]" everywhere; only [Token.Reveal] gives its text. The zero value
// is no token.
type Token struct{ held *tokens.Held }

// Reveal is the access token in clear. It must not be returned from an activity or a workflow: history would keep it.
func (t Token) Reveal() string {
	if t.held == nil {
		return ""
	}
	return t.held.OAuth.AccessToken
}

// Type is the token type as the provider named it, "Bearer" mostly (RFC 6749 §7.1).
func (t Token) Type() string {
	if t.held == nil {
		return ""
	}
	return t.held.OAuth.TokenType
}

// ExpiresAt is when the token expires; zero if the provider does not say.
func (t Token) ExpiresAt() time.Time {
	if t.held == nil {
		return time.Time{}
	}
	return t.held.OAuth.Expiry
}

// Generation counts the connection's token sets; each renewal raises it.
func (t Token) Generation() int64 {
	if t.held == nil {
		return 0
	}
	return t.held.Generation
}

// Scopes are those that were granted.
func (t Token) Scopes() []string {
	if t.held == nil {
		return nil
	}
	return slices.Clone(t.held.Scopes)
}

// redactedToken is what every printer sees.
const redactedToken = "[redacted]"

// Format implements fmt.Formatter for every verb.
func (Token) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redactedToken)) }

// String implements fmt.Stringer.
func (Token) String() string { return redactedToken }

// MarshalText implements encoding.TextMarshaler, so that JSON redacts too.
func (Token) MarshalText() ([]byte, error) { return []byte(redactedToken), nil }
