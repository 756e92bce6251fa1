// Package connections is the typed client of connections: it creates and drives them, reads their status and their
// tokens. The vault row says whether a connection exists; the workflow says how it behaves.
package connections

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

const (
	// ConsentWindow is how long a new connection waits for consent.
	ConsentWindow = 24 * time.Hour
	// LinkLife is how long a connect link can be opened.
	LinkLife = time.Hour
	// updateLimit bounds every update: a refresh waits for one attempt at the provider, seldom for two.
	updateLimit = 40 * time.Second
	// queryLimit bounds every query: without a worker it would wait for the server's own limit.
	queryLimit = 5 * time.Second
)

// Config is what a Client needs. Temporal, Vault, Keys, Catalogue, BaseURL and Now are required.
type Config struct {
	Temporal  client.Client
	Vault     vault.Store
	Keys      keyring.Keys
	Catalogue *connector.Catalogue
	// BaseURL is where the web role is reached by browsers, without a trailing slash.
	BaseURL string
	Now     func() time.Time
	Log     *slog.Logger
	// Loopback lets connectors that operators add be on this machine: under --dev and in tests.
	Loopback bool
	// Resolver is asked about the hosts of such connectors; the system's, if nil.
	Resolver oauth.Resolver
	// ReturnURLs are where results may lead: see [Client.AllowsReturn].
	ReturnURLs []string
	// PlatformOrigins are the origins whose pages may hand over assertions, by a form; any may, also in a link, if there
	// are none.
	PlatformOrigins []string
	// AssertionKey checks who opens a session that is for one end user; without it there are no such sessions.
	AssertionKey *AssertionKey
	// MarkRead notes that a token was handed out, for policy adaptive, without waiting: see package reads. If nil, each
	// read is written at once, which suits a process that reads one token.
	MarkRead func(connectionID string, at time.Time)
	// Caller is who reads tokens by Token, for the audit: each read is then written there at once. Empty leaves the audit to
	// the process.
	Caller string
}

// Client drives connections. It is safe for concurrent use.
type Client struct{ Config }

// New makes a client.
func New(c Config) *Client { return &Client{c} }

// RedirectURI is what to register at a provider as our callback.
func (c *Client) RedirectURI() string { return c.BaseURL + "/callback" }

// newID makes a connection id: "con_" and 26 characters that sort by time of creation.
func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	return "con_" + encodeID(id), nil
}

func encodeID(id uuid.UUID) string {
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(id[:]))
}

// NewSecret makes a random text of 32 bytes for a URL or a cookie, and the hash that the vault keeps of it.
func NewSecret() (text string, hash []byte) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	text = base64.RawURLEncoding.EncodeToString(b[:])
	return text, HashSecret(text)
}

// HashSecret is the hash that the vault keeps of a secret made by NewSecret.
func HashSecret(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// Callback tells the connection's workflow what the callback page learned.
func (c *Client) Callback(ctx context.Context, id string, callback workflows.Callback) error {
	return temporalError(c.Temporal.SignalWorkflow(ctx, workflows.WorkflowID(id), "", workflows.SignalCallback, callback))
}
