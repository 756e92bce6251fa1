package sandbox

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Faults makes the token endpoint misbehave. The zero value is good behaviour.
//
// To add a knob: add a field, and act on it in before (instead of processing), edit (a good answer's members) or
// serveToken (around both).
type Faults struct {
	// Grant limits the faults to one grant type; "" means all.
	Grant string `json:"grant,omitempty"`
	// Count is the number of requests affected, after which all is well again; 0 means until changed.
	Count int `json:"count,omitempty"`
	// Delay holds each request up before anything else.
	Delay time.Duration `json:"-"`

	// LoseReplyBefore cuts the connection before the request is processed.
	LoseReplyBefore bool `json:"lose_reply_before,omitempty"`
	// RejectClient answers invalid_client to everybody.
	RejectClient bool `json:"reject_client,omitempty"`
	// Status answers this status and Body without processing the request.
	Status int `json:"status,omitempty"`
	// Body goes with Status; it may be empty, HTML, or JSON.
	Body string `json:"body,omitempty"`
	// ContentType goes with Body; by default it is guessed.
	ContentType string `json:"content_type,omitempty"`
	// RetryAfter goes with Status as the Retry-After header, in either of its forms.
	RetryAfter string `json:"retry_after,omitempty"`

	// LoseReplyAfter processes the request, commits, and then cuts the connection without an answer.
	LoseReplyAfter bool `json:"lose_reply_after,omitempty"`
	// OmitExpiresIn leaves expires_in out of good answers.
	OmitExpiresIn bool `json:"omit_expires_in,omitempty"`
	// ExpiresInRaw replaces expires_in in good answers with this JSON, for instance 3599.5 or "3600".
	ExpiresInRaw string `json:"expires_in_raw,omitempty"`
}

func (f Faults) check() error {
	switch {
	case f.Count < 0 || f.Delay < 0:
		return errors.New("sandbox: count and delay must not be negative")
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return errors.New("sandbox: status must be between 200 and 599")
	case f.Status == 0 && (f.Body != "" || f.ContentType != "" || f.RetryAfter != ""):
		return errors.New("sandbox: body, content type and retry-after need a status")
	case f.ExpiresInRaw != "" && !json.Valid([]byte(f.ExpiresInRaw)):
		return errors.New("sandbox: expires_in_raw must be JSON")
	case f.Grant != "" && grantLabel(f.Grant) == grantOther:
		return errors.New("sandbox: grant must be authorization_code, refresh_token or client_credentials")
	}
	return nil
}

// before acts in place of the server, if it should: it then names the outcome.
func (f Faults) before(out *reply) (outcome string, stop bool) {
	switch {
	case f.LoseReplyBefore:
		return OutcomeCut, true
	case f.RejectClient:
		out.refuse(http.StatusUnauthorized, "invalid_client", "unknown client or wrong secret")
		return OutcomeFault, true
	case f.Status != 0:
		out.status = f.Status
		if f.RetryAfter != "" {
			out.header.Set("Retry-After", f.RetryAfter)
		}
		if f.ContentType != "" || f.Body != "" {
			out.header.Set("Content-Type", f.contentType())
		}
		out.body.WriteString(f.Body)
		return OutcomeFault, true
	}
	return "", false
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
}

// SetFaults replaces the faults of the token endpoint; Faults{} ends them.
func (p *Provider) SetFaults(f Faults) error {
	if err := f.check(); err != nil {
		return err
	}
	p.faults.set(f)
	return nil
}

// faultBox holds the faults in force and counts them down.
type faultBox struct {
	mu      sync.Mutex
	current Faults
}

func (b *faultBox) set(f Faults) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.current = f
}

// take returns the faults for one request of this grant.
func (b *faultBox) take(grant string) Faults {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.current
	if f.Grant != "" && f.Grant != grant {
		return Faults{}
	}
	if f.Count > 0 {
		if b.current.Count--; b.current.Count == 0 {
			b.current = Faults{}
		}
	}
	return f
}
