package connections

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/webhook"
	"github.com/acme/connections/workflows"
)

const (
	// SecretOverlap is how long an endpoint's secret goes on signing after it was rotated.
	SecretOverlap = 24 * time.Hour
	// maxSigning bounds the secrets that sign at once, and maxEndpoints the endpoints of one owner.
	maxSigning   = 4
	maxEndpoints = 20
	// rotateTries is how often a rotation is begun anew because of another one.
	rotateTries = 3
)

// EndpointRequest asks for a webhook endpoint.
type EndpointRequest struct {
	// Owner is whose events it gets; empty for everyone's.
	Owner string
	URL   string
	// Types are the events that it wants; none for all.
	Types []string
}

// EndpointView is what people and programs see of a webhook endpoint.
type EndpointView struct {
	ID    string   `json:"id"`
	Owner string   `json:"owner"`
	URL   string   `json:"url"`
	Types []string `json:"types"`
	// Secrets is how many of them sign now.
	Secrets    int        `json:"secrets"`
	CreatedAt  *time.Time `json:"created_at"`
	DisabledAt *time.Time `json:"disabled_at"`
	// Reason and Message say why it is disabled.
	Reason  string `json:"reason"`
	Message string `json:"message"`
	// Secret is there once: when it is made.
	Secret string `json:"secret,omitempty"`
}

func (c *Client) viewOfEndpoint(e vault.Endpoint) EndpointView {
	return EndpointView{
		ID: e.ID, Owner: e.Owner, URL: e.URL, Types: append([]string{}, e.Types...), Secrets: len(c.signing(e)),
		CreatedAt: optional(e.CreatedAt), DisabledAt: optional(e.DisabledAt), Reason: e.DisabledReason,
		Message: workflows.Reason(e.DisabledReason).Sentence(),
	}
}

// AddEndpoint adds a webhook endpoint, and makes its secret, which is shown this once.
func (c *Client) AddEndpoint(ctx context.Context, r EndpointRequest) (EndpointView, error) {
	if err := c.checkEndpoint(ctx, r); err != nil {
		return EndpointView{}, err
	}
	there, err := c.Vault.ListEndpoints(ctx, vault.EndpointFilter{Owners: []string{r.Owner}, Limit: maxEndpoints})
	if err != nil {
		return EndpointView{}, vaultError(err, "")
	}
	if len(there) >= maxEndpoints {
		return EndpointView{}, invalid("There are %d endpoints already, and no more are allowed: remove one first.", maxEndpoints)
	}
	id, err := newEndpointID()
	if err != nil {
		return EndpointView{}, err
	}
	text := webhook.NewSecret()
	sealed, err := c.Keys.Vault.SealString(keyring.WebhookSecret(id), text)
	if err != nil {
		return EndpointView{}, err
	}
	e := vault.Endpoint{
		ID: id, Owner: r.Owner, URL: r.URL, Types: r.Types, Secrets: []vault.EndpointSecret{{Sealed: sealed}}, CreatedAt: c.Now().UTC(),
	}
	if err := c.Vault.CreateEndpoint(ctx, e); err != nil {
		return EndpointView{}, vaultError(err, id)
	}
	return c.withSecret(e, text), nil
}

// newEndpointID makes an endpoint's id: "whe_" and 32 hexadecimal digits that sort by time of creation.
func newEndpointID() (string, error) {
	id, err := uuid.NewV7()
	return "whe_" + strings.ReplaceAll(id.String(), "-", ""), err
}

// withSecret is the one view that holds a secret.
func (c *Client) withSecret(e vault.Endpoint, text secret.String) EndpointView {
	view := c.viewOfEndpoint(e)
	view.Secret = text.Reveal()
	return view
}

