package importfile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
)

// Nango's connections are the objects that its API gives for one connection (GET /connections/{connectionId}), and the
// bodies that its own import takes (POST /connections): provider_config_key, connection_id, credentials of type OAUTH2,
// connection_config, tags and end_user. A file has them one a line, one after the other, in an array, or in an array
// "connections" of an object. Members that are not known are passed over: what they will add is not ours to refuse.

// connectionsArray is how an object with an array of connections begins.
var connectionsArray = regexp.MustCompile(`\A\s*\{\s*"connections"\s*:\s*\[`)

// newNango reads line by line if the first line is an object of its own, so that a broken line costs no other.
func newNango(source *bufio.Reader) func() (Record, error) {
	head, _ := source.Peek(source.Size())
	head = bytes.TrimLeft(head, " \t\r\n")
	n := &nango{}
	switch first, _, _ := bytes.Cut(head, []byte{'\n'}); {
	case bytes.HasPrefix(head, []byte{'['}):
		n.brackets = 1
	case connectionsArray.Match(head):
		n.brackets = 3 // {, "connections", [
	case json.Valid(first):
		return (&jsonLines{lines: newLines(source), parse: parseNango}).next
	}
	n.inArray = n.brackets > 0
	limit := &bounded{source: source, taken: func() int64 { return n.decoder.InputOffset() }}
	n.newlines = &newlines{source: limit}
	n.decoder = json.NewDecoder(n.newlines)
	return n.next
}

// nango reads a stream of JSON values.
type nango struct {
	decoder  *json.Decoder
	newlines *newlines
	// brackets are the tokens before the first connection that are yet to be read.
	brackets int
	inArray  bool
}

func (n *nango) next() (Record, error) {
	for ; n.brackets > 0; n.brackets-- {
		if _, err := n.decoder.Token(); err != nil {
			return Record{}, n.fault(err)
		}
	}
	if n.inArray && !n.decoder.More() {
		if _, err := n.decoder.Token(); err != nil {
			return Record{}, n.fault(err)
		}
		return Record{}, io.EOF
	}
	var object json.RawMessage
	if err := n.decoder.Decode(&object); err != nil {
		return Record{}, n.fault(err)
	}
	line := n.newlines.lineAt(n.decoder.InputOffset() - int64(len(object)))
	if err := isText(object, line); err != nil {
		return Record{}, err
	}
	record, err := parseNango(object)
	return placed(record, err, line)
}

// fault turns an error of the decoder's into one of ours. After it the decoder knows no more where a value begins.
func (n *nango) fault(err error) error {
	var fault *Fault
	line := n.newlines.lineAt(n.decoder.InputOffset())
	switch {
	case errors.As(err, &fault):
		fault.Line = line
		return fault
	case errors.Is(err, io.EOF) && !n.inArray:
		return io.EOF
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &Fault{Line: line, Sentence: "The file ends in the middle of its JSON.", Last: true}
	case isSyntax(err):
		return &Fault{Line: line, Sentence: "It is not JSON from here on, so that what follows cannot be read. With one connection a line, a broken one would cost no other.", Last: true}
	default:
		return err
	}
}

func isSyntax(err error) bool {
	var syntax *json.SyntaxError
	return errors.As(err, &syntax)
}

// newlines remembers where the lines end that a decoder has read ahead.
type newlines struct {
	source io.Reader
	given  int64
	passed int
	ends   []int64
}

func (l *newlines) Read(p []byte) (int, error) {
	n, err := l.source.Read(p)
	for i, b := range p[:n] {
		if b == '\n' {
			l.ends = append(l.ends, l.given+int64(i))
		}
	}
	l.given += int64(n)
	return n, err
}

// lineAt is the line of an offset that is not before the last one asked for.
func (l *newlines) lineAt(offset int64) int {
	for len(l.ends) > 0 && l.ends[0] < offset {
		l.ends = l.ends[1:]
		l.passed++
	}
	return l.passed + 1
}

// connection is what counts of a connection of Nango's.
type connection struct {
	ConnectionID      json.RawMessage            `json:"connection_id"`
	ProviderConfigKey json.RawMessage            `json:"provider_config_key"`
	Provider          json.RawMessage            `json:"provider"`
	Credentials       map[string]json.RawMessage `json:"credentials"`
	ConnectionConfig  map[string]json.RawMessage `json:"connection_config"`
	Tags              map[string]json.RawMessage `json:"tags"`
	EndUser           *struct {
		ID           json.RawMessage `json:"id"`
		Organization *struct {
			ID json.RawMessage `json:"id"`
		} `json:"organization"`
	} `json:"end_user"`
}

