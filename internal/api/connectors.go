package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/acme/connections/internal/apikey"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
)

// Connector is what a platform must know of a provider to offer it.
type Connector struct {
	ID            string           `json:"id" example:"salesforce"`
	Name          string           `json:"name" example:"Salesforce"`
	Category      string           `json:"category" example:"crm"`
	DocsURL       string           `json:"docs_url"`
	Grants        []string         `json:"grants" nullable:"false"`
	Inputs        []ConnectorInput `json:"inputs" nullable:"false" doc:"What the customer must enter."`
	DefaultScopes []string         `json:"default_scopes" nullable:"false"`
	CustomersOnly bool             `json:"customers_only" doc:"Whether the customer must bring their own OAuth app."`
	RedirectURI   string           `json:"redirect_uri" doc:"What to register at the provider, to the letter."`
	Notes         string           `json:"notes"`
}

// ConnectorInput is something that the customer enters.
type ConnectorInput struct {
	Name    string `json:"name"`
	Label   string `json:"label"`
	Example string `json:"example"`
	Pattern string `json:"pattern" doc:"A regular expression (RE2) that the whole value must match."`
	Default string `json:"default"`
}

// ConnectorPage is one page of a list.
type ConnectorPage struct {
	Connectors []Connector `json:"connectors" nullable:"false"`
	NextCursor string      `json:"next_cursor" doc:"Asks for the next page; empty on the last one."`
}

func (s *Server) connectorOf(c connector.Connector) Connector {
	out := Connector{
		ID: c.ID, Name: c.Name, Category: c.Category, DocsURL: c.DocsURL, Grants: listed(c.Grants), Inputs: []ConnectorInput{},
		DefaultScopes: listed(c.DefaultScopes(c.Grants[0])), CustomersOnly: c.CustomersOnly(),
		RedirectURI: oauth.RedirectURI(c, s.Connections.RedirectURI()), Notes: c.Notes,
	}
	for _, i := range c.Inputs {
		out.Inputs = append(out.Inputs, ConnectorInput(i))
	}
	return out
}

type (
	connectorsInput struct {
		Search   string `query:"search" maxLength:"200" doc:"Only what holds this text in id, name, category or family."`
		Category string `query:"category" maxLength:"200"`
		Grant    string `query:"grant" enum:"authorization_code,client_credentials"`
		Cursor   string `query:"cursor" maxLength:"200" doc:"The next_cursor of the page before."`
		Limit    int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
	}
	connectorsOutput struct{ Body ConnectorPage }
	connectorInput   struct {
		ID string `path:"id" maxLength:"64" doc:"The connector's id." example:"salesforce"`
	}
	connectorOutput struct{ Body Connector }
)

const tagConnectors = "connectors"

func (s *Server) addConnectors() {
	register(s, operation{
		id: "list-connectors", method: http.MethodGet, path: Root + "connectors", scope: apikey.ScopeConnectorsRead, tag: tagConnectors,
		summary: "List or search connectors", description: "The catalogue, and the connectors that were added to it, in order of id.",
	}, s.listConnectors)
	register(s, operation{
		id: "get-connector", method: http.MethodGet, path: Root + "connectors/{id}", scope: apikey.ScopeConnectorsRead, tag: tagConnectors,
		errors: []int{http.StatusNotFound}, summary: "Read a connector", description: "What to enter, what to register, and what is asked for.",
	}, func(ctx context.Context, in *connectorInput) (*connectorOutput, error) {
		c, err := s.Connections.Connector(ctx, in.ID)
		var unknown *connections.Error
		if errors.As(err, &unknown) && unknown.Code == connections.CodeUnknownConnector {
			return nil, newProblem(http.StatusNotFound, unknown.Code, unknown.Message)
		}
		if err != nil {
			return nil, err
		}
		return &connectorOutput{Body: s.connectorOf(c)}, nil
	})
}

func (s *Server) listConnectors(ctx context.Context, in *connectorsInput) (*connectorsOutput, error) {
	after, err := parseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	all, err := s.Connections.Catalogue.All(ctx)
	if err != nil {
		return nil, err
	}
	search := strings.ToLower(in.Search)
	found := slices.DeleteFunc(all, func(c connector.Connector) bool {
		text := strings.ToLower(c.ID + " " + c.Name + " " + c.Category + " " + c.Family)
		return c.ID <= after || !strings.Contains(text, search) ||
			(in.Category != "" && !strings.EqualFold(c.Category, in.Category)) || (in.Grant != "" && !c.Allows(in.Grant))
	})
	out := &connectorsOutput{Body: ConnectorPage{Connectors: []Connector{}}}
	if len(found) > in.Limit {
		found = found[:in.Limit]
		out.Body.NextCursor = cursorAfter(found[len(found)-1].ID)
	}
	for _, c := range found {
		out.Body.Connectors = append(out.Body.Connectors, s.connectorOf(c))
	}
	return out, nil
}
