package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/oauth"
)

// Bounds of one attempt.
const (
	// Limit is for all of it: name resolution, connecting, sending and the answer.
	Limit      = 10 * time.Second
	dialLimit  = 5 * time.Second
	tlsLimit   = 5 * time.Second
	maxHeaders = 64 << 10
	// maxBody is how much of an answer is read, and dropped, so that the receiver can finish writing it.
	maxBody = 64 << 10
)

// The errors of Send. They hold neither the URL nor what the receiver said.
var (
	// ErrForbidden: the URL is not one that may be called, or leads to an address that may not be.
	ErrForbidden = errors.New("webhook: forbidden target")
	// ErrUnreachable: there was no answer.
	ErrUnreachable = errors.New("webhook: no answer")
)

// Message is one attempt at one webhook.
type Message struct {
	// ID is the same in all attempts, and At is that of this one.
	ID        string
	At        time.Time
	Signature string
	Body      []byte
}

// Answer is what the receiver answered: never more than this is looked at.
type Answer struct {
	Status int
	// RetryAfter is the receiver's wish (RFC 9110 §10.2.3); zero if it had none.
	RetryAfter time.Duration
}

// OK reports whether the receiver has taken the message.
func (a Answer) OK() bool { return a.Status >= 200 && a.Status <= 299 }

// Sender sends webhooks. It is safe for concurrent use.
type Sender struct {
	loopback bool
	roots    *x509.CertPool
}

// NewSender makes a sender; with loopback, endpoints may be on this machine: under --dev and in tests.
func NewSender(loopback bool) *Sender { return &Sender{loopback: loopback} }

// WithRoots returns a sender that trusts these certificate authorities instead of the system's.
func (s *Sender) WithRoots(roots *x509.CertPool) *Sender {
	with := *s
	with.roots = roots
	return &with
}

// Send makes one attempt (ErrForbidden, ErrUnreachable). It follows no redirect, uses no proxy, and keeps no connection.
func (s *Sender) Send(ctx context.Context, target string, m Message) (Answer, error) {
	u, err := CheckURL(target, s.loopback)
	if err != nil {
		return Answer{}, ErrForbidden
	}
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(m.Body))
	if err != nil {
		return Answer{}, ErrForbidden
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Connections-Webhooks/1")
	request.Header.Set(standardwebhooks.HeaderWebhookID, m.ID)
	request.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(m.At.Unix(), 10))
	request.Header.Set(standardwebhooks.HeaderWebhookSignature, m.Signature)
	until, _ := ctx.Deadline()
	transport := s.transport(s.loopback && connector.IsLoopback(u.Hostname()), until)
	defer transport.CloseIdleConnections()
	// The transport alone, without a client: that follows no redirect.
	response, err := transport.RoundTrip(request)
	switch {
	case errors.Is(err, oauth.ErrForbiddenAddress):
		return Answer{}, ErrForbidden
	case err != nil:
		return Answer{}, ErrUnreachable
	}
	_, _ = io.CopyN(io.Discard, response.Body, maxBody)
	_ = response.Body.Close()
	return Answer{Status: response.StatusCode, RetryAfter: retryAfter(response.Header.Get("Retry-After"), m.At)}, nil
}

// transport carries one request over a connection of its own, so that no two customers share one. The connection has an
// end of its own, too: net/http no longer looks at the context after an answer that switches protocols.
func (s *Sender) transport(loopback bool, until time.Time) *http.Transport {
	dialer := &net.Dialer{Timeout: dialLimit, Control: oauth.DialControl(loopback)}
	return &http.Transport{
		Proxy:                  nil,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeaders,
		TLSHandshakeTimeout:    tlsLimit,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, RootCAs: s.roots},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			if err := conn.SetDeadline(until); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
			return conn, nil
		},
	}
}

// retryAfter reads the header, in either of its forms.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return max(time.Duration(seconds)*time.Second, 0)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
