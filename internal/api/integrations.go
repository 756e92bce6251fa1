package api

import (
	"context"
	"net/http"
	"time"

	"github.com/acme/connections/internal/apikey"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
)

// Integration is a connector plus one OAuth app, without its secrets.
type Integration struct {
	ID             string     `json:"id"`
	Connector      string     `json:"connector"`
	Owner          string     `json:"owner" doc:"Empty for the platform's own."`
	ClientID       string     `json:"client_id"`
	Secrets        int        `json:"secrets" doc:"How many secrets are kept; the newest is tried first."`
	Scopes         []string   `json:"scopes" nullable:"false" doc:"What is asked for instead of the connector's defaults; empty for those."`
	Policy         string     `json:"policy" enum:"adaptive,always_fresh"`
	RedirectURI    string     `json:"redirect_uri" doc:"What to register at the provider, to the letter."`
	Suspended      string     `json:"suspended" doc:"Why its connections are not renewed: a reason code, or empty."`
	SuspendedSince *time.Time `json:"suspended_since"`
}

// NewIntegration sets an OAuth app.
type NewIntegration struct {
	Owner        string   `json:"owner,omitempty" maxLength:"200" doc:"The customer whose app it is; left out, the platform's, or the owner's for whom the key acts."`
	ClientID     string   `json:"client_id" minLength:"1" maxLength:"200"`
	ClientSecret string   `json:"client_secret,omitempty" maxLength:"16384" doc:"Its secret, or its private key or certificate in PEM. It is never shown again." writeOnly:"true" format:"password"`
	Scopes       []string `json:"scopes,omitempty" nullable:"false" maxItems:"100"`
	Only         bool     `json:"only,omitempty" doc:"Forgets the secrets that were there before, which otherwise are tried after the new one."`
	Policy       string   `json:"policy,omitempty" enum:"adaptive,always_fresh"`
}

// IntegrationList is all integrations of an owner.
type IntegrationList struct {
	Integrations []Integration `json:"integrations" nullable:"false"`
}

type (
	integrationsInput struct {
		Owner string `query:"owner" maxLength:"200" doc:"This customer's own; left out, the platform's, or those of the owner for whom the key acts."`
	}
	integrationsOutput  struct{ Body IntegrationList }
	putIntegrationInput struct {
		Connector string `path:"connector" maxLength:"64" doc:"The connector's id."`
		Body      NewIntegration
	}
	integrationOutput struct{ Body Integration }
)

const tagIntegrations = "integrations"

func (s *Server) addIntegrations() {
	register(s, operation{
		id: "list-integrations", method: http.MethodGet, path: Root + "integrations", scope: apikey.ScopeIntegrationsRead, tag: tagIntegrations,
		summary: "List OAuth apps", description: "Client ids, never secrets.",
	}, s.listIntegrations)
	register(s, operation{
		id: "put-integration", method: http.MethodPut, path: Root + "integrations/{connector}", scope: apikey.ScopeIntegrationsWrite, tag: tagIntegrations,
		errors: []int{http.StatusRequestTimeout, http.StatusRequestEntityTooLarge}, summary: "Set an OAuth app",
		description: "Sets the platform's app for a connector, or a customer's own. A new secret is tried first from then on; the last two are tried after it while the provider rejects it, so that a secret can be rotated without a gap.",
	}, s.putIntegration)
}

func (s *Server) listIntegrations(ctx context.Context, in *integrationsInput) (*integrationsOutput, error) {
	out := &integrationsOutput{Body: IntegrationList{Integrations: []Integration{}}}
	c := callerOf(ctx)
	owner := in.Owner
	if owner == "" {
		owner = c.Owner
	}
	if !c.mayActFor(owner) {
		return out, nil // as if that owner had none
	}
	list, err := s.Connections.Vault.ListIntegrations(ctx, owner)
	if err != nil {
		return nil, err
	}
	open, err := s.Connections.Vault.OpenBreakers(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		view := s.integrationOf(ctx, i)
		for _, b := range open {
			if b.IntegrationID == i.ID {
				view.Suspended, view.SuspendedSince = b.Reason, &b.OpenedAt
			}
		}
		out.Body.Integrations = append(out.Body.Integrations, view)
	}
	return out, nil
}

func (s *Server) putIntegration(ctx context.Context, in *putIntegrationInput) (*integrationOutput, error) {
	owner, err := callerOf(ctx).ownerOf(in.Body.Owner)
	if err != nil {
		return nil, err
	}
	i, err := s.Connections.PutIntegration(ctx, connections.IntegrationRequest{
		Owner: owner, Connector: in.Connector, ClientID: in.Body.ClientID, ClientSecret: secret.New(in.Body.ClientSecret),
		Scopes: in.Body.Scopes, Only: in.Body.Only, Policy: in.Body.Policy,
	})
	if err != nil {
		return nil, err
	}
	return &integrationOutput{Body: s.integrationOf(ctx, i)}, nil
}

func (s *Server) integrationOf(ctx context.Context, i vault.Integration) Integration {
	view := Integration{
		ID: i.ID, Connector: i.Connector, Owner: i.Owner, ClientID: i.ClientID, Secrets: len(i.Secrets),
		Scopes: listed(i.Scopes), Policy: i.Policy, RedirectURI: s.Connections.RedirectURI(),
	}
	if view.Policy == "" {
		view.Policy = vault.PolicyAdaptive
	}
	if conn, err := s.Connections.Catalogue.Get(ctx, i.Connector); err == nil {
		view.RedirectURI = oauth.RedirectURI(conn, s.Connections.RedirectURI())
	}
	return view
}
