package connector_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
)

func TestEmbeddedCatalogueIsValid(t *testing.T) {
	t.Parallel()
	catalogue, err := connector.Load()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(catalogue.All()), 200)
	for _, id := range []string{"salesforce", "hubspot"} {
		c, err := catalogue.Get(id)
		require.NoError(t, err)
		require.NotEmpty(t, c.Sources, "facts name their sources")
	}
	for _, c := range catalogue.All() {
		require.False(t, c.Loopback)
		require.NotEmpty(t, c.Confidence, c.ID)
	}
}

func TestUnknownConnectorSuggestsNearNames(t *testing.T) {
	t.Parallel()
	catalogue, err := connector.Load()
	require.NoError(t, err)
	for typed, meant := range map[string]string{"salesfroce": "salesforce", "hubspott": "hubspot", "Gmail": "gmail", "sale": "salesforce", "gogle": "google"} {
		_, err := catalogue.Get(typed)
		var unknown *connector.UnknownError
		require.ErrorAs(t, err, &unknown)
		require.Contains(t, unknown.Near, meant)
		require.ErrorContains(t, err, meant)
	}
	for _, nothingLike := range []string{"", "q", strings.Repeat("q", 1<<20), "\x00"} {
		_, err = catalogue.Get(nothingLike)
		require.Error(t, err)
	}
	var unknown *connector.UnknownError
	_, err = catalogue.Get("gogle")
	require.ErrorAs(t, err, &unknown)
	require.Equal(t, "google", unknown.Near[0], "the nearest first")
}

func TestParseRefusesWhatCouldLeakOrMislead(t *testing.T) {
	t.Parallel()
	valid := `{"id":"x","name":"X","category":"c","grants":["authorization_code"],"authorize":{"url":"https://a.example/a","pkce":"S256"},
"token":{"url":"https://a.example/t","auth":"client_secret_post"},"refresh":{"rotates":null},"scopes":{"separator":" ","default":["a"]}}`
	_, err := connector.Parse([]byte(valid))
	require.NoError(t, err)
	for fault, change := range map[string][2]string{
		"token.url must be https":    {"https://a.example/t", "http://a.example/t"},
		"must not hold a user":       {"https://a.example/t", "https://u:p@a.example/t"},
		"never tried out":            {"client_secret_post", "auto"},
		"authorize.pkce":             {"S256", "plain"},
		"unknown field":              {`"name"`, `"title"`},
		"grant \"implicit\"":         {`["authorization_code"]`, `["implicit"]`},
		"authorize is missing":       {`"authorize":{"url":"https://a.example/a","pkce":"S256"},`, ``},
		"lower-case":                 {`"id":"x"`, `"id":"X/../y"`},
		"scopes.separator":           {`"separator":" "`, `"separator":";"`},
		"holds an empty scope":       {`["a"]`, `["a",""]`},
		"authorize.url must be http": {"https://a.example/a", "javascript://a.example/a"},
	} {
		_, err := connector.Parse([]byte(strings.Replace(valid, change[0], change[1], 1)))
		require.ErrorContains(t, err, fault)
	}
}

func TestLoopbackHTTPOnlyForTheSandbox(t *testing.T) {
	t.Parallel()
	c := connector.Connector{
		ID: "sandbox", Name: "Sandbox", Grants: []string{connector.ClientCredentials},
		Token:  connector.TokenCall{URL: "http://127.0.0.1:1/t", Auth: connector.AuthBasic},
		Scopes: connector.Scopes{Separator: " "},
	}
	require.Error(t, c.Validate())
	c.Loopback = true
	require.NoError(t, c.Validate())
	c.Token.URL = "http://10.0.0.1/t"
	require.Error(t, c.Validate())
}

func TestFileNameIsTheID(t *testing.T) {
	t.Parallel()
	_, err := connector.LoadFS(fstest.MapFS{"d/other.json": {Data: []byte(`{"id":"x","name":"X","category":"c","grants":["client_credentials"],
"token":{"url":"https://a.example/t","auth":"client_secret_post"},"refresh":{"rotates":null},"scopes":{"separator":" ","default":[]}}`)}}, "d")
	require.ErrorContains(t, err, "name the file x.json")
}

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, err := connector.Load()
		require.NoError(b, err)
	}
}
