package api_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/api"
	"github.com/acme/connections/internal/apikey"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// A token that lives for less than is asked is renewed first; more than half of its life is not asked of any.
func TestMinTTL(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, key := r.active("acme"), r.key("acme", apikey.ScopeTokensRead)
	read := func(minTTL int) api.Token {
		return made[api.Token](r, r.ask(key, "GET", fmt.Sprintf("/v1/connections/%s/token?min_ttl=%d", id, minTTL), nil), http.StatusOK)
	}
	require.EqualValues(t, 1, read(0).Generation)
	require.EqualValues(t, 1, read(86400).Generation, "ten minutes are its whole life")
	r.Clock.Move(6 * time.Minute)
	require.EqualValues(t, 1, read(60).Generation)
	first := read(60)
	var second api.Token
	// Should a renewal take seconds, the live token is the answer meanwhile.
	require.Eventually(t, func() bool {
		second = read(290)
		return second.Generation > first.Generation
	}, 3*patience, 50*time.Millisecond)
	require.NotEqual(t, first.AccessToken, second.AccessToken)
	require.NotNil(t, second.ExpiresAt)
	for _, query := range []string{"min_ttl=-1", "min_ttl=86401", "min_ttl=1m", "min_ttl=", "ttl=1"} {
		a := r.ask(key, "GET", "/v1/connections/"+id+"/token?"+query, nil)
		if query == "min_ttl=" {
			require.Equal(t, http.StatusOK, a.status)
			continue
		}
		r.refused(a, http.StatusUnprocessableEntity, "invalid_request")
	}
}

// What is handed out is in the audit, by the key; the key's use and the connection's read are marked.
func TestAudit(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	id := r.seed("acme", 1)
	keyID, key := r.newKey("acme", apikey.ScopeTokensRead)
	for range 3 {
		require.Equal(t, tokenText(id), made[api.Token](r.rig, r.ask(key, "GET", "/v1/connections/"+id+"/token", nil), http.StatusOK).AccessToken)
	}
	before, err := r.store.APIKey(t.Context(), keyID)
	require.NoError(t, err)
	require.Zero(t, before.UsedAt, "no write a request")
	r.api.Flush(t.Context())
	k, err := r.store.APIKey(t.Context(), keyID)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), k.UsedAt, time.Minute)
	handouts, err := r.store.Handouts(t.Context(), id, 0)
	require.NoError(t, err)
	require.Len(t, handouts, 1)
	require.Equal(t, "api-key:"+keyID, handouts[0].Who)
	require.EqualValues(t, 3, handouts[0].Count)
	at, err := r.store.LastRead(t.Context(), id)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), at, time.Minute)
}

// A key that is rotated, revoked or expires counts so from the next request on.
func TestKeysAreCheckedOnEachRequest(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	id := r.seed("acme", 1)
	read := func(key string) int { return r.ask(key, "GET", "/v1/connections/"+id+"/token", nil).status }
	keyID, first := r.newKey("acme", apikey.ScopeTokensRead)
	require.Equal(t, http.StatusOK, read(first))
	_, second, err := apikey.Rotate(t.Context(), r.store, keyID, time.Hour, time.Now())
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, read(first), "within the grace")
	require.Equal(t, http.StatusOK, read(second.Reveal()))
	_, third, err := apikey.Rotate(t.Context(), r.store, keyID, 0, time.Now())
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, read(first))
	require.Equal(t, http.StatusUnauthorized, read(second.Reveal()))
	require.Equal(t, http.StatusOK, read(third.Reveal()))
	require.NoError(t, r.store.SetStatus(t.Context(), vault.StatusChange{ID: id, Status: "paused", Seq: 9, At: time.Now()}))
	require.Equal(t, http.StatusConflict, read(third.Reveal()), "and so does the connection's status")
	require.NoError(t, r.store.RevokeAPIKey(t.Context(), keyID, time.Now()))
	require.Equal(t, http.StatusUnauthorized, read(third.Reveal()))
}

