package connector_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
)

// TestCatalogue_EachFile: its name is the id, it reads back as it was written, and its ids are all that there are.
func TestCatalogue_EachFile(t *testing.T) {
	t.Parallel()
	catalogue, err := connector.Load()
	require.NoError(t, err)
	files, err := filepath.Glob("catalogue/*.json")
	require.NoError(t, err)
	require.Len(t, files, 330)
	ids := make([]string, 0, len(files))
	for _, path := range files {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		c, err := connector.Parse(content)
		require.NoError(t, err, path)
		require.Equal(t, c.ID+".json", filepath.Base(path))
		ids = append(ids, c.ID)
		again, err := json.Marshal(c)
		require.NoError(t, err)
		same, err := connector.Parse(again)
		require.NoError(t, err, path)
		require.Equal(t, same.LiteralHosts(), c.LiteralHosts(), path)
		got, err := catalogue.Get(t.Context(), c.ID)
		require.NoError(t, err)
		require.Equal(t, c, got)
		require.True(t, catalogue.BuiltIn(c.ID))
	}
	slices.Sort(ids)
	require.Equal(t, ids, catalogue.IDs())
}

// TestCatalogue_SecretsGoToNamedHosts, or to those that the customer named, with the customer's own app.
func TestCatalogue_SecretsGoToNamedHosts(t *testing.T) {
	t.Parallel()
	catalogue, err := connector.Load()
	require.NoError(t, err)
	all, err := catalogue.All(t.Context())
	require.NoError(t, err)
	typed := regexp.MustCompile(`^https://[^/]*\{`)
	for _, c := range all {
		if typed.MatchString(c.Token.URL) || (c.Authorize != nil && typed.MatchString(c.Authorize.URL)) {
			require.True(t, len(c.Hosts) > 0 || c.CustomersOnly(), c.ID)
		}
		// A host of a shared suffix would let anybody in who rents a name below it.
		for _, host := range c.Hosts {
			require.NotContains(t, []string{"co.uk", "com.au", "herokuapp.com", "azurewebsites.net", "amazonaws.com", "github.io"}, host, c.ID)
		}
	}
}

// TestCatalogue_CapturesLeadNowhereElse: metadata holds no secret, and what is an address is on the provider's domains.
func TestCatalogue_CapturesLeadNowhereElse(t *testing.T) {
	t.Parallel()
	// What is called like an address and is none: identifiers, and the first label of a host.
	none := []string{"calendly resource.uri", "vimeo uri", "lightspeed-x-series domain_prefix", "ringcentral endpoint_id"}
	address := regexp.MustCompile(`(?i)(url|uri|domain|host|endpoint|access_point|geolocation)`)
	secret := regexp.MustCompile(`(?i)(token|secret|password|^code$)`)
	inBase := regexp.MustCompile(`^(?:https://[^/]*)?\{metadata\.([a-zA-Z0-9_.-]+)\}`)
	catalogue, err := connector.Load()
	require.NoError(t, err)
	all, err := catalogue.All(t.Context())
	require.NoError(t, err)
	var exceptions []string
	for _, c := range all {
		captures := slices.Clone(c.Metadata)
		for _, step := range c.Steps {
			captures = append(captures, step.Metadata...)
		}
		guarded := map[string]bool{}
		for _, capture := range captures {
			last := capture.Path[strings.LastIndex(capture.Path, ".")+1:]
			require.NotRegexp(t, secret, last, c.ID)
			require.NotRegexp(t, secret, capture.As, c.ID)
			guarded[capture.Name()] = len(capture.Hosts) > 0 || capture.Pattern != ""
			if (address.MatchString(last) || address.MatchString(capture.As)) && len(capture.Hosts) == 0 {
				exceptions = append(exceptions, c.ID+" "+capture.Path)
			}
		}
		if c.API != nil {
			if match := inBase.FindStringSubmatch(c.API.BaseURL); match != nil {
				require.True(t, guarded[match[1]], "%s: the API's host is metadata.%s, which may be anything", c.ID, match[1])
			}
		}
	}
	require.ElementsMatch(t, none, exceptions)
}

func TestCatalogue_SuggestsTheNearestFirst(t *testing.T) {
	t.Parallel()
	catalogue, err := connector.Load()
	require.NoError(t, err)
	for typed, first := range map[string]string{"salesfroce": "salesforce", "gogle": "google", "Gmail": "gmail", "GOOGLE": "google", "hub-spot": "hubspot"} {
		_, err := catalogue.Get(t.Context(), typed)
		var unknown *connector.UnknownError
		require.ErrorAs(t, err, &unknown, typed)
		require.NotEmpty(t, unknown.Near, typed)
		require.Equal(t, first, unknown.Near[0])
		require.LessOrEqual(t, len(unknown.Near), 3)
		require.ErrorContains(t, err, "did you mean "+first)
	}
	for _, typed := range []string{"", "\x00", "a\x00b", "../slack", "slack\n", strings.Repeat("q", 1<<20), "\xff", "😀"} {
		_, err := catalogue.Get(t.Context(), typed)
		require.ErrorAs(t, err, new(*connector.UnknownError))
		require.Less(t, len(err.Error()), 1000, "%.20q", typed)
		require.NotContains(t, err.Error(), "\x00")
	}
}

func TestCatalogue_Add(t *testing.T) {
	t.Parallel()
	catalogue, err := connector.Load()
	require.NoError(t, err)
	require.ErrorContains(t, catalogue.Add(connector.Connector{ID: "own"}), "name is missing")
	require.NoError(t, catalogue.Add(minimal()))
	require.ErrorContains(t, catalogue.Add(minimal()), "is there already")
	slack := minimal()
	slack.ID = "slack"
	require.ErrorContains(t, catalogue.Add(slack), "is there already")
	require.Contains(t, catalogue.IDs(), "own")
	require.Len(t, catalogue.IDs(), 331)
}

func TestLoadFS_Faults(t *testing.T) {
	t.Parallel()
	_, err := connector.LoadFS(fstest.MapFS{}, "nowhere")
	require.ErrorContains(t, err, "read catalogue")
	own := `{"id":"own","name":"Own","grants":["client_credentials"],"token":{"url":"https://as.example/t","auth":"client_secret_basic"}}`
	files := map[string]string{"c/other.json": own, "c/broken.json": "{", "c/invalid.json": `{"id":"invalid"}`, "c/own.json": own, "c/README.md": "no"}
	all := fstest.MapFS{}
	for name, content := range files {
		all[name] = &fstest.MapFile{Data: []byte(content)}
	}
	catalogue, err := connector.LoadFS(all, "c")
	require.NoError(t, err)
	require.Len(t, catalogue.IDs(), len(files)-1)
	for id, says := range map[string]string{"other": "name the file own.json", "broken": "broken.json: not a connector", "invalid": "name is missing"} {
		_, err := catalogue.Get(t.Context(), id)
		require.ErrorContains(t, err, says)
	}
	_, err = catalogue.All(t.Context())
	require.Error(t, err)
	c, err := catalogue.Get(t.Context(), "own")
	require.NoError(t, err)
	require.Equal(t, "Own", c.Name)
}
