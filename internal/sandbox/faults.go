package sandbox

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Faults makes the token endpoint misbehave. The zero value is good behaviour.
// In JSON the durations are text ("1.5s"): delay, drip.
//
// To add a knob: add a field, and act on it in before (instead of processing), edit (a good answer's members),
// deliver (how an answer leaves) or serveToken (around them).
type Faults struct {
	// Grant limits the faults to one grant type; "" means all.
	Grant string `json:"grant,omitempty"`
	// User limits them to codes and refresh tokens of the user with this username.
	User string `json:"user,omitempty"`
	// Family limits them to the refresh tokens of one family: see Presentation.
	Family string `json:"family,omitempty"`
	// Skip lets so many of these requests through first: with Count 1, only the one after them is affected.
	Skip int `json:"skip,omitempty"`
	// Probability is the share of these requests that is affected, by the draw of a generator; 0 means all, like 1.
	Probability float64 `json:"probability,omitempty"`
	// Seed starts the generator: the same seed affects the same requests, in the order in which they come.
	Seed uint64 `json:"seed,omitempty"`
	// Count is the number of requests affected, after which all is well again; 0 means until changed.
	Count int `json:"count,omitempty"`

	// Delay holds each request up before anything else.
	Delay time.Duration `json:"-"`

	// LoseReplyBefore cuts the connection before the request is processed.
	LoseReplyBefore bool `json:"lose_reply_before,omitempty"`
	// RejectClient answers invalid_client to everybody.
	RejectClient bool `json:"reject_client,omitempty"`
	// ErrorCode answers this OAuth error (RFC 6749 §5.2) without processing the request, with Status if there is one,
	// else 401 for invalid_client and 400 for all others.
	ErrorCode string `json:"error_code,omitempty"`
	// Status answers this status and Body without processing the request.
	Status int `json:"status,omitempty"`
	// Body goes with Status; it may be empty, HTML, or JSON.
	Body string `json:"body,omitempty"`
	// ContentType goes with Body; by default it is guessed.
	ContentType string `json:"content_type,omitempty"`
	// RetryAfter goes with Status or ErrorCode as the Retry-After header, in either of its forms.
	RetryAfter string `json:"retry_after,omitempty"`

	// LoseReplyAfter processes the request, commits, and then cuts the connection without an answer.
	LoseReplyAfter bool `json:"lose_reply_after,omitempty"`
	// OmitExpiresIn leaves expires_in out of good answers.
	OmitExpiresIn bool `json:"omit_expires_in,omitempty"`
	// ExpiresInRaw replaces expires_in in good answers with this JSON, for instance 3599.5 or "3600".
	ExpiresInRaw string `json:"expires_in_raw,omitempty"`
	// DropScope withholds these scopes, separated by spaces: from what a code buys for good, from a refresh or client
	// credentials for this access token. Without offline_access a code buys no refresh token.
	DropScope string `json:"drop_scope,omitempty"`

	// Drip sends the headers of any answer at once and its body spread over this time, a byte at a time (more than one
	// where there are more bytes than milliseconds).
	Drip time.Duration `json:"-"`
	// Truncate announces the whole body of any answer by Content-Length, sends half of it, and cuts the connection.
	Truncate bool `json:"truncate,omitempty"`
	// PadBytes makes any answer huge: so many spaces follow its body, which JSON allows. There is no Content-Length.
	PadBytes int `json:"pad_bytes,omitempty"`
}

// maxPad bounds PadBytes.
const maxPad = 1 << 30

func (f Faults) check() error {
	switch {
	case f.Count < 0 || f.Skip < 0 || f.Delay < 0 || f.Drip < 0:
		return errors.New("sandbox: count, skip, delay and drip must not be negative")
	case !(f.Probability >= 0 && f.Probability <= 1): // NaN is neither
		return errors.New("sandbox: probability must be between 0 and 1")
	case f.Seed != 0 && f.Probability == 0:
		return errors.New("sandbox: seed needs a probability")
	case f.Grant != "" && grantLabel(f.Grant) == grantOther:
		return errors.New("sandbox: grant must be authorization_code, refresh_token or client_credentials")
	case f.Grant == grantClientCredentials && (f.User != "" || f.Family != ""):
		return errors.New("sandbox: client credentials belong to no user and no family")
	case f.User != "" && !slices.ContainsFunc(defaultUsers(), func(u user) bool { return u.username == f.User }):
		return errors.New("sandbox: user must be demo or ada")
	case f.PadBytes < 0 || f.PadBytes > maxPad:
		return errors.New("sandbox: pad_bytes must be between 0 and 1073741824 (1 GiB)")
	}
	return f.checkAnswer()
}

