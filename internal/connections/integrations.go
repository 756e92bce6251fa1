package connections

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// integration finds the OAuth app, or stores the one that r brings.
func (c *Client) integration(ctx context.Context, conn connector.Connector, r CreateRequest) (vault.Integration, error) {
	if r.ClientID != "" {
		return c.ownIntegration(ctx, r)
	}
	for _, id := range []string{PlatformIntegrationID(conn.ID, string(r.Grant)), PlatformIntegrationID(conn.ID, "")} {
		i, err := c.Vault.Integration(ctx, id)
		if err == nil {
			return i, nil
		}
		if !errors.Is(err, vault.ErrNotFound) {
			return i, vaultError(err, id)
		}
	}
	return vault.Integration{}, &Error{Code: string(workflows.ReasonIntegrationMissing), Message: fmt.Sprintf(
		"The platform has no OAuth app for %s. Give the customer's own with --client-id and --client-secret-file, or set the platform's with \"starter integrations set %s\". Redirect URI to register: %s",
		conn.Name, conn.ID, oauth.RedirectURI(conn, c.RedirectURI()))}
}

// ownIntegration finds or stores the app that r brings. An app that is there already with another secret is left
// alone: other connections live by it, and this secret may be a typing error.
func (c *Client) ownIntegration(ctx context.Context, r CreateRequest) (vault.Integration, error) {
	request := IntegrationRequest{
		ID: ownIntegrationID(r.Owner, r.Connector, r.ClientID), Owner: r.Owner, Connector: r.Connector,
		ClientID: r.ClientID, ClientSecret: r.ClientSecret,
	}
	i, err := c.Vault.Integration(ctx, request.ID)
	switch {
	case errors.Is(err, vault.ErrNotFound):
	case err != nil:
		return i, vaultError(err, request.ID)
	case c.firstSecret(i).Equal(r.ClientSecret):
		return i, nil
	default:
		request.ID += ":" + uuid.NewString()
	}
	return c.PutIntegration(ctx, request)
}

func ownIntegrationID(owner, connectorID, clientID string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{owner, connectorID, clientID}, "\x00")))
	return "own:" + hex.EncodeToString(sum[:12])
}

// credentialFault says what is wrong with a secret that is to be a key or a certificate; empty if nothing is.
func credentialFault(conn connector.Connector, s secret.String) string {
	if oauth.UsableCredential(conn, s) {
		return ""
	}
	if conn.Token.Auth == connector.AuthTLS {
		return conn.Name + " takes a client certificate: give a PEM file with the certificate and its private key as --client-secret-file."
	}
	if conn.Token.Certificate {
		return conn.Name + " takes a client secret and a client certificate: give one file as --client-secret-file, with the secret and, after it, the certificate and its private key in PEM."
	}
	return conn.Name + " takes signed assertions: give the private key, as PEM or JWK, as --client-secret-file."
}

// firstSecret opens the secret in use; empty if there is none, or none that opens.
func (c *Client) firstSecret(i vault.Integration) secret.String {
	if len(i.Secrets) == 0 {
		return secret.String{}
	}
	first, err := c.Keys.Vault.OpenString(keyring.ClientSecret(i.ID), i.Secrets[0])
	if err != nil {
		return secret.String{}
	}
	return first
}

// PlatformIntegrationID is the id of the platform's own app for a connector; grant is empty for the usual one.
func PlatformIntegrationID(connectorID, grant string) string {
	if grant == "" {
		return "platform:" + connectorID
	}
	return "platform:" + connectorID + ":" + grant
}

// IntegrationRequest sets an OAuth app.
type IntegrationRequest struct {
	// ID may be empty: it is then made from the other fields.
	ID string
	// Owner is empty for the platform.
	Owner        string
	Connector    string
	ClientID     string
	ClientSecret secret.String
	Scopes       []string
	// Only drops the secrets that are there: they are no longer tried after the new one.
	Only bool
	// Policy is one of the vault's Policy constants; empty leaves it as it is.
	Policy string
}

// maxSecrets is how many secrets an integration keeps, the newest first, so that one can be rotated.
const maxSecrets = 3

// PutIntegration stores an OAuth app. A new secret goes in front of those that are there.
func (c *Client) PutIntegration(ctx context.Context, r IntegrationRequest) (vault.Integration, error) {
	conn, err := c.Connector(ctx, r.Connector)
	if err != nil {
		return vault.Integration{}, err
	}
	if r.Owner == "" && conn.CustomersOnly() {
		return vault.Integration{}, invalid("%s runs at addresses of customers' own, so the platform can have no OAuth app for it: give the customer with --owner.", conn.Name)
	}
	if reason := credentialFault(conn, r.ClientSecret); reason != "" {
		return vault.Integration{}, invalid("%s", reason)
	}
	if !validPolicy(r.Policy) {
		return vault.Integration{}, invalid("%s", policyFault(r.Policy))
	}
	id := r.ID
	switch {
	case id != "":
	case r.Owner == "":
		id = PlatformIntegrationID(r.Connector, "")
	default:
		id = ownIntegrationID(r.Owner, r.Connector, r.ClientID)
	}
	if len(r.ClientID) > maxText || len(r.ClientSecret.Reveal()) > 16<<10 {
		return vault.Integration{}, invalid("The client id or secret is too long.")
	}
	i, err := c.Vault.Integration(ctx, id)
	if err != nil && !errors.Is(err, vault.ErrNotFound) {
		return i, vaultError(err, id)
	}
	if i.ClientID != r.ClientID || i.Connector != r.Connector || r.Only {
		i.Secrets = nil
	}
	sealed, err := c.Keys.Vault.SealString(keyring.ClientSecret(id), r.ClientSecret)
	if err != nil {
		return i, err
	}
	if sealed != nil && !c.firstSecret(i).Equal(r.ClientSecret) {
		// One that comes back is not tried twice.
		i.Secrets = slices.DeleteFunc(i.Secrets, func(other []byte) bool {
			text, err := c.Keys.Vault.OpenString(keyring.ClientSecret(id), other)
			return err == nil && text.Equal(r.ClientSecret)
		})
		i.Secrets = slices.Insert(i.Secrets, 0, sealed)
		i.Secrets = i.Secrets[:min(len(i.Secrets), maxSecrets)]
	}
	i.ID, i.Owner, i.Connector, i.ClientID, i.UpdatedAt = id, r.Owner, r.Connector, r.ClientID, c.Now()
	if r.Scopes != nil {
		i.Scopes = r.Scopes
	}
	if r.Policy != "" {
		i.Policy = r.Policy
	}
	return i, vaultError(c.Vault.PutIntegration(ctx, i), id)
}
