package connector_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
)

// builtIn returns a connector of the embedded catalogue.
func builtIn(t testing.TB, id string) connector.Connector {
	t.Helper()
	catalogue, err := connector.Load()
	require.NoError(t, err)
	c, err := catalogue.Get(t.Context(), id)
	require.NoError(t, err)
	return c
}

// examples are inputs that a connector takes.
func examples(c connector.Connector) map[string]string {
	values := make(map[string]string, len(c.Inputs))
	for _, i := range c.Inputs {
		values[i.Name] = i.Example
	}
	return values
}

// attacks try to leave a URL, whatever input they are entered for.
func attacks() []string {
	return []string{
		"evil.com/", "my-store.myshopify.com@evil.com", "user:pass@evil.com", "@evil.com", "my-store#", "my-store#evil.com",
		"evil.com?", "evil.com#.myshopify.com", "a/../..", "../..", "..", ".", "//evil.com", "/evil.com", `\evil.com`,
		"https://evil.com", "%2e", "%2e%2e%2f", "a%00b", "{client_secret}", "{shop}", "a b", "a&b=c", "a=b", "a;b", "a,b", "<a>",
		"ｍｙ-store", "ＭＹ-ＳＴＯＲＥ", "evil．com", "my․store", "com․evil", "evil。com", "my-störe", "\u202emoc", "\u00ad", "\ufeffa",
		"a\x00", "\x00", "a\nb", "a\r\nHost: evil.com", "a\tb", "\x7f", "my-store\n", "com\n", "common\n", "example.com\n",
		"\nmy-store", " my-store", "my-store ", "\xff\xfe", strings.Repeat("a", 254), strings.Repeat("a.", 126) + "com",
		strings.Repeat("a", 1<<20),
	}
}

func TestResolve_NoValueLeavesTheURL(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"shopify", "keycloak", "zoho", "microsoft", "snowflake", "nextcloud"} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			c := builtIn(t, id)
			for _, input := range c.Inputs {
				for _, value := range attacks() {
					entered := examples(c)
					entered[input.Name] = value
					refused(t, c, entered, input.Name)
				}
			}
		})
	}
}

// refused checks that the values are, with a sentence that says what to enter instead.
func refused(t *testing.T, c connector.Connector, entered map[string]string, input string) {
	t.Helper()
	resolved, err := c.Resolve(entered)
	value := entered[input]
	value = value[:min(len(value), 80)]
	var fault *connector.InputError
	require.ErrorAs(t, err, &fault, "%s %s=%q", c.ID, input, value)
	require.Empty(t, resolved.ID, "%s %s=%q", c.ID, input, value)
	require.Less(t, len(fault.Sentence), 1000, "%s %s=%q", c.ID, input, value)
	require.NotContains(t, fault.Sentence, "\n", "%s %s=%q", c.ID, input, value)
	require.Regexp(t, `must (look like|be below|be a name with)|Give it with|It has|on port 443 only`, fault.Sentence, "%s %s=%q", c.ID, input, value)
}

func TestResolve_HostsThatAreNone(t *testing.T) {
	t.Parallel()
	hosts := []string{
		"127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.1", "1",
		"[::1]", "::1", "[::ffff:127.0.0.1]", "localhost", "LOCALHOST", "localhost.", "intranet", "example.com.", ".example.com",
		"-a.example.com", "a-.example.com", "a..example.com", "id.example.com:8443", "id.example.com:80", "id.example.com:0",
		"id.example.com:99999", "127.0.0.1:443", "localhost:443", "user@id.example.com", "user:pass@id.example.com",
	}
	for _, id := range []string{"keycloak", "nextcloud"} {
		c := builtIn(t, id)
		require.Empty(t, c.Hosts, id)
		require.True(t, c.CustomersOnly(), id)
		for _, host := range hosts {
			entered := examples(c)
			entered["host"] = host
			refused(t, c, entered, "host")
		}
	}
}

