package connections

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/importfile"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// tagExternalID is the tag under which an imported connection keeps its id in the other system.
const tagExternalID = "external_id"

// row is the row of a record, without its tokens. Its errors are about the record, or passing.
func (i *importer) row(ctx context.Context, p plan) (vault.Connection, error) {
	conn, r, now := p.connector, p.record, i.client.Now()
	row := vault.Connection{
		ID: p.id, Owner: p.owner, Connector: conn.ID, Grant: string(workflows.GrantAuthorizationCode), EndUser: r.EndUser,
		Status: string(workflows.StatusActive), StatusSeq: importedSeq, StatusAt: now, CreatedAt: now, UpdatedAt: now,
		TokenType: r.TokenType, ConsentedAt: r.ConsentedAt, GrantedScopes: grantedScopes(conn, r),
	}
	integration, err := i.app(ctx, conn, p.owner, r.ClientID)
	if err != nil {
		return row, err
	}
	row.IntegrationID = integration.ID
	if row.Inputs, err = importedInputs(conn, r); err != nil {
		return row, err
	}
	if conn, err = conn.Resolve(row.Inputs); err != nil {
		return row, unimportable(string(workflows.ReasonInvalid), "inputs", "The inputs do not make a host that %s can be reached at.", p.connector.Name)
	}
	if row.Metadata, err = importedMetadata(conn, r); err != nil {
		return row, err
	}
	told(conn, r, &row)
	if row.Tags, err = importedTags(r); err != nil {
		return row, err
	}
	if !printable(r.EndUser) {
		return row, unimportable(string(workflows.ReasonInvalid), "end_user", "The end user's id must be at most %d printable characters.", maxText)
	}
	if err := checkedScopes(row.GrantedScopes); err != nil {
		return row, err
	}
	if row.RequestedScopes = row.GrantedScopes; row.RequestedScopes == nil {
		row.RequestedScopes = ConfiguredScopes(conn, integration, row)
	}
	const longestType = 64
	if row.TokenType == "" || len(row.TokenType) > longestType {
		row.TokenType = "Bearer"
	}
	return row, life(conn, r, &row, now)
}

// standardLife is what a token of unknown age is taken to have been given.
const standardLife = time.Hour

// life fills in when the access token was issued and expires, and refuses what cannot be kept alive.
func life(conn connector.Connector, r importfile.Record, row *vault.Connection, now time.Time) error {
	const skew = 5 * time.Minute
	standard := standardLife
	if conn.ExpiresInDefault > 0 {
		standard = time.Duration(conn.ExpiresInDefault) * time.Second
	}
	row.IssuedAt, row.ExpiresAt = r.IssuedAt, r.ExpiresAt
	if row.IssuedAt.After(now.Add(skew)) {
		return unimportable(string(workflows.ReasonInvalid), "issued_at", "issued_at is in the future.")
	}
	if row.ExpiresAt.IsZero() && !r.NoExpiration && conn.ExpiresInDefault > 0 && !row.IssuedAt.IsZero() {
		row.ExpiresAt = row.IssuedAt.Add(standard)
	}
	if row.IssuedAt.IsZero() {
		row.IssuedAt = now
		if begun := row.ExpiresAt.Add(-standard); !row.ExpiresAt.IsZero() && begun.Before(now) {
			row.IssuedAt = begun
		}
	}
	expired := !row.ExpiresAt.IsZero() && !row.ExpiresAt.After(now)
	renewable := !r.RefreshToken.Empty() && (r.RefreshExpiresAt.IsZero() || r.RefreshExpiresAt.After(now))
	if conn.Refresh.TokenSource == connector.FromAccessToken {
		renewable = !expired
	}
	switch {
	case expired && !renewable:
		return unimportable(string(workflows.ReasonNoRefreshToken), "expires_at", "The access token has expired, and there is nothing that lives to renew it with. Ask the person to connect.")
	case row.ExpiresAt.IsZero() && !renewable && !r.NoExpiration && !conn.NeverExpires:
		return unimportable(string(workflows.ReasonNoRefreshToken), "expires_at", "Nobody knows whether the access token lives: there is neither an expiry nor a refresh token. Give expires_at, or no_expiration if the provider gave it none.")
	}
	return nil
}

