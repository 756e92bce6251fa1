package oauth

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
)

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
	// Second is the second credential of a provider that grants two at once; nil if the reply has none.
	Second *Second
}

// Second is a credential beside the first, as Slack's user token beside the bot's.
type Second struct {
	AccessToken secret.String
	// RefreshToken is empty if there is none.
	RefreshToken secret.String
	TokenType    string
	// ExpiresAt is zero if the reply names no expiry.
	ExpiresAt time.Time
	// Scopes are nil if the reply names none.
	Scopes []string
}

// Parse reads a raw reply. The error is a [*Failure]. It is pure, so that a reply that was stored before a crash reads
// the same after it. Nothing odd in a reply costs a token that it holds.
func Parse(conn connector.Connector, phase Phase, raw Raw) (Reply, error) {
	reply := members(conn, raw)
	at := conn.Reply
	token := reply.named(phase, at.AccessToken, "access_token")
	if raw.Status < 200 || raw.Status > 299 || token == "" || reply.refused(conn) {
		return Reply{}, classify(conn, phase, raw, reply)
	}
	r := Reply{
		AccessToken: secret.New(token), RefreshToken: secret.New(reply.named(phase, at.RefreshToken, "refresh_token")),
		TokenType: reply.named(phase, at.TokenType, "token_type"), IssuedAt: raw.RequestedAt.UTC().Truncate(time.Microsecond),
		Scopes: scopes(reply.any(at.Scope, "scope"), orElse(at.ScopeSeparator, conn.Scopes.Separator)),
	}
	r.TokenType = tokenType(r.TokenType)
	if life := reply.life(conn, token, r.IssuedAt); life > 0 {
		r.ExpiresAt = r.IssuedAt.Add(life)
	} else if conn.ExpiresInDefault > 0 {
		r.ExpiresAt = r.IssuedAt.Add(time.Duration(conn.ExpiresInDefault) * time.Second)
	}
	r.Metadata = captured(reply, conn.Metadata)
	if life := reply.refreshLife(conn, r.IssuedAt); life > 0 {
		if r.Metadata == nil {
			r.Metadata = make(map[string]string)
		}
		r.Metadata[MetadataRefreshExpiresAt] = r.IssuedAt.Add(life).Format(time.RFC3339)
	}
	r.Second = reply.second(conn, r.IssuedAt)
	return r, nil
}

// second is the second credential, if the connector knows of one and the reply has it.
func (o object) second(conn connector.Connector, issued time.Time) *Second {
	at := conn.Reply.Second
	if at == nil || at.AccessToken == "" {
		return nil
	}
	// An empty path is nowhere: what stands in the standard place is the first one's.
	there := func(path string) any {
		if path == "" {
			return nil
		}
		return find(o, path)
	}
	token := text(there(at.AccessToken))
	if token == "" {
		return nil
	}
	s := &Second{
		AccessToken: secret.New(token), RefreshToken: secret.New(text(there(at.RefreshToken))), TokenType: tokenType(text(there(at.TokenType))),
		Scopes: scopes(there(at.Scope), orElse(conn.Reply.ScopeSeparator, conn.Scopes.Separator)),
	}
	if life := duration(text(there(at.ExpiresIn)), expiresUnit(conn), maxLife); life > 0 {
		s.ExpiresAt = issued.Add(life)
	}
	return s
}

// tokenType is what a reply says of it; Bearer, if that is nothing.
func tokenType(said string) string {
	if said == "" || len(said) > 64 {
		return "Bearer"
	}
	return said
}

// MetadataRefreshExpiresAt is the metadata that says when the refresh token dies, in RFC 3339.
const MetadataRefreshExpiresAt = connector.MetadataRefreshExpiresAt

// captured takes the values that a connector wants to keep, and that are what it says they are.
func captured(reply any, captures []connector.Capture) map[string]string {
	var kept map[string]string
	for _, capture := range captures {
		if value := flag(find(reply, capture.Path)); capture.Accept(value) && !secretMember(capture.Path) {
			if kept == nil {
				kept = make(map[string]string)
			}
			kept[capture.Name()] = value
		}
	}
	return kept
}

// secretMember tells members that never belong into metadata, which is stored and shown in clear.
func secretMember(path string) bool {
	name := path[strings.LastIndex(path, ".")+1:]
	return strings.Contains(name, "token") || strings.Contains(name, "secret") || name == "code"
}

// object is a reply's members, whatever its encoding.
type object map[string]any

// members decodes JSON by its look, not its label, and forms otherwise; nil if it is neither.
func members(conn connector.Connector, raw Raw) object {
	body := bytes.TrimSpace(bytes.TrimPrefix(raw.Body, []byte("\xef\xbb\xbf")))
	if len(body) == 0 {
		return nil
	}
	switch {
	case body[0] == '{':
		return jsonMembers(conn, body)
	case body[0] == '<', body[0] == '[', body[0] == '"', !bytes.ContainsRune(body, '='):
		return nil
	default:
		return formMembers(conn, string(body), raw.Cut)
	}
}

// jsonMembers reads an object member by member, up to where it breaks off or is not JSON any more.
func jsonMembers(conn connector.Connector, body []byte) object {
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
		return o.broken(conn)
	}
	return o
}

// formMembers reads a form pair by pair: one that is badly encoded is taken as it stands, and costs no other.
func formMembers(conn connector.Connector, body string, cut bool) object {
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
		return o.broken(conn)
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
func (o object) broken(conn connector.Connector) object {
	at := conn.Reply
	if o.named(Refresh, at.AccessToken, "access_token") == "" || o.named(Refresh, at.RefreshToken, "refresh_token") == "" {
		return nil
	}
	return o
}

// refused reports whether the reply says that it is an error. Some providers send "error":0 with every success.
func (o object) refused(conn connector.Connector) bool {
	if code := text(o["error"]); code != "" && code != "0" {
		return true
	}
	success := conn.Reply.Success
	if success == nil {
		return false
	}
	value := flag(find(o, success.Path))
	return value != "" && !strings.EqualFold(value, success.Equals)
}

// named is a text at the connector's own path, or at the standard one. At an exchange the connector's path alone
// counts: the standard one may hold another credential, as Slack's bot token beside the user's.
func (o object) named(phase Phase, path, standard string) string {
	if path == "" {
		return text(o[standard])
	}
	if value := text(find(o, path)); value != "" || phase == Exchange {
		return value
	}
	return text(o[standard])
}

// any is the value at the connector's own path, or else at the standard one.
func (o object) any(path, standard string) any {
	if path != "" {
		if value := find(o, path); value != nil {
			return value
		}
	}
	return o[standard]
}

// scopes is the granted scope as a list; nil if the reply names none.
func scopes(value any, separator string) []string {
	switch v := value.(type) {
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