func TestResolve_MissingEmptyAndUnknown(t *testing.T) {
	t.Parallel()
	c := builtIn(t, "shopify")
	for _, entered := range []map[string]string{nil, {}, {"shop": ""}} {
		refused(t, c, entered, "shop")
	}
	_, err := c.Resolve(nil)
	require.ErrorContains(t, err, `Give it with --input shop=VALUE`)
	require.ErrorContains(t, err, "my-store")
	_, err = c.Resolve(map[string]string{"shop": "my-store", "host": "evil.com"})
	require.ErrorContains(t, err, `Shopify has no input "host". It has: shop (Shop name, for example "my-store").`)
	_, err = builtIn(t, "salesforce").Resolve(map[string]string{"host": "evil.com"})
	require.ErrorContains(t, err, "It has none.")
	_, err = c.Resolve(map[string]string{strings.Repeat("x", 1<<20): "a", "shop": "my-store"})
	require.ErrorAs(t, err, new(*connector.InputError))
	require.Less(t, len(err.Error()), 1000)
}

func TestResolve_FillsAndLowers(t *testing.T) {
	t.Parallel()
	c := builtIn(t, "shopify")
	resolved, err := c.Resolve(map[string]string{"shop": "My-STORE"})
	require.NoError(t, err)
	require.Equal(t, "https://my-store.myshopify.com/admin/oauth/authorize", resolved.Authorize.URL)
	require.Equal(t, "https://my-store.myshopify.com/admin/oauth/access_token", resolved.Token.URL)
	require.Equal(t, "https://my-store.myshopify.com", resolved.API.BaseURL)

	resolved, err = builtIn(t, "zoho").Resolve(nil)
	require.NoError(t, err)
	require.Equal(t, "https://accounts.zoho.com/oauth/v2/token", resolved.Token.URL)
	resolved, err = builtIn(t, "zoho").Resolve(map[string]string{"data_center": "COM.AU"})
	require.NoError(t, err)
	require.Equal(t, "https://accounts.zoho.com.au/oauth/v2/token", resolved.Token.URL)

	resolved, err = builtIn(t, "microsoft").Resolve(map[string]string{"tenant": ""})
	require.NoError(t, err)
	require.Equal(t, "https://login.microsoftonline.com/common/oauth2/v2.0/token", resolved.Token.URL)

	resolved, err = builtIn(t, "nextcloud").Resolve(map[string]string{"host": "cloud.example.com:443/sub/dir"})
	require.NoError(t, err)
	require.Equal(t, "https://cloud.example.com:443/sub/dir/index.php/apps/oauth2/api/v1/token", resolved.Token.URL)
}

// TestResolve_LeavesTheSharedOneAlone: one catalogue serves every customer.
func TestResolve_LeavesTheSharedOneAlone(t *testing.T) {
	t.Parallel()
	catalogue, err := connector.Load()
	require.NoError(t, err)
	all, err := catalogue.All(t.Context())
	require.NoError(t, err)
	pristine, err := connector.Load()
	require.NoError(t, err)
	want, err := pristine.All(t.Context())
	require.NoError(t, err)
	for _, c := range all {
		_, err := c.Resolve(examples(c))
		require.NoError(t, err, c.ID)
	}
	again, err := catalogue.All(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, again)
}

// TestResolve_Loopback: a provider on this machine is for development, and only where code says so.
func TestResolve_Loopback(t *testing.T) {
	t.Parallel()
	c := builtIn(t, "keycloak")
	c.Loopback = true
	for _, host := range []string{"127.0.0.1:8443", "localhost:8443"} {
		resolved, err := c.Resolve(map[string]string{"host": host, "realm": "master"})
		require.NoError(t, err, host)
		require.Equal(t, "https://"+host+"/realms/master/protocol/openid-connect/token", resolved.Token.URL)
	}
	for _, host := range []string{"10.0.0.1:8443", "id.example.com:8443", "169.254.169.254"} {
		_, err := c.Resolve(map[string]string{"host": host, "realm": "master"})
		require.ErrorAs(t, err, new(*connector.InputError), host)
	}
}

// TestResolve_Pinned: a value may fit its pattern and still lead to somebody else's host.
func TestResolve_Pinned(t *testing.T) {
	t.Parallel()
	c := builtIn(t, "zoho")
	c.Inputs[0].Pattern = "^.*$"
	for _, value := range []string{"evil.com", "com.evil.com", "com/x.zoho.com", "com:8443", "com:"} {
		_, err := c.Resolve(map[string]string{"data_center": value})
		if value == "com/x.zoho.com" || value == "com:" {
			require.NoError(t, err, "the host is still Zoho's")
			continue
		}
		require.ErrorAs(t, err, new(*connector.InputError), value)
	}
}
