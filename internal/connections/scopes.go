package connections

import (
	"context"
	"strings"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// ConfiguredScopes are what a consent for the connection asks for today: the scopes that were chosen for it, or else
// those of its integration, or else the connector's defaults; and those that are asked for always. The connector is a
// resolved one.
func ConfiguredScopes(conn connector.Connector, i vault.Integration, row vault.Connection) []string {
	scopes := row.ChosenScopes
	if scopes == nil {
		scopes = i.Scopes
	}
	if scopes == nil {
		scopes = conn.DefaultScopes(row.Grant)
	}
	return conn.WithAlways(row.Grant, scopes)
}

// scopeReader adds to views what their grants were asked for, what is configured, and how that differs from what was
// granted. It reads each integration once.
type scopeReader struct {
	client *Client
	apps   map[string]vault.Integration
}

func (c *Client) scopes() *scopeReader {
	return &scopeReader{client: c, apps: make(map[string]vault.Integration)}
}

// addTo completes a view of a row, with what only the row knows too. What cannot be read counts as it was when the grant was asked for.
func (s *scopeReader) addTo(ctx context.Context, view View, row vault.Connection) View {
	view.EndUser, view.Tags, view.CreatedAt = row.EndUser, row.Tags, optional(row.CreatedAt)
	view.RequestedScopes = listed(row.RequestedScopes)
	view.ConfiguredScopes = listed(s.configured(ctx, row))
	view.MissingScopes = []string{}
	status := workflows.ConnectionStatus(view.Status)
	if view.Generation == 0 || status.Ended() || status == workflows.StatusDisconnecting {
		return view
	}
	view.MissingScopes = listed(connector.Missing(row.RequestedScopes, row.GrantedScopes))
	if status == workflows.StatusActive {
		view.Message = strings.TrimSpace(view.Message + " " + drift(view, row.Grant))
	}
	return view
}

func (s *scopeReader) configured(ctx context.Context, row vault.Connection) []string {
	conn, err := s.client.Catalogue.Get(ctx, row.Connector)
	if err == nil {
		conn, err = conn.Resolve(row.Inputs)
	}
	if err != nil {
		return row.RequestedScopes
	}
	i, ok := s.apps[row.IntegrationID]
	if !ok {
		if i, err = s.client.Vault.Integration(ctx, row.IntegrationID); err != nil {
			return row.RequestedScopes
		}
		s.apps[row.IntegrationID] = i
	}
	return ConfiguredScopes(conn, i, row)
}

// drift says what to do where asked, granted and configured differ; empty if they do not.
func drift(view View, grant string) string {
	consents := grant == string(workflows.GrantAuthorizationCode)
	var sentences []string
	if len(view.MissingScopes) > 0 {
		mend := "Reconnect and agree to it at the provider, or do without."
		if !consents {
			mend = "Allow it for the OAuth app at the provider, or do without."
		}
		sentences = append(sentences, "Not everything asked for was granted, "+strings.Join(view.MissingScopes, " ")+" is missing. "+mend)
	}
	if beyond := connector.Beyond(view.ConfiguredScopes, view.RequestedScopes); consents && len(beyond) > 0 {
		sentences = append(sentences, "More is configured now than was asked for: reconnect to ask for "+strings.Join(beyond, " ")+" too.")
	}
	return strings.Join(sentences, " ")
}

// listed is a list that is never null in JSON.
func listed(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
