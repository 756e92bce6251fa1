package connections

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// CodeConnectorInvalid: a connector's file is not right.
const CodeConnectorInvalid = "connector_invalid"

func connectorFault(err error) error {
	return &Error{Code: CodeConnectorInvalid, Message: sentence(err.Error())}
}

// maxConnector bounds a connector's file.
const maxConnector = 256 << 10

// ReadConnector reads a connector's file, completes it from its issuer's metadata if it asks for that, and checks it.
func (c *Client) ReadConnector(ctx context.Context, content []byte) (connector.Connector, error) {
	if len(content) > maxConnector {
		return connector.Connector{}, connectorFault(fmt.Errorf("the file is longer than %d bytes: it does not look like a connector", maxConnector))
	}
	conn, err := connector.Decode(content, c.Loopback)
	if err != nil {
		return conn, connectorFault(err)
	}
	if conn.Discovery {
		if conn, err = oauth.NewClient(workflows.HTTPLimit, c.Now).Discover(ctx, conn); err != nil {
			return conn, connectorFault(err)
		}
	}
	if err := conn.Validate(); err != nil {
		return conn, connectorFault(err)
	}
	return conn, c.checkHosts(ctx, conn)
}

// checkHosts gives an early word on hosts that resolve to where no provider is. A host that does not resolve here may
// do so where the worker is: each call is checked again.
func (c *Client) checkHosts(ctx context.Context, conn connector.Connector) error {
	resolver := c.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	for _, host := range conn.LiteralHosts() {
		if conn.Loopback && connector.IsLoopback(host) {
			continue
		}
		if err := oauth.CheckHost(ctx, resolver, host); errors.Is(err, oauth.ErrForbiddenAddress) {
			return connectorFault(fmt.Errorf("host %s is not at a public address: a provider's URLs must lead to the internet, never inside", host))
		}
	}
	return nil
}

// AddConnector stores a connector of the operator's own. One that is there already is replaced only if replace is set,
// and is sent nowhere else while an OAuth app's secret is stored for it.
func (c *Client) AddConnector(ctx context.Context, content []byte, replace bool) (connector.Connector, error) {
	conn, err := c.ReadConnector(ctx, content)
	if err != nil {
		return conn, err
	}
	if c.Catalogue.BuiltIn(conn.ID) {
		return conn, connectorFault(fmt.Errorf("%q is a built-in connector, and cannot be replaced: choose another id, such as %q", conn.ID, conn.ID+"-custom"))
	}
	document, there, err := c.Vault.ConnectorDocument(ctx, conn.ID)
	switch {
	case err != nil:
		return conn, vaultError(err, conn.ID)
	case there && !replace:
		return conn, connectorFault(fmt.Errorf("connector %q is there already: give --replace to change it, or choose another id", conn.ID))
	case there:
		if err := c.mayReplace(ctx, document, conn); err != nil {
			return conn, err
		}
	}
	clean, err := json.MarshalIndent(conn, "", "  ")
	if err != nil {
		return conn, err
	}
	return conn, vaultError(c.Vault.PutConnector(ctx, conn.ID, clean), conn.ID)
}

// mayReplace keeps secrets from following a connector to another host.
func (c *Client) mayReplace(ctx context.Context, document []byte, next connector.Connector) error {
	now, err := connector.Decode(document, c.Loopback)
	if err != nil || slices.Equal(hostsOf(now), hostsOf(next)) {
		return nil //nolint:nilerr // what cannot be read has led nowhere
	}
	used, err := c.integrationsOf(ctx, next.ID)
	if err != nil {
		return err
	}
	if used {
		return connectorFault(fmt.Errorf("connector %q would lead to other hosts, and OAuth apps' secrets are stored for it: add it under another id", next.ID))
	}
	return nil
}

// hostsOf are where a connector leads: its domains, and the hosts of its URLs as they are written, inputs and all.
func hostsOf(conn connector.Connector) []string {
	hosts := append(conn.LiteralHosts(), conn.Hosts...)
	urls := []string{conn.Token.URL, conn.Refresh.URL, conn.IntrospectURL}
	if conn.Authorize != nil {
		urls = append(urls, conn.Authorize.URL)
	}
	if conn.Upgrade != nil {
		urls = append(urls, conn.Upgrade.URL)
	}
	if conn.Revoke != nil {
		urls = append(urls, conn.Revoke.URL)
	}
	for _, step := range conn.Steps {
		urls = append(urls, step.URL)
	}
	for _, address := range urls {
		_, rest, _ := strings.Cut(address, "://")
		if end := strings.IndexAny(rest, "/?"); end >= 0 {
			rest = rest[:end]
		}
		if strings.Contains(rest, "{") {
			hosts = append(hosts, rest)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// integrationsOf reports whether any OAuth app, or any connection, is there for a connector.
func (c *Client) integrationsOf(ctx context.Context, connectorID string) (bool, error) {
	platform, err := c.Vault.ListIntegrations(ctx, "")
	if err != nil {
		return false, vaultError(err, connectorID)
	}
	if slices.ContainsFunc(platform, func(i vault.Integration) bool { return i.Connector == connectorID }) {
		return true, nil
	}
	// A customer's own app is stored with its first connection.
	rows, err := c.Vault.ListConnections(ctx, vault.ConnectionFilter{Connector: connectorID, Limit: 1})
	return len(rows) > 0, vaultError(err, connectorID)
}

// RemoveConnector removes a connector of the operator's own that nothing uses.
func (c *Client) RemoveConnector(ctx context.Context, id string) error {
	if c.Catalogue.BuiltIn(id) {
		return connectorFault(fmt.Errorf("%q is a built-in connector, and cannot be removed", id))
	}
	used, err := c.integrationsOf(ctx, id)
	if err != nil {
		return err
	}
	if used {
		return connectorFault(fmt.Errorf("connector %q is in use: there are OAuth apps or connections for it", id))
	}
	err = c.Vault.DeleteConnector(ctx, id)
	if errors.Is(err, vault.ErrNotFound) {
		_, err = c.Connector(ctx, id)
		return err
	}
	return vaultError(err, id)
}
