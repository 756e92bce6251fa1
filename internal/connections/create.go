package connections

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// CreateRequest asks for a new connection.
type CreateRequest struct {
	Connector string
	Owner     string
	// Grant may be empty: authorization code where the connector has it.
	Grant workflows.Grant
	// ClientID and ClientSecret name an OAuth app of the owner's own; both empty for the platform's.
	ClientID     string
	ClientSecret secret.String
	// Scopes may be nil: the integration's, or the connector's defaults.
	Scopes  []string
	EndUser string
	Tags    map[string]string
}

// Created is a new connection.
type Created struct {
	ID string
	// ConnectURL is the connect link; empty for client credentials.
	ConnectURL string
}

// maxText bounds every text that a caller names something with, and maxItems every list of them.
const (
	maxText  = 200
	maxItems = 100
)

// printable reports whether a text may be stored, searched for and shown: no control characters, and none that turn
// the direction of what follows.
func printable(s string) bool {
	return len(s) <= maxText && utf8.ValidString(s) && !strings.ContainsFunc(s, func(x rune) bool { return !unicode.IsPrint(x) })
}

func printableTags(tags map[string]string) bool {
	for name, value := range tags {
		if name == "" || !printable(name) || !printable(value) {
			return false
		}
	}
	return len(tags) <= maxItems
}

// Create writes the connection's row, then starts its workflow. If that cannot be, nothing usable is left behind.
func (c *Client) Create(ctx context.Context, r CreateRequest) (Created, error) {
	conn, err := c.check(&r)
	if err != nil {
		return Created{}, err
	}
	// Asked first, so that a server that is down costs no half-made connection.
	if _, err := c.Temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return Created{}, temporalError(err)
	}
	integration, err := c.integration(ctx, conn, r)
	if err != nil {
		return Created{}, err
	}
	id, err := newID()
	if err != nil {
		return Created{}, err
	}
	if r.Scopes == nil {
		r.Scopes = integration.Scopes
	}
	if r.Scopes == nil {
		r.Scopes = conn.DefaultScopes(string(r.Grant))
	}
	now := c.Now()
	row := vault.Connection{
		ID: id, Owner: r.Owner, Connector: conn.ID, IntegrationID: integration.ID, Grant: string(r.Grant),
		EndUser: r.EndUser, Tags: r.Tags, RequestedScopes: r.Scopes,
		Status: string(workflows.StatusPending), StatusAt: now, CreatedAt: now, UpdatedAt: now,
	}
	if r.Grant == workflows.GrantAuthorizationCode {
		row.Reason = string(workflows.ReasonAwaitingConsent)
	}
	if err := c.Vault.CreateConnection(ctx, row); err != nil {
		return Created{}, vaultError(err, id)
	}
	created := Created{ID: id}
	if r.Grant == workflows.GrantAuthorizationCode {
		if created.ConnectURL, err = c.link(ctx, id); err != nil {
			return Created{}, c.undo(ctx, id, err)
		}
	}
	if err := c.start(ctx, conn.Name, row, nil); err != nil {
		return Created{}, c.undo(ctx, id, err)
	}
	return created, nil
}

// undo ends a row whose workflow did not start, as far as can be known.
func (c *Client) undo(ctx context.Context, id string, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queryLimit)
	defer cancel()
	change := vault.StatusChange{ID: id, Status: string(workflows.StatusExpired), Reason: string(workflows.ReasonInternal), Seq: 1, At: c.Now()}
	err := vaultError(c.Vault.Erase(ctx, change, c.Now()), id)
	// A start whose answer was lost may have begun one. That there is none is the usual case.
	_ = c.Temporal.TerminateWorkflow(ctx, workflows.WorkflowID(id), "", "its creation failed")
	return errors.Join(cause, err)
}

