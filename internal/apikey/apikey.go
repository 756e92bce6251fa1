// Package apikey makes the keys of the REST API and checks them. A key's text is shown once; the vault keeps its hash.
package apikey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
)

// Scopes are what a key may do.
const (
	ScopeConnectionsRead   = "connections:read"
	ScopeConnectionsWrite  = "connections:write"
	ScopeTokensRead        = "tokens:read"
	ScopeConnectWrite      = "connect:write"
	ScopeConnectorsRead    = "connectors:read"
	ScopeIntegrationsRead  = "integrations:read"
	ScopeIntegrationsWrite = "integrations:write"
)

// Scopes are all that there are, and what each lets a key do.
func Scopes() map[string]string {
	return map[string]string{
		ScopeConnectionsRead:   "list connections and read their status, never their tokens",
		ScopeConnectionsWrite:  "create, refresh, reconnect, pause, resume and disconnect connections",
		ScopeTokensRead:        "read access tokens in clear",
		ScopeConnectWrite:      "make links that ask a person for consent",
		ScopeConnectorsRead:    "read the catalogue of connectors",
		ScopeIntegrationsRead:  "list OAuth apps, never their secrets",
		ScopeIntegrationsWrite: "set OAuth apps and their secrets",
	}
}

const (
	// Prefix lets people and scanners for leaked secrets recognise a key: ck_ and 16 characters, which are its id, "_"
	// and 52 characters of its secret, all of them 0–9 and a–v.
	Prefix = "ck_"
	// idBytes are the random bytes of an id, secretBytes those of a secret.
	idBytes     = 10
	secretBytes = 32
	// maxName bounds names and owners.
	maxName = 200
)

// DefaultGrace is how long the text before a rotation stays good if nobody says otherwise.
const DefaultGrace = 24 * time.Hour

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return strings.ToLower(encoding().EncodeToString(b))
}

func encoding() *base32.Encoding { return base32.HexEncoding.WithPadding(base32.NoPadding) }

// Hash is what the vault keeps of a key's text.
func Hash(text secret.String) []byte {
	sum := sha256.Sum256([]byte(text.Reveal()))
	return sum[:]
}

// Parse finds the id in a key's text. ok is false if the text cannot be a key: nothing else is known of it yet.
func Parse(text string) (id string, ok bool) {
	const idLength, length = len(Prefix) + 16, len(Prefix) + 16 + 1 + 52
	if len(text) != length || text[:len(Prefix)] != Prefix || text[idLength] != '_' {
		return "", false
	}
	for i := len(Prefix); i < length; i++ {
		if c := text[i]; i != idLength && (c < '0' || c > '9') && (c < 'a' || c > 'v') {
			return "", false
		}
	}
	return text[:idLength], true
}

// Good reports whether the text is the key's, and the key in force, at a time. It compares in constant time.
func Good(k vault.APIKey, text secret.String, now time.Time) bool {
	hash := Hash(text)
	good := subtle.ConstantTimeCompare(hash, k.Hash)
	if k.OldUntil.After(now) {
		good |= subtle.ConstantTimeCompare(hash, k.OldHash)
	}
	return good == 1 && k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || k.ExpiresAt.After(now))
}

// Request asks for a key.
type Request struct {
	Name string
	// Owner limits the key to one customer; empty for the whole platform.
	Owner  string
	Scopes []string
	// Life is how long the key is good; zero for ever.
	Life time.Duration
}

// RequestError says what is wrong with a request, in a sentence.
type RequestError struct{ sentence string }

// Error implements error.
func (e *RequestError) Error() string { return e.sentence }

func requestError(format string, args ...any) error {
	return &RequestError{sentence: fmt.Sprintf(format, args...)}
}

func (r *Request) check() error {
	if len(r.Scopes) == 0 {
		return requestError("a key without scopes can do nothing: give at least one of %s", strings.Join(scopeNames(), ", "))
	}
	for _, scope := range r.Scopes {
		if _, ok := Scopes()[scope]; !ok {
			return requestError("the scope %.40q is not known: use some of %s", scope, strings.Join(scopeNames(), ", "))
		}
	}
	for what, text := range map[string]string{"name": r.Name, "owner": r.Owner} {
		if len(text) > maxName || strings.ContainsFunc(text, func(x rune) bool { return !unicode.IsPrint(x) }) {
			return requestError("the %s of a key must be at most %d printable characters", what, maxName)
		}
	}
	if r.Life < 0 {
		return requestError("a key cannot have expired before it is made")
	}
	slices.Sort(r.Scopes)
	r.Scopes = slices.Compact(r.Scopes)
	return nil
}

func scopeNames() []string {
	names := make([]string, 0, len(Scopes()))
	for name := range Scopes() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Create makes a key and stores it. Its text is to be had here only. Errors: [*RequestError], or the vault's.
func Create(ctx context.Context, store vault.APIKeys, r Request, now time.Time) (vault.APIKey, secret.String, error) {
	if err := r.check(); err != nil {
		return vault.APIKey{}, secret.String{}, err
	}
	id := Prefix + random(idBytes)
	text := secret.New(id + "_" + random(secretBytes))
	k := vault.APIKey{ID: id, Name: r.Name, Owner: r.Owner, Scopes: r.Scopes, Hash: Hash(text), CreatedAt: now}
	if r.Life > 0 {
		k.ExpiresAt = now.Add(r.Life)
	}
	k = k.Normalize()
	return k, text, store.CreateAPIKey(ctx, k)
}

// Rotate gives a key a new text. The one that it had stays good for the grace. Errors: [*RequestError], or the vault's.
func Rotate(ctx context.Context, store vault.APIKeys, id string, grace time.Duration, now time.Time) (vault.APIKey, secret.String, error) {
	if grace < 0 {
		return vault.APIKey{}, secret.String{}, requestError("the grace cannot be negative: 0 ends the old secret at once")
	}
	text := secret.New(id + "_" + random(secretBytes))
	err := store.RotateAPIKey(ctx, id, Hash(text), now, now.Add(grace))
	if errors.Is(err, vault.ErrConflict) {
		err = requestError("the key %s is revoked, and stays so: make a new one", id)
	}
	if err != nil {
		return vault.APIKey{}, secret.String{}, err
	}
	k, err := store.APIKey(ctx, id)
	return k, text, err
}