// grantedScopes are those of the record; nil if it says nothing.
func grantedScopes(conn connector.Connector, r importfile.Record) []string {
	if r.Scopes != nil || r.ScopeText == "" {
		return r.Scopes
	}
	separator := conn.Reply.ScopeSeparator
	if separator == "" {
		separator = conn.Scopes.Separator
	}
	return strings.FieldsFunc(r.ScopeText, func(x rune) bool { return x == ' ' || string(x) == separator })
}

func checkedScopes(scopes []string) error {
	const most = 500
	if len(scopes) > most || slices.ContainsFunc(scopes, func(s string) bool { return s == "" || !printable(s) || strings.Contains(s, " ") }) {
		return unimportable(string(workflows.ReasonInvalid), "scopes", "There are more than %d scopes, or one is empty, holds a space, or is longer than %d characters.", most, maxText)
	}
	return nil
}

// importedInputs are what the connector wants entered. What the customer entered elsewhere is quoted in no error: a
// column that slipped may hold a token.
func importedInputs(conn connector.Connector, r importfile.Record) (map[string]string, error) {
	entered := make(map[string]string, len(conn.Inputs))
	for _, input := range conn.Inputs {
		value, ok := r.Inputs[input.Name]
		if !ok {
			value = r.Config[input.Name]
		}
		if value == "" {
			value = input.Default
		}
		if value == "" {
			return nil, unimportable(string(workflows.ReasonInvalid), "inputs", "%s needs the input %s (%s), for example %q.", conn.Name, input.Name, input.Label, input.Example)
		}
		accepted, ok := input.Accept(value)
		if !ok {
			return nil, unimportable(string(workflows.ReasonInvalid), "inputs", "The input %s is no %s for %s: it must look like %q.", input.Name, input.Label, conn.Name, input.Example)
		}
		entered[input.Name] = accepted
	}
	for name := range r.Inputs {
		if _, ok := entered[name]; !ok {
			return nil, unimportable(string(workflows.ReasonInvalid), "inputs", "%s has no input %s.", conn.Name, importfile.Shown(name))
		}
	}
	if len(entered) == 0 {
		return nil, nil
	}
	return entered, nil
}

// importedMetadata is what the provider told the other system, as far as the connector would have kept it.
func importedMetadata(conn connector.Connector, r importfile.Record) (map[string]string, error) {
	kept := make(map[string]string)
	for name, value := range r.Config {
		if _, ok := conn.AcceptMetadata(name, value); ok {
			kept[name] = value
		}
	}
	for name, value := range r.Metadata {
		switch known, ok := conn.AcceptMetadata(name, value); {
		case !known:
			return nil, unimportable(string(workflows.ReasonInvalid), "metadata", "%s tells no metadata %s. What is your own can be a tag.", conn.Name, importfile.Shown(name))
		case !ok:
			return nil, unimportable(string(workflows.ReasonInvalid), "metadata", "The metadata %s is not what %s tells: it has another form, or is on another host.", name, conn.Name)
		}
		kept[name] = value
	}
	if !r.RefreshExpiresAt.IsZero() {
		kept[connector.MetadataRefreshExpiresAt] = r.RefreshExpiresAt.Format(time.RFC3339)
	}
	if len(kept) == 0 {
		return nil, nil
	}
	return kept, nil
}

// told adds what the provider's own reply tells beside the tokens, if the other system has kept it. Its times have no
// beginning any more.
func told(conn connector.Connector, r importfile.Record, row *vault.Connection) {
	if r.Reply == nil {
		return
	}
	const ok = 200
	reply, err := oauth.Parse(conn, oauth.Exchange, oauth.Raw{Status: ok, ContentType: "application/json", RequestedAt: row.CreatedAt, Body: r.Reply})
	if err != nil {
		return
	}
	delete(reply.Metadata, connector.MetadataRefreshExpiresAt)
	if len(reply.Metadata) > 0 {
		metadata := reply.Metadata
		maps.Copy(metadata, row.Metadata)
		row.Metadata = metadata
	}
	if row.GrantedScopes == nil {
		row.GrantedScopes = reply.Scopes
	}
	if row.TokenType == "" {
		row.TokenType = reply.TokenType
	}
}

