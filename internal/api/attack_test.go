package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/api"
	"github.com/acme/connections/internal/vault"
)

// Ids cannot be told apart by what is answered, nor by how long it takes: what another owner has is as what nobody has.
func TestAttackEnumeration(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	var theirs []string
	for i := range 50 {
		theirs = append(theirs, r.seed("acme", i))
	}
	key := r.key("other")
	for _, suffix := range []string{"", "/token"} {
		var took [2][]time.Duration
		bodies := map[string]bool{}
		for i := range 400 {
			for _, which := range []int{i % 2, 1 - i%2} {
				id := theirs[i%len(theirs)]
				if which == 1 {
					id = fmt.Sprintf("con_06eg2v%020d", 1000+i)
				}
				begun := time.Now()
				a := r.ask(key, "GET", "/v1/connections/"+id+suffix, nil)
				took[which] = append(took[which], time.Since(begun))
				require.Equal(t, http.StatusNotFound, a.status)
				a.header.Del("Date")
				bodies[fmt.Sprint(a.header)+a.body] = true
			}
		}
		require.Len(t, bodies, 1, "one answer, headers and all")
		for which := range took {
			slices.Sort(took[which])
		}
		there, missing := took[0][200], took[1][200]
		t.Logf("GET /v1/connections/{id}%s: another owner's %v, nobody's %v (medians)", suffix, there, missing)
		require.Less(t, there, 2*missing)
		require.Less(t, missing, 2*there)
	}
	for _, odd := range []string{"%00", "..%2f..", "CON_1", strings.Repeat("x", 60), "con%27", "%F0%9F%98%80"} {
		r.refused(r.ask(key, "GET", "/v1/connections/"+odd, nil), http.StatusNotFound, "not_found")
		r.refused(r.ask(key, "GET", "/v1/connections/"+odd+"/token", nil), http.StatusNotFound, "not_found")
	}
}

// sendRaw sends the beginning of a request as it is, and reads the answer while the request is still to be finished.
func (r *pgRig) sendRaw(request string) (a answer, took time.Duration) {
	r.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.base, "http://"))
	require.NoError(r.t, err)
	defer func() { _ = conn.Close() }()
	begun := time.Now()
	require.NoError(r.t, conn.SetDeadline(begun.Add(patience)))
	_, err = io.WriteString(conn, request)
	require.NoError(r.t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(r.t, err)
	took = time.Since(begun)
	body, err := io.ReadAll(response.Body)
	require.NoError(r.t, err)
	a = answer{response.StatusCode, response.Header, string(body)}
	r.checkAnswer("raw", a)
	return a, took
}

// Bodies and parameters that are too long are refused, and no more of them is read than that takes.
func TestAttackOversizedBodies(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t, func(c *api.Config) { c.BodyLimit = time.Second })
	key := r.key("")
	long := strings.Repeat("x", 65<<10)
	for _, path := range []string{"/v1/connections", "/v1/connect-sessions"} {
		for _, length := range []string{"Content-Length: 1000000000", "Transfer-Encoding: chunked"} {
			head := "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + length + "\r\n"
			body := `{"connector":"` + long
			if strings.HasPrefix(length, "Transfer") {
				body = fmt.Sprintf("%x\r\n%s", 1<<20, body)
			}
			a, _ := r.sendRaw(head + "Authorization: Bearer " + key + "\r\n\r\n" + body)
			r.refused(a, http.StatusRequestEntityTooLarge, "body_too_large")
			a, _ = r.sendRaw(head + "\r\n" + body)
			r.refused(a, http.StatusUnauthorized, "unauthorized")
		}
		r.refused(r.ask(key, "POST", path, strings.Repeat("[", 60<<10)), http.StatusBadRequest, "invalid_request")
	}
	r.refused(r.ask(key, "GET", "/v1/connections?owner="+long[:8<<10], nil), http.StatusUnprocessableEntity, "invalid_request")
	r.refused(r.ask(key, "GET", "/v1/connections/"+long[:8<<10], nil), http.StatusUnprocessableEntity, "invalid_request")
	r.refused(r.ask(key, "GET", "/v1/connections?cursor="+long[:100], nil), http.StatusUnprocessableEntity, "invalid_request")
	r.refused(r.ask(key, "POST", "/v1/connections", map[string]any{"connector": "slack"}, "Idempotency-Key", long[:1000]), http.StatusUnprocessableEntity, "invalid_request")
	rows, err := r.store.ListConnections(t.Context(), vault.ConnectionFilter{})
	require.NoError(t, err)
	require.Empty(t, rows)
}

// A body that trickles in is given up, and who has no key is not waited for at all.
func TestAttackSlowBodies(t *testing.T) {
	t.Parallel()
	const limit = 300 * time.Millisecond
	r := newPostgresRig(t, func(c *api.Config) { c.BodyLimit = limit })
	key := r.key("")
	const head = "POST /v1/connections HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
	a, took := r.sendRaw(head + "Authorization: Bearer " + key + "\r\n\r\n{\"conn")
	r.refused(a, http.StatusRequestTimeout, "body_too_slow")
	require.GreaterOrEqual(t, took, limit)
	require.Less(t, took, limit+5*time.Second)
	for _, request := range []string{head + "\r\n", strings.Replace(head, "connections", "nothing", 1) + "\r\n{"} {
		a, took = r.sendRaw(request)
		require.Contains(t, []int{http.StatusUnauthorized, http.StatusNotFound}, a.status)
		require.Less(t, took, 5*time.Second)
	}
}

