package connector_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
)

// TestIdentity: by which metadata a connector tells accounts apart, whether it is told it, and whether it is one of
// several.
func TestIdentity(t *testing.T) {
	t.Parallel()
	catalogue, err := connector.Load()
	require.NoError(t, err)
	for id, want := range map[string]struct {
		identity         string
		identifies, list bool
	}{
		"google":     {"account_id", true, false}, // by a step
		"salesforce": {"account_id", true, false}, // by the token reply
		"shopify":    {"shop", true, false},       // by the callback
		"freshbooks": {"user_id", true, false},    // not by the business, which is the first of a list
		"xero":       {"account_id", true, true},
		"docusign":   {"account_id", true, true},
		"fortnox":    {"account_id", false, false},
	} {
		c, err := catalogue.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, want.identity, c.Identity(), id)
		require.Equal(t, want.identifies, c.Identifies(), id)
		require.Equal(t, want.list, c.OneOfSeveral(), id)
	}
}

func TestElement(t *testing.T) {
	t.Parallel()
	type element struct {
		list  string
		index int
		rest  string
	}
	for path, want := range map[string]element{
		"0.tenantId": {"", 0, "tenantId"}, "accounts.1.id": {"accounts", 1, "id"}, "a.0": {"a", 0, ""}, "a.2.b.0.c": {"a", 2, "b.0.c"},
	} {
		list, index, rest, ok := connector.Capture{Path: path}.Element()
		require.True(t, ok)
		require.Equal(t, want, element{list, index, rest}, path)
	}
	_, _, _, ok := connector.Capture{Path: "data.id"}.Element()
	require.False(t, ok)
}
