package connections

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/vault"
)

// Refusal is what a provider said when it last refused a connection, for an operator. What is a provider's own text is
// quoted, cut, and without anything that may be a credential.
type Refusal struct {
	At     time.Time `json:"at"`
	Call   string    `json:"call"`
	Reason string    `json:"reason"`
	Status int       `json:"status"`
	// Said are the members of the reply by name, or its beginning under "text".
	Said map[string]string `json:"said"`
}

// CodeNoRefusal: the provider has refused nothing that is still kept.
const CodeNoRefusal = "no_refusal"

// LastRefusal opens the last refusal that is kept of a connection.
func (c *Client) LastRefusal(ctx context.Context, id string) (Refusal, error) {
	if _, err := c.row(ctx, id); err != nil {
		return Refusal{}, err
	}
	attempt, err := c.Vault.LastRefusal(ctx, id)
	if errors.Is(err, vault.ErrNotFound) {
		return Refusal{}, &Error{Code: CodeNoRefusal, Message: "The provider has not refused this connection since its last success."}
	}
	if err != nil {
		return Refusal{}, vaultError(err, id)
	}
	content, err := c.Keys.Vault.Open(keyring.Reply(attempt.ID), attempt.Reply)
	if err != nil {
		return Refusal{}, fmt.Errorf("the stored reply cannot be opened with the keyset in use: %w", err)
	}
	var raw oauth.Raw
	if err := json.Unmarshal(content, &raw); err != nil {
		return Refusal{}, errors.New("the stored reply is damaged")
	}
	return Refusal{At: attempt.EndedAt, Call: attempt.Kind, Reason: attempt.Reason, Status: raw.Status, Said: said(raw.Body)}, nil
}

const (
	// maxSaid bounds one text of a provider's, and maxMembers their number.
	maxSaid    = 300
	maxMembers = 20
)

// said lists the members of a JSON object, nested ones by path; of anything else, how it begins.
func said(body []byte) map[string]string {
	list := make(map[string]string)
	var object map[string]any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if decoder.Decode(&object) != nil {
		if len(body) > 0 {
			list["text"] = quoted(string(body[:min(len(body), maxSaid)]))
		}
		return list
	}
	collect(list, "", object, 0)
	return list
}

func collect(list map[string]string, prefix string, object map[string]any, depth int) {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if len(list) >= maxMembers {
			return
		}
		path := prefix + quoted(name)
		switch v := object[name].(type) {
		case map[string]any:
			if depth < 3 {
				collect(list, path+".", v, depth+1)
			}
		case string:
			if !mayBeCredential(name) {
				list[path] = quoted(v)
			}
		case json.Number:
			list[path] = v.String()
		case bool:
			list[path] = strconv.FormatBool(v)
		}
	}
}

// mayBeCredential goes by the member's name: in a refusal its text is worth nothing to anyone.
func mayBeCredential(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"token", "secret", "password", "assertion", "cookie", "session"}, func(part string) bool {
		return strings.Contains(name, part)
	}) || name == "code"
}

// quoted cuts a text, and escapes what is not printable.
func quoted(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxSaid)], "\uFFFD")
	q := strconv.QuoteToGraphic(s)
	return q[1 : len(q)-1]
}
