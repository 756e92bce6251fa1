package connections

import (
	"context"
	"errors"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// View is what people and programs see of a connection: the object that "-o json" prints.
type View struct {
	ID            string     `json:"id"`
	Connector     string     `json:"connector"`
	Owner         string     `json:"owner"`
	Status        string     `json:"status"`
	Reason        string     `json:"reason"`
	Message       string     `json:"message"`
	Generation    int64      `json:"generation"`
	IssuedAt      *time.Time `json:"issued_at"`
	ExpiresAt     *time.Time `json:"expires_at"`
	NextRefreshAt *time.Time `json:"next_refresh_at"`
	// GrantEndsAt is when only a new consent helps, where the provider's rules say so.
	GrantEndsAt *time.Time `json:"grant_ends_at"`
	// Asleep is set while the token is not renewed because nobody reads it.
	Asleep bool `json:"asleep"`
	// Scopes are those granted, MissingScopes those of RequestedScopes that were not; ConfiguredScopes are what a new
	// consent would ask for.
	Scopes           []string `json:"scopes"`
	RequestedScopes  []string `json:"requested_scopes"`
	ConfiguredScopes []string `json:"configured_scopes"`
	MissingScopes    []string `json:"missing_scopes"`
	ConnectURL       *string  `json:"connect_url"`
	// EndUser is the platform's id of the person who is to consent; may be empty.
	EndUser   string            `json:"end_user,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
	CreatedAt *time.Time        `json:"created_at,omitempty"`
	// Waiting is how many workflows are parked until a person has mended the connection: see workflows.AwaitToken. Only
	// Status counts them.
	Waiting int `json:"waiting,omitempty"`
}

// Status reads a connection: from its workflow while it is open and can answer, from the vault otherwise.
func (c *Client) Status(ctx context.Context, id string) (View, error) {
	view, err := c.status(ctx, id)
	if err != nil || !needsPerson(view.Status) {
		return view, err
	}
	if waiting, err := c.Vault.CountWaiters(ctx, id); err == nil {
		view.Waiting = waiting
	}
	return view, nil
}

// needsPerson reports whether workflows may be parked until somebody does something about the status.
func needsPerson(status string) bool {
	return workflows.RefusalOf(workflows.ConnectionStatus(status), "").NeedsPerson()
}

func (c *Client) status(ctx context.Context, id string) (View, error) {
	row, err := c.row(ctx, id)
	if err != nil {
		return View{}, err
	}
	if workflows.ConnectionStatus(row.Status).Ended() {
		return c.viewOfRow(ctx, row), nil
	}
	var status workflows.Status
	if err := c.query(ctx, id, workflows.QueryStatus, &status); err != nil {
		if ctx.Err() != nil {
			return View{}, ctx.Err()
		}
		// The vault is as fresh as the last change of status; the worker or Temporal may be away.
		if row, err = c.row(ctx, id); err != nil {
			return View{}, err
		}
		return c.viewOfRow(ctx, row), nil
	}
	if status.Generation != row.Generation {
		// The grant has been renewed since the row was read.
		if row, err = c.row(ctx, id); err != nil {
			return View{}, err
		}
	}
	return c.scopes().addTo(ctx, viewOfStatus(status), row), nil
}

// List reads rows of the directory, in order of creation.
func (c *Client) List(ctx context.Context, filter vault.ConnectionFilter) ([]View, error) {
	rows, err := c.Vault.ListConnections(ctx, filter)
	if err != nil {
		return nil, vaultError(err, "")
	}
	views := make([]View, 0, len(rows))
	scopes := c.scopes()
	for _, row := range rows {
		views = append(views, scopes.addTo(ctx, c.viewOf(row, true), row))
	}
	return views, nil
}

// Token is an access token in clear, for the process that uses it.
type Token struct {
	Text secret.String
	Type string
	View View
}

// Token reads a token that lives for at least minTTL more: from the vault, or, if that one is too old, by a refresh.
// Should the refresh fail while the token in hand still lives, that is the answer.
func (c *Client) Token(ctx context.Context, id string, minTTL time.Duration) (Token, error) {
	row, err := c.row(ctx, id)
	if err != nil {
		return Token{}, err
	}
	status := workflows.ConnectionStatus(row.Status)
	switch {
	case status == workflows.StatusPending:
		if reason := workflows.Reason(row.Reason); reason != workflows.ReasonNone && reason != workflows.ReasonAwaitingConsent {
			return Token{}, reasonError(reason)
		}
		return Token{}, reasonError(workflows.ReasonNotReady)
	case status == workflows.StatusPaused:
		return Token{}, reasonError(workflows.ReasonPaused)
	case !status.HandsOut():
		return Token{}, c.withoutWorkflow(row)
	}
	lives := row.ExpiresAt.IsZero() || row.ExpiresAt.After(c.Now())
	if !lives || (!row.ExpiresAt.IsZero() && row.ExpiresAt.Before(c.Now().Add(minTTL))) {
		token, err := c.refresh(ctx, row)
		if err == nil {
			row.Generation, row.AccessToken, row.TokenType = token.Generation, token.Sealed, token.Type
			row.GrantedScopes, row.Status, row.Reason = token.Scopes, string(token.Status), string(token.Reason)
			row.IssuedAt, row.ExpiresAt = deref(token.IssuedAt), deref(token.ExpiresAt)
		} else if code := CodeOf(err); !lives || code == string(workflows.ReasonDisconnected) || code == string(workflows.ReasonPaused) {
			return Token{}, err
		}
	}
	if row.AccessToken == nil {
		// The status changed while the refresh was awaited.
		if row.Status == string(workflows.StatusPaused) {
			return Token{}, reasonError(workflows.ReasonPaused)
		}
		return Token{}, reasonError(workflows.ReasonNotReady)
	}
	text, err := c.Keys.Access.OpenString(keyring.AccessToken(id, row.Generation), row.AccessToken)
	if err != nil {
		return Token{}, reasonError(workflows.ReasonKeyMissing)
	}
	c.handedOut(ctx, id)
	return Token{Text: text, Type: row.TokenType, View: c.viewOfRow(ctx, row)}, nil
}

// tierClient is how the audit names tokens that this client handed out.
const tierClient = "client"

// handedOut notes the read in the audit, and for policy adaptive. That it cannot be noted is no reason to keep the token
// back.
func (c *Client) handedOut(ctx context.Context, id string) {
	if at := c.Now(); c.Caller != "" {
		_ = c.Vault.RecordHandouts(ctx, []vault.Handout{{ConnectionID: id, Who: c.Caller, Tier: tierClient, Count: 1, First: at, Last: at}})
	}
	c.markRead(ctx, id)
}

// markRead notes the read: what nobody reads may sleep.
func (c *Client) markRead(ctx context.Context, id string) {
	if c.MarkRead != nil {
		c.MarkRead(id, c.Now())
		return
	}
	_ = c.Vault.MarkRead(ctx, map[string]time.Time{id: c.Now()})
}

// Row reads the directory row, sealed tokens and all.
func (c *Client) Row(ctx context.Context, id string) (vault.Connection, error) { return c.row(ctx, id) }

func (c *Client) row(ctx context.Context, id string) (vault.Connection, error) {
	if !workflows.ValidID(id) {
		return vault.Connection{}, invalid("%.80q is not a connection id: those look like con_06eg2v… and are printed by \"starter connect\" and \"starter list\".", id)
	}
	row, err := c.Vault.Connection(ctx, id)
	return row, vaultError(err, id)
}

// query asks the open workflow; closed ones never answer, since their last state may hold what is gone.
func (c *Client) query(ctx context.Context, id, name string, result any) error {
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	response, err := c.Temporal.QueryWorkflowWithOptions(ctx, &client.QueryWorkflowWithOptionsRequest{
		WorkflowID: workflows.WorkflowID(id), QueryType: name,
		QueryRejectCondition: enums.QUERY_REJECT_CONDITION_NOT_OPEN,
	})
	if err != nil {
		return temporalError(err)
	}
	if response.QueryRejected != nil {
		return errNoWorkflow
	}
	return response.QueryResult.Get(result)
}

// AskToken asks the open workflow for what the vault would have said of the token, for use while the vault is away. The
// query "token" does not tell the owner, so the status is asked first. A closed workflow does not answer: its token may be
// gone.
func (c *Client) AskToken(ctx context.Context, id string) (vault.AccessRow, error) {
	var status workflows.Status
	if err := c.query(ctx, id, workflows.QueryStatus, &status); err != nil {
		return vault.AccessRow{}, err
	}
	var token workflows.AccessToken
	if err := c.query(ctx, id, workflows.QueryToken, &token); err != nil {
		return vault.AccessRow{}, err
	}
	return vault.AccessRow{
		ID: id, Owner: status.Owner, Connector: status.Connector, Status: string(token.Status), Reason: string(token.Reason),
		Generation: token.Generation, Failures: status.Failures, TokenType: token.Type, GrantedScopes: token.Scopes,
		IssuedAt: deref(token.IssuedAt), ExpiresAt: deref(token.ExpiresAt), AccessToken: token.Sealed,
	}, nil
}

// Await reads the status again and again until done says so, or ctx ends: for people who wait at a terminal.
func (c *Client) Await(ctx context.Context, id string, done func(View) bool) (View, error) {
	for {
		view, err := c.Status(ctx, id)
		if err != nil || done(view) {
			return view, err
		}
		timer := time.NewTimer(awaitPoll)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return view, &Error{Code: CodeTimeout, Message: "Still " + view.Status + ". " + view.Message}
			}
			return view, ctx.Err()
		}
	}
}

const awaitPoll = 100 * time.Millisecond

func viewOfStatus(s workflows.Status) View {
	return View{
		ID: s.ID, Connector: s.Connector, Owner: s.Owner, Status: string(s.Status), Reason: string(s.Reason),
		Message: s.Message, Generation: s.Generation, IssuedAt: s.IssuedAt, ExpiresAt: s.ExpiresAt,
		NextRefreshAt: s.NextRefreshAt, GrantEndsAt: s.GrantEndsAt, Asleep: s.Asleep, Scopes: s.Scopes,
	}
}

func (c *Client) viewOfRow(ctx context.Context, row vault.Connection) View {
	view := c.viewOf(row, row.RefreshToken != nil || row.Grant == string(workflows.GrantClientCredentials))
	return c.scopes().addTo(ctx, view, row)
}

// viewOf is viewOfRow for a row that was read without its tokens: renewable says whether one can be had again.
func (c *Client) viewOf(row vault.Connection, renewable bool) View {
	status, reason := workflows.ConnectionStatus(row.Status), workflows.Reason(row.Reason)
	set := workflows.TokenSet{
		Generation: row.Generation, IssuedAt: row.IssuedAt, ExpiresAt: row.ExpiresAt, Renewable: renewable,
	}
	view := View{
		ID: row.ID, Connector: row.Connector, Owner: row.Owner, Status: row.Status, Reason: row.Reason,
		Message: workflows.Message(status, reason, set), Generation: row.Generation,
		IssuedAt: optional(row.IssuedAt), ExpiresAt: optional(row.ExpiresAt), Scopes: listed(row.GrantedScopes),
	}
	if status == workflows.StatusActive {
		view.NextRefreshAt = optional(workflows.NextRenewal(row.ID, set))
	}
	return view
}

func deref(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
