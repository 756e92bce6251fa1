package connector_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
)

// TestMissing: what a provider did not grant, and nothing that it granted in words of its own.
func TestMissing(t *testing.T) {
	t.Parallel()
	list := func(scopes ...string) []string { return scopes }
	for name, c := range map[string]struct{ asked, granted, want []string }{
		"all of it":               {list("a", "b"), list("b", "a"), nil},
		"more than that":          {list("a"), list("a", "b"), nil},
		"one is missing":          {list("a", "b", "c", "b"), list("c", "a"), list("b")},
		"nothing was named":       {list("a", "b"), nil, nil},
		"nothing was asked":       {nil, list("a"), nil},
		"in another case":         {list("User.Read", "Mail.Send"), list("user.read"), list("Mail.Send")},
		"with a URL":              {list("User.Read", "Mail.Send"), list("https://graph.microsoft.com/User.Read", "https://graph.microsoft.com/Mail.Send"), nil},
		"without the URL":         {list("https://www.googleapis.com/auth/drive.readonly"), list("drive.readonly"), nil},
		"Google, one box left":    {list("openid", "https://g/auth/drive.readonly", "https://g/auth/calendar.readonly"), list("openid", "https://g/auth/calendar.readonly"), list("https://g/auth/drive.readonly")},
		"Google, all boxes left":  {list("openid", "email", "https://g/auth/drive.readonly"), list("https://g/auth/userinfo.email", "openid"), list("https://g/auth/drive.readonly")},
		"Google's own names":      {list("openid", "email", "profile"), list("openid", "https://g/auth/userinfo.email"), nil},
		"Microsoft, unreported":   {list("offline_access", "openid", "User.Read"), list("User.Read"), nil},
		"Microsoft, by default":   {list("https://graph.microsoft.com/.default", "openid"), list("openid", "User.Read"), nil},
		"Microsoft, wider":        {list("Mail.Read", "User.Read"), list("Mail.ReadWrite", "User.Read"), nil},
		"GitHub, wider":           {list("user:email", "repo:status", "read:org"), list("user", "repo", "admin:org"), nil},
		"Shopify, wider":          {list("read_products", "write_products", "read_orders"), list("write_products"), list("read_orders")},
		"narrower":                {list("contacts.write", "contacts.read"), list("contacts.read"), list("contacts.write")},
		"Salesforce's full":       {list("api", "web"), list("full"), nil},
		"a star":                  {list("api", "web"), list("*"), nil},
		"in words of its own":     {list("crm.read", "crm.write"), list("standard_access"), nil},
		"only what is unreported": {list("openid", "contacts.read"), list("openid"), list("contacts.read")},
		"empty texts":             {list("", "a", "b"), list("", "b"), list("a")},
		"a common beginning":      {list("userdata", "user"), list("user"), list("userdata")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, connector.Missing(c.asked, c.granted))
		})
	}
}

func TestBeyond(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"c", "d"}, connector.Beyond([]string{"a", "c", "b", "d", "c"}, []string{"b", "a"}))
	require.Nil(t, connector.Beyond([]string{"a"}, []string{"a", "b"}))
	require.Equal(t, []string{"a"}, connector.Beyond([]string{"a"}, nil))
}
