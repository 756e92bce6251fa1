package api_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// documented is an operation as the OpenAPI document has it.
type documented struct {
	id, method, path, scope string
}

// operations reads all that there are from the document, so that no test forgets one.
func (r *rig) operations() []documented {
	r.t.Helper()
	var document struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string                `json:"operationId"`
			Security    []map[string][]string `json:"security"`
		} `json:"paths"`
	}
	a := r.ask("", "GET", "/v1/openapi.json", nil)
	require.Equal(r.t, http.StatusOK, a.status)
	require.NoError(r.t, json.Unmarshal([]byte(a.body), &document))
	require.Equal(r.t, "3.1.0", document.OpenAPI)
	var all []documented
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		for method, o := range document.Paths[path] {
			require.Len(r.t, o.Security, 1, o.OperationID)
			require.Len(r.t, o.Security[0]["apiKey"], 1, "%s names one scope", o.OperationID)
			all = append(all, documented{o.OperationID, strings.ToUpper(method), path, o.Security[0]["apiKey"][0]})
		}
	}
	require.Greater(r.t, len(all), 12)
	return all
}

func TestDocumentIsServed(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	a := r.ask("", "GET", "/v1/openapi.yaml", nil)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "application/openapi+yaml", a.header.Get("Content-Type"))
	require.True(t, strings.HasPrefix(a.body, "components:") || strings.Contains(a.body, "\nopenapi: 3.1.0"), a.body[:200])
}
