package connector_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
)

// TestEmbedded_All330: each is valid, resolves with its own examples, names its sources, and pins where secrets go.
func TestEmbedded_All330(t *testing.T) {
	t.Parallel()
	catalogue, err := connector.Load()
	require.NoError(t, err)
	all, err := catalogue.All(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 330)
	for _, c := range all {
		require.NotEmpty(t, c.Sources, c.ID)
		require.NotEmpty(t, c.Confidence, c.ID)
		require.NotEmpty(t, c.Category, c.ID)
		require.False(t, c.Loopback, c.ID)
		require.False(t, c.Discovery, "%s: facts, not promises", c.ID)
		examples := map[string]string{}
		for _, i := range c.Inputs {
			examples[i.Name] = i.Example
		}
		resolved, err := c.Resolve(examples)
		require.NoError(t, err, c.ID)
		text, err := json.Marshal(resolved.Token)
		require.NoError(t, err)
		for _, i := range c.Inputs {
			require.NotContains(t, string(text), "{"+i.Name+"}", c.ID)
		}
		for _, capture := range c.Metadata {
			name := strings.ToLower(capture.Name())
			if strings.HasSuffix(name, "_url") || strings.HasSuffix(name, "domain") || strings.HasSuffix(name, "access_point") {
				require.NotEmpty(t, capture.Hosts, "%s: %s leads somewhere", c.ID, capture.Path)
			}
		}
	}
}

func TestEmbedded_FilesFitTheSchema(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.NewCompiler().Compile("schema.json")
	require.NoError(t, err)
	files, err := filepath.Glob("catalogue/*.json")
	require.NoError(t, err)
	require.Len(t, files, 330)
	for _, path := range files {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
		require.NoError(t, err)
		require.NoError(t, schema.Validate(document), path)
	}
	for text, fits := range map[string]bool{
		`{"id":"x","name":"X","issuer":"https://as.example","discovery":true,"scopes":{"default":["a"]}}`:                           true,
		`{"id":"x","name":"X","grants":["client_credentials"],"token":{"url":"https://as.example/t","auth":"client_secret_basic"}}`: true,
		`{"id":"x","name":"X","issuer":"https://as.example","discovery":true,"tokn":{}}`:                                            false,
		`{"id":"x","name":"X","grants":["client_credentials"],"token":{"url":"https://as.example/t","auth":"auto"}}`:                false,
		`{"id":"x","name":"X","grants":["client_credentials"],"token":{"auth":"client_secret_basic"}}`:                              false,
		`{"id":"x","name":"X","grants":["authorization_code"],"token":{"url":"https://as.example/t","auth":"client_secret_basic"}}`: false,
		`{"id":"X","name":"X","grants":["client_credentials"],"token":{"url":"https://as.example/t","auth":"client_secret_basic"}}`: false,
	} {
		document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		require.NoError(t, err)
		require.Equal(t, fits, schema.Validate(document) == nil, text)
	}
}

// TestSchema_HasTheFieldsOfTheCode, all of them and no others, so that neither drifts.
func TestSchema_HasTheFieldsOfTheCode(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("schema.json")
	require.NoError(t, err)
	var schema map[string]any
	require.NoError(t, json.Unmarshal(content, &schema))
	checkFields(t, schema, schema, reflect.TypeFor[connector.Connector](), "connector")
}

func checkFields(t *testing.T, root, node map[string]any, of reflect.Type, path string) {
	t.Helper()
	properties, ok := deref(root, node)["properties"].(map[string]any)
	require.True(t, ok, "%s has no properties in the schema", path)
	names := map[string]bool{}
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		names[name] = true
		property, ok := properties[name].(map[string]any)
		require.True(t, ok, "%s.%s is missing in the schema", path, name)
		inner, items := field.Type, false
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			items = items || inner.Kind() == reflect.Slice
			inner = inner.Elem()
		}
		if inner.Kind() != reflect.Struct {
			continue
		}
		if property = deref(root, property); items {
			property = deref(root, property["items"].(map[string]any))
		}
		checkFields(t, root, property, inner, path+"."+name)
	}
	for name := range properties {
		require.True(t, names[name], "%s.%s of the schema is not in the code", path, name)
	}
}

// deref follows a reference, and takes the object among alternatives.
func deref(root, node map[string]any) map[string]any {
	if ref, ok := node["$ref"].(string); ok {
		return deref(root, root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any))
	}
	for _, word := range []string{"oneOf", "anyOf"} {
		alternatives, ok := node[word].([]any)
		if _, direct := node["properties"]; !ok || direct {
			continue
		}
		for _, alternative := range alternatives {
			if found := deref(root, alternative.(map[string]any)); found["properties"] != nil {
				return found
			}
		}
	}
	return node
}