// Each path has the methods that it has, whatever a header, a parameter or a body says.
func TestAttackMethodConfusion(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	id := r.seed("acme", 1)
	key := r.key("acme")
	has := map[string][]string{}
	for _, o := range r.operations() {
		has[pathOf(o, id)] = append(has[pathOf(o, id)], o.method)
	}
	for path, methods := range has {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"} {
			if slices.Contains(methods, method) || (method == "HEAD" && slices.Contains(methods, "GET")) {
				continue
			}
			a := r.ask(key, method, path, nil)
			if path == "/v1/connections/import" && (method == "GET" || method == "HEAD") {
				require.Equal(t, http.StatusNotFound, a.status, "no connection has that id")
				continue
			}
			require.Equal(t, http.StatusMethodNotAllowed, a.status, "%s %s", method, path)
			for _, method := range methods {
				require.Contains(t, a.header.Get("Allow"), method)
			}
		}
	}
	for _, header := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		a := r.ask(key, "GET", "/v1/connections/"+id, nil, header, "DELETE")
		require.Equal(t, http.StatusOK, a.status)
		r.refused(r.ask(key, "GET", "/v1/connections/"+id+"/disconnect", nil, header, "POST"), http.StatusMethodNotAllowed, "method_not_allowed")
	}
	r.refused(r.ask(key, "GET", "/v1/connections/"+id+"?_method=DELETE", nil), http.StatusUnprocessableEntity, "invalid_request")
	for _, path := range []string{"/v1/", "/v1/nothing", "/v1/connections/" + id + "/token/x", "/v1/connections/" + id + "/"} {
		r.refused(r.ask(key, "GET", path, nil), http.StatusNotFound, "no_such_path")
	}
	row, err := r.store.Connection(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "active", row.Status)
}

// What is sent is never quoted back, and what is malformed creates nothing.
func TestAttackMalformedBodies(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	key := r.key("")
	const secret = "a secret in the wrong place"
	for body, status := range map[string]int{
		`{"connector":"slack","owner":"acme","client_secrets":"` + secret + `"}`:           http.StatusUnprocessableEntity,
		`{"connector":{"client_secret":"` + secret + `"}}`:                                 http.StatusUnprocessableEntity,
		`{"connector":"slack","owner":"acme","grant":"` + secret + `"}`:                    http.StatusUnprocessableEntity,
		`{"connector":"slack","owner":"acme","policy":"` + secret + `"}`:                   http.StatusUnprocessableEntity,
		`{"connector":"slack","client_id":"x","client_secret":"` + secret + `","owner":1}`: http.StatusUnprocessableEntity,
		`{"client_secret":"` + secret + `"`:                                                http.StatusBadRequest,
		`"` + secret + `"`:                                                                 http.StatusUnprocessableEntity,
		``:                                                                                 http.StatusBadRequest,
		`null`:                                                                             http.StatusUnprocessableEntity,
	} {
		a := r.ask(key, "POST", "/v1/connections", body)
		require.Equal(t, status, a.status, "%s: %s", body, a.body)
		require.NotContains(t, a.body, secret)
	}
	a := r.ask(key, "POST", "/v1/connections", `connector=slack&owner=acme`, "Content-Type", "application/x-www-form-urlencoded")
	r.refused(a, http.StatusUnsupportedMediaType, "unsupported_media_type")
	rows, err := r.store.ListConnections(t.Context(), vault.ConnectionFilter{})
	require.NoError(t, err)
	require.Empty(t, rows)
}

var _ http.Handler = (*api.Server)(nil)

// One key's flood is its own: it is told when to come back, and others are served.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t, func(c *api.Config) { c.Reads, c.Writes = 0.5, 0.01 })
	key, other := r.key("acme"), r.key("acme")
	require.Equal(t, http.StatusOK, r.ask(key, "GET", "/v1/connections", nil).status)
	a := r.ask(key, "GET", "/v1/connections", nil)
	r.refused(a, http.StatusTooManyRequests, "rate_limited")
	require.Equal(t, "2", a.header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, r.ask(other, "GET", "/v1/connections", nil).status)
	require.Equal(t, http.StatusNotFound, r.ask(key, "POST", "/v1/connections/"+missingID+"/pause", nil).status, "writes are counted apart")
	r.refused(r.ask(key, "POST", "/v1/connections/"+missingID+"/pause", nil), http.StatusTooManyRequests, "rate_limited")
	r.refused(r.ask("ck_0000000000000000_"+strings.Repeat("0", 52), "GET", "/v1/connections", nil), http.StatusUnauthorized, "unauthorized")
}

// While the vault is away nothing is handed out, and the answer says so without a driver's text.
func TestVaultAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	key := r.key("")
	id := r.active("acme")
	require.NoError(t, r.Vault.Close())
	for _, path := range []string{"/v1/connections", "/v1/connections/" + id + "/token"} {
		a := r.ask(key, "GET", path, nil)
		r.refused(a, http.StatusServiceUnavailable, "vault_unavailable")
		require.NotEmpty(t, a.header.Get("Retry-After"))
		require.NotContains(t, a.body, "sql")
	}
}