// While Temporal is away, live tokens are handed out, and what needs it says so.
func TestTemporalAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, key := r.active("acme"), r.key("acme")
	away, err := api.New(api.Config{Connections: r.NewClient(connectionstest.LazyTemporal(t, "127.0.0.1:9"), r.base), Log: r.Log})
	require.NoError(t, err)
	t.Cleanup(away.Close)
	r.base = serveBare(t, away)
	require.Equal(t, r.token(id), made[api.Token](r, r.ask(key, "GET", "/v1/connections/"+id+"/token", nil), http.StatusOK).AccessToken)
	require.Equal(t, "active", made[api.Connection](r, r.ask(key, "GET", "/v1/connections/"+id, nil), http.StatusOK).Status)
	a := r.ask(key, "POST", "/v1/connections", map[string]any{"connector": "sandbox"})
	r.refused(a, http.StatusServiceUnavailable, "temporal_unavailable")
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.Equal(t, 1, r.count("acme"))
}

// Whatever is refused is refused with a code and a sentence of ours.
func TestRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	key := r.key("")
	create := func(body map[string]any) answer { return r.ask(key, "POST", "/v1/connections", body) }
	r.refused(create(map[string]any{"connector": "sandbox"}), http.StatusUnprocessableEntity, "invalid_request") // no owner
	r.refused(create(map[string]any{"connector": "sandbx", "owner": "acme"}), http.StatusUnprocessableEntity, "unknown_connector")
	r.refused(create(map[string]any{"connector": "sandbox", "owner": "acme", "client_id": "x"}), http.StatusUnprocessableEntity, "invalid_request")
	r.refused(create(map[string]any{"connector": "sandbox", "owner": "a\nb"}), http.StatusUnprocessableEntity, "invalid_request")
	require.Zero(t, r.count(""))

	wrong := made[api.Connection](r, create(map[string]any{
		"connector": "sandbox", "owner": "acme", "grant": "client_credentials", "client_id": "sandbox-m2m", "client_secret": "wrong",
	}), http.StatusCreated)
	r.Await(wrong.ID, func(row vault.Connection) bool { return row.Reason == string(workflows.ReasonClientRejected) })
	p := r.refused(r.ask(key, "GET", "/v1/connections/"+wrong.ID+"/token", nil), http.StatusConflict, "client_rejected")
	require.Equal(t, workflows.ReasonClientRejected.Sentence(), p.Detail)

	pending := made[api.Connection](r, create(map[string]any{"connector": "sandbox", "owner": "acme"}), http.StatusCreated)
	for path, code := range map[string]string{"/token": "not_ready", "/refresh": "not_ready", "/resume": "not_applicable"} {
		method := "POST"
		if path == "/token" {
			method = "GET"
		}
		r.refused(r.ask(key, method, "/v1/connections/"+pending.ID+path, nil), http.StatusConflict, code)
	}
	session := func(body map[string]any) answer { return r.ask(key, "POST", "/v1/connect-sessions", body) }
	r.refused(session(map[string]any{"owner": "acme"}), http.StatusUnprocessableEntity, "invalid_request")
	r.refused(session(map[string]any{"owner": "acme", "connectors": []string{"sandbox"}, "return_url": "https://evil.example/"}), http.StatusUnprocessableEntity, "invalid_request")
	r.refused(session(map[string]any{"owner": "acme", "connectors": []string{"sandbox"}, "expires_in": 1}), http.StatusUnprocessableEntity, "invalid_request")
	r.refused(session(map[string]any{"connection_id": missingID}), http.StatusNotFound, "not_found")
	made[api.ConnectSession](r, session(map[string]any{"connection_id": pending.ID}), http.StatusCreated)
	s := made[api.ConnectSession](r, session(map[string]any{"owner": "acme", "connectors": []string{"sandbox"}, "expires_in": 60}), http.StatusCreated)
	require.WithinDuration(t, r.Clock.Now().Add(time.Minute), s.ExpiresAt, 10*time.Second)
	state := made[api.ConnectSessionState](r, r.ask(key, "GET", "/v1/connect-sessions/"+s.ID, nil), http.StatusOK)
	require.False(t, state.Used)
	require.Empty(t, state.ConnectionID)
}
