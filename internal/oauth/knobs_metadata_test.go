package oauth_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
)

// TestKnob_Metadata_Host: what a reply names as its API's host gets tokens later, so it is the provider's or nothing (K13).
func TestKnob_Metadata_Host(t *testing.T) {
	t.Parallel()
	salesforce := func(c *connector.Connector) {
		c.Metadata = []connector.Capture{{Path: "instance_url", As: "host", Hosts: []string{"salesforce.com", "force.com"}}}
	}
	for value, kept := range map[string]bool{
		"https://na1.salesforce.com":                  true,
		"https://acme.my.salesforce.com/services":     true,
		"https://SALESFORCE.com":                      true,
		"https://acme--dev.sandbox.my.salesforce.com": true,
		"na1.salesforce.com":                          true,
		"acme.lightning.force.com":                    true,

		"https://evil.com":                                         false,
		"evil.com":                                                 false,
		"https://salesforce.com.evil.com":                          false,
		"https://evilsalesforce.com":                               false,
		"https://evil.com/salesforce.com":                          false,
		"https://evil.com?salesforce.com":                          false,
		"https://evil.com#.salesforce.com":                         false,
		"https://na1.salesforce.com#x":                             false,
		"https://na1.salesforce.com@evil.com":                      false,
		"https://evil.com@na1.salesforce.com":                      false,
		"https://user:x@na1.salesforce.com":                        false,
		"user@na1.salesforce.com":                                  false,
		"https://na1.salesforce.com:8443":                          false,
		"https://na1.salesforce.com:443":                           false,
		"na1.salesforce.com:22":                                    false,
		"http://na1.salesforce.com":                                false,
		"ftp://na1.salesforce.com":                                 false,
		"javascript:alert(1)//salesforce.com":                      false,
		"//na1.salesforce.com":                                     false,
		"https:na1.salesforce.com":                                 false,
		"https:///na1.salesforce.com":                              false,
		"https://evil.com\\.salesforce.com":                        false,
		"https://evil.com\\@na1.salesforce.com":                    false,
		"https://na1.salesforce.com\r\nX: y":                       false,
		"https://na1.salesforce.com evil.com":                      false,
		" https://na1.salesforce.com":                              false,
		"https://127.0.0.1":                                        false,
		"https://2130706433":                                       false,
		"https://0x7f000001":                                       false,
		"https://[::1]":                                            false,
		"169.254.169.254":                                          false,
		"https://localhost":                                        false,
		"https://com":                                              false,
		"https://.salesforce.com":                                  false,
		"https://-.salesforce.com":                                 false,
		"https://na1..salesforce.com":                              false,
		"https://na1.salesforce.com.":                              false,
		"https://na1.salesforce.com%2eevil.com":                    false,
		"https://na1.salesforce.com%00.evil.com":                   false,
		"https://na1.s\u0430lesforce.com":                          false, // a Cyrillic letter
		"https://na1.\uff53alesforce.com":                          false, // a full-width letter
		"https://na1\u3002salesforce.com":                          false, // an ideographic full stop
		"https://xn--slesforce-s1a.com":                            false,
		"https://sal\u200besforce.com":                             false,
		"https://" + strings.Repeat("a.", 2000) + "salesforce.com": false,
		"": false,
	} {
		quoted, err := json.Marshal(value)
		require.NoError(t, err)
		got, err := told(t, refreshAs, 200, `{"access_token":"at","instance_url":`+string(quoted)+`}`, salesforce)
		require.NoError(t, err, "a bad host costs no token")
		if kept {
			require.Equal(t, map[string]string{"host": value}, got.Metadata)
		} else {
			require.Empty(t, got.Metadata, "%q", value)
		}
	}
}

// TestKnob_Metadata_Values: a path, a name, a pattern; and values as providers write them.
func TestKnob_Metadata_Values(t *testing.T) {
	t.Parallel()
	got, err := told(t, exchangeAs, 200, `{"access_token":"at","team":{"id":"T1","name":"Acme"},"realms":[{"id":7},{"id":8.5}],"livemode":false,
		"a.b":"dotted","api_domain":"https://acme.pipedrive.com","shop":"acme;rm -rf","none":null,"list":[1],"id_token":"`+canary+`"}`,
		func(c *connector.Connector) {
			c.Metadata = []connector.Capture{
				{Path: "team.id", As: "account_id"},
				{Path: "team.name"},
				{Path: "realms.1.id"},
				{Path: "realms.0.id", As: "realm"},
				{Path: "livemode"},
				{Path: "a.b"},
				{Path: "api_domain", Hosts: []string{"pipedrive.com"}},
				{Path: "shop", Pattern: "[a-z]+"},
				{Path: "none"},
				{Path: "list"},
				{Path: "team"},
				{Path: "list.7"},
				{Path: "id_token", As: "harmless"},
				{Path: "absent.at.all"},
			}
		})
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"account_id": "T1", "team.name": "Acme", "realms.1.id": "8.5", "realm": "7", "livemode": "false", "a.b": "dotted",
		"api_domain": "https://acme.pipedrive.com",
	}, got.Metadata)
}

// TestKnob_Metadata_ChangesWithARefresh: Pipedrive may move an account.
func TestKnob_Metadata_ChangesWithARefresh(t *testing.T) {
	t.Parallel()
	pipedrive := func(c *connector.Connector) {
		c.Metadata = []connector.Capture{{Path: "api_domain", Hosts: []string{"pipedrive.com"}}}
	}
	for _, host := range []string{"https://acme.pipedrive.com", "https://acme2.pipedrive.com"} {
		got, err := told(t, refreshAs, 200, `{"access_token":"at","api_domain":"`+host+`"}`, pipedrive)
		require.NoError(t, err)
		require.Equal(t, host, got.Metadata["api_domain"])
	}
}
