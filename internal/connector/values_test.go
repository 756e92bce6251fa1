package connector_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
)

func TestCapture_BareHost(t *testing.T) {
	t.Parallel()
	c := connector.Capture{Path: "host", Hosts: []string{"wrike.com"}}
	for value, want := range map[string]bool{
		"wrike.com": true, "www.wrike.com": true, "WWW.Wrike.COM": true,
		"evil.com": false, "evilwrike.com": false, "wrike.com.evil.com": false, "wrike.com.": false, "user@wrike.com": false,
		"wrike.com@evil.com": false, "wrike.com:8080": false, "wrike.com:443": false, "wrike.com/../evil": false,
		"http://www.wrike.com": false, "//www.wrike.com": false, "10.0.0.1": false, "[::1]": false, "localhost": false, "wrike": false,
		"wrіke.com": false, "ｗrike.com": false, "www．wrike.com": false, "www%2ewrike.com": false, "evil.com#.wrike.com": false,
		"evil.com?.wrike.com": false, `evil.com\.wrike.com`: false, "www.wrike.com\x00": false, "www.wrike.com\n": false, " wrike.com": false, "": false,
	} {
		require.Equal(t, want, c.Accept(value), "%q", value)
	}
}

func TestCapture_Pattern(t *testing.T) {
	t.Parallel()
	c := connector.Capture{Path: "id", Pattern: "^[0-9]+$|^none$"}
	for value, want := range map[string]bool{"12": true, "none": true, "12a": false, "a12": false, "12\n": false, "x\n12": false, "": false, "nonesuch": false} {
		require.Equal(t, want, c.Accept(value), "%q", value)
	}
	both := connector.Capture{Path: "url", Pattern: "^https://eu\\..*$", Hosts: []string{"example.com"}}
	require.True(t, both.Accept("https://eu.example.com/x"))
	require.False(t, both.Accept("https://us.example.com/x"))
	require.False(t, both.Accept("https://eu.example.org/x"))
	free := connector.Capture{Path: "name"}
	require.True(t, free.Accept(strings.Repeat("a", 2<<10)))
	require.False(t, free.Accept(strings.Repeat("a", 2<<10+1)))
	require.False(t, connector.Capture{Path: "id", Pattern: "("}.Accept("1"))
	require.False(t, connector.Capture{Path: "id", Pattern: "a)|(?:.*"}.Accept("b"), "a pattern stays within its group")
}

func TestCapture_JSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]connector.Capture{
		`"team.id"`:                          {Path: "team.id"},
		`{"path":"sub","as":"account_id"}`:   {Path: "sub", As: "account_id"},
		`{"path":"id","pattern":"^[0-9]+$"}`: {Path: "id", Pattern: "^[0-9]+$"},
		`{"path":"url","as":"u","pattern":"^h.*$","hosts":["a.example"]}`: {Path: "url", As: "u", Pattern: "^h.*$", Hosts: []string{"a.example"}},
	} {
		got := connector.Capture{As: "left", Hosts: []string{"over"}}
		if strings.HasPrefix(text, "{") {
			got = connector.Capture{}
		}
		require.NoError(t, json.Unmarshal([]byte(text), &got), text)
		require.Equal(t, want, got)
		again, err := json.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, text, string(again))
	}
	for _, text := range []string{`1`, `[]`, `{"path":1}`, `{"paths":"x"}`, `{"path":"x","host":"a.example"}`} {
		require.Error(t, json.Unmarshal([]byte(text), &connector.Capture{}), text)
	}
	require.Equal(t, "team.id", connector.Capture{Path: "team.id"}.Name())
	require.Equal(t, "team", connector.Capture{Path: "team.id", As: "team"}.Name())
}

func TestCallbackValue_Accept(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ pattern, value, want string }{
		{"^[0-9]+$", "4620816365", "4620816365"},
		{"^[0-9]+$", "", ""},
		{"^[0-9]*$", "", ""},
		{"^[0-9]+$", "1\n", ""},
		{"^[0-9]+$", "１２", ""},
		{"^[0-9]+$", strings.Repeat("1", 2<<10+1), ""},
		{"[0-9]+", "a1", ""},
		{"(", "(", ""},
		{`^https://accounts\.zoho\.(com|eu)$`, "https://accounts.zoho.eu", "eu"},
		{`^https://accounts\.zoho\.(com|eu)$`, "https://accounts.zoho.eu.evil.com", ""},
		{`^https://accounts\.zoho\.(com|eu)$`, "https://accounts-zoho.eu", ""},
		{`^https://accounts\.zoho\.(com|eu)$`, "http://accounts.zoho.eu", ""},
		{`^([a-z0-9][a-z0-9-]*)\.myshopify\.com$`, "my-store.myshopify.com", "my-store"},
		{`^([a-z0-9][a-z0-9-]*)\.myshopify\.com$`, "evil.com/.myshopify.com", ""},
		{`^([a-z0-9][a-z0-9-]*)\.myshopify\.com$`, "a@my-store.myshopify.com", ""},
		{`^x(.*)$`, "x", ""},
		{`^(?:a|b)(c)$`, "bc", "c"},
	} {
		got, ok := connector.CallbackValue{Param: "p", Pattern: tc.pattern}.Accept(tc.value)
		require.Equal(t, tc.want, got, "%s %.40q", tc.pattern, tc.value)
		require.Equal(t, tc.want != "", ok, "%s %.40q", tc.pattern, tc.value)
	}
}

func TestCallbackValue_Name(t *testing.T) {
	t.Parallel()
	require.Equal(t, "realmId", connector.CallbackValue{Param: "realmId"}.Name())
	require.Equal(t, "realm", connector.CallbackValue{Param: "realmId", As: "realm"}.Name())
	require.Empty(t, connector.CallbackValue{Param: "accounts-server", Input: "data_center"}.Name())
	require.Equal(t, "shop", connector.CallbackValue{Param: "shop", Input: "shop", As: "shop"}.Name())
}
