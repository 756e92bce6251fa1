package connector_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
)

// FuzzResolve: whatever is entered, or told by the provider's reply, secrets go to a host of the provider, on the path that the connector names.
func FuzzResolve(f *testing.F) {
	ids := []string{"shopify", "keycloak", "zoho", "microsoft"}
	connectors := make([]connector.Connector, len(ids))
	for i, id := range ids {
		connectors[i] = builtIn(f, id)
	}
	for i := range ids {
		for _, value := range attacks() {
			f.Add(uint8(i), value, "master")
			f.Add(uint8(i), "id.example.com", value)
		}
		for _, value := range []string{"my-store", "MY-STORE", "com.au", "common", "id.example.com/auth", "id.example.com:443"} {
			f.Add(uint8(i), value, "master")
		}
	}
	wrike := builtIn(f, "wrike")
	f.Add(uint8(0), "www.wrike.com", "")
	f.Fuzz(func(t *testing.T, which uint8, first, second string) {
		if told := wrike.WithMetadata(map[string]string{"host": first}).Refresh.URL; told != "" {
			checkExpanded(t, wrike, wrike.Refresh.URL, told)
		}
		c := connectors[int(which)%len(connectors)]
		entered := map[string]string{c.Inputs[0].Name: first}
		if len(c.Inputs) > 1 {
			entered[c.Inputs[1].Name] = second
		}
		resolved, err := c.Resolve(entered)
		if err != nil {
			require.ErrorAs(t, err, new(*connector.InputError))
			require.Less(t, len(err.Error()), 1000)
			return
		}
		checkExpanded(t, c, c.Authorize.URL, resolved.Authorize.URL)
		checkExpanded(t, c, c.Token.URL, resolved.Token.URL)
		if c.Revoke != nil {
			checkExpanded(t, c, c.Revoke.URL, resolved.Revoke.URL)
		}
	})
}

func checkExpanded(t *testing.T, c connector.Connector, template, full string) {
	t.Helper()
	u, err := url.Parse(full)
	require.NoError(t, err)
	require.Equal(t, "https", u.Scheme, full)
	require.Nil(t, u.User, full)
	require.NotContains(t, full, "#")
	require.NotContains(t, full, "?")
	require.NotContains(t, full, "{")
	require.Contains(t, []string{"", "443"}, u.Port(), full)
	require.Equal(t, u.Path, u.EscapedPath(), full)
	require.NotContains(t, u.Path, "..")
	if len(c.Hosts) > 0 {
		require.True(t, connector.Under(u.Hostname(), c.Hosts), full)
	}
	before, _, _ := strings.Cut(template, "{")
	require.True(t, strings.HasPrefix(full, before), full)
	require.True(t, strings.HasSuffix(full, template[strings.LastIndex(template, "}")+1:]), full)
	if authority, _, _ := strings.Cut(strings.TrimPrefix(template, "https://"), "/"); !strings.Contains(authority, "{") {
		require.Equal(t, authority, u.Host, full)
	}
	require.Contains(t, u.Hostname(), ".", full)
}
