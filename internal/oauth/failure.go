package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/acme/connections/internal/connector"
)

// Phase is what a call was for: the same reply means different things in different phases.
type Phase string

// The phases.
const (
	Exchange          Phase = "exchange"
	Refresh           Phase = "refresh"
	ClientCredentials Phase = "client_credentials"
	Revoke            Phase = "revoke"
	// Identify is a step after a consent.
	Identify Phase = "identify"
)

// Kind is what went wrong, from the reply alone. What follows from it is the caller's to decide.
type Kind string

// The kinds of failure.
const (
	// Unreachable: no byte of the request was sent.
	Unreachable Kind = "unreachable"
	// Fenced: Hooks.BeforeSend said no; nothing was sent.
	Fenced Kind = "fenced"
	// ReplyLost: bytes were sent, and no reply came back whole.
	ReplyLost Kind = "reply_lost"
	// Unreadable: a 2xx reply that is not a token reply.
	Unreadable Kind = "unreadable"
	// ServerError: 5xx, or an error code that says so.
	ServerError Kind = "server_error"
	// Throttled: 429, or an error code that says so. The request was not acted on.
	Throttled Kind = "throttled"
	// EndpointWrong: a redirect, 404, 405 or 410, or an address that no provider has.
	EndpointWrong Kind = "endpoint_wrong"
	// CredentialUnusable: the app's secret is not what its way to authenticate needs; nothing was sent.
	CredentialUnusable Kind = "credential_unusable"
	// InvalidGrant and the following are error codes of RFC 6749 §5.2 and its relatives.
	InvalidGrant        Kind = "invalid_grant"
	InvalidClient       Kind = "invalid_client"
	AppRefused          Kind = "app_refused"
	InvalidScope        Kind = "invalid_scope"
	InteractionRequired Kind = "interaction_required"
	AccessDenied        Kind = "access_denied"
	// UnknownError: a refusal that says nothing understandable.
	UnknownError Kind = "unknown_error"
)

// Failure is the error of every call. It holds no text of the provider's, no URL and no secret.
type Failure struct {
	Kind  Kind
	Phase Phase
	// Sent is set if any byte of the request left.
	Sent bool
	// Status is the HTTP status; 0 without a reply.
	Status int
	// RetryAfter is the provider's wish; 0 if it had none.
	RetryAfter time.Duration
	// cause is an error of the caller's own hooks.
	cause error
}

// Error implements error.
func (f *Failure) Error() string {
	if f.Status == 0 {
		return fmt.Sprintf("oauth %s: %s", f.Phase, f.Kind)
	}
	return fmt.Sprintf("oauth %s: %s (status %d)", f.Phase, f.Kind, f.Status)
}

// Unwrap gives the error of the caller's own hook, if that is what stopped the call.
func (f *Failure) Unwrap() error { return f.cause }

// maxRetryAfter bounds what a provider may ask for.
const maxRetryAfter = 24 * time.Hour

// classify says what a reply without a token means (OAuth error codes: RFC 6749 §5.2, OpenID Connect Core §3.1.2.6).
// The connector's own rules come first, then codes, then the status: providers send invalid_grant with 401 and 403, and
// errors with 200.
func classify(conn connector.Connector, phase Phase, raw Raw, reply object) *Failure {
	f := &Failure{Phase: phase, Sent: true, Status: raw.Status, RetryAfter: retryAfter(raw)}
	codes := reply.codes(conn)
	if f.Kind = ruled(conn, phase, raw, reply, codes); f.Kind != "" {
		return f
	}
	for _, code := range codes {
		if f.Kind = known(code); f.Kind != "" {
			return f
		}
	}
	switch s := raw.Status; {
	case s == http.StatusTooManyRequests:
		f.Kind = Throttled
	case s == http.StatusRequestTimeout, s == http.StatusTooEarly, s >= 500:
		f.Kind = ServerError
	case s >= 300 && s < 400, s == http.StatusNotFound, s == http.StatusMethodNotAllowed, s == http.StatusGone:
		f.Kind = EndpointWrong
	case s >= 200 && s < 300 && len(codes) == 0 && reply["error"] == nil && !reply.refused(conn):
		f.Kind = Unreadable
	default:
		f.Kind = UnknownError
	}
	return f
}

// known is the meaning of an error code that every provider means alike.
func known(code string) Kind {
	switch strings.ToLower(code) {
	case "invalid_grant", "bad_refresh_token", "invalid_refresh_token", "token_expired", "bad_verification_code":
		return InvalidGrant
	case "invalid_client", "incorrect_client_credentials":
		return InvalidClient
	case "unauthorized_client", "unsupported_grant_type", "invalid_request", "admin_policy_enforced", "redirect_uri_mismatch":
		return AppRefused
	case "invalid_scope", "invalid_target":
		return InvalidScope
	case "interaction_required", "consent_required", "login_required", "account_selection_required", "invalid_rapt":
		return InteractionRequired
	case "access_denied":
		return AccessDenied
	case "server_error":
		return ServerError
	case "temporarily_unavailable", "slow_down":
		return Throttled
	default:
		return ""
	}
}

// ruled is the meaning that the connector's first fitting rule gives; empty if none fits.
func ruled(conn connector.Connector, phase Phase, raw Raw, reply object, codes []string) Kind {
	for _, rule := range conn.Reply.Errors {
		if (rule.Status != 0 && rule.Status != raw.Status) || (rule.Phase != "" && rule.Phase != string(phase)) {
			continue
		}
		texts := codes
		if rule.Path != "" {
			texts = []string{flag(find(reply, rule.Path))}
		}
		for _, t := range texts {
			t = strings.ToLower(t)
			if (rule.Equals == "" || t == strings.ToLower(rule.Equals)) && strings.Contains(t, strings.ToLower(rule.Contains)) {
				return Kind(rule.Means)
			}
		}
	}
	return ""
}

// codes are the error codes of a reply: "error", and wherever the connector says.
func (o object) codes(conn connector.Connector) []string {
	var codes []string
	for _, path := range append([]string{"error"}, conn.Reply.ErrorPaths...) {
		if code := text(find(o, path)); code != "" && code != "0" {
			codes = append(codes, code)
		}
	}
	return codes
}

// retryAfter reads Retry-After, in seconds or as a date (RFC 9110 §10.2.3).
func retryAfter(raw Raw) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseInt(raw.RetryAfter, 10, 32); err == nil || errors.Is(err, strconv.ErrRange) {
		// Out of range, it is the nearest number in range.
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(raw.RetryAfter); err == nil {
		wait = at.Sub(raw.RequestedAt)
	}
	return min(max(wait, 0), maxRetryAfter)
}
