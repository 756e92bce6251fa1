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
	if raw.Status < 200 || raw.Status > 299 || token == "" || reply.refused() {
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
	switch {
	case body[0] == '{':
		return jsonMembers(body)
	case body[0] == '<', body[0] == '[', body[0] == '"', !bytes.ContainsRune(body, '='):
		return nil
	default:
		return formMembers(string(body), raw.Cut)
	}
}

// jsonMembers reads an object member by member, up to where it breaks off or is not JSON any more.
func jsonMembers(body []byte) object {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	_, err := decoder.Token() // the brace
	o := make(object)
	for err == nil && decoder.More() {
		var name json.Token
		var value any
		if name, err = decoder.Token(); err == nil {
			err = decoder.Decode(&value)
		}
		if key, ok := name.(string); ok && err == nil {
			o[key] = value
		}
	}
	if err == nil {
		_, err = decoder.Token() // the other brace
	}
	if err != nil {
		return o.broken()
	}
	return o
}

// formMembers reads a form pair by pair: one that is badly encoded is taken as it stands, and costs no other.
func formMembers(body string, cut bool) object {
	pairs := strings.Split(body, "&")
	if cut {
		// Nothing shows how much of the last one is missing.
		pairs = pairs[:len(pairs)-1]
	}
	o := make(object, len(pairs))
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		name, value = unescape(name), unescape(value)
		if _, ok := o[name]; !ok {
			o[name] = value
		}
	}
	if cut {
		return o.broken()
	}
	return o
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// broken is what counts of an object that broke off: with both tokens it is a grant, whatever followed; without the
// refresh token it would pass for a reply that keeps the old one.
func (o object) broken() object {
	if o.text("access_token") == "" || o.text("refresh_token") == "" {
		return nil
	}
	return o
}

// refused reports whether the reply says that it is an error. Some providers send "error":0 with every success.
func (o object) refused() bool {
	code := o.text("error")
	return code != "" && code != "0"
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
