package connections

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// ConnectSessionRequest asks for a single-use link for one person.
type ConnectSessionRequest struct {
	// Connectors are the connector to connect to, or several to choose from; none with Connection or Manage.
	Connectors []string
	// Owner may be empty with Connection: it is the connection's. One that is not the connection's finds none.
	Owner string
	// EndUser is the platform's id of the person who is to open the link; empty if anybody who has it may. With it the
	// link opens only with an assertion that the platform signs for that person: see [AssertionKey].
	EndUser string
	// Tags are those of the connection that is made.
	Tags map[string]string
	// ReturnURL is where the result leads, with ids only; it must be one that [Config] allows, or empty.
	ReturnURL string
	// Expires is how long the link can be opened, from a minute to a day; 0 for an hour.
	Expires time.Duration
	// ConfirmUser asks the person once more, after consent and before it is used.
	ConfirmUser bool
	// Connection is the id of a connection to reconnect.
	Connection string
	// Manage makes a link to the page "Your connections" of the owner; with EndUser, those of that person.
	Manage bool
}

// ConnectSession is a new session.
type ConnectSession struct {
	ID string
	// URL is the link. It has a secret, of which the vault keeps the hash only: it cannot be shown again.
	URL       string
	ExpiresAt time.Time
}

// Bounds of a session.
const (
	shortestSession = time.Minute
	longestSession  = 24 * time.Hour
	maxConnectors   = 500
)

// CreateConnectSession makes a session and its link. The connection, if it makes one, is created when the person has
// chosen and pressed the button.
func (c *Client) CreateConnectSession(ctx context.Context, r ConnectSessionRequest) (ConnectSession, error) {
	if r.Expires == 0 {
		r.Expires = LinkLife
	}
	if err := c.checkSession(ctx, &r); err != nil {
		return ConnectSession{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return ConnectSession{}, err
	}
	secret, hash := NewSecret()
	now := c.Now()
	s := vault.Session{
		ID: sessionPrefix + encodeID(id), Hash: hash, Kind: vault.SessionConnect, Owner: r.Owner, EndUser: r.EndUser,
		Connectors: r.Connectors, Tags: r.Tags, ReturnURL: r.ReturnURL, ConfirmUser: r.ConfirmUser, ConnectionID: r.Connection,
		CreatedAt: now, ExpiresAt: now.Add(r.Expires),
	}
	if r.Manage {
		s.Kind = vault.SessionManage
	}
	if err := c.Vault.CreateSession(ctx, s); err != nil {
		return ConnectSession{}, vaultError(err, s.ID)
	}
	return ConnectSession{ID: s.ID, URL: c.BaseURL + SessionPath + secret, ExpiresAt: s.ExpiresAt.UTC().Truncate(time.Microsecond)}, nil
}

// maxKeyFile bounds the file of an assertion key.
const maxKeyFile = 64 << 10

// AllowSessions sets where results may lead and who checks end users, from a list of return URLs, one of the origins of
// the platform's pages, and the file of a key; each may be empty.
func (c *Config) AllowSessions(returnURLs, origins, keyFile string) error {
	var err error
	if c.PlatformOrigins, err = parseOrigins(origins); err != nil {
		return err
	}
	if c.ReturnURLs, err = ParseReturnURLs(returnURLs); err != nil || keyFile == "" {
		return err
	}
	content, err := os.ReadFile(keyFile) //nolint:gosec // the operator names the file
	if err != nil || len(content) > maxKeyFile {
		return errors.New("cannot read the key that CONNECTIONS_ASSERTION_KEY_FILE names: give a file that this process may read")
	}
	c.AssertionKey, err = ParseAssertionKey(content)
	return err
}

// SessionPath is where the links of sessions lead, before their secret.
const SessionPath = "/session/"

const sessionPrefix = "cs_"

// checkSession validates r, and fills in what a connection to reconnect says.
func (c *Client) checkSession(ctx context.Context, r *ConnectSessionRequest) error {
	kinds := 0
	for _, is := range []bool{len(r.Connectors) > 0, r.Connection != "", r.Manage} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return invalid("A connect session is for one or more connectors, or for one connection to reconnect, or for managing: give one of the three.")
	case len(r.Connectors) > maxConnectors:
		return invalid("There are more than %d connectors to choose from.", maxConnectors)
	case r.Expires < shortestSession || r.Expires > longestSession:
		return invalid("A connect session lives from %v to %v.", shortestSession, longestSession)
	case !printable(r.EndUser):
		return invalid("The end user's id must be at most %d printable characters.", maxText)
	case !printableTags(r.Tags):
		return invalid("There may be %d tags, each with a name and a value of at most %d printable characters.", maxItems, maxText)
	case r.ReturnURL != "" && !c.AllowsReturn(r.ReturnURL):
		return invalid("The return URL is not one of those allowed. Add it, to the letter, to the return URLs that the service is configured with.")
	}
	if r.Connection != "" {
		if err := c.checkReconnect(ctx, r); err != nil {
			return err
		}
	}
	if r.Owner == "" || !printable(r.Owner) {
		return invalid("The owner must be 1 to %d printable characters: it names the customer whose connection this is.", maxText)
	}
	if r.EndUser != "" && c.AssertionKey == nil {
		return invalid("A session for an end user opens only with an assertion that the platform signs, and no key is configured to check it with: set CONNECTIONS_ASSERTION_KEY_FILE, or leave the end user out.")
	}
	var distinct []string
	for _, id := range r.Connectors {
		if _, err := c.Connector(ctx, id); err != nil {
			return err
		}
		if !slices.Contains(distinct, id) {
			distinct = append(distinct, id)
		}
	}
	r.Connectors = distinct
	return nil
}