// importedTags are the record's, and its id in the other system.
func importedTags(r importfile.Record) (map[string]string, error) {
	tags := maps.Clone(r.Tags)
	if tags == nil {
		tags = make(map[string]string, 1)
	}
	if other, ok := tags[tagExternalID]; ok && other != r.ExternalID {
		return nil, unimportable(string(workflows.ReasonInvalid), "tags", "The tag %s is kept for the record's own external id.", tagExternalID)
	}
	tags[tagExternalID] = r.ExternalID
	if !printableTags(tags) {
		return nil, unimportable(string(workflows.ReasonInvalid), "tags", "There may be %d tags, each with a name and a value of at most %d printable characters; the external id is one of them.", maxItems, maxText)
	}
	return tags, nil
}

// app finds the OAuth app that the tokens of a record belong to: a refresh token works with no other.
func (i *importer) app(ctx context.Context, conn connector.Connector, owner, clientID string) (vault.Integration, error) {
	platform, err := i.platformApp(ctx, conn)
	if err != nil {
		return vault.Integration{}, err
	}
	own, err := i.ownApps(ctx, conn, owner)
	if err != nil {
		return vault.Integration{}, err
	}
	if conn.CustomersOnly() {
		platform = nil
	}
	if clientID == "" && len(platform) > 0 {
		return platform[0], nil
	}
	fits := slices.DeleteFunc(slices.Concat(platform, own), func(a vault.Integration) bool { return clientID != "" && a.ClientID != clientID })
	switch {
	case len(fits) == 1, len(fits) > 1 && clientID != "":
		return fits[0], nil
	case len(fits) > 1:
		return vault.Integration{}, unimportable(string(workflows.ReasonIntegrationMissing), "client_id", "The owner has several OAuth apps for %s: name the one that the tokens belong to by its client_id.", conn.Name)
	case clientID != "":
		return vault.Integration{}, unimportable(string(workflows.ReasonIntegrationMissing), "client_id",
			"The tokens belong to an OAuth app (client_id) for %s that is not set. Set it with \"starter integrations set %s --owner OWNER --client-id ID --client-secret-file FILE\", without --owner for the platform's.", conn.Name, conn.ID)
	default:
		return vault.Integration{}, unimportable(string(workflows.ReasonIntegrationMissing), "connector",
			"There is no OAuth app for %s. Set the one that the tokens belong to with \"starter integrations set %s --client-id ID --client-secret-file FILE\", with --owner OWNER for a customer's own.", conn.Name, conn.ID)
	}
}

// platformApp is the platform's app for a connector, if there is one.
func (i *importer) platformApp(ctx context.Context, conn connector.Connector) ([]vault.Integration, error) {
	return i.remembered("platform\x00"+conn.ID, func() ([]vault.Integration, error) {
		for _, id := range []string{PlatformIntegrationID(conn.ID, string(workflows.GrantAuthorizationCode)), PlatformIntegrationID(conn.ID, "")} {
			app, err := i.client.Vault.Integration(ctx, id)
			if err == nil {
				return []vault.Integration{app}, nil
			}
			if !errors.Is(err, vault.ErrNotFound) {
				return nil, vaultError(err, id)
			}
		}
		return nil, nil
	})
}

// ownApps are the owner's own for a connector.
func (i *importer) ownApps(ctx context.Context, conn connector.Connector, owner string) ([]vault.Integration, error) {
	return i.remembered("own\x00"+conn.ID+"\x00"+owner, func() ([]vault.Integration, error) {
		all, err := i.client.Vault.ListIntegrations(ctx, owner)
		return slices.DeleteFunc(all, func(a vault.Integration) bool { return a.Connector != conn.ID }), vaultError(err, "")
	})
}

// remembered asks once for each key; errors are not remembered.
func (i *importer) remembered(key string, ask func() ([]vault.Integration, error)) ([]vault.Integration, error) {
	i.appsMu.Lock()
	defer i.appsMu.Unlock()
	if apps, ok := i.apps[key]; ok {
		return apps, nil
	}
	apps, err := ask()
	if err == nil {
		i.apps[key] = apps
	}
	return apps, err
}