// checkAnswer finds faults of one answer that contradict each other.
func (f Faults) checkAnswer() error {
	switch {
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return errors.New("sandbox: status must be between 200 and 599")
	case f.Status == 0 && (f.Body != "" || f.ContentType != ""):
		return errors.New("sandbox: body and content_type need a status")
	case f.Status == 0 && f.ErrorCode == "" && f.RetryAfter != "":
		return errors.New("sandbox: retry_after needs a status or an error_code")
	case f.ErrorCode != "" && (f.Body != "" || f.ContentType != "" || f.RejectClient):
		return errors.New("sandbox: error_code makes the body: leave out body, content_type and reject_client")
	case strings.ContainsFunc(f.ErrorCode, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }):
		return errors.New("sandbox: error_code must be printable ASCII without quotes and backslashes (RFC 6749 §5.2)")
	case f.ExpiresInRaw != "" && !json.Valid([]byte(f.ExpiresInRaw)):
		return errors.New("sandbox: expires_in_raw must be JSON")
	case (f.LoseReplyBefore || f.LoseReplyAfter) && (f.Drip > 0 || f.Truncate || f.PadBytes > 0):
		return errors.New("sandbox: a lost reply has no body: leave out drip, truncate and pad_bytes")
	case f.Truncate && f.Status != 0 && f.Body == "" && f.ErrorCode == "" && f.PadBytes == 0:
		return errors.New("sandbox: truncate needs a body")
	}
	return nil
}

// MarshalJSON implements json.Marshaler: durations are texts such as "1.5s".
func (f Faults) MarshalJSON() ([]byte, error) {
	type plain Faults
	return json.Marshal(struct {
		plain
		Delay duration `json:"delay,omitempty"`
		Drip  duration `json:"drip,omitempty"`
	}{plain(f), duration(f.Delay), duration(f.Drip)})
}

// UnmarshalJSON implements json.Unmarshaler. It refuses members that it does not know.
func (f *Faults) UnmarshalJSON(text []byte) error {
	type plain Faults
	return unmarshalStrictly(text, &struct {
		*plain
		Delay *duration `json:"delay"`
		Drip  *duration `json:"drip"`
	}{(*plain)(f), (*duration)(&f.Delay), (*duration)(&f.Drip)})
}

// before acts in place of the server, if it should: it then names the outcome.
func (f Faults) before(out *reply) (outcome string, stop bool) {
	switch {
	case f.LoseReplyBefore:
		return OutcomeCut, true
	case f.RejectClient:
		out.refuse(http.StatusUnauthorized, "invalid_client", "unknown client or wrong secret")
		return OutcomeFault, true
	case f.ErrorCode == "" && f.Status == 0:
		return "", false
	}
	if f.RetryAfter != "" {
		out.header.Set("Retry-After", f.RetryAfter)
	}
	if f.ErrorCode != "" {
		out.refuse(f.errorStatus(), f.ErrorCode, "")
		return OutcomeFault, true
	}
	out.status = f.Status
	if f.ContentType != "" || f.Body != "" {
		out.header.Set("Content-Type", f.contentType())
	}
	out.body.WriteString(f.Body)
	return OutcomeFault, true
}

// errorStatus goes with ErrorCode.
func (f Faults) errorStatus() int {
	switch {
	case f.Status != 0:
		return f.Status
	case f.ErrorCode == "invalid_client":
		return http.StatusUnauthorized
	}
	return http.StatusBadRequest
}

func (f Faults) contentType() string {
	switch {
	case f.ContentType != "":
		return f.ContentType
	case strings.HasPrefix(f.Body, "<"):
		return "text/html; charset=utf-8"
	case strings.HasPrefix(f.Body, "{"):
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}

// edit changes the members of a good answer.
func (f Faults) edit(members map[string]json.RawMessage) {
	if f.ExpiresInRaw != "" {
		members["expires_in"] = json.RawMessage(f.ExpiresInRaw)
	}
	if f.OmitExpiresIn {
		delete(members, "expires_in")
	}
	if _, ok := members["scope"]; !ok && f.DropScope != "" {
		members["scope"] = json.RawMessage(`""`) // no member would mean all that was asked (RFC 6749 §5.1)
	}
}

// kept returns the scopes that DropScope leaves.
func (f Faults) kept(scopes []string) []string {
	dropped := strings.Fields(f.DropScope)
	return slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return slices.Contains(dropped, scope) })
}

// losesReply reports whether a good answer does not arrive whole.
func (f Faults) losesReply() bool { return f.LoseReplyAfter || f.Truncate }
