package oauth_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/secret"
)

// TestKnob_Step_Among: of several accounts, the step keeps to the one that the connection has.
func TestKnob_Step_Among(t *testing.T) {
	t.Parallel()
	tenants := []connector.Capture{
		{Path: "0.tenantId", As: "tenant_id"},
		{Path: "0.tenantId", As: "account_id"},
		{Path: "0.tenantName", As: "account_label"},
		{Path: "1.tenantId", As: "other"},
	}
	const list = `[{"tenantId":"t-1","tenantName":"One"},{"tenantId":"t-2","tenantName":"Two"},{"tenantId":3,"tenantName":"Three"}]`
	told := func(id, label string) map[string]string {
		return map[string]string{"tenant_id": id, "account_id": id, "account_label": label, "other": "t-2"}
	}
	for name, c := range map[string]struct {
		known    map[string]string
		captures []connector.Capture
		reply    string
		want     map[string]string
	}{
		"the first consent":         {nil, tenants, list, told("t-1", "One")},
		"not the first any more":    {map[string]string{"account_id": "t-2"}, tenants, list, told("t-2", "Two")},
		"a number":                  {map[string]string{"account_id": "3"}, tenants, list, told("3", "Three")},
		"not there any more":        {map[string]string{"account_id": "t-9"}, tenants, list, told("t-1", "One")},
		"known by something else":   {map[string]string{"tenant_id": "t-2"}, tenants, list, told("t-1", "One")},
		"forgotten":                 {map[string]string{"account_id": ""}, tenants, list, told("t-1", "One")},
		"none":                      {map[string]string{"account_id": "t-2"}, tenants, `[]`, nil},
		"no list":                   {map[string]string{"account_id": "t-2"}, tenants, `{"0":{"tenantId":"t-1"}}`, map[string]string{"account_id": "t-1", "tenant_id": "t-1"}},
		"further down, and a label": {map[string]string{"account_id": "b"}, []connector.Capture{{Path: "d.accounts.0", As: "account_id"}, {Path: "d.name", As: "account_label"}}, `{"d":{"accounts":["a","b"],"name":"n"}}`, map[string]string{"account_id": "b", "account_label": "n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := replying(t, 200, c.reply)
			s := connector.Step{Name: "tenants", URL: p.URL + "/connections", Metadata: c.captures}
			got, err := newClient().Ask(t.Context(), p.connector(), s, secret.New(theToken), c.known)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}
