package activities_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// tells is what the callback told beside the code.
func tells(c *vault.Consumption) {
	c.Captured = map[string]string{"realm": "r-1", "account": "of the callback"}
	c.GrantedScopes = []string{"openid"}
}

func keepsAccount(c *connector.Connector) {
	c.Metadata = []connector.Capture{{Path: "account"}}
}

// TestTold: what the callback told lands with the token, and what the reply says of the same counts more.
func TestTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body     string
		metadata map[string]string
		scopes   []string
	}{
		"the callback alone": {
			`{"access_token":"at","refresh_token":"rt"}`,
			map[string]string{"realm": "r-1", "account": "of the callback"},
			[]string{"openid"},
		},
		"the reply too": {
			`{"access_token":"at","refresh_token":"rt","account":"of the reply","scope":"contacts.read openid"}`,
			map[string]string{"realm": "r-1", "account": "of the reply"},
			[]string{"contacts.read", "openid"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, crash := range []bool{false, true} {
				r := newRig(t, keepsAccount)
				r.create()
				in := r.consent("req_1", tells)
				if crash {
					r.leaveBehind(vault.AttemptStart{Kind: "exchange", Generation: vault.AttemptAnyGeneration, RequestID: "req_1"}, 200, c.body)
				} else {
					r.fault(sandbox.Faults{Status: 200, Body: c.body, Count: 1})
				}
				require.Nil(t, r.row().Metadata)
				set, err := r.Exchange(t.Context(), in)
				require.NoError(t, err)
				require.Equal(t, c.scopes, set.Scopes)
				require.Equal(t, c.scopes, r.row().GrantedScopes)
				require.Equal(t, c.metadata, r.row().Metadata)

				// A renewal that tells nothing takes nothing away.
				r.fault(sandbox.Faults{Status: 200, Body: `{"access_token":"at2","refresh_token":"rt2"}`, Count: 1})
				set, err = r.Refresh(t.Context(), r.renew(1))
				require.NoError(t, err)
				require.Equal(t, c.scopes, set.Scopes)
				require.Equal(t, c.metadata, r.row().Metadata)
			}
		})
	}
}

// TestTold_WithoutScopes: granted as requested (RFC 6749 §5.1), as this request had it.
func TestTold_WithoutScopes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create()
	in := r.consent("req_1")
	r.fault(sandbox.Faults{Status: 200, Body: `{"access_token":"at","refresh_token":"rt"}`, Count: 1})
	set, err := r.Exchange(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, appScopes, set.Scopes)
	require.Equal(t, appScopes, r.row().GrantedScopes)
}

// TestTold_ByACodeThatIsRefused leads to nothing: neither metadata nor inputs.
func TestTold_ByACodeThatIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create()
	in := r.consent("req_1", tells)
	r.fault(sandbox.Faults{Status: 400, Body: `{"error":"invalid_grant"}`})
	_, err := r.Exchange(t.Context(), in)
	r.requireReason(err, workflows.ReasonCodeRejected)
	row := r.row()
	require.Nil(t, row.Metadata)
	require.Nil(t, row.Inputs)
	require.Nil(t, row.GrantedScopes)
}