// checkReconnect checks the connection of a session that reconnects.
func (c *Client) checkReconnect(ctx context.Context, r *ConnectSessionRequest) error {
	row, err := c.row(ctx, r.Connection)
	if err != nil {
		return err
	}
	status := workflows.ConnectionStatus(row.Status)
	switch {
	case r.Owner != "" && r.Owner != row.Owner:
		return notFound(r.Connection)
	case status == workflows.StatusDisconnecting || status == workflows.StatusDisconnected:
		return reasonError(workflows.ReasonDisconnected)
	case row.Grant != string(workflows.GrantAuthorizationCode):
		return &Error{Code: string(workflows.ReasonNotApplicable), Message: "Nobody consents with client credentials: reconnect without a link."}
	case len(r.Tags) > 0:
		return invalid("A connection keeps its tags when it is reconnected: leave them out.")
	}
	r.Owner = row.Owner
	if r.EndUser == "" && c.AssertionKey != nil {
		r.EndUser = row.EndUser
	}
	return nil
}

// ConnectSessionView is a session as the platform may see it while it waits for the person.
type ConnectSessionView struct {
	ID, Owner, EndUser string
	// ConnectionID is empty until the person has chosen.
	ConnectionID string
	// Used says whether the person has pressed the button.
	Used      bool
	ExpiresAt time.Time
}

// ConnectSession reads a session by its id.
func (c *Client) ConnectSession(ctx context.Context, id string) (ConnectSessionView, error) {
	s, err := c.Vault.SessionByID(ctx, id)
	if errors.Is(err, vault.ErrNotFound) {
		return ConnectSessionView{}, &Error{Code: string(workflows.ReasonNotFound), Message: "There is no such connect session, or it is gone."}
	}
	if err != nil {
		return ConnectSessionView{}, vaultError(err, id)
	}
	return ConnectSessionView{
		ID: s.ID, Owner: s.Owner, EndUser: s.EndUser, ConnectionID: s.ConnectionID, Used: !s.ConsumedAt.IsZero(),
		ExpiresAt: s.ExpiresAt,
	}, nil
}
