package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
)

// Bounds of a call.
const (
	dialLimit   = 5 * time.Second
	tlsLimit    = 5 * time.Second
	maxBody     = 256 << 10
	maxHeaders  = 64 << 10
	jsonContent = "application/json"
)

// Raw is a provider's reply as it came, for sealing and for parsing again after a crash.
type Raw struct {
	Status      int    `json:"status"`
	ContentType string `json:"content_type,omitempty"`
	RetryAfter  string `json:"retry_after,omitempty"`
	// RequestedAt is when the request began: lifetimes are counted from it (RFC 6749 §5.1).
	RequestedAt time.Time `json:"requested_at"`
	Body        []byte    `json:"body,omitempty"`
	// Cut is set if the body was longer than the limit, or broke off.
	Cut bool `json:"cut,omitempty"`
}

// transport carries exactly one request, over a connection of its own: no reuse, so that a stale idle connection
// cannot turn a call that was never read into one in doubt, and two tenants never share one.
type transport struct {
	connector connector.Connector
	call      connector.TokenCall
	app       App
	// certificate is the client's, in PEM, with its key; empty if there is none.
	certificate string
	hooks       Hooks
	now         func() time.Time
	phase       Phase
	roots       *x509.CertPool
	// limit is when it is too late to send; zero for what may be sent at any time.
	limit time.Time
	// extra is added to the request's form.
	extra map[string]string
	// authenticate adds the client's credentials; bearer, if there is one, goes into the header of the provider's API.
	authenticate bool
	bearer       secret.String

	mu     sync.Mutex
	used   bool
	sent   bool
	fenced error
	hook   error
	raw    *Raw
	// reply is raw as it was read; refused says why it is none.
	reply   Reply
	refused error
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	t.mu.Lock()
	again := t.used
	t.used = true
	t.mu.Unlock()
	if again {
		return nil, errors.New("oauth: a call is made once")
	}
	ctx := request.Context()
	request, err := t.prepare(request)
	if err != nil {
		return nil, err
	}
	base, err := t.base(ctx, IsLoopbackURL(t.connector, request.URL))
	if err != nil {
		return nil, err
	}
	defer base.CloseIdleConnections()
	requestedAt := t.now()
	response, err := base.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	raw := &Raw{
		Status: response.StatusCode, ContentType: response.Header.Get("Content-Type"),
		RetryAfter: response.Header.Get("Retry-After"), RequestedAt: requestedAt,
	}
	body, readErr := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	_ = response.Body.Close()
	if len(body) > maxBody {
		body, readErr = body[:maxBody], errTooLarge
	}
	raw.Body, raw.Cut = body, readErr != nil
	if t.hooks.OnReply != nil {
		// What the provider gave is kept whatever has become of the caller's patience.
		t.hook = t.hooks.OnReply(context.WithoutCancel(ctx), *raw)
	}
	t.raw = raw
	if t.hook != nil {
		return nil, t.hook
	}
	t.reply, t.refused = Parse(t.connector, t.phase, *raw)
	return t.canonical(request), nil
}

// base is a transport for one connection: no proxy from the environment, no reuse, no compression, HTTP/1.1.
func (t *transport) base(ctx context.Context, loopback bool) (*http.Transport, error) {
	dialer := &net.Dialer{Timeout: dialLimit, Control: control(loopback)}
	security := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, RootCAs: t.roots}
	if t.authenticate && (t.call.Auth == connector.AuthTLS || t.call.Certificate) {
		certificate, err := tls.X509KeyPair([]byte(t.certificate), []byte(t.certificate))
		if err != nil {
			return nil, errCredential
		}
		security.Certificates = []tls.Certificate{certificate}
	}
	return &http.Transport{
		Proxy:                  nil,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeaders,
		DialContext: func(dialCtx context.Context, network, address string) (net.Conn, error) {
			if !loopback {
				return nil, fmt.Errorf("%w: only https", errForbiddenAddress)
			}
			conn, err := dialer.DialContext(dialCtx, network, address)
			if err != nil {
				return nil, err
			}
			return t.fence(ctx, conn), nil
		},
		DialTLSContext: func(dialCtx context.Context, network, address string) (net.Conn, error) {
			plain, err := dialer.DialContext(dialCtx, network, address)
			if err != nil {
				return nil, err
			}
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, errors.Join(err, plain.Close())
			}
			handshakeCtx, cancel := context.WithTimeout(dialCtx, tlsLimit)
			defer cancel()
			config := security.Clone()
			config.ServerName = host
			conn := tls.Client(plain, config)
			if err := conn.HandshakeContext(handshakeCtx); err != nil {
				return nil, errors.Join(err, plain.Close())
			}
			return t.fence(ctx, conn), nil
		},
	}, nil
}