func parseNango(object []byte) (Record, error) {
	var c connection
	if json.Unmarshal(object, &c) != nil {
		return Record{}, fieldFault("", "It is not a connection of Nango's: one of its members is of another type.")
	}
	var kind string
	if content, ok := c.Credentials["type"]; ok {
		kind, _ = jsonValue(content).text()
	}
	switch {
	case c.Credentials == nil:
		return Record{}, fieldFault("credentials", "credentials are missing: Nango's list of connections has none, its answer for one connection has.")
	case kind != "" && !strings.EqualFold(kind, "OAUTH2"):
		return Record{}, fieldFault("credentials.type", "Its credentials are not of type OAUTH2: only those can be imported.")
	}
	var d draft
	var key, provider string
	for _, m := range []struct {
		name    string
		content json.RawMessage
		to      *string
	}{
		{"connection_id", c.ConnectionID, &d.ExternalID},
		{"provider_config_key", c.ProviderConfigKey, &key},
		{"provider", c.Provider, &provider},
	} {
		if err := optionalText(m.name, m.content, m.to); err != nil {
			return Record{}, err
		}
	}
	if d.ExternalID == "" {
		return Record{}, fieldFault("connection_id", "connection_id is missing.")
	}
	if key == "" {
		return Record{}, fieldFault("provider_config_key", "provider_config_key is missing.")
	}
	d.Namespace, d.Guess.Connectors = key, []string{key}
	if provider != "" && provider != key {
		d.Guess.Connectors = append(d.Guess.Connectors, provider)
	}
	if err := d.credentials(c.Credentials); err != nil {
		return Record{}, err
	}
	if err := d.config(c.ConnectionConfig); err != nil {
		return Record{}, err
	}
	if err := d.people(c); err != nil {
		return Record{}, err
	}
	return d.record()
}

// credentials are access_token, refresh_token, expires_at, and raw: the provider's own reply.
func (d *draft) credentials(all map[string]json.RawMessage) error {
	for _, name := range []string{"access_token", "refresh_token", "expires_at", "no_expiration"} {
		content, ok := all[name]
		if !ok || string(content) == "null" {
			continue
		}
		f, _ := fieldNamed(name)
		if err := d.set(f, "credentials."+name, jsonValue(content)); err != nil {
			return err
		}
	}
	if d.AccessToken.Empty() {
		return fieldFault("credentials.access_token", "credentials.access_token is missing.")
	}
	if raw := all["raw"]; bytes.HasPrefix(raw, []byte{'{'}) {
		d.Reply = Reply(raw)
	}
	var override struct {
		ClientID json.RawMessage `json:"client_id"`
	}
	if raw := all["config_override"]; len(raw) > 0 && json.Unmarshal(raw, &override) != nil {
		return fieldFault("credentials.config_override", "credentials.config_override is not an object.")
	}
	return optionalText("credentials.config_override.client_id", override.ClientID, &d.ClientID)
}

// config is connection_config: inputs and what the provider told, without a line between them, and the client id where
// the customer has an OAuth app of their own.
func (d *draft) config(all map[string]json.RawMessage) error {
	given := make(map[string]string, len(all))
	for name, content := range all {
		text, ok := jsonValue(content).scalar()
		if !ok || !printable(name) || !printable(text) || strings.Contains(name, "secret") || strings.Contains(name, "token") {
			continue
		}
		given[name] = text
	}
	if id, ok := given["oauth_client_id_override"]; ok {
		d.ClientID = id
		delete(given, "oauth_client_id_override")
	}
	// What it was asked for stands in for what was granted.
	delete(given, "oauth_scopes_override")
	return addPairs(&d.Config, "connection_config", given)
}

// people are the end user and what tags say of them: Nango keeps both, the older and the newer way.
func (d *draft) people(c connection) error {
	var organization string
	if c.EndUser != nil {
		if err := optionalText("end_user.id", c.EndUser.ID, &d.EndUser); err != nil {
			return err
		}
		if c.EndUser.Organization != nil {
			if err := optionalText("end_user.organization.id", c.EndUser.Organization.ID, &organization); err != nil {
				return err
			}
		}
	}
	tags := make(map[string]string, len(c.Tags))
	for name, content := range c.Tags {
		text, ok := jsonValue(content).scalar()
		if !ok {
			return fieldFault("tags", "tags is not an object of texts.")
		}
		tags[name] = text
	}
	if d.EndUser == "" {
		d.EndUser = tags["end_user_id"]
	}
	if organization == "" {
		organization = tags["organization_id"]
	}
	d.Guess.Owner = organization
	if organization == "" {
		d.Guess.Owner = d.EndUser
	}
	return addPairs(&d.Tags, "tags", tags)
}

// optionalText reads a printable text, or a number, that may not be there.
func optionalText(name string, content json.RawMessage, to *string) error {
	if len(content) == 0 || string(content) == "null" {
		return nil
	}
	text, ok := jsonValue(content).scalar()
	if !ok || !printable(text) {
		return fieldFault(name, "%s is not a text of at most %d bytes that can be shown.", name, maxText)
	}
	*to = text
	return nil
}
