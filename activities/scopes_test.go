package activities_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
)

// TestScopes_AskedFor are those of the consent that the grant in hand stands on; a refresh changes nothing of that.
func TestScopes_AskedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create(func(c *vault.Connection) {
		c.RequestedScopes, c.ChosenScopes = []string{"what it was made with"}, []string{"chosen"}
	})
	want := func(granted []string) {
		row := r.row()
		require.Equal(t, appScopes, row.RequestedScopes)
		require.Equal(t, []string{"chosen"}, row.ChosenScopes)
		require.ElementsMatch(t, granted, row.GrantedScopes)
	}
	_, err := r.Exchange(t.Context(), r.consent("req_1"))
	require.NoError(t, err)
	want(appScopes)
	_, err = r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	want(appScopes)

	// A reply that names fewer.
	in := r.consent("req_2")
	r.fault(sandbox.Faults{Status: 200, Body: `{"access_token":"at","scope":"openid"}`, Count: 1})
	_, err = r.Exchange(t.Context(), in)
	require.NoError(t, err)
	want([]string{"openid"})

	// And one that names none: granted as asked.
	in = r.consent("req_3")
	r.fault(sandbox.Faults{Status: 200, Body: `{"access_token":"at"}`, Count: 1})
	_, err = r.Exchange(t.Context(), in)
	require.NoError(t, err)
	want(appScopes)
}
