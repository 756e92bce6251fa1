package oauth

import (
	"bytes"
	"encoding/json"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
)

// maxLife bounds a token's life: nanoseconds or milliseconds sent as seconds must not become "never".
const maxLife = 365 * 24 * time.Hour

// maxMetadata bounds one captured value.
const maxMetadata = 2 << 10

// Reply is a successful token reply (RFC 6749 §5.1).
type Reply struct {
	AccessToken secret.String
	// RefreshToken is empty if the reply had none: the one in use stays valid (RFC 6749 §6).
	RefreshToken secret.String
	TokenType    string
	IssuedAt     time.Time
	// ExpiresAt is zero if the reply names no expiry and the connector knows none.
	ExpiresAt time.Time
	// Scopes are nil if the reply names none: granted as requested (RFC 6749 §5.1).
	Scopes   []string
	Metadata map[string]string
}

// Parse reads a raw reply. The error is a [*Failure]. It is pure, so that a reply that was stored before a crash reads
// the same after it. Nothing odd in a reply costs a token that it holds.
func Parse(conn connector.Connector, phase Phase, raw Raw) (Reply, error) {
	reply := members(raw)
	token := reply.text("access_token")
	if raw.Status < 200 || raw.Status > 299 || token == "" || reply.text("error") != "" {
		return Reply{}, classify(phase, raw, reply)
	}
	r := Reply{
		AccessToken: secret.New(token), RefreshToken: secret.New(reply.text("refresh_token")),
		TokenType: reply.text("token_type"), IssuedAt: raw.RequestedAt.UTC().Truncate(time.Microsecond),
		Scopes: reply.scopes(conn.Scopes.Separator),
	}
	if r.TokenType == "" || len(r.TokenType) > 64 {
		r.TokenType = "Bearer"
	}
	if life := reply.life(); life > 0 {
		r.ExpiresAt = r.IssuedAt.Add(life)
	} else if conn.ExpiresInDefault > 0 {
		r.ExpiresAt = r.IssuedAt.Add(time.Duration(conn.ExpiresInDefault) * time.Second)
	}
	for _, name := range conn.Metadata {
		if value := reply.text(name); value != "" && len(value) <= maxMetadata && !secretMember(name) {
			if r.Metadata == nil {
				r.Metadata = make(map[string]string)
			}
			r.Metadata[name] = value
		}
	}
	return r, nil
}

// secretMember tells members that never belong into metadata, which is stored and shown in clear.
func secretMember(name string) bool {
	return strings.Contains(name, "token") || strings.Contains(name, "secret") || name == "code"
}

// object is a reply's members, whatever its encoding.
type object map[string]any

// members decodes JSON by its look, not its label, and forms otherwise; nil if it is neither.
func members(raw Raw) object {
	body := bytes.TrimSpace(bytes.TrimPrefix(raw.Body, []byte("\xef\xbb\xbf")))
	if len(body) == 0 {
		return nil
	}
	if body[0] == '{' {
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		var o object
		if decoder.Decode(&o) != nil {
			return nil
		}
		return o
	}
	if body[0] == '<' || body[0] == '[' || body[0] == '"' || !bytes.ContainsRune(body, '=') {
		return nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil
	}
	o := make(object, len(form))
	for name, values := range form {
		o[name] = values[0]
	}
	return o
}

// text is a member that is a string or a number; empty for anything else.
func (o object) text(name string) string {
	switch v := o[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	default:
		return ""
	}
}

// life is expires_in, in whatever way it is written; 0 if it says nothing.
func (o object) life() time.Duration {
	text := strings.TrimSpace(o.text("expires_in"))
	seconds, err := strconv.ParseFloat(text, 64)
	if text == "" || err != nil || math.IsNaN(seconds) || seconds <= 0 {
		return 0
	}
	if seconds >= maxLife.Seconds() {
		return maxLife
	}
	return time.Duration(seconds * float64(time.Second)).Truncate(time.Second)
}

// scopes is the granted scope as a list; nil if the reply names none.
func (o object) scopes(separator string) []string {
	switch v := o["scope"].(type) {
	case string:
		return splitScopes(v, separator)
	case []any:
		var list []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				list = append(list, splitScopes(s, separator)...)
			}
		}
		return list
	default:
		return nil
	}
}

func splitScopes(s, separator string) []string {
	return strings.FieldsFunc(s, func(r rune) bool {
		return r == ' ' || r == '\n' || r == '\t' || (separator == "," && r == ',')
	})
}