// start starts the workflow of a row.
func (c *Client) start(ctx context.Context, name string, row vault.Connection, carried *workflows.State) error {
	grant := workflows.Grant(row.Grant)
	_, err := c.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       workflows.WorkflowID(row.ID),
		TaskQueue:                workflows.TaskQueue,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		StaticSummary:            name + " for " + row.Owner,
		StaticDetails:            fmt.Sprintf("Keeps the %s access of **%s** alive (grant: %s).", name, row.Owner, grant),
		TypedSearchAttributes: temporal.NewSearchAttributes(
			workflows.AttributeStatus.ValueSet(row.Status),
			workflows.AttributeConnector.ValueSet(row.Connector),
			workflows.AttributeOwner.ValueSet(row.Owner),
			workflows.AttributeReason.ValueSet(row.Reason),
		),
		// The memo of the contract stays empty: what may be known of a connection is in its search attributes.
	}, workflows.TypeConnection, workflows.ConnectionInput{
		ID: row.ID, Owner: row.Owner, Connector: row.Connector, Integration: row.IntegrationID, Grant: grant,
		ConsentDeadline: c.Now().Add(ConsentWindow).UTC(), Carried: carried,
	})
	return temporalError(err)
}

// check validates r and fills in its grant.
func (c *Client) check(r *CreateRequest) (connector.Connector, error) {
	conn, err := c.Catalogue.Get(r.Connector)
	if err != nil {
		return conn, &Error{Code: CodeUnknownConnector, Message: sentence(err.Error())}
	}
	if r.Grant == "" {
		r.Grant = workflows.Grant(conn.Grants[0])
		if conn.Allows(connector.AuthorizationCode) {
			r.Grant = workflows.GrantAuthorizationCode
		}
	}
	switch {
	case !conn.Allows(string(r.Grant)):
		return conn, invalid("%s does not offer the grant %q. It offers: %s.", conn.Name, r.Grant, strings.Join(conn.Grants, ", "))
	case r.Owner == "" || !printable(r.Owner):
		return conn, invalid("The owner must be 1 to %d printable characters: it names the customer whose connection this is.", maxText)
	case !printable(r.EndUser):
		return conn, invalid("The end user's id must be at most %d printable characters.", maxText)
	case !printableTags(r.Tags):
		return conn, invalid("There may be %d tags, each with a name and a value of at most %d printable characters.", maxItems, maxText)
	case len(r.Scopes) > maxItems:
		return conn, invalid("There are more than %d scopes.", maxItems)
	case r.ClientID == "" && !r.ClientSecret.Empty():
		return conn, invalid("There is a client secret without a client id. Give both, or neither for the platform's app.")
	case r.ClientID != "" && r.ClientSecret.Empty():
		return conn, invalid("There is a client id without a client secret. Give both, or neither for the platform's app.")
	case slices.ContainsFunc(r.Scopes, func(s string) bool { return s == "" || !printable(s) || strings.Contains(s, " ") }):
		return conn, invalid("A scope is empty, holds a space or an unprintable character, or is longer than %d characters.", maxText)
	}
	return conn, nil
}

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
		conn.Name, conn.ID, c.RedirectURI())}
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
}

// maxSecrets is how many secrets an integration keeps, the newest first, so that one can be rotated.
const maxSecrets = 3

// PutIntegration stores an OAuth app. A new secret goes in front of those that are there.
func (c *Client) PutIntegration(ctx context.Context, r IntegrationRequest) (vault.Integration, error) {
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
	if i.ClientID != r.ClientID {
		i.Secrets = nil
	}
	sealed, err := c.Keys.Vault.SealString(keyring.ClientSecret(id), r.ClientSecret)
	if err != nil {
		return i, err
	}
	if sealed != nil && !c.firstSecret(i).Equal(r.ClientSecret) {
		i.Secrets = slices.Insert(i.Secrets, 0, sealed)
		i.Secrets = i.Secrets[:min(len(i.Secrets), maxSecrets)]
	}
	i.ID, i.Owner, i.Connector, i.ClientID, i.UpdatedAt = id, r.Owner, r.Connector, r.ClientID, c.Now()
	if r.Scopes != nil {
		i.Scopes = r.Scopes
	}
	return i, vaultError(c.Vault.PutIntegration(ctx, i), id)
}

// link makes a connect link.
func (c *Client) link(ctx context.Context, id string) (string, error) {
	text, hash := NewSecret()
	now := c.Now()
	err := c.Vault.CreateLink(ctx, vault.Link{Hash: hash, ConnectionID: id, CreatedAt: now, ExpiresAt: now.Add(LinkLife)})
	if err != nil {
		return "", vaultError(err, id)
	}
	return c.BaseURL + "/connect/" + text, nil
}

func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// times of a row as the contract has them: null where there is none.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	utc := t.UTC()
	return &utc
}
