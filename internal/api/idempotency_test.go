package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/api"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

func (r *rig) count(owner string) int {
	r.t.Helper()
	rows, err := r.vault.ListConnections(r.t.Context(), vault.ConnectionFilter{Owner: owner})
	require.NoError(r.t, err)
	return len(rows)
}

// A creation that is repeated under its Idempotency-Key creates nothing more, and is answered as the first time.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	key, other := r.key("acme"), r.key("acme")
	create := func(key, idempotencyKey string, body any) answer {
		return r.ask(key, "POST", "/v1/connections", body, "Idempotency-Key", idempotencyKey)
	}
	body := map[string]any{"connector": "sandbox", "tags": map[string]string{"a": "1", "b": "2"}}
	first := create(key, "one", body)
	created := made[api.Connection](r, first, http.StatusCreated)
	require.Equal(t, "false", first.header.Get("Idempotency-Replayed"))
	for _, again := range []any{body, "{ \"tags\" : {\"b\":\"2\",\"a\":\"1\"},\n \"connector\":\"sandbox\" }"} {
		a := create(key, "one", again)
		require.Equal(t, created, made[api.Connection](r, a, http.StatusCreated), "the link too")
		require.Equal(t, "true", a.header.Get("Idempotency-Replayed"))
	}
	require.Equal(t, 1, r.count("acme"))
	r.refused(create(key, "one", map[string]any{"connector": "sandbox"}), http.StatusUnprocessableEntity, "idempotency_key_reused")
	r.refused(r.ask(key, "POST", "/v1/connect-sessions", map[string]any{"connectors": []string{"sandbox"}}, "Idempotency-Key", "one"),
		http.StatusUnprocessableEntity, "idempotency_key_reused")
	require.Equal(t, 1, r.count("acme"))

	require.NotEqual(t, created.ID, made[api.Connection](r, create(other, "one", body), http.StatusCreated).ID, "another API key's is another")
	require.NotEqual(t, created.ID, made[api.Connection](r, create(key, "two", body), http.StatusCreated).ID)
	require.Equal(t, 3, r.count("acme"))

	// What failed can be asked again under the same key.
	failing := map[string]any{"connector": "sandbox", "scopes": []string{""}}
	r.refused(create(key, "three", failing), http.StatusUnprocessableEntity, "invalid_request")
	r.refused(create(key, "three", failing), http.StatusUnprocessableEntity, "invalid_request")
	made[api.Connection](r, create(key, "three", body), http.StatusCreated)

	session := func() answer {
		return r.ask(key, "POST", "/v1/connect-sessions", map[string]any{"connectors": []string{"sandbox"}}, "Idempotency-Key", "session")
	}
	require.Equal(t, made[api.ConnectSession](r, session(), http.StatusCreated), made[api.ConnectSession](r, session(), http.StatusCreated))

	r.Clock.Move(24*time.Hour + time.Minute)
	late := made[api.Connection](r, create(key, "one", body), http.StatusCreated)
	require.NotEqual(t, created.ID, late.ID, "a day later the key is as new")
	r.api.Sweep(t.Context())
	left, err := r.Vault.DeleteRequests(t.Context(), r.Clock.Now().Add(-time.Second), 100)
	require.NoError(t, err)
	require.Zero(t, left, "what has expired is gone")
	require.Equal(t, "true", create(key, "one", body).header.Get("Idempotency-Replayed"), "and what has not is there")
}

// Of many who send the same at once, one creates.
func TestIdempotencyInParallel(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	key := r.key("acme")
	ids := make(chan string, 16)
	var running sync.WaitGroup
	for range cap(ids) {
		running.Go(func() {
			a := r.ask(key, "POST", "/v1/connections", map[string]any{"connector": "sandbox"}, "Idempotency-Key", "one")
			ids <- made[api.Connection](r, a, http.StatusCreated).ID
		})
	}
	running.Wait()
	close(ids)
	first := <-ids
	for id := range ids {
		require.Equal(t, first, id)
	}
	require.Equal(t, 1, r.count("acme"))
}

