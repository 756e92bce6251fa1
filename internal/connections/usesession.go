package connections

import (
	"context"
	"errors"
	"maps"

	"go.temporal.io/sdk/client"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// SessionUse is what a browser posts to a session.
type SessionUse struct {
	Session     vault.Session
	BrowserHash []byte
	// Choice is what the person chose and entered: Connector, Grant, Inputs, ClientID and ClientSecret. It is empty for a
	// session that reconnects.
	Choice CreateRequest
	Popup  bool
}

// SessionUsed is a session whose connection is ready for consent.
type SessionUsed struct {
	Session    vault.Session
	Connection vault.Connection
	// Link is what consent begins with; it has no hash if nobody consents.
	Link vault.Link
}

// ErrSessionDone: the session has made its connection, which has had its token.
var ErrSessionDone = errors.New("the session has made its connection")

// UseSession consumes a session for one browser, exactly once, and creates its connection, or reopens the one that it is
// for. The browser that used it may use it again, but vault.MaxSessionUses times in all: the same choice leads to the same
// connection, another choice replaces a connection that has no token yet. Once there is one it is ErrSessionDone. Errors
// of the vault's contract come as they are.
func (c *Client) UseSession(ctx context.Context, u SessionUse) (SessionUsed, error) {
	if _, err := c.Temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return SessionUsed{}, temporalError(err)
	}
	var used SessionUsed
	var err error
	if len(u.Session.Connectors) == 0 {
		used, err = c.useToReconnect(ctx, u)
	} else {
		used, err = c.useToConnect(ctx, u)
	}
	if err != nil || used.Connection.Grant != string(workflows.GrantAuthorizationCode) {
		return used, err
	}
	_, hash := NewSecret() // of no use to anybody: the session's own link leads here
	used.Link = vault.Link{
		Hash: hash, ConnectionID: used.Connection.ID, CreatedAt: c.Now(), ExpiresAt: used.Session.ExpiresAt, SessionID: used.Session.ID,
	}
	return used, vaultError(c.Vault.CreateLink(ctx, used.Link), used.Connection.ID)
}

func (c *Client) useToReconnect(ctx context.Context, u SessionUse) (SessionUsed, error) {
	row, err := c.row(ctx, u.Session.ConnectionID)
	if err != nil {
		return SessionUsed{}, err
	}
	s, err := c.claim(ctx, u, row.ID, row.ID)
	if err != nil {
		return SessionUsed{}, err
	}
	row, err = c.reopenWindow(ctx, row)
	return SessionUsed{Session: s, Connection: row}, err
}

func (c *Client) claim(ctx context.Context, u SessionUse, connectionID, replaces string) (vault.Session, error) {
	return c.Vault.UseSession(ctx, vault.SessionUse{
		Hash: u.Session.Hash, BrowserHash: u.BrowserHash, At: c.Now(), ConnectionID: connectionID, Replaces: replaces, Popup: u.Popup,
	})
}

func (c *Client) useToConnect(ctx context.Context, u SessionUse) (SessionUsed, error) {
	r := u.Choice
	r.Owner, r.EndUser, r.Tags = u.Session.Owner, u.Session.EndUser, u.Session.Tags
	conn, err := c.check(ctx, &r)
	if err != nil {
		return SessionUsed{}, err
	}
	id, err := newID()
	if err != nil {
		return SessionUsed{}, err
	}
	s, err := c.claim(ctx, u, id, "")
	if err != nil {
		return SessionUsed{}, err
	}
	there, err := c.Vault.Connection(ctx, s.ConnectionID)
	missing := errors.Is(err, vault.ErrNotFound)
	switch {
	case err != nil && !missing:
		return SessionUsed{}, vaultError(err, s.ConnectionID)
	case there.Generation > 0:
		return SessionUsed{}, ErrSessionDone
	}
	// Not before: it may store an app.
	integration, err := c.integration(ctx, conn, r)
	if err != nil {
		return SessionUsed{}, err
	}
	row := c.newRow(s.ConnectionID, conn, integration, r)
	if missing {
		return c.createOnce(ctx, s, conn, row)
	}
	if suits(there, row) {
		return SessionUsed{Session: s, Connection: there}, nil
	}
	// Before the session lets go of it: it would else wait for a consent that makes a second connection.
	if err := c.end(ctx, there.ID); err != nil {
		return SessionUsed{}, err
	}
	row.ID = id
	if s, err = c.claim(ctx, u, id, there.ID); err != nil {
		return SessionUsed{}, err
	}
	if s.ConnectionID != id {
		return SessionUsed{}, &Error{Code: string(workflows.ReasonInvalid), Message: "This was chosen twice at the same moment. Choose again."}
	}
	if there.IntegrationID != row.IntegrationID {
		if err := c.forgetOwn(ctx, s, there); err != nil {
			return SessionUsed{}, err
		}
	}
	return c.createOnce(ctx, s, conn, row)
}

