package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/api"
	"github.com/acme/connections/internal/apikey"
	"github.com/acme/connections/internal/connections"
)

const missingID = "con_06eg2v99999999999999999999"

// bodyOf is a body that the operation takes.
func bodyOf(operation string) any {
	switch operation {
	case "create-connection":
		return map[string]any{"connector": "slack"}
	case "create-connect-session":
		return map[string]any{"connectors": []string{"slack"}}
	case "import-connections":
		return map[string]any{"records": []any{map[string]any{"connector": "slack", "external_id": "1", "access_token": "at"}}}
	case "put-integration":
		return map[string]any{"client_id": "id", "client_secret": "secret"}
	default:
		return nil
	}
}

// pathOf fills in the path of an operation.
func pathOf(o documented, id string) string {
	if strings.Contains(o.path, "connect-sessions") {
		id = strings.Replace(id, "con_", "cs_", 1)
	}
	path := strings.ReplaceAll(o.path, "{id}", id)
	if strings.HasPrefix(o.path, "/v1/connectors") {
		path = strings.ReplaceAll(o.path, "{id}", "slack")
	}
	return strings.ReplaceAll(path, "{connector}", "slack")
}

// A key of another owner finds nothing of what is this owner's, on every route: the answer is that for what is not
// there, to the byte, and nothing has happened.
func TestAttackKeyOfAnotherOwner(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	id := r.seed("acme", 1)
	session, err := r.client.CreateConnectSession(t.Context(), connections.ConnectSessionRequest{Connectors: []string{"slack"}, Owner: "acme"})
	require.NoError(t, err)
	own := r.key("acme")
	made[api.Integration](r.rig, r.ask(own, "PUT", "/v1/integrations/slack", map[string]any{"client_id": "acme's", "client_secret": "acme's secret"}), http.StatusOK)

	for name, other := range map[string]string{"another owner": r.key("other"), "an owner of a similar name": r.key("acme ")} {
		for _, o := range r.operations() {
			what := name + " on " + o.id
			ask := func(path string, body any) answer { return r.ask(other, o.method, path, body) }
			switch o.id {
			case "get-connection", "get-token", "refresh-connection", "pause-connection", "resume-connection", "reconnect-connection", "disconnect-connection":
				require.Equal(t, ask(pathOf(o, missingID), nil).body, ask(pathOf(o, id), nil).body, what)
				r.refused(ask(pathOf(o, id), nil), http.StatusNotFound, "not_found")
			case "get-connect-session":
				r.refused(ask("/v1/connect-sessions/"+session.ID, nil), http.StatusNotFound, "not_found")
				require.Equal(t, ask("/v1/connect-sessions/cs_none", nil).body, ask("/v1/connect-sessions/"+session.ID, nil).body, what)
			case "create-connect-session":
				r.refused(ask(o.path, map[string]any{"connectors": []string{"slack"}, "owner": "acme"}), http.StatusForbidden, "owner_not_allowed")
				reconnect := func(id string) answer { return ask(o.path, map[string]any{"connection_id": id}) }
				r.refused(reconnect(id), http.StatusNotFound, "not_found")
				require.Equal(t, reconnect(missingID).body, reconnect(id).body, what)
				r.refused(ask(o.path, map[string]any{"manage": true, "owner": "acme"}), http.StatusForbidden, "owner_not_allowed")
			case "create-connection":
				r.refused(ask(o.path, map[string]any{"connector": "slack", "owner": "acme"}), http.StatusForbidden, "owner_not_allowed")
			case "import-connections":
				record := map[string]any{"connector": "slack", "external_id": "1", "access_token": "at", "owner": "acme"}
				r.refused(ask(o.path, map[string]any{"owner": "acme", "records": []any{record}}), http.StatusForbidden, "owner_not_allowed")
				report := made[api.ImportReport](r.rig, ask(o.path, map[string]any{"records": []any{record}}), http.StatusOK)
				require.EqualValues(t, 1, report.Failed, what)
				require.Zero(t, report.Created, what)
			case "put-integration":
				r.refused(ask(pathOf(o, ""), map[string]any{"client_id": "theirs", "client_secret": "s", "owner": "acme"}), http.StatusForbidden, "owner_not_allowed")
			case "list-connections":
				for _, query := range []string{"", "?owner=acme", "?owner=acme&connector=slack", "?tag=n:1"} {
					require.Empty(t, made[api.ConnectionPage](r.rig, ask(o.path+query, nil), http.StatusOK).Connections, what+query)
				}
			case "list-integrations":
				for _, query := range []string{"", "?owner=acme"} {
					require.Empty(t, made[api.IntegrationList](r.rig, ask(o.path+query, nil), http.StatusOK).Integrations, what+query)
				}
			case "list-connectors", "get-connector":
				require.Equal(t, http.StatusOK, ask(pathOf(o, ""), nil).status, "the catalogue is nobody's")
			default:
				t.Errorf("say what %s answers to a key of another owner", o.id)
			}
		}
	}
	row, err := r.store.Connection(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "active", row.Status)
	require.EqualValues(t, 1, row.Generation)
	r.api.Flush(t.Context())
	handouts, err := r.store.Handouts(t.Context(), id, 0)
	require.NoError(t, err)
	require.Empty(t, handouts)
	require.Len(t, made[api.ConnectionPage](r.rig, r.ask(own, "GET", "/v1/connections", nil), http.StatusOK).Connections, 1)
	require.Equal(t, "acme's", made[api.IntegrationList](r.rig, r.ask(own, "GET", "/v1/integrations", nil), http.StatusOK).Integrations[0].ClientID)
}

