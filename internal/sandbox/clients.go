package sandbox

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/acme/connections/internal/secret"
)

// Grant types that the server knows.
const (
	grantCode              = "authorization_code"
	grantRefresh           = "refresh_token"
	grantClientCredentials = "client_credentials"
)

// Ids of the default clients.
const (
	AppClientID     = "sandbox-app"
	MachineClientID = "sandbox-m2m"
)

// Client is a registered application. With RedirectURIs it may use the authorization code (and refresh) grant,
// without any it may use client credentials.
type Client struct {
	ID           string
	Secret       secret.String
	Name         string // shown on the consent page
	RedirectURIs []string
	Scopes       []string // all that it may ask for
}

// DefaultClients are the two that every state has.
type DefaultClients struct {
	App     Client // authorization code
	Machine Client // client credentials
}

func (c Client) grants() []string {
	if len(c.RedirectURIs) > 0 {
		return []string{grantCode, grantRefresh}
	}
	return []string{grantClientCredentials}
}

func defaultAppScopes() []string {
	return []string{"openid", "profile", "email", "offline_access", "contacts.read", "contacts.write"}
}

func defaultMachineScopes() []string { return []string{"contacts.read", "contacts.write"} }

// AddClient registers a client, or replaces the one with its id. Of its secret only a hash is kept.
func (p *Provider) AddClient(ctx context.Context, c Client) error {
	switch {
	case c.ID == "" || c.Secret.Empty():
		return errors.New("sandbox: a client needs an id and a secret")
	case c.ID == AppClientID || c.ID == MachineClientID:
		return fmt.Errorf("sandbox: client id %q is taken by a default client", c.ID)
	}
	if c.Name == "" {
		c.Name = c.ID
	}
	return p.store.saveClient(ctx, p.store.db, c, c.grants(), "")
}

// provisionClients creates the default clients the first time and points the app at today's redirect URIs.
// Their secrets are kept readable, since Clients hands them out again after a restart.
func (s *store) provisionClients(ctx context.Context, redirectURIs []string) (DefaultClients, error) {
	d := DefaultClients{
		App:     Client{ID: AppClientID, Name: "Acme Connections", RedirectURIs: redirectURIs, Scopes: defaultAppScopes()},
		Machine: Client{ID: MachineClientID, Name: "Acme Connections (service)", Scopes: defaultMachineScopes()},
	}
	err := s.tx(ctx, func(tx *sql.Tx) error {
		for _, c := range []*Client{&d.App, &d.Machine} {
			grants := []string{grantClientCredentials}
			if c == &d.App {
				grants = []string{grantCode, grantRefresh} // also with no redirect URI yet
			}
			plain, err := storedSecret(ctx, tx, c.ID)
			if err != nil {
				return err
			}
			c.Secret = secret.New(plain)
			if err := s.saveClient(ctx, tx, *c, grants, plain); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return DefaultClients{}, fmt.Errorf("sandbox: default clients: %w", err)
	}
	return d, nil
}

// storedSecret returns the readable secret of a default client, or a new one.
func storedSecret(ctx context.Context, tx *sql.Tx, id string) (string, error) {
	var plain string
	err := tx.QueryRowContext(ctx, `SELECT secret FROM clients WHERE id = ?`, id).Scan(&plain)
	if errors.Is(err, sql.ErrNoRows) {
		return randomText(), nil
	}
	return plain, err
}

// execer is a database or a transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (s *store) saveClient(ctx context.Context, db execer, c Client, grants []string, plain string) error {
	for _, uri := range c.RedirectURIs {
		if u, err := url.Parse(uri); err != nil || u.Scheme == "" || strings.Contains(uri, "#") {
			return fmt.Errorf("sandbox: redirect URI of client %q must be absolute, without a fragment", c.ID)
		}
	}
	_, err := db.ExecContext(ctx, `INSERT INTO clients (id, name, secret_hash, secret, redirect_uris, grants, scopes)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, secret_hash = excluded.secret_hash,
		secret = excluded.secret, redirect_uris = excluded.redirect_uris, grants = excluded.grants, scopes = excluded.scopes`,
		c.ID, c.Name, hashOf(c.Secret.Reveal()), plain, listText(c.RedirectURIs), listText(grants), listText(c.Scopes))
	if err != nil {
		return fmt.Errorf("sandbox: save client: %w", err)
	}
	return nil
}

// client is a stored client.
type client struct {
	id, name, secretHash         string
	redirectURIs, grants, scopes []string
	loginPath                    string
	skew                         time.Duration // of the server's clock, at the time of the request
}

var errUnknownClient = errors.New("unknown client")

func (s *store) client(ctx context.Context, id string) (*client, error) {
	c := &client{id: id}
	var uris, grants, scopes string
	err := s.db.QueryRowContext(ctx, `SELECT name, secret_hash, redirect_uris, grants, scopes FROM clients WHERE id = ?`, id).
		Scan(&c.name, &c.secretHash, &uris, &grants, &scopes)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errUnknownClient
	}
	if err != nil {
		return nil, err
	}
	c.redirectURIs, c.grants, c.scopes = textList(uris), textList(grants), textList(scopes)
	return c, nil
}

// authenticates reports whether secret is the client's.
func (c *client) authenticates(secret string) bool {
	return subtle.ConstantTimeCompare([]byte(hashOf(secret)), []byte(c.secretHash)) == 1
}

// allowed returns the scopes among asked that the client may have.
func (c *client) allowed(asked []string) []string {
	return slices.DeleteFunc(slices.Clone(asked), func(scope string) bool { return !slices.Contains(c.scopes, scope) })
}

func listText(list []string) string {
	if list == nil {
		return "[]"
	}
	b, _ := json.Marshal(list) // strings always encode
	return string(b)
}

func textList(text string) []string {
	var list []string
	_ = json.Unmarshal([]byte(text), &list) // written by listText
	return list
}