// fence runs Hooks.BeforeSend before the first byte of the request, and notes that something was sent.
func (t *transport) fence(ctx context.Context, conn net.Conn) net.Conn {
	// Also where net/http no longer looks at the context, as after a reply that switches protocols.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return &fencedConn{Conn: conn, stop: stop, before: sync.OnceValue(func() error {
		err := t.beforeSend(ctx)
		t.mu.Lock()
		defer t.mu.Unlock()
		if err != nil {
			t.fenced = err
			return &fencedError{err}
		}
		t.sent = true
		return nil
	})}
}

// beforeSend asks the caller, then the clock: this process may have been frozen since the caller said yes, for so long
// that another one has taken its place.
func (t *transport) beforeSend(ctx context.Context) error {
	if t.hooks.BeforeSend != nil {
		if !t.limit.IsZero() {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, t.limit)
			defer cancel()
		}
		if err := t.hooks.BeforeSend(ctx); err != nil {
			return err
		}
	}
	if over(t.limit) {
		return errLate
	}
	return nil
}

type fencedConn struct {
	net.Conn
	before func() error
	stop   func() bool
}

// Close implements net.Conn.
func (c *fencedConn) Close() error {
	c.stop()
	return c.Conn.Close()
}

func (c *fencedConn) Write(b []byte) (int, error) {
	if err := c.before(); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// result turns what happened into a reply or a failure. x/oauth2's own error is dropped: it holds the provider's text.
func (t *transport) result(err error) (Reply, error) {
	if failure := t.failure(err); failure != nil {
		return Reply{}, failure
	}
	return t.reply, t.refused
}

// failure says what went wrong if there is no reply to read.
func (t *transport) failure(err error) *Failure {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case errors.Is(t.fenced, errLate):
		return &Failure{Kind: Fenced, Phase: t.phase}
	case t.fenced != nil:
		return &Failure{Kind: Fenced, Phase: t.phase, cause: t.fenced}
	case t.hook != nil:
		return &Failure{Kind: ReplyLost, Phase: t.phase, Sent: true, cause: t.hook}
	case t.raw != nil:
		return nil
	case t.sent:
		return &Failure{Kind: ReplyLost, Phase: t.phase, Sent: true}
	case errors.Is(err, errForbiddenAddress):
		return &Failure{Kind: EndpointWrong, Phase: t.phase}
	case errors.Is(err, errCredential):
		return &Failure{Kind: CredentialUnusable, Phase: t.phase}
	default:
		return &Failure{Kind: Unreachable, Phase: t.phase}
	}
}

// send makes a call that x/oauth2 has no part in, and returns the raw reply. The error is a [*Failure].
func (t *transport) send(ctx context.Context) (Raw, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.call.URL, http.NoBody)
	if err != nil {
		return Raw{}, &Failure{Kind: EndpointWrong, Phase: t.phase}
	}
	response, err := t.client().Do(request)
	if err == nil {
		err = response.Body.Close()
	}
	if failure := t.failure(err); failure != nil {
		return Raw{}, failure
	}
	return *t.raw, nil
}

// canonical is the reply as RFC 6749 §5 would have it, for x/oauth2 to parse: no oddity reaches its parser.
//
// The token in it is not ours: nothing reads what x/oauth2 makes of it, and result has the real one.
func (t *transport) canonical(request *http.Request) *http.Response {
	status, body := http.StatusOK, `{"access_token":"read","token_type":"Bearer"}`
	if t.refused != nil {
		status, body = http.StatusBadRequest, `{"error":"refused"}`
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: request,
		Header: http.Header{"Content-Type": {jsonContent}}, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)),
	}
}
