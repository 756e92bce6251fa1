package e2e_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// rotator is a token endpoint that does as little as a strict one can: it takes each refresh token once, and gives a
// new pair for it. It runs in the process of the benchmark, so that its work is not counted as ours.
type rotator struct {
	*httptest.Server
	life  time.Duration
	token string // the access token that everybody gets: what it says matters to nobody

	mu              sync.Mutex
	live            map[string]bool
	issued, refused int64
}

// newRotator serves access tokens of the given length and life.
func newRotator(t testing.TB, length int, life time.Duration, https bool) *rotator {
	t.Helper()
	r := &rotator{life: life, token: strings.Repeat("t", length), live: make(map[string]bool)}
	r.Server = httptest.NewUnstartedServer(r)
	if https {
		r.StartTLS()
	} else {
		r.Start()
	}
	t.Cleanup(r.Close)
	return r
}

// grant makes the refresh token of a new consent.
func (r *rotator) grant() string {
	token := rand.Text()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live[token] = true
	return token
}

// ServeHTTP answers a refresh (RFC 6749 §6).
func (r *rotator) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	presented := request.PostFormValue("refresh_token")
	next := rand.Text()
	r.mu.Lock()
	known := r.live[presented]
	if known {
		delete(r.live, presented)
		r.live[next] = true
		r.issued++
	} else {
		r.refused++
	}
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if !known {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
		return
	}
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":%d,"refresh_token":%q,"scope":"contacts.read contacts.write"}`,
		r.token, int64(r.life.Seconds()), next)
}

// calls is how many refreshes were answered, and how many of them were refused: a refresh token that came twice.
func (r *rotator) calls() (all, refused int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.issued + r.refused, r.refused
}
