package api

import (
	"context"
	"net/http"
	"time"

	"github.com/acme/connections/internal/apikey"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// Connection is one authorised account.
type Connection struct {
	ID               string            `json:"id" example:"con_06eg2v0000000000000000000"`
	Connector        string            `json:"connector" example:"salesforce"`
	Owner            string            `json:"owner" doc:"The customer to whom it belongs." example:"acme"`
	EndUser          string            `json:"end_user" doc:"The platform's id of the person who is to consent; may be empty."`
	Tags             map[string]string `json:"tags"`
	Status           string            `json:"status" enum:"pending,active,degraded,needs_reauth,paused,disconnecting,disconnected,expired"`
	Reason           string            `json:"reason" doc:"Why it is in this status: a code, or empty."`
	Message          string            `json:"message" doc:"The same for people, with what to do; may be empty."`
	Generation       int64             `json:"generation" doc:"Counts the token sets that it has had; 0 means none yet."`
	CreatedAt        *time.Time        `json:"created_at"`
	IssuedAt         *time.Time        `json:"issued_at" doc:"When the access token in hand was issued."`
	ExpiresAt        *time.Time        `json:"expires_at" doc:"When the access token in hand expires; null if unknown."`
	NextRefreshAt    *time.Time        `json:"next_refresh_at"`
	GrantEndsAt      *time.Time        `json:"grant_ends_at" doc:"When only a new consent helps, where the provider's rules say so."`
	Asleep           bool              `json:"asleep" doc:"Set while the token is not renewed because nobody reads it."`
	Scopes           []string          `json:"scopes" nullable:"false" doc:"The scopes granted."`
	RequestedScopes  []string          `json:"requested_scopes" nullable:"false"`
	ConfiguredScopes []string          `json:"configured_scopes" nullable:"false" doc:"What a new consent would ask for."`
	MissingScopes    []string          `json:"missing_scopes" nullable:"false" doc:"What was asked for and not granted."`
	ConnectURL       *string           `json:"connect_url" doc:"The connect link, where one was made just now. It is a secret: it works once, for an hour."`
	Waiting          int               `json:"waiting" doc:"How many workflows are parked until a person has mended it."`
}

func connectionOf(v connections.View) Connection {
	c := Connection{
		ID: v.ID, Connector: v.Connector, Owner: v.Owner, EndUser: v.EndUser, Tags: v.Tags, Status: v.Status,
		Reason: v.Reason, Message: v.Message, Generation: v.Generation, CreatedAt: v.CreatedAt, IssuedAt: v.IssuedAt,
		ExpiresAt: v.ExpiresAt, NextRefreshAt: v.NextRefreshAt, GrantEndsAt: v.GrantEndsAt, Asleep: v.Asleep,
		Scopes: listed(v.Scopes), RequestedScopes: listed(v.RequestedScopes), ConfiguredScopes: listed(v.ConfiguredScopes),
		MissingScopes: listed(v.MissingScopes), ConnectURL: v.ConnectURL, Waiting: v.Waiting,
	}
	if c.Tags == nil {
		c.Tags = map[string]string{}
	}
	return c
}

// listed is a list that is never null in JSON.
func listed(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// NewConnection asks for a connection.
type NewConnection struct {
	Connector string `json:"connector" minLength:"1" maxLength:"200" example:"sandbox"`
	Owner     string `json:"owner,omitempty" maxLength:"200" doc:"The customer to whom it belongs; to be left out by a key that acts for one owner."`
	Grant     string `json:"grant,omitempty" enum:"authorization_code,client_credentials" doc:"How access is granted; authorization_code where the connector has it, if left out."`
	// ClientID and ClientSecret are those of the owner's own OAuth app.
	ClientID     string            `json:"client_id,omitempty" maxLength:"200" doc:"Of the owner's own OAuth app; the platform's is used if left out."`
	ClientSecret string            `json:"client_secret,omitempty" maxLength:"16384" doc:"Its secret, or its private key or certificate in PEM. It is never shown again." writeOnly:"true" format:"password"`
	Scopes       []string          `json:"scopes,omitempty" nullable:"false" maxItems:"100"`
	Inputs       map[string]string `json:"inputs,omitempty" doc:"What the connector wants entered, such as the name of a shop."`
	EndUser      string            `json:"end_user,omitempty" maxLength:"200"`
	Tags         map[string]string `json:"tags,omitempty"`
	Policy       string            `json:"policy,omitempty" enum:"adaptive,always_fresh" doc:"When the token is renewed; the integration's policy if left out."`
}

// ConnectionPage is one page of a list.
type ConnectionPage struct {
	Connections []Connection `json:"connections" nullable:"false"`
	NextCursor  string       `json:"next_cursor" doc:"Asks for the next page; empty on the last one."`
}

type (
	connectionOutput struct{ Body Connection }
	idInput          struct {
		ID string `path:"id" maxLength:"64" doc:"The connection's id." example:"con_06eg2v0000000000000000000"`
	}
	createInput struct {
		Once
		Body NewConnection
	}
	createdOutput struct {
		Replayed bool `header:"Idempotency-Replayed" doc:"Whether this is the answer to an earlier request with the same Idempotency-Key."`
		Body     Connection
	}
	listInput struct {
		Owner     string   `query:"owner" maxLength:"200" doc:"Only this owner's."`
		Connector string   `query:"connector" maxLength:"200" doc:"Only of this connector."`
		Status    string   `query:"status" enum:"pending,active,degraded,needs_reauth,paused,disconnecting,disconnected,expired" doc:"Only in this status."`
		Tags      []string `query:"tag,explode" nullable:"false" maxItems:"10" doc:"Only with this tag, as name:value; may be given several times." example:"[\"team:sales\"]"`
		Cursor    string   `query:"cursor" maxLength:"200" doc:"The next_cursor of the page before."`
		Limit     int      `query:"limit" minimum:"1" maximum:"200" default:"50"`
	}
	listOutput     struct{ Body ConnectionPage }
	reconnectInput struct {
		ID   string `path:"id" maxLength:"64"`
		Body *Reconnect
	}
)

// Reconnect says how to reconnect.
type Reconnect struct {
	AllowAccountChange bool `json:"allow_account_change,omitempty" doc:"Lets the consent come from another account than the one connected."`
}

const tagConnections = "connections"

func (s *Server) addConnections() {
	const one = Root + "connections/{id}"
	register(s, operation{
		id: "create-connection", method: http.MethodPost, path: Root + "connections", scope: apikey.ScopeConnectionsWrite, tag: tagConnections,
		status: http.StatusCreated, errors: []int{http.StatusConflict, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge},
		summary:     "Create a connection",
		description: "With client credentials the provider is asked at once. With the authorization code grant, `connect_url` is the link that the person is to open; a connect session does more.",
	}, s.createConnection)
	register(s, operation{
		id: "list-connections", method: http.MethodGet, path: Root + "connections", scope: apikey.ScopeConnectionsRead, tag: tagConnections,
		summary: "List connections", description: "Oldest first, a page at a time.",
	}, s.listConnections)
	register(s, operation{
		id: "get-connection", method: http.MethodGet, path: one, scope: apikey.ScopeConnectionsRead, tag: tagConnections,
		errors: []int{http.StatusNotFound}, summary: "Read a connection", description: "As its workflow sees it. Never its tokens.",
	}, func(ctx context.Context, in *idInput) (*connectionOutput, error) {
		return s.drive(ctx, in.ID, s.Connections.Status)
	})
	for _, verb := range []struct {
		name, summary, description string
		do                         func(context.Context, string) (connections.View, error)
	}{
		{"refresh", "Force a new token", "Those who ask at once share one call at the provider.", s.Connections.Refresh},
		{"pause", "Pause a connection", "No token is refreshed or handed out until it is resumed.", s.Connections.Pause},
		{"resume", "End a pause", "An overdue token is renewed at once.", s.Connections.Resume},
		{"disconnect", "Disconnect", "No token is handed out from here on. The provider is asked to revoke, and every secret is erased.", s.Connections.Disconnect},
	} {
		register(s, operation{
			id: verb.name + "-connection", method: http.MethodPost, path: one + "/" + verb.name, scope: apikey.ScopeConnectionsWrite, tag: tagConnections,
			errors: stateErrors(), summary: verb.summary, description: verb.description,
		}, func(ctx context.Context, in *idInput) (*connectionOutput, error) { return s.drive(ctx, in.ID, verb.do) })
	}
	register(s, operation{
		id: "reconnect-connection", method: http.MethodPost, path: one + "/reconnect", scope: apikey.ScopeConnectionsWrite, tag: tagConnections,
		errors: append(stateErrors(), http.StatusRequestTimeout, http.StatusRequestEntityTooLarge), summary: "Ask for consent again",
		description: "The connection keeps its id, owner, tags and account. `connect_url` is the new link; with client credentials the provider is asked again at once.",
	}, func(ctx context.Context, in *reconnectInput) (*connectionOutput, error) {
		if in.Body != nil && in.Body.AllowAccountChange {
			return s.drive(ctx, in.ID, s.Connections.ReconnectAnyAccount)
		}
		return s.drive(ctx, in.ID, s.Connections.Reconnect)
	})
}

// stateErrors are what whoever drives a connection may be answered.
func stateErrors() []int {
	return []int{http.StatusNotFound, http.StatusConflict, http.StatusGatewayTimeout}
}

func (s *Server) createConnection(ctx context.Context, in *createInput) (*createdOutput, error) {
	owner, err := callerOf(ctx).ownerOf(in.Body.Owner)
	if err != nil {
		return nil, err
	}
	made, replayed, err := once(ctx, s, "create-connection", in.Once, in.Body, func(ctx context.Context) (Connection, error) {
		created, err := s.Connections.Create(ctx, connections.CreateRequest{
			Connector: in.Body.Connector, Owner: owner, Grant: workflows.Grant(in.Body.Grant), ClientID: in.Body.ClientID,
			ClientSecret: secret.New(in.Body.ClientSecret), Scopes: in.Body.Scopes, Inputs: in.Body.Inputs,
			EndUser: in.Body.EndUser, Tags: in.Body.Tags, Policy: in.Body.Policy,
		})
		if err != nil {
			return Connection{}, err
		}
		return s.viewOfCreated(ctx, created, in.Body.Connector, owner), nil
	})
	if err != nil {
		return nil, err
	}
	return &createdOutput{Replayed: replayed, Body: made}, nil
}

// viewOfCreated reads a connection that was just made. That it cannot be read is no reason to make another.
func (s *Server) viewOfCreated(ctx context.Context, created connections.Created, connectorID, owner string) Connection {
	view, err := s.Connections.Status(ctx, created.ID)
	if err != nil {
		view = connections.View{ID: created.ID, Connector: connectorID, Owner: owner, Status: string(workflows.StatusPending)}
	}
	if created.ConnectURL != "" {
		view.ConnectURL = &created.ConnectURL
	}
	return connectionOf(view)
}

func (s *Server) listConnections(ctx context.Context, in *listInput) (*listOutput, error) {
	filter := vault.ConnectionFilter{Owner: in.Owner, Connector: in.Connector, Status: in.Status, Limit: in.Limit + 1}
	var err error
	if filter.After, err = parseCursor(in.Cursor); err != nil {
		return nil, err
	}
	if filter.Tags, err = parseTags(in.Tags); err != nil {
		return nil, err
	}
	out := &listOutput{Body: ConnectionPage{Connections: []Connection{}}}
	c := callerOf(ctx)
	if filter.Owner == "" {
		filter.Owner = c.Owner
	}
	if !c.mayActFor(filter.Owner) {
		return out, nil // as if that owner had none
	}
	views, err := s.Connections.List(ctx, filter)
	if err != nil {
		return nil, err
	}
	if len(views) > in.Limit {
		views = views[:in.Limit]
		out.Body.NextCursor = cursorAfter(views[len(views)-1].ID)
	}
	for _, view := range views {
		out.Body.Connections = append(out.Body.Connections, connectionOf(view))
	}
	return out, nil
}
