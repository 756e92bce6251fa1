package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Phase is what a call was for: the same reply means different things in different phases.
type Phase string

// The phases.
const (
	Exchange          Phase = "exchange"
	Refresh           Phase = "refresh"
	ClientCredentials Phase = "client_credentials"
	Revoke            Phase = "revoke"
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
// A code that is understood counts more than the status: providers send invalid_grant with 401 and 403, and errors with 200.
func classify(phase Phase, raw Raw, reply object) *Failure {
	f := &Failure{Phase: phase, Sent: true, Status: raw.Status, RetryAfter: retryAfter(raw)}
	switch strings.ToLower(reply.text("error")) {
	case "invalid_grant", "bad_refresh_token", "invalid_refresh_token", "token_expired", "bad_verification_code":
		f.Kind = InvalidGrant
		return f
	case "invalid_client", "incorrect_client_credentials":
		f.Kind = InvalidClient
		return f
	case "unauthorized_client", "unsupported_grant_type", "invalid_request", "admin_policy_enforced", "redirect_uri_mismatch":
		f.Kind = AppRefused
		return f
	case "invalid_scope", "invalid_target":
		f.Kind = InvalidScope
		return f
	case "interaction_required", "consent_required", "login_required", "account_selection_required", "invalid_rapt":
		f.Kind = InteractionRequired
		return f
	case "access_denied":
		f.Kind = AccessDenied
		return f
	case "server_error":
		f.Kind = ServerError
		return f
	case "temporarily_unavailable", "slow_down":
		f.Kind = Throttled
		return f
	}
	switch s := raw.Status; {
	case s == http.StatusTooManyRequests:
		f.Kind = Throttled
	case s == http.StatusRequestTimeout, s == http.StatusTooEarly, s >= 500:
		f.Kind = ServerError
	case s >= 300 && s < 400, s == http.StatusNotFound, s == http.StatusMethodNotAllowed, s == http.StatusGone:
		f.Kind = EndpointWrong
	case s >= 200 && s < 300 && reply.text("error") == "" && reply["error"] == nil:
		f.Kind = Unreadable
	default:
		f.Kind = UnknownError
	}
	return f
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