// Neither a key, nor a link, nor what was sent is in the vault in clear.
func TestNothingInClear(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	key := r.key("acme")
	const clientSecret, idempotencyKey = "a secret that nobody guesses", "an idempotency key that nobody guesses"
	made[api.Integration](r.rig, r.ask(key, "PUT", "/v1/integrations/slack", map[string]any{"client_id": "id", "client_secret": clientSecret}), http.StatusOK)
	session := made[api.ConnectSession](r.rig, r.ask(key, "POST", "/v1/connect-sessions", map[string]any{"connectors": []string{"slack"}},
		"Idempotency-Key", idempotencyKey), http.StatusCreated)
	connection := made[api.Connection](r.rig, r.ask(key, "POST", "/v1/connections", map[string]any{
		"connector": "slack", "client_id": "id", "client_secret": clientSecret,
	}, "Idempotency-Key", idempotencyKey+"2"), http.StatusCreated)
	t.Cleanup(func() {
		_ = r.client.Temporal.TerminateWorkflow(t.Context(), workflows.WorkflowID(connection.ID), "", "its test is over")
	})

	conn, err := pgx.Connect(t.Context(), r.url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	var dump strings.Builder
	for _, table := range []string{"api_keys", "api_requests", "connect_sessions", "integrations", "connections", "links"} {
		_, err := conn.PgConn().CopyTo(t.Context(), &dump, "COPY "+table+" TO STDOUT (FORMAT binary)")
		require.NoError(t, err)
	}
	require.Contains(t, dump.String(), key[:19], "the id of the key is there")
	for what, secret := range map[string]string{
		"key": key, "its secret": key[20:], "client secret": clientSecret, "idempotency key": idempotencyKey, "session link": session.URL,
		"its secret part": session.URL[strings.LastIndex(session.URL, "/")+1:], "connect link": *connection.ConnectURL,
	} {
		require.NotContains(t, dump.String(), secret, what)
	}
}

// Pages of a list are complete and in order, and filters hold on every page.
func TestListPages(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	want := map[string]bool{}
	for i := range 7 {
		id := r.seed([]string{"acme", "other"}[i%2], i)
		want[id] = i%2 == 0
	}
	for name, test := range map[string]struct {
		key, query string
		want       int
	}{
		"an owner's key": {r.key("acme"), "?limit=2", 4}, "a platform's key": {r.key(""), "?limit=2&owner=acme", 4},
		"by connector": {r.key("acme"), "?limit=3&connector=slack", 4}, "by tag": {r.key("acme"), "?limit=3&tag=n:0", 4},
		"by another tag": {r.key("acme"), "?tag=n:1", 0}, "by two": {r.key("acme"), "?tag=n:0&tag=m:1", 0}, "by status": {r.key("acme"), "?status=paused", 0},
	} {
		var ids []string
		for cursor := ""; ; {
			page := made[api.ConnectionPage](r.rig, r.ask(test.key, "GET", "/v1/connections"+test.query+"&cursor="+cursor, nil), http.StatusOK)
			for _, c := range page.Connections {
				require.Equal(t, "acme", c.Owner, name)
				require.True(t, want[c.ID], name)
				ids = append(ids, c.ID)
			}
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		require.Len(t, ids, test.want, name)
		require.IsIncreasing(t, append([]string{""}, ids...), name)
	}
	key := r.key("")
	require.Len(t, made[api.ConnectionPage](r.rig, r.ask(key, "GET", "/v1/connections", nil), http.StatusOK).Connections, 7)
	for _, query := range []string{"cursor=x", "limit=0", "limit=201", "limit=x", "status=odd", "tag=n", "tag=:1", "unknown=1"} {
		r.refused(r.ask(key, "GET", "/v1/connections?"+query, nil), http.StatusUnprocessableEntity, "invalid_request")
	}
}

// The catalogue can be searched and paged through.
func TestConnectors(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	key := r.key("acme")
	var all []string
	for cursor := ""; ; {
		page := made[api.ConnectorPage](r.rig, r.ask(key, "GET", "/v1/connectors?limit=100&cursor="+cursor, nil), http.StatusOK)
		for _, c := range page.Connectors {
			all = append(all, c.ID)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	require.Greater(t, len(all), 300)
	require.IsIncreasing(t, all)
	for query, want := range map[string]string{"search=SLACK": "slack", "search=salesforce&category=crm": "salesforce"} {
		page := made[api.ConnectorPage](r.rig, r.ask(key, "GET", "/v1/connectors?"+query, nil), http.StatusOK)
		require.NotEmpty(t, page.Connectors, query)
		require.Contains(t, fmt.Sprint(page.Connectors), want)
		require.Less(t, len(page.Connectors), 20)
	}
	require.Empty(t, made[api.ConnectorPage](r.rig, r.ask(key, "GET", "/v1/connectors?search=no+such+thing", nil), http.StatusOK).Connectors)
	require.Equal(t, "Slack", made[api.Connector](r.rig, r.ask(key, "GET", "/v1/connectors/slack", nil), http.StatusOK).Name)
	r.refused(r.ask(key, "GET", "/v1/connectors/slakc", nil), http.StatusNotFound, "unknown_connector")
}

// An OAuth app is set and listed without its secret.
func TestIntegrations(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	platform, own := r.key(""), r.key("acme")
	set := func(key, connector string, body map[string]any) answer {
		return r.ask(key, "PUT", "/v1/integrations/"+connector, body)
	}
	a := set(platform, "slack", map[string]any{"client_id": "ours", "client_secret": "our secret", "scopes": []string{"chat:write"}, "policy": "always_fresh"})
	require.NotContains(t, a.body, "our secret")
	i := made[api.Integration](r.rig, a, http.StatusOK)
	require.Equal(t, "platform:slack", i.ID)
	require.Equal(t, 1, i.Secrets)
	require.Equal(t, 2, made[api.Integration](r.rig, set(platform, "slack", map[string]any{"client_id": "ours", "client_secret": "second"}), http.StatusOK).Secrets)
	require.Equal(t, 1, made[api.Integration](r.rig, set(platform, "slack", map[string]any{"client_id": "ours", "client_secret": "third", "only": true}), http.StatusOK).Secrets)
	theirs := made[api.Integration](r.rig, set(own, "slack", map[string]any{"client_id": "theirs", "client_secret": "their secret"}), http.StatusOK)
	require.Equal(t, "acme", theirs.Owner)
	list := made[api.IntegrationList](r.rig, r.ask(platform, "GET", "/v1/integrations", nil), http.StatusOK)
	require.Len(t, list.Integrations, 1)
	require.Equal(t, []string{"chat:write"}, list.Integrations[0].Scopes)
	require.Equal(t, "always_fresh", list.Integrations[0].Policy)
	require.Equal(t, []api.Integration{theirs}, made[api.IntegrationList](r.rig, r.ask(own, "GET", "/v1/integrations", nil), http.StatusOK).Integrations)
	require.Equal(t, []api.Integration{theirs}, made[api.IntegrationList](r.rig, r.ask(platform, "GET", "/v1/integrations?owner=acme", nil), http.StatusOK).Integrations)
	r.refused(set(platform, "slakc", map[string]any{"client_id": "x", "client_secret": "y"}), http.StatusUnprocessableEntity, "unknown_connector")
	r.refused(set(platform, "slack", map[string]any{"client_secret": "y"}), http.StatusUnprocessableEntity, "invalid_request")
}
