package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/acme/connections/internal/apikey"
	"github.com/acme/connections/internal/connections"
)

// NewConnectSession asks for a link for one person.
type NewConnectSession struct {
	Connectors   []string          `json:"connectors,omitempty" nullable:"false" maxItems:"500" doc:"The connector to connect to, or several to choose from." example:"[\"sandbox\"]"`
	ConnectionID string            `json:"connection_id,omitempty" maxLength:"64" doc:"A connection to reconnect, instead of connectors."`
	Manage       bool              `json:"manage,omitempty" doc:"Makes a link to the page \"Your connections\", instead of connectors. Takes the scope connections:write as well."`
	Owner        string            `json:"owner,omitempty" maxLength:"200" doc:"The customer; to be left out by a key that acts for one owner, and with connection_id."`
	EndUser      string            `json:"end_user,omitempty" maxLength:"200" doc:"The platform's id of the person who is to open the link, which then opens only with an assertion that the platform signs for that person."`
	Tags         map[string]string `json:"tags,omitempty" doc:"Those of the connection that is made."`
	ReturnURL    string            `json:"return_url,omitempty" maxLength:"2000" doc:"Where the result leads; one that the service is configured with."`
	ExpiresIn    int               `json:"expires_in,omitempty" minimum:"60" maximum:"86400" doc:"How many seconds the link can be opened; an hour if left out."`
	ConfirmUser  bool              `json:"confirm_user,omitempty" doc:"Asks the person once more, after consent and before it is used."`
}

// ConnectSession is a new session and its link.
type ConnectSession struct {
	ID        string    `json:"id" example:"cs_06eg2v0000000000000000000"`
	URL       string    `json:"url" doc:"The link. It is a secret, works once, and cannot be shown again."`
	ExpiresAt time.Time `json:"expires_at"`
}

// ConnectSessionState is how far a session has come.
type ConnectSessionState struct {
	ID           string    `json:"id"`
	Owner        string    `json:"owner"`
	EndUser      string    `json:"end_user"`
	ConnectionID string    `json:"connection_id" doc:"Empty until the person has chosen."`
	Used         bool      `json:"used" doc:"Whether the person has pressed the button."`
	ExpiresAt    time.Time `json:"expires_at"`
}

type (
	createSessionInput struct {
		Once
		Body NewConnectSession
	}
	createdSessionOutput struct {
		Replayed bool `header:"Idempotency-Replayed" doc:"Whether this is the answer to an earlier request with the same Idempotency-Key."`
		Body     ConnectSession
	}
	sessionInput struct {
		ID string `path:"id" maxLength:"64" doc:"The session's id."`
	}
	sessionOutput struct{ Body ConnectSessionState }
)

const tagConnect = "connect"

func (s *Server) addSessions() {
	register(s, operation{
		id: "create-connect-session", method: http.MethodPost, path: Root + "connect-sessions", scope: apikey.ScopeConnectWrite, tag: tagConnect,
		status: http.StatusCreated, errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge},
		summary:     "Make a link that asks a person for consent",
		description: "The link works once, in one browser. The connection is created when the person presses the button.",
	}, s.createSession)
	register(s, operation{
		id: "get-connect-session", method: http.MethodGet, path: Root + "connect-sessions/{id}", scope: apikey.ScopeConnectWrite, tag: tagConnect,
		errors: []int{http.StatusNotFound}, summary: "Read how far a connect session has come",
		description: "Tells the id of the connection that the person has made. A session is forgotten some time after it expires.",
	}, func(ctx context.Context, in *sessionInput) (*sessionOutput, error) {
		view, err := s.Connections.ConnectSession(ctx, in.ID)
		if connections.CodeOf(err) == missing().Code || (err == nil && !callerOf(ctx).mayActFor(view.Owner)) {
			return nil, missing()
		}
		if err != nil {
			return nil, err
		}
		return &sessionOutput{Body: ConnectSessionState(view)}, nil
	})
}

func (s *Server) createSession(ctx context.Context, in *createSessionInput) (*createdSessionOutput, error) {
	owner, err := callerOf(ctx).ownerOf(in.Body.Owner)
	if err != nil {
		return nil, err
	}
	if in.Body.Manage && !slices.Contains(callerOf(ctx).Scopes, apikey.ScopeConnectionsWrite) {
		// Whoever opens that page sees all of the owner's connections, and can end them.
		return nil, lacks(apikey.ScopeConnectionsWrite)
	}
	if in.Body.ConnectionID != "" {
		// A connection that the caller may not see is missing, whatever else the session asks for.
		if err := s.own(ctx, in.Body.ConnectionID); err != nil {
			return nil, err
		}
	}
	made, replayed, err := once(ctx, s, "create-connect-session", in.Once, in.Body, func(ctx context.Context) (ConnectSession, error) {
		session, err := s.Connections.CreateConnectSession(ctx, connections.ConnectSessionRequest{
			Connectors: in.Body.Connectors, Owner: owner, EndUser: in.Body.EndUser, Tags: in.Body.Tags,
			ReturnURL: in.Body.ReturnURL, Expires: time.Duration(in.Body.ExpiresIn) * time.Second,
			ConfirmUser: in.Body.ConfirmUser, Connection: in.Body.ConnectionID, Manage: in.Body.Manage,
		})
		return ConnectSession(session), err
	})
	if err != nil {
		return nil, err
	}
	return &createdSessionOutput{Replayed: replayed, Body: made}, nil
}
