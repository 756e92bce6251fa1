package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write openapi.json anew")

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

// The document is valid OpenAPI 3.1 in both forms, and is the one that is kept in openapi.json: a change of the API is
// seen in its diff. "go test ./internal/api -run TestDocument -update" writes it anew.
func TestDocument(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	served := map[string]string{}
	for _, form := range []string{"json", "yaml"} {
		a := r.ask("", "GET", "/v1/openapi."+form, nil)
		require.Equal(t, http.StatusOK, a.status)
		require.Equal(t, "application/openapi+"+form, a.header.Get("Content-Type"))
		served[form] = a.body
	}
	fromJSON, err := jsonschema.UnmarshalJSON(strings.NewReader(served["json"]))
	require.NoError(t, err)
	checkDocument(t, fromJSON)
	var fromYAML any
	require.NoError(t, yaml.Unmarshal([]byte(served["yaml"]), &fromYAML))
	asJSON, err := json.Marshal(fromYAML)
	require.NoError(t, err)
	require.JSONEq(t, served["json"], string(asJSON), "both forms say the same")

	document := strings.ReplaceAll(served["json"], r.base, "https://connections.example") + "\n"
	if *update {
		require.NoError(t, os.WriteFile("openapi.json", []byte(document), 0o600))
	}
	kept, err := os.ReadFile("openapi.json")
	require.NoError(t, err)
	require.Equal(t, string(kept), document, "run the test with -update, then \"go generate ./internal/api/apiclient\"")
}

// checkDocument validates against the schema of OpenAPI 3.1 that the OpenAPI Initiative publishes
// (https://spec.openapis.org/oas/3.1/schema/2022-10-07), and each schema in the document as JSON Schema 2020-12.
func checkDocument(t *testing.T, document any) {
	t.Helper()
	file, err := os.Open("testdata/openapi-3.1.schema.json")
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	content, err := jsonschema.UnmarshalJSON(file)
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("openapi.json", content))
	require.NoError(t, compiler.AddResource("document.json", document))
	schema, err := compiler.Compile("openapi.json")
	require.NoError(t, err)
	require.NoError(t, schema.Validate(document))
	object, ok := document.(map[string]any)
	require.True(t, ok)
	require.Equal(t, "3.1.0", object["openapi"])
	require.Error(t, schema.Validate(map[string]any{"openapi": "3.1.0"}), "the schema refuses what is no document")
	components, ok := object["components"].(map[string]any)
	require.True(t, ok)
	schemas, ok := components["schemas"].(map[string]any)
	require.True(t, ok)
	require.Greater(t, len(schemas), 10)
	for name := range schemas {
		_, err := compiler.Compile("document.json#/components/schemas/" + name)
		require.NoError(t, err, name)
	}
}

// The generated client is that of the document.
func TestGeneratedClient(t *testing.T) {
	t.Parallel()
	output := filepath.Join(t.TempDir(), "client.gen.go")
	generate := exec.CommandContext(t.Context(), "go", "tool", "-modfile=generator/go.mod", "oapi-codegen", "-config", "config.yaml", "-o", output, "../openapi.json")
	generate.Dir = "apiclient"
	said, err := generate.CombinedOutput()
	require.NoError(t, err, string(said))
	fresh, err := os.ReadFile(output)
	require.NoError(t, err)
	kept, err := os.ReadFile("apiclient/client.gen.go")
	require.NoError(t, err)
	require.True(t, bytes.Equal(fresh, kept), "run \"go generate ./internal/api/apiclient\"")
}
