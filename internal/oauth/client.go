// Package oauth speaks OAuth 2.0 with providers: authorization URLs, PKCE, token calls and revocation, on top of
// golang.org/x/oauth2, with a transport of our own around it that is bounded, follows no redirects, tells whether
// anything was sent, and hands over the raw reply before anyone parses it.
package oauth

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
)

// App is the OAuth client that we are at a provider (RFC 6749 §2.2).
type App struct {
	ClientID string
	Secret   secret.String
}

// Hooks let the caller act at the two moments that matter for a single-use grant. Both may be nil.
type Hooks struct {
	// BeforeSend runs when the connection stands and before the first byte of the request leaves. Its error stops the
	// call: nothing is sent.
	BeforeSend func(ctx context.Context) error
	// OnReply gets the raw reply before it is parsed. Its error ends the call in doubt.
	OnReply func(ctx context.Context, raw Raw) error
}

// Client makes calls at providers. The zero value is not usable; see [NewClient].
type Client struct {
	timeout time.Duration
	now     func() time.Time
	roots   *x509.CertPool
}

// NewClient makes a client whose calls take at most timeout, connecting and reading included; a grant's reply is read
// for a second more. A context's deadline shortens it: after that nothing is sent any more.
func NewClient(timeout time.Duration, now func() time.Time) *Client {
	return &Client{timeout: timeout, now: now}
}

// WithRoots returns a client that trusts these certificate authorities instead of the system's.
func (c *Client) WithRoots(roots *x509.CertPool) *Client {
	with := *c
	with.roots = roots
	return &with
}

// AuthorizeURL is where the browser goes to consent (RFC 6749 §4.1.1, RFC 7636 §4.3). The connector is a resolved one.
func AuthorizeURL(c connector.Connector, clientID, redirectURI, state string, verifier secret.String, scopes []string) string {
	config := oauth2.Config{
		ClientID: clientID, RedirectURL: redirectURI, Endpoint: oauth2.Endpoint{AuthURL: c.Authorize.URL},
	}
	var options []oauth2.AuthCodeOption
	set := func(name, value string) { options = append(options, oauth2.SetAuthURLParam(name, value)) }
	if len(scopes) > 0 {
		set(orElse(c.Scopes.Param, "scope"), strings.Join(scopes, c.Scopes.Separator))
	}
	if second := c.Scopes.Second; second != nil {
		set(second.Param, strings.Join(second.Scopes, c.Scopes.Separator))
	}
	if c.Authorize.PKCE != "none" {
		options = append(options, oauth2.S256ChallengeOption(verifier.Reveal()))
	}
	for name, value := range c.Authorize.Params {
		set(name, value)
	}
	rename := maps.Clone(c.Authorize.Rename)
	if c.Callback != nil && c.Callback.StateParam != "" {
		if rename == nil {
			rename = make(map[string]string)
		}
		rename["state"] = c.Callback.StateParam
	}
	full := renamed(config.AuthCodeURL(state, options...), rename, c.Authorize.Drop)
	if c.Authorize.Fragment != "" {
		full += "#" + c.Authorize.Fragment
	}
	return full
}

