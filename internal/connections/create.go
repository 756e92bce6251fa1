package connections

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
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
	Scopes []string
	// Inputs are what the connector wants entered, such as the name of a shop.
	Inputs  map[string]string
	EndUser string
	Tags    map[string]string
	// Policy is one of the vault's Policy constants, or empty for the integration's.
	Policy string
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
	conn, err := c.check(ctx, &r)
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
	row := c.newRow(id, conn, integration, r)
	if err := c.Vault.CreateConnection(ctx, row); err != nil {
		return Created{}, vaultError(err, id)
	}
	created := Created{ID: id}
	if r.Grant == workflows.GrantAuthorizationCode {
		if created.ConnectURL, err = c.link(ctx, id, false); err != nil {
			return Created{}, c.undo(ctx, id, err)
		}
	}
	// One that runs already was started by the reconciler, for want of this start.
	if err := c.start(ctx, conn.Name, row, nil); err != nil && !errors.Is(err, ErrRunning) {
		return Created{}, c.undo(ctx, id, err)
	}
	return created, nil
}

// newRow is the row of a connection that is being made.
func (c *Client) newRow(id string, conn connector.Connector, integration vault.Integration, r CreateRequest) vault.Connection {
	now := c.Now()
	row := vault.Connection{
		ID: id, Owner: r.Owner, Connector: conn.ID, IntegrationID: integration.ID, Grant: string(r.Grant),
		EndUser: r.EndUser, Tags: r.Tags, Inputs: r.Inputs, ChosenScopes: r.Scopes, Policy: r.Policy,
		Status: string(workflows.StatusPending), StatusAt: now, CreatedAt: now, UpdatedAt: now,
	}
	row.RequestedScopes = ConfiguredScopes(conn, integration, row)
	if r.Grant == workflows.GrantAuthorizationCode {
		row.Reason = string(workflows.ReasonAwaitingConsent)
	}
	return row
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

// start starts the workflow of a row (ErrRunning).
func (c *Client) start(ctx context.Context, name string, row vault.Connection, carried *workflows.State) error {
	grant := workflows.Grant(row.Grant)
	_, err := c.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       workflows.WorkflowID(row.ID),
		TaskQueue:                workflows.TaskQueue,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		// Without it the SDK would attach to the one that runs, and nobody would know.
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            name + " for " + row.Owner,
		StaticDetails:                            fmt.Sprintf("Keeps the %s access of **%s** alive (grant: %s).", name, row.Owner, grant),
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

// check validates r and fills in its grant and its inputs. The connector that it returns is resolved for them.
func (c *Client) check(ctx context.Context, r *CreateRequest) (connector.Connector, error) {
	conn, err := c.Connector(ctx, r.Connector)
	if err != nil {
		return conn, err
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
	case !validPolicy(r.Policy):
		return conn, invalid("%s", policyFault(r.Policy))
	case len(r.Scopes) > maxItems:
		return conn, invalid("There are more than %d scopes.", maxItems)
	case r.ClientID == "" && !r.ClientSecret.Empty():
		return conn, invalid("There is a client secret without a client id. Give both, or neither for the platform's app.")
	case r.ClientID != "" && r.ClientSecret.Empty() && conn.Token.Auth != connector.AuthNone:
		return conn, invalid("There is a client id without a client secret. Give both, or neither for the platform's app.")
	case slices.ContainsFunc(r.Scopes, func(s string) bool { return s == "" || !printable(s) || strings.Contains(s, " ") }):
		return conn, invalid("A scope is empty, holds a space or an unprintable character, or is longer than %d characters.", maxText)
	case r.ClientID == "" && conn.CustomersOnly():
		return conn, invalid("%s runs at an address of the customer's own, where the platform's OAuth app must not be used. Give the customer's app with --client-id and --client-secret-file. Redirect URI to register: %s",
			conn.Name, oauth.RedirectURI(conn, c.RedirectURI()))
	}
	if r.Inputs, err = conn.Fill(r.Inputs); err != nil {
		return conn, invalid("%s", err)
	}
	if conn, err = conn.Resolve(r.Inputs); err != nil {
		return conn, invalid("%s", err)
	}
	if len(r.Inputs) == 0 {
		r.Inputs = nil
	}
	return conn, nil
}

// Connector finds a connector; the error suggests near names.
func (c *Client) Connector(ctx context.Context, id string) (connector.Connector, error) {
	conn, err := c.Catalogue.Get(ctx, id)
	var unknown *connector.UnknownError
	switch {
	case errors.As(err, &unknown):
		return conn, &Error{Code: CodeUnknownConnector, Message: sentence(err.Error())}
	case err != nil:
		return conn, &Error{Code: string(workflows.ReasonConnectorMissing), Message: sentence(err.Error())}
	}
	return conn, nil
}

// link makes a connect link. A new connection has no account yet, so that anyAccount is of no matter to it.
func (c *Client) link(ctx context.Context, id string, anyAccount bool) (string, error) {
	text, hash := NewSecret()
	now := c.Now()
	err := c.Vault.CreateLink(ctx, vault.Link{
		Hash: hash, ConnectionID: id, CreatedAt: now, ExpiresAt: now.Add(LinkLife), AnyAccount: anyAccount,
	})
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
