package api_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/api"
	"github.com/acme/connections/workflows"
)

// Accounts of another system go on here: made once, however often the request is sent, and renewed like all others.
func TestImport(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	key := r.key("acme")
	kept := made[api.Connection](r, r.ask(key, "POST", "/v1/connections", map[string]any{"connector": "sandbox", "grant": "client_credentials"}), http.StatusCreated)
	r.AwaitStatus(kept.ID, workflows.StatusActive)
	token := made[api.Token](r, r.ask(key, "GET", "/v1/connections/"+kept.ID+"/token", nil), http.StatusOK).AccessToken

	record := map[string]any{
		"connector": "sandbox", "external_id": "theirs-1", "access_token": token, "refresh_token": "unknown-to-the-sandbox",
		"expires_at": r.now().Add(24 * time.Hour).UTC(), "issued_at": r.now().UTC(), "tags": map[string]string{"region": "eu"},
	}
	ask := func(body map[string]any) api.ImportReport {
		return made[api.ImportReport](r, r.ask(key, "POST", "/v1/connections/import", body), http.StatusOK)
	}
	require.Equal(t, api.ImportReport{DryRun: true, Records: 1, Created: 1, Failures: []api.ImportFailure{}},
		ask(map[string]any{"dry_run": true, "records": []any{record}}))
	const find = "/v1/connections?tag=external_id:theirs-1"
	require.Empty(t, made[api.ConnectionPage](r, r.ask(key, "GET", find, nil), http.StatusOK).Connections)

	foreign := map[string]any{"connector": "sandbox", "external_id": "theirs-2", "access_token": token, "owner": "other"}
	report := ask(map[string]any{"records": []any{foreign, record}})
	require.EqualValues(t, 1, report.Created)
	require.EqualValues(t, 1, report.Failed)
	require.Equal(t, "owner", report.Failures[0].Field)
	require.Equal(t, 1, report.Failures[0].Record)
	require.NotContains(t, fmt.Sprint(report), token)

	page := made[api.ConnectionPage](r, r.ask(key, "GET", find, nil), http.StatusOK)
	require.Len(t, page.Connections, 1)
	id := page.Connections[0].ID
	r.AwaitStatus(id, workflows.StatusActive)
	require.Equal(t, token, made[api.Token](r, r.ask(key, "GET", "/v1/connections/"+id+"/token", nil), http.StatusOK).AccessToken)

	again := ask(map[string]any{"records": []any{record}})
	require.EqualValues(t, 1, again.AlreadyThere)
	require.Zero(t, again.Created)
}

// One key's imports are limited by the workflows that they start.
func TestImport_Limit(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	key := r.key("acme")
	body := map[string]any{"records": []any{map[string]any{"connector": "slack", "external_id": "1", "access_token": "at"}}, "dry_run": true}
	last := answer{}
	for range 10 {
		if last = r.ask(key, "POST", "/v1/connections/import", body); last.status != http.StatusOK {
			break
		}
	}
	r.refused(last, http.StatusTooManyRequests, "rate_limited")
	require.NotEmpty(t, last.header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, r.ask(key, "GET", "/v1/connections", nil).status)
}

// What cannot be a request is refused as a whole.
func TestImport_Refusals(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	key := r.key("")
	record := map[string]any{"connector": "slack", "external_id": "1", "access_token": "at", "owner": "acme"}
	many := make([]any, 201)
	for i := range many {
		many[i] = record
	}
	for name, body := range map[string]any{
		"nothing": map[string]any{"records": []any{}}, "too many": map[string]any{"records": many},
		"a misspelt member": map[string]any{"records": []any{map[string]any{"connector": "slack", "external_id": "1", "acces_token": "at"}}},
	} {
		require.Equal(t, http.StatusUnprocessableEntity, r.ask(key, "POST", "/v1/connections/import", body).status, name)
	}
	long := map[string]any{"records": []any{map[string]any{"connector": "slack", "external_id": "1", "access_token": string(make([]byte, 1<<20))}}}
	r.refused(r.ask(key, "POST", "/v1/connections/import", long), http.StatusRequestEntityTooLarge, "body_too_large")
}