// renamed gives an authorization URL the provider's own names, and leaves out what it does not want.
func renamed(full string, rename map[string]string, drop []string) string {
	if len(rename) == 0 && len(drop) == 0 {
		return full
	}
	u, err := url.Parse(full)
	if err != nil {
		return full
	}
	query := make(url.Values)
	for name, list := range u.Query() {
		if !slices.Contains(drop, name) {
			query[orElse(rename[name], name)] = list
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// RedirectURI is what the provider is told to send the browser back to: ours, or what the connector says stands for it.
func RedirectURI(c connector.Connector, ours string) string {
	if c.Authorize != nil && c.Authorize.RedirectURI != "" {
		return c.Authorize.RedirectURI
	}
	return ours
}

func orElse(value, standard string) string {
	if value == "" {
		return standard
	}
	return value
}

// NewVerifier makes a PKCE verifier of 32 random bytes (RFC 7636 §4.1).
func NewVerifier() secret.String { return secret.New(oauth2.GenerateVerifier()) }

// Exchange trades an authorization code (RFC 6749 §4.1.3). The error is a [*Failure].
func (c *Client) Exchange(ctx context.Context, conn connector.Connector, app App, code, verifier secret.String, redirectURI string, hooks Hooks) (Reply, error) {
	t := c.transport(conn, conn.Token, app, Exchange, hooks)
	config := t.config()
	config.RedirectURL = redirectURI
	var options []oauth2.AuthCodeOption
	if conn.Authorize != nil && conn.Authorize.PKCE != "none" {
		options = append(options, oauth2.VerifierOption(verifier.Reveal()))
	}
	return c.call(ctx, t, func(ctx context.Context) error {
		_, err := config.Exchange(ctx, code.Reveal(), options...)
		return err
	})
}

// Renewal is what a refresh presents.
type Renewal struct {
	// Token is the refresh token, or the access token where that renews itself.
	Token secret.String
	// RedirectURI and Scopes are sent if the connector wants them again.
	RedirectURI string
	Scopes      []string
}

// Refresh trades a refresh token (RFC 6749 §6). If the reply has none, the old one stays valid. The error is a [*Failure].
func (c *Client) Refresh(ctx context.Context, conn connector.Connector, app App, r Renewal, hooks Hooks) (Reply, error) {
	t := c.transport(conn, conn.RefreshCall(), app, Refresh, hooks)
	t.extra = make(map[string]string)
	if conn.Refresh.RedirectURI {
		t.extra["redirect_uri"] = r.RedirectURI
	}
	if conn.Refresh.Scope {
		t.extra["scope"] = strings.Join(r.Scopes, conn.Scopes.Separator)
	}
	return c.renew(ctx, t, r.Token)
}

// Upgrade swaps a short-lived access token for a long-lived one, as [connector.Upgrade] says. The error is a [*Failure].
func (c *Client) Upgrade(ctx context.Context, conn connector.Connector, app App, accessToken secret.String, hooks Hooks) (Reply, error) {
	return c.renew(ctx, c.transport(conn, conn.UpgradeCall(), app, Refresh, hooks), accessToken)
}

func (c *Client) renew(ctx context.Context, t *transport, token secret.String) (Reply, error) {
	config := t.config()
	return c.call(ctx, t, func(ctx context.Context) error {
		// A source made for one call: x/oauth2 has no other way to refresh, and a kept source would keep its context.
		_, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.Reveal()}).Token()
		return err
	})
}

// ClientCredentials asks with the app's own credentials (RFC 6749 §4.4.2), or with an assertion that its key signs
// (RFC 7523 §2.1). The error is a [*Failure].
func (c *Client) ClientCredentials(ctx context.Context, conn connector.Connector, app App, scopes []string, hooks Hooks) (Reply, error) {
	call := conn.Token
	call.Params = conn.Params(connector.ClientCredentials)
	t := c.transport(conn, call, app, ClientCredentials, hooks)
	config := clientcredentials.Config{
		ClientID: app.ClientID, ClientSecret: app.Secret.Reveal(), TokenURL: call.URL, AuthStyle: oauth2.AuthStyleInParams,
	}
	if cc := conn.ClientCredentials; cc != nil && cc.Assertion != nil {
		signed, err := grantAssertion(conn, call, app, c.now())
		if err != nil {
			return Reply{}, &Failure{Kind: CredentialUnusable, Phase: ClientCredentials}
		}
		t.extra = map[string]string{"grant_type": jwtGrant, "assertion": signed}
	}
	if len(scopes) > 0 {
		config.Scopes = []string{strings.Join(scopes, conn.Scopes.Separator)}
	}
	return c.call(ctx, t, func(ctx context.Context) error {
		_, err := config.Token(ctx)
		return err
	})
}

// split takes the client certificate, in PEM, from the secret that it is kept with, or that it is; empty if the call has
// none.
func (a App) split(call connector.TokenCall) (app App, certificate string) {
	text := a.Secret.Reveal()
	switch begin := strings.Index(text, "-----BEGIN "); {
	case call.Auth == connector.AuthTLS:
		certificate = text
	case call.Certificate && begin >= 0:
		a.Secret, certificate = secret.New(strings.TrimSpace(text[:begin])), text[begin:]
	}
	return a, certificate
}

// transport makes the transport of one call.
func (c *Client) transport(conn connector.Connector, call connector.TokenCall, app App, phase Phase, hooks Hooks) *transport {
	app, certificate := app.split(call)
	return &transport{
		connector: conn, call: call, app: app, certificate: certificate, phase: phase, hooks: hooks, now: c.now, roots: c.roots,
		authenticate: true,
	}
}

// config is x/oauth2's view of a call. Its way to authenticate is named, since detecting it would post a single-use
// grant twice; the transport puts the credentials where the connector wants them.
func (t *transport) config() oauth2.Config {
	return oauth2.Config{
		ClientID: t.app.ClientID, ClientSecret: t.app.Secret.Reveal(),
		Endpoint: oauth2.Endpoint{TokenURL: t.call.URL, AuthStyle: oauth2.AuthStyleInParams},
	}
}

// call runs one x/oauth2 call through a transport made for it, and reads the result from the raw reply.
func (c *Client) call(ctx context.Context, t *transport, run func(context.Context) error) (Reply, error) {
	t.limit = time.Now().Add(c.timeout)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(t.limit) {
		t.limit = deadline
	}
	ctx, cancel := patience(ctx, t.limit)
	defer cancel()
	err := run(context.WithValue(ctx, oauth2.HTTPClient, t.client()))
	return t.result(err)
}

// client follows no redirect.
func (t *transport) client() *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// fencedError wraps an error of Hooks.BeforeSend on its way through net/http.
type fencedError struct{ err error }

func (e *fencedError) Error() string { return fmt.Sprintf("stopped before sending: %v", e.err) }
func (e *fencedError) Unwrap() error { return e.err }

var errTooLarge = errors.New("oauth: reply too large")
