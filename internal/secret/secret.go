// Package secret holds values that must never be printed.
package secret

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// redacted is what every formatter, encoder and logger sees of a secret.
const redacted = "[redacted]"

// String is a secret text: a token, a client secret, a code, a verifier.
//
// It holds a pointer, so that no reflective printer (%#v, a struct dump, a map key) reaches the text.
// fmt, log/slog and encoding/json all see "[redacted]"; only Reveal gives the text, and is easy to grep for.
// The zero value is the empty secret.
type String struct{ text *string }

// New wraps text.
func New(text string) String {
	if text == "" {
		return String{}
	}
	return String{text: &text}
}

// Reveal returns the text. Every call of it is a place where a secret leaves its wrapper: review them all.
func (s String) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Empty reports whether there is no text.
func (s String) Empty() bool { return s.text == nil }

// Equal compares in constant time.
func (s String) Equal(other String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Format implements fmt.Formatter for every verb.
func (String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String implements fmt.Stringer for printers that bypass Format.
func (String) String() string { return redacted }

// LogValue implements slog.LogValuer.
func (String) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, so JSON, YAML and XML redact too.
func (String) MarshalText() ([]byte, error) { return []byte(redacted), nil }
