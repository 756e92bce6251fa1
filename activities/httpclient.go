package activities

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"golang.org/x/oauth2"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/tokens"
	"github.com/acme/connections/workflows"
)

// HTTPClient gives a client whose requests carry the connection's token as its provider's API wants it: in which
// header, with which scheme, and with the headers that go with every call.
//
// The token goes to the host of the request and, over redirects, to no other; over plain http it goes to this machine
// only. When the API answers 401, the token is refreshed once, and the request repeated once if its body can be
// (no body, or Request.GetBody); the answer to that stands. A 403 that says "insufficient_scope" becomes the error
// [InsufficientScope]. What else may go wrong with the token are the errors of [Tokens.Token], inside the *url.Error of
// package net/http: see [TemporalError].
//
// Each request's own context bounds its waits. ctx may hold a client to send with, under oauth2.HTTPClient. The client
// has no timeout: give the requests one.
func (t *Tokens) HTTPClient(ctx context.Context, connectionID string, options ...Option) *http.Client {
	client := &http.Client{}
	var base http.RoundTripper = t.base
	if given, ok := ctx.Value(oauth2.HTTPClient).(*http.Client); ok {
		*client = *given
		if given.Transport != nil {
			base = given.Transport
		}
	}
	client.Transport = &transport{tokens: t, id: connectionID, need: needOf(t.need, options), base: base}
	return client
}

func newBase() *http.Transport {
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		return standard.Clone()
	}
	return &http.Transport{Proxy: http.ProxyFromEnvironment}
}

// transport adds the token of one connection to requests.
type transport struct {
	tokens *Tokens
	id     string
	need   tokens.Need
	base   http.RoundTripper
	// style is how the API is called, as of a generation.
	style atomic.Pointer[style]
}

type style struct {
	generation int64
	connector  connector.Connector
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if !ownOrigin(request) {
		return t.base.RoundTrip(request)
	}
	if err := mayCarry(request); err != nil {
		return nil, abandon(request, err)
	}
	held, err := t.tokens.engine.Token(request.Context(), t.id, t.need)
	if err != nil {
		return nil, abandon(request, t.tokens.refused(request.Context(), err))
	}
	response, err := t.send(request, request.Body, held)
	if err != nil {
		return nil, err
	}
	switch response.StatusCode {
	case http.StatusUnauthorized:
		return t.again(request, response, held)
	case http.StatusForbidden:
		return t.forbidden(response)
	default:
		return response, nil
	}
}

// again refreshes the token that was refused, and repeats the request if it can be.
func (t *transport) again(request *http.Request, response *http.Response, held *tokens.Held) (*http.Response, error) {
	ctx := request.Context()
	fresh, err := t.tokens.engine.Force(ctx, t.id, held.Generation, t.need)
	body, replayable := replay(request)
	if !replayable {
		return response, nil
	}
	discard(response)
	if err != nil {
		if body != nil {
			_ = body.Close()
		}
		return nil, t.tokens.refused(ctx, err)
	}
	response, err = t.send(request, body, fresh)
	if err == nil && response.StatusCode == http.StatusForbidden {
		return t.forbidden(response)
	}
	return response, err
}

// replay gives the request's body anew, if that can be done.
func replay(request *http.Request) (body io.ReadCloser, ok bool) {
	switch {
	case request.Body == nil || request.Body == http.NoBody:
		return request.Body, true
	case request.GetBody == nil:
		return nil, false
	}
	body, err := request.GetBody()
	return body, err == nil
}

// send sends a copy of the request with a token.
func (t *transport) send(request *http.Request, body io.ReadCloser, held *tokens.Held) (*http.Response, error) {
	conn, err := t.connector(request.Context(), held)
	if err != nil {
		if body != nil {
			_ = body.Close()
		}
		return nil, err
	}
	carrying := request.Clone(request.Context())
	carrying.Body = body
	if conn.API != nil {
		for name, value := range conn.API.Headers {
			if carrying.Header.Get(name) == "" {
				carrying.Header.Set(name, value)
			}
		}
	}
	header, value := conn.Authorization(held.OAuth.AccessToken)
	carrying.Header.Set(header, value)
	return t.base.RoundTrip(carrying)
}

// connector is how the API wants to be called. If the catalogue cannot be read, what was known before goes on.
func (t *transport) connector(ctx context.Context, held *tokens.Held) (connector.Connector, error) {
	known := t.style.Load()
	if known != nil && known.generation == held.Generation {
		return known.connector, nil
	}
	conn, err := t.tokens.catalogue.Get(ctx, held.Connector)
	var unknown *connector.UnknownError
	switch {
	case err == nil, errors.As(err, &unknown) && known == nil: // an unknown one is called as most are
		t.style.Store(&style{held.Generation, conn})
		return conn, nil
	case known != nil:
		return known.connector, nil
	case ctx.Err() != nil:
		return connector.Connector{}, ctx.Err()
	default:
		return connector.Connector{}, t.tokens.refused(ctx, &tokens.Error{ID: t.id, Reason: workflows.ReasonConnectorMissing})
	}
}

// forbidden turns "insufficient_scope" (RFC 6750 §3.1) into its error.
func (t *transport) forbidden(response *http.Response) (*http.Response, error) {
	scopes, insufficient := insufficientScope(response.Header.Values("WWW-Authenticate"))
	if !insufficient {
		return response, nil
	}
	discard(response)
	reason := workflows.ReasonInsufficientScope
	return nil, applicationError(reason.Sentence(), reason, false, 0, &InsufficientScope{ConnectionID: t.id, Scopes: scopes})
}

// mayCarry refuses to send a token in clear, except to this machine.
func mayCarry(request *http.Request) error {
	if request.URL.Scheme == "https" {
		return nil
	}
	if connector.IsLoopback(request.URL.Hostname()) {
		return nil
	}
	return applicationError("A token may not travel over plain http (RFC 6750 section 5.3): call the API by https.",
		workflows.ReasonInvalid, false, 0, errors.New("plain http"))
}

// ownOrigin reports whether the request goes to the scheme, host and port that the caller named: not if any redirect
// on the way led elsewhere.
func ownOrigin(request *http.Request) bool {
	for r := request; r.Response != nil && r.Response.Request != nil; r = r.Response.Request {
		before := r.Response.Request
		if before.URL.Scheme != request.URL.Scheme || !strings.EqualFold(before.URL.Host, request.URL.Host) {
			return false
		}
	}
	return true
}

func abandon(request *http.Request, err error) error {
	if request.Body != nil {
		_ = request.Body.Close()
	}
	return err
}

// maxDiscard is how much of an answer is read for the sake of its connection.
const maxDiscard = 64 << 10

func discard(response *http.Response) {
	_, _ = io.CopyN(io.Discard, response.Body, maxDiscard)
	_ = response.Body.Close()
}
