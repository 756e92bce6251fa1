// Package importfile reads files of tokens that another system has kept: JSON lines, Nango's connections, and plain
// tables (CSV). It reads as a stream, whatever the size, and takes nothing on trust: each record is bounded, and what is
// wrong with one costs no other. It decides nothing: package connections says what becomes of a record.
//
// No error of this package quotes a value: it may be a token.
package importfile

import (
	"fmt"
	"time"

	"github.com/acme/connections/internal/secret"
)

// Record is one authorised account of another system, as its file says. Only its form has been checked.
type Record struct {
	// Line is where it begins, from 1.
	Line int
	// Connector and Owner are empty if the file does not say.
	Connector, Owner string
	// Guess is what another system's own names suggest, where the file cannot name ours.
	Guess Guess
	// ExternalID names the account in the other system: with owner and connector it tells records apart. Namespace is
	// what it is unique in, if the other system has several.
	ExternalID, Namespace string
	EndUser               string
	// ClientID is the OAuth app that the tokens were issued to; empty for the one that is set.
	ClientID     string
	AccessToken  secret.String
	RefreshToken secret.String
	TokenType    string
	// The times are zero if unknown; ExpiresAt is also zero if NoExpiration is set, which says that the access token has
	// none.
	IssuedAt, ExpiresAt, ConsentedAt, RefreshExpiresAt time.Time
	NoExpiration                                       bool
	// Scopes were granted. ScopeText is a list in the connector's own writing, where the file has no other.
	Scopes    []string
	ScopeText string
	// Inputs, Metadata and Tags are nil if there are none. Config are values of the other system of which the connector
	// knows whether they are inputs, metadata, or nothing to it.
	Inputs, Metadata, Tags, Config map[string]string
	// Reply is the token reply of the provider as the other system has kept it, a JSON object; nil if there is none. It
	// is as secret as the tokens.
	Reply Reply
}

// Guess is what a record of another system suggests.
type Guess struct {
	// Connectors are names to try, in this order.
	Connectors []string
	Owner      string
}

// Reply is a JSON object that no printer shows.
type Reply []byte

// Format implements fmt.Formatter for every verb.
func (Reply) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[redacted]")) }

// MarshalJSON implements json.Marshaler.
func (Reply) MarshalJSON() ([]byte, error) { return []byte(`"[redacted]"`), nil }

// Fault is what is wrong with one record. Its text names the field, and quotes no value.
type Fault struct {
	// Line is where the record begins, from 1.
	Line int
	// Field is empty if the record as a whole is meant.
	Field string
	// Sentence is for people, without the line.
	Sentence string
	// Last says that what follows cannot be read.
	Last bool
}

// Error implements error.
func (f *Fault) Error() string { return fmt.Sprintf("line %d: %s", f.Line, f.Sentence) }

// fieldFault is a fault whose line is yet to be filled in.
func fieldFault(field, format string, args ...any) error {
	return &Fault{Field: field, Sentence: fmt.Sprintf(format, args...)}
}