func (c *Client) checkEndpoint(ctx context.Context, r EndpointRequest) error {
	if !printable(r.Owner) {
		return invalid("The owner must be at most %d printable characters: it names the customer whose events these are.", maxText)
	}
	for _, t := range r.Types {
		if err := checkEventType(t); err != nil {
			return err
		}
	}
	u, err := webhook.CheckURL(r.URL, c.Loopback)
	if err != nil {
		return invalid("%s", sentence(err.Error()))
	}
	if c.Loopback && connector.IsLoopback(u.Hostname()) {
		return nil
	}
	resolver := c.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	// A host that does not resolve here may do so where the worker is: each delivery is checked again.
	if err := oauth.CheckHost(ctx, resolver, u.Hostname()); errors.Is(err, oauth.ErrForbiddenAddress) {
		return invalid("Host %s is not at a public address: webhooks are sent to the internet, never inside. Give a URL that the internet can reach.", u.Hostname())
	}
	return nil
}

// checkEventType refuses what is no event.
func checkEventType(t string) error {
	if slices.Contains(vault.EventTypes(), vault.EventType(t)) {
		return nil
	}
	names := make([]string, 0, len(vault.EventTypes()))
	for _, known := range vault.EventTypes() {
		names = append(names, string(known))
	}
	return invalid("%q is no event. There are %s.", t, strings.Join(names, ", "))
}

// Endpoints lists webhook endpoints: all of them, or those of an owner ("" for the platform's).
func (c *Client) Endpoints(ctx context.Context, owner *string) ([]EndpointView, error) {
	filter := vault.EndpointFilter{Limit: 1000}
	if owner != nil {
		filter.Owners = []string{*owner}
	}
	views := []EndpointView{}
	for {
		list, err := c.Vault.ListEndpoints(ctx, filter)
		if err != nil {
			return nil, vaultError(err, "")
		}
		for _, e := range list {
			views = append(views, c.viewOfEndpoint(e))
		}
		if len(list) < filter.Limit {
			return views, nil
		}
		filter.After = list[len(list)-1].ID
	}
}

// RotateEndpoint makes a new secret for an endpoint, which is shown this once. For [SecretOverlap] every webhook is
// signed with both, so that the receiver can be changed meanwhile.
func (c *Client) RotateEndpoint(ctx context.Context, id string) (EndpointView, error) {
	text := webhook.NewSecret()
	sealed, err := c.Keys.Vault.SealString(keyring.WebhookSecret(id), text)
	if err != nil {
		return EndpointView{}, err
	}
	for range rotateTries {
		e, err := c.Vault.Endpoint(ctx, id)
		if err != nil {
			return EndpointView{}, endpointError(err, id)
		}
		secrets := []vault.EndpointSecret{{Sealed: sealed}}
		for _, old := range c.signing(e) {
			if old.Until.IsZero() {
				old.Until = c.Now().Add(SecretOverlap).UTC()
			}
			secrets = append(secrets, old)
		}
		if len(secrets) > maxSigning {
			return EndpointView{}, invalid("The endpoint's secret was rotated %d times within a day: wait until the older ones no longer sign.", maxSigning-1)
		}
		err = c.Vault.SetEndpointSecrets(ctx, id, e.Version, secrets)
		if errors.Is(err, vault.ErrConflict) {
			continue
		}
		if err != nil {
			return EndpointView{}, endpointError(err, id)
		}
		e.Secrets = secrets
		return c.withSecret(e, text), nil
	}
	return EndpointView{}, invalid("Somebody else is rotating the endpoint's secret: look whether that was meant, and try again.")
}

// signing are the secrets that sign now.
func (c *Client) signing(e vault.Endpoint) []vault.EndpointSecret {
	return slices.DeleteFunc(slices.Clone(e.Secrets), func(s vault.EndpointSecret) bool {
		return !s.Until.IsZero() && !c.Now().Before(s.Until)
	})
}

// RemoveEndpoint removes an endpoint, and what could not be delivered to it. Deliveries under way end.
func (c *Client) RemoveEndpoint(ctx context.Context, id string) error {
	return endpointError(c.Vault.DeleteEndpoint(ctx, id), id)
}

// endpointError is vaultError for an endpoint.
func endpointError(err error, id string) error {
	if errors.Is(err, vault.ErrNotFound) {
		return &Error{Code: string(workflows.ReasonNotFound), Message: "There is no webhook endpoint \"" + id + "\". \"starter events endpoints list\" shows them all."}
	}
	return vaultError(err, id)
}
