// Package oauth speaks OAuth 2.0 with providers: authorization URLs, PKCE, token calls and revocation, on top of
// golang.org/x/oauth2, with a transport of our own around it that is bounded, follows no redirects, tells whether
// anything was sent, and hands over the raw reply before anyone parses it.
package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
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

// Client makes calls at token endpoints. The zero value is not usable; see [NewClient].
type Client struct {
	timeout time.Duration
	now     func() time.Time
}

// NewClient makes a client whose calls take at most timeout, connecting and reading included.
func NewClient(timeout time.Duration, now func() time.Time) *Client {
	return &Client{timeout: timeout, now: now}
}

// AuthorizeURL is where the browser goes to consent (RFC 6749 §4.1.1, RFC 7636 §4.3).
func AuthorizeURL(c connector.Connector, clientID, redirectURI, state string, verifier secret.String, scopes []string) string {
	config := oauth2.Config{
		ClientID: clientID, RedirectURL: redirectURI,
		Endpoint: oauth2.Endpoint{AuthURL: c.Authorize.URL, AuthStyle: style(c)},
	}
	var options []oauth2.AuthCodeOption
	for name, value := range c.Authorize.Params {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	if len(scopes) > 0 {
		options = append(options, oauth2.SetAuthURLParam("scope", strings.Join(scopes, c.Scopes.Separator)))
	}
	if c.Authorize.PKCE != "none" {
		options = append(options, oauth2.S256ChallengeOption(verifier.Reveal()))
	}
	return config.AuthCodeURL(state, options...)
}

// NewVerifier makes a PKCE verifier of 32 random bytes (RFC 7636 §4.1).
func NewVerifier() secret.String { return secret.New(oauth2.GenerateVerifier()) }

// Exchange trades an authorization code (RFC 6749 §4.1.3). The error is a [*Failure].
func (c *Client) Exchange(ctx context.Context, conn connector.Connector, app App, code, verifier secret.String, redirectURI string, hooks Hooks) (Reply, error) {
	config := config(conn, app)
	config.RedirectURL = redirectURI
	options := params(conn.TokenParams(connector.AuthorizationCode))
	if conn.Authorize != nil && conn.Authorize.PKCE != "none" {
		options = append(options, oauth2.VerifierOption(verifier.Reveal()))
	}
	return c.call(ctx, conn, Exchange, hooks, func(ctx context.Context) error {
		_, err := config.Exchange(ctx, code.Reveal(), options...)
		return err
	})
}

// Refresh trades a refresh token (RFC 6749 §6). If the reply has none, the old one stays valid. The error is a [*Failure].
func (c *Client) Refresh(ctx context.Context, conn connector.Connector, app App, refreshToken secret.String, hooks Hooks) (Reply, error) {
	config := config(conn, app)
	return c.call(ctx, conn, Refresh, hooks, func(ctx context.Context) error {
		// A source made for one call: x/oauth2 has no other way to refresh, and a kept source would keep its context.
		_, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: refreshToken.Reveal()}).Token()
		return err
	}, conn.Refresh.Params)
}

// ClientCredentials asks with the app's own credentials (RFC 6749 §4.4.2). The error is a [*Failure].
func (c *Client) ClientCredentials(ctx context.Context, conn connector.Connector, app App, scopes []string, hooks Hooks) (Reply, error) {
	values := url.Values{}
	for name, value := range conn.TokenParams(connector.ClientCredentials) {
		values.Set(name, value)
	}
	config := clientcredentials.Config{
		ClientID: app.ClientID, ClientSecret: app.Secret.Reveal(), TokenURL: conn.Token.URL,
		EndpointParams: values, AuthStyle: style(conn),
	}
	if len(scopes) > 0 {
		config.Scopes = []string{strings.Join(scopes, conn.Scopes.Separator)}
	}
	return c.call(ctx, conn, ClientCredentials, hooks, func(ctx context.Context) error {
		_, err := config.Token(ctx)
		return err
	})
}

// call runs one x/oauth2 call through a transport made for it, and reads the result from the raw reply.
func (c *Client) call(ctx context.Context, conn connector.Connector, phase Phase, hooks Hooks, run func(context.Context) error, extra ...map[string]string) (Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	t := &transport{connector: conn, hooks: hooks, now: c.now, phase: phase}
	if len(extra) > 0 {
		t.form = extra[0]
	}
	client := &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	err := run(context.WithValue(ctx, oauth2.HTTPClient, client))
	return t.result(err)
}

// Revoke tells the provider to forget a token (RFC 7009 §2.1); hint is "refresh_token" or "access_token". A provider
// that does not know the token any more has succeeded. The error is a [*Failure].
func (c *Client) Revoke(ctx context.Context, conn connector.Connector, app App, token secret.String, hint string) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	form := url.Values{"token": {token.Reveal()}, "token_type_hint": {hint}}
	if conn.Token.Auth == connector.AuthPost {
		form.Set("client_id", app.ClientID)
		if !app.Secret.Empty() {
			form.Set("client_secret", app.Secret.Reveal())
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, conn.RevokeURL, strings.NewReader(form.Encode()))
	if err != nil {
		return &Failure{Kind: EndpointWrong, Phase: Revoke}
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if conn.Token.Auth == connector.AuthBasic {
		request.SetBasicAuth(url.QueryEscape(app.ClientID), url.QueryEscape(app.Secret.Reveal()))
	}
	t := &transport{connector: conn, now: c.now, phase: Revoke}
	client := &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err == nil {
		err = response.Body.Close()
	}
	if failure := t.failure(err); failure != nil {
		return failure
	}
	if t.raw.Status >= 200 && t.raw.Status <= 299 {
		return nil
	}
	reply := members(*t.raw)
	if failure := classify(Revoke, *t.raw, reply); failure.Kind != InvalidGrant && reply.text("error") != "invalid_token" {
		return failure
	}
	// Not RFC 7009 §2.2, but what Google and others say of a token that is gone.
	return nil
}

func config(conn connector.Connector, app App) oauth2.Config {
	return oauth2.Config{
		ClientID: app.ClientID, ClientSecret: app.Secret.Reveal(),
		Endpoint: oauth2.Endpoint{TokenURL: conn.Token.URL, AuthStyle: style(conn)},
	}
}

// style names the way to authenticate. It is never detected: that would post a single-use grant twice.
func style(conn connector.Connector) oauth2.AuthStyle {
	if conn.Token.Auth == connector.AuthBasic {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}

func params(values map[string]string) []oauth2.AuthCodeOption {
	var options []oauth2.AuthCodeOption
	for name, value := range values {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	return options
}

// fencedError wraps an error of Hooks.BeforeSend on its way through net/http.
type fencedError struct{ err error }

func (e *fencedError) Error() string { return fmt.Sprintf("stopped before sending: %v", e.err) }
func (e *fencedError) Unwrap() error { return e.err }

var errTooLarge = errors.New("oauth: reply too large")
