package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What the contacts API has.
const (
	scopeContacts = "contacts.read"
	contactCount  = 250
	contactsPage  = 10
	// pageTokenPrefix makes page tokens look like what they are to callers: opaque.
	pageTokenPrefix = "from-"
)

// Contact is one of the contacts API.
type Contact struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// ContactsPage is an answer of the contacts API. An empty NextPageToken marks the last page.
type ContactsPage struct {
	Contacts      []Contact `json:"contacts"`
	NextPageToken string    `json:"next_page_token,omitempty"`
}

// contacts is GET /api/contacts?page_token=…: 250 contacts, ten a page, for tokens with the scope contacts.read. As
// real ones do now and then, it throttles, and it refuses tokens before their time: see Behaviour.
func (p *Provider) contacts(w http.ResponseWriter, r *http.Request) {
	token, ok := p.bearer(w, r)
	if !ok {
		return
	}
	if !slices.Contains(token.scopes, scopeContacts) {
		wantsContacts(w)
		return
	}
	rules := p.store.rules()
	switch n := p.calls.next(token.family + " " + token.clientID); {
	case every(rules.ContactsUnauthorizedEvery, n):
		if err := p.store.revoke(r.Context(), token.id, token.clientID); err != nil {
			out := newReply()
			p.internalError(out, err)
			out.send(w)
			return
		}
		bearerError(w, http.StatusUnauthorized, "invalid_token")
	case every(rules.ContactsThrottledEvery, n):
		w.Header().Set("Retry-After", strconv.Itoa(int((rules.ContactsRetryAfter+time.Second-1)/time.Second)))
		writeJSON(w, http.StatusTooManyRequests, map[string]string{"error": "rate_limited"})
	default:
		page, err := contactsFrom(r.URL.Query())
		if err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": err.Error()})
			return
		}
		writeJSON(w, http.StatusOK, page)
	}
}

// every reports whether request n, counted from 1, is one of those that come every so often; never if that is negative.
func every(often, n int) bool { return often > 0 && n%often == 0 }

func contactsFrom(query url.Values) (ContactsPage, error) {
	from := 0
	if given := query.Get("page_token"); given != "" {
		text, ok := strings.CutPrefix(given, pageTokenPrefix)
		n, err := strconv.Atoi(text)
		if !ok || err != nil || n < 0 || n >= contactCount {
			return ContactsPage{}, errors.New("page_token is none of ours")
		}
		from = n
	}
	to := min(from+contactsPage, contactCount)
	page := ContactsPage{Contacts: make([]Contact, 0, to-from)}
	for i := from; i < to; i++ {
		page.Contacts = append(page.Contacts, Contact{
			ID: fmt.Sprintf("contact-%03d", i+1), Name: fmt.Sprintf("Contact %d", i+1), Email: fmt.Sprintf("contact%d@example.com", i+1),
		})
	}
	if to < contactCount {
		page.NextPageToken = pageTokenPrefix + strconv.Itoa(to)
	}
	return page, nil
}

// wantsContacts answers a token that lives and may not (RFC 6750 §3.1).
func wantsContacts(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="sandbox", error="insufficient_scope", scope="`+scopeContacts+`"`)
	writeJSON(w, http.StatusForbidden, map[string]string{"error": "insufficient_scope"})
}

// callCounter counts the calls of the contacts API by grant. The zero value is ready.
type callCounter struct {
	mu    sync.Mutex
	calls map[string]int
}

// next counts a call of a grant, from 1.
func (c *callCounter) next(grant string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[string]int{}
	}
	c.calls[grant]++
	return c.calls[grant]
}