// end disconnects a connection that another choice replaces, unless it has ended, or has a token by now (ErrSessionDone).
func (c *Client) end(ctx context.Context, id string) error {
	row, err := c.row(ctx, id)
	switch {
	case err != nil:
		return err
	case row.Generation > 0:
		return ErrSessionDone
	case workflows.ConnectionStatus(row.Status).Ended():
		return nil
	}
	_, err = c.Disconnect(ctx, id)
	if code := CodeOf(err); code == string(workflows.ReasonDisconnected) || code == string(workflows.ReasonConsentExpired) {
		return nil
	}
	return err
}

// forgetOwn removes the app that a session has stored for a connection that is replaced, if no other connection uses it
// and nobody has set anything for it.
func (c *Client) forgetOwn(ctx context.Context, s vault.Session, replaced vault.Connection) error {
	i, err := c.Vault.Integration(ctx, replaced.IntegrationID)
	if err == nil {
		if i.Owner == "" || i.UpdatedAt.Before(s.CreatedAt) || i.Scopes != nil || i.Policy != "" {
			return nil
		}
		err = c.Vault.DeleteIntegration(ctx, i.ID, replaced.ID)
	}
	if errors.Is(err, vault.ErrNotFound) || errors.Is(err, vault.ErrConflict) {
		return nil
	}
	return vaultError(err, replaced.IntegrationID)
}

// suits reports whether the row is what a choice asks for, and still waits for consent or has it.
func suits(there, wanted vault.Connection) bool {
	status := workflows.ConnectionStatus(there.Status)
	return !status.Ended() && status != workflows.StatusDisconnecting && there.Connector == wanted.Connector &&
		there.Grant == wanted.Grant && there.IntegrationID == wanted.IntegrationID && maps.Equal(there.Inputs, wanted.Inputs)
}

// createOnce creates the connection of a session. One that is there already was made by the same button, pressed twice.
func (c *Client) createOnce(ctx context.Context, s vault.Session, conn connector.Connector, row vault.Connection) (SessionUsed, error) {
	err := c.Vault.CreateConnection(ctx, row)
	if errors.Is(err, vault.ErrExists) {
		if row, err = c.row(ctx, row.ID); err != nil {
			return SessionUsed{}, err
		}
		return SessionUsed{Session: s, Connection: row}, nil
	}
	if err != nil {
		return SessionUsed{}, vaultError(err, row.ID)
	}
	// A start that fails leaves a row that waits: the reconciler starts it, and so does the next press of the button.
	if err := c.start(ctx, conn.Name, row, nil); err != nil && !errors.Is(err, ErrRunning) {
		return SessionUsed{}, c.undo(ctx, row.ID, err)
	}
	return SessionUsed{Session: s, Connection: row}, nil
}

// PlatformApp reports whether the platform has an OAuth app for a connector and a grant.
func (c *Client) PlatformApp(ctx context.Context, conn connector.Connector, grant workflows.Grant) (bool, error) {
	if conn.CustomersOnly() {
		return false, nil
	}
	_, err := c.integration(ctx, conn, CreateRequest{Grant: grant})
	if CodeOf(err) == string(workflows.ReasonIntegrationMissing) {
		return false, nil
	}
	return err == nil, err
}

// ReconnectIn opens a new consent window for a connection that a session shows, and makes the link that consent begins
// with; it has no hash if nobody consents.
func (c *Client) ReconnectIn(ctx context.Context, s vault.Session, row vault.Connection) (vault.Link, error) {
	row, err := c.reopenWindow(ctx, row)
	if err != nil || row.Grant != string(workflows.GrantAuthorizationCode) {
		return vault.Link{}, err
	}
	_, hash := NewSecret()
	link := vault.Link{Hash: hash, ConnectionID: row.ID, CreatedAt: c.Now(), ExpiresAt: s.ExpiresAt, SessionID: s.ID}
	return link, vaultError(c.Vault.CreateLink(ctx, link), row.ID)
}
