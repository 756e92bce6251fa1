package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/sandbox"
)

// page reads a page of the contacts API.
func (r *rig) page(token, pageToken string) *answer {
	r.t.Helper()
	return r.get(r.Endpoints().Contacts+"?"+url.Values{"page_token": {pageToken}}.Encode(), token)
}

func (a *answer) contacts(t testing.TB) sandbox.ContactsPage {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, a.body)
	var page sandbox.ContactsPage
	require.NoError(t, json.Unmarshal([]byte(a.body), &page))
	return page
}

func TestContacts_Pages(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *sandbox.Options) {
		o.Behaviour = sandbox.Behaviour{ContactsUnauthorizedEvery: -1, ContactsThrottledEvery: -1}
	})
	token := r.machine().tokens(t).Access
	seen, pages := map[string]bool{}, 0
	for next := ""; pages == 0 || next != ""; pages++ {
		page := r.page(token, next).contacts(t)
		require.NotEmpty(t, page.Contacts)
		for _, contact := range page.Contacts {
			seen[contact.ID] = true
		}
		next = page.NextPageToken
	}
	require.Len(t, seen, 250)
	require.Equal(t, 25, pages)
	for _, wrong := range []string{"from-", "from-250", "from--1", "10", "from-1x"} {
		a := r.page(token, wrong)
		require.Equal(t, http.StatusBadRequest, a.status, wrong)
		require.Equal(t, "invalid_request", a.json(t)["error"])
	}
}

func TestContacts_WantsALiveTokenWithTheScope(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	require.Equal(t, http.StatusUnauthorized, r.page("", "").status)
	require.Equal(t, http.StatusUnauthorized, r.page("wrong", "").status)
	a := r.page(r.connect().Access, "") // of allScopes, which has no contacts
	require.Equal(t, http.StatusForbidden, a.status)
	require.Equal(t, `Bearer realm="sandbox", error="insufficient_scope", scope="contacts.read"`, a.header.Get("WWW-Authenticate"))
	token := r.machine().tokens(t).Access
	r.page(token, "").contacts(t)
	r.clock.Advance(time.Hour)
	a = r.page(token, "")
	require.Equal(t, http.StatusUnauthorized, a.status)
	require.Contains(t, a.header.Get("WWW-Authenticate"), `error="invalid_token"`)
}

// By default every tenth call revokes the token, and every seventh is throttled.
func TestContacts_Moods(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.machine().tokens(t).Access
	var statuses []int
	for range 10 {
		a := r.page(first, "")
		statuses = append(statuses, a.status)
		if a.status == http.StatusTooManyRequests {
			require.Equal(t, "1", a.header.Get("Retry-After"))
		}
	}
	require.Equal(t, []int{200, 200, 200, 200, 200, 200, 429, 200, 200, 401}, statuses)
	require.Equal(t, http.StatusUnauthorized, r.get(r.Endpoints().Me, first).status, "it is revoked")
	second := r.machine().tokens(t).Access
	r.page(second, "").contacts(t)

	r.behave(sandbox.Behaviour{ContactsUnauthorizedEvery: -1, ContactsThrottledEvery: 1, ContactsRetryAfter: 1500 * time.Millisecond})
	a := r.page(second, "")
	require.Equal(t, http.StatusTooManyRequests, a.status)
	require.Equal(t, "2", a.header.Get("Retry-After"))
}
