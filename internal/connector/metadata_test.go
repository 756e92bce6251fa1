package connector_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
)

// TestWithMetadata_RefreshStaysHome: what a reply has told leads to the provider's own domains, or nowhere.
func TestWithMetadata_RefreshStaysHome(t *testing.T) {
	t.Parallel()
	c := minimal()
	c.Hosts, c.Metadata = []string{"wrike.com"}, []connector.Capture{{Path: "host", Hosts: []string{"wrike.com"}}}
	c.Refresh.URL = "https://{metadata.host}/oauth2/token"
	require.NoError(t, c.Validate())
	require.Equal(t, "https://as.example/token", c.RefreshCall().URL, "nothing is told yet")
	for host, want := range map[string]string{
		"www.wrike.com":    "https://www.wrike.com/oauth2/token",
		"APP-EU.Wrike.COM": "https://APP-EU.Wrike.COM/oauth2/token",
		"":                 "", "evil.example": "", "wrike.com.evil.example": "", "evilwrike.com": "", "wrike.com@evil.example": "", "evil.example/wrike.com": "",
		"evil.example#.wrike.com": "", "evil.example?.wrike.com": "", "wrike.com:8443": "", "10.0.0.1": "", "localhost": "", "[::1]": "",
		"http://www.wrike.com": "", "www.wrike.com?x=": "", "www.wrike.com/x": "", "www.wrike.com#": "", "www.wrike.com/oauth2/token?": "", "www.wrike.com\n": "", "{host}": "", "{metadata.host}": "", "u:p@www.wrike.com": "",
	} {
		got := c.WithMetadata(map[string]string{"host": host})
		require.Equal(t, want, got.Refresh.URL, "%q", host)
		if want == "" {
			want = "https://as.example/token"
		}
		require.Equal(t, want, got.RefreshCall().URL)
	}
	require.Equal(t, "https://{metadata.host}/oauth2/token", c.Refresh.URL, "a connector is shared: nothing writes to it")
	require.Equal(t, []string{"as.example"}, c.LiteralHosts())

	// This machine is for development alone.
	c.Refresh.URL = "http://{metadata.host}/token"
	require.Empty(t, c.WithMetadata(map[string]string{"host": "127.0.0.1:8080"}).Refresh.URL)
	c.Loopback = true
	require.Equal(t, "http://127.0.0.1:8080/token", c.WithMetadata(map[string]string{"host": "127.0.0.1:8080"}).Refresh.URL)
}

// TestWithMetadata_Revoke: without the value that it needs, a revocation cannot be made.
func TestWithMetadata_Revoke(t *testing.T) {
	t.Parallel()
	c := minimal()
	c.Metadata = []connector.Capture{{Path: "account"}}
	c.Revoke = &connector.Revoke{URL: "https://as.example/forget", TokenParam: "-", Params: map[string]string{"a": "{metadata.account}", "b": "c"}}
	require.NoError(t, c.Validate())
	require.Equal(t, map[string]string{"a": "acct_1", "b": "c"}, c.WithMetadata(map[string]string{"account": "acct_1"}).Revoke.Params)
	for _, without := range []map[string]string{nil, {"account": ""}, {"other": "x"}} {
		require.Nil(t, c.WithMetadata(without).Revoke)
	}
	require.Equal(t, "{metadata.account}", c.Revoke.Params["a"], "a connector is shared: nothing writes to it")
	plain := minimal()
	plain.Revoke = &connector.Revoke{URL: "https://as.example/forget"}
	require.Equal(t, plain, plain.WithMetadata(map[string]string{"account": "acct_1"}))
}

// TestResolve_RevocationNamesTheClient: what is filled in when it is called is no input.
func TestResolve_RevocationNamesTheClient(t *testing.T) {
	t.Parallel()
	c := minimal()
	c.Inputs = []connector.Input{{Name: "host", Label: "Host", Example: "git.example.com", Pattern: "^[a-z.{}_]+$"}}
	c.App = connector.AppCustomer
	c.Revoke = &connector.Revoke{URL: "https://{host}/applications/{client_id}/token"}
	require.NoError(t, c.Validate())
	got, err := c.Resolve(map[string]string{"host": "git.example.com"})
	require.NoError(t, err)
	require.Equal(t, "https://git.example.com/applications/{client_id}/token", got.Revoke.URL)
	for _, host := range []string{"{client_id}.example.com", "{client_id}", "{host}"} {
		_, err = c.Resolve(map[string]string{"host": host})
		require.Error(t, err, host)
	}
}