// A key that lacks the scope is refused on every route, whether what it asks for is there or not; a key with that scope
// alone is not.
func TestScopeOnEveryRoute(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	id := r.seed("acme", 1)
	for _, o := range r.operations() {
		var others []string
		for scope := range apikey.Scopes() {
			if scope != o.scope {
				others = append(others, scope)
			}
		}
		for _, owner := range []string{"acme", ""} {
			_, key := r.newKey(owner, others...)
			for _, of := range []string{id, missingID} {
				a := r.ask(key, o.method, pathOf(o, of), bodyOf(o.id))
				r.refused(a, http.StatusForbidden, "scope_missing")
				require.Equal(t, `Bearer realm="connections", error="insufficient_scope", scope="`+o.scope+`"`, a.header.Get("WWW-Authenticate"))
			}
		}
		_, key := r.newKey("acme", o.scope)
		a := r.ask(key, o.method, pathOf(o, missingID), bodyOf(o.id))
		require.NotContains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, a.status, "%s: %s", o.id, a.body)
	}
}

// A key that may make links for consent makes none to the page where all connections are seen and ended.
func TestAttackManageLinkWithoutScope(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	ask := func(scopes ...string) answer {
		_, key := r.newKey("acme", scopes...)
		return r.ask(key, "POST", "/v1/connect-sessions", map[string]any{"manage": true})
	}
	r.refused(ask(apikey.ScopeConnectWrite), http.StatusForbidden, "scope_missing")
	require.Equal(t, http.StatusCreated, ask(apikey.ScopeConnectWrite, apikey.ScopeConnectionsWrite).status)
}

// A key that may list may not read tokens.
func TestAttackTokenWithoutScope(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	id := r.seed("acme", 1)
	_, key := r.newKey("acme", apikey.ScopeConnectionsRead, apikey.ScopeConnectionsWrite, apikey.ScopeConnectWrite, apikey.ScopeIntegrationsRead)
	r.refused(r.ask(key, "GET", "/v1/connections/"+id+"/token", nil), http.StatusForbidden, "scope_missing")
	for _, path := range []string{"/v1/connections", "/v1/connections/" + id} {
		a := r.ask(key, "GET", path, nil)
		require.Equal(t, http.StatusOK, a.status)
		require.NotContains(t, a.body, tokenText(id))
	}
	r.api.Flush(t.Context())
	handouts, err := r.store.Handouts(t.Context(), id, 0)
	require.NoError(t, err)
	require.Empty(t, handouts)
}

// No key, and every kind of bad key, is refused on every route with the same answer, before anything else is looked at.
func TestAttackBadKeys(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	id := r.seed("acme", 1)
	scopes := []string{}
	for scope := range apikey.Scopes() {
		scopes = append(scopes, scope)
	}
	now := time.Now()
	_, good := r.newKey("acme", scopes...)
	revokedID, revoked := r.newKey("acme", scopes...)
	require.NoError(t, r.store.RevokeAPIKey(t.Context(), revokedID, now))
	_, expired, err := apikey.Create(t.Context(), r.store, apikey.Request{Scopes: scopes, Life: time.Second}, now.Add(-time.Minute))
	require.NoError(t, err)
	rotatedID, rotated := r.newKey("acme", scopes...)
	_, _, err = apikey.Rotate(t.Context(), r.store, rotatedID, 0, now)
	require.NoError(t, err)
	last := good[len(good)-1:]
	wrong := good[:len(good)-1] + strings.NewReplacer("0", "1").Replace("0")
	if last == "1" {
		wrong = good[:len(good)-1] + "2"
	}
	var first string
	for name, key := range map[string]string{
		"revoked": revoked, "expired": expired.Reveal(), "rotated": rotated, "last character": wrong,
		"another's secret": revokedID + good[len(revokedID):], "unknown": "ck_0000000000000000_" + strings.Repeat("0", 52),
		"id alone": revokedID, "nonsense": "x", "in capitals": strings.ToUpper(good),
		"two": good + ", " + good,
	} {
		for _, o := range r.operations() {
			a := r.ask(key, o.method, pathOf(o, id), bodyOf(o.id))
			r.refused(a, http.StatusUnauthorized, "unauthorized")
			require.Equal(t, `Bearer realm="connections", error="invalid_token"`, a.header.Get("WWW-Authenticate"), name)
			if first == "" {
				first = a.body
			}
			require.Equal(t, first, a.body, name)
		}
	}
	for _, o := range r.operations() {
		for _, header := range []string{"", "Basic " + good, good, "Bearer"} {
			a := r.ask("", o.method, pathOf(o, id), bodyOf(o.id), "Authorization", header)
			r.refused(a, http.StatusUnauthorized, "unauthorized")
			require.Contains(t, a.header.Get("WWW-Authenticate"), "Bearer realm=")
		}
		r.refused(r.ask("", o.method, pathOf(o, id)+"?api_key="+good+"&access_token="+good, bodyOf(o.id)), http.StatusUnauthorized, "unauthorized")
	}
	require.Equal(t, http.StatusOK, r.ask(good, "GET", "/v1/connections/"+id+"/token", nil).status)
	require.Equal(t, http.StatusOK, r.ask("", "GET", "/v1/connections/"+id, nil, "Authorization", "bearer "+good).status, "the scheme's case is of no matter")
}
