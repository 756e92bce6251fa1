package activities

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

func kinds() []oauth.Kind {
	return []oauth.Kind{
		oauth.Unreachable, oauth.Fenced, oauth.ReplyLost, oauth.Unreadable, oauth.ServerError, oauth.Throttled, oauth.EndpointWrong,
		oauth.InvalidGrant, oauth.InvalidClient, oauth.AppRefused, oauth.InvalidScope, oauth.InteractionRequired, oauth.AccessDenied,
		oauth.UnknownError, oauth.CredentialUnusable,
	}
}

// TestClassify_HoldsTheInvariants, for everything that can come.
func TestClassify_HoldsTheInvariants(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds() {
		for _, phase := range []oauth.Phase{oauth.Exchange, oauth.Refresh, oauth.ClientCredentials} {
			for _, rotates := range []bool{true, false} {
				reason, state := classify(&oauth.Failure{Kind: kind, Phase: phase}, rotates)
				require.True(t, reason.Known(), "%s %s", kind, phase)
				require.NotEqual(t, workflows.ReasonNone, reason)
				require.NotEqual(t, workflows.ReasonInternal, reason, "%s %s", kind, phase)
				require.Contains(t, []vault.AttemptState{vault.AttemptFailed, vault.AttemptInDoubt, vault.AttemptSuperseded}, state)

				// In doubt are: the spending calls whose outcome is unknown.
				unknown := kind == oauth.ReplyLost || kind == oauth.ServerError || kind == oauth.Unreadable
				spends := phase == oauth.Exchange || phase == oauth.Refresh && rotates
				require.Equal(t, unknown && spends, state == vault.AttemptInDoubt, "%s %s %v", kind, phase, rotates)

				// Superseded, and so free to be sent again: what the provider took nothing of.
				free := kind == oauth.Unreachable || kind == oauth.Fenced || kind == oauth.Throttled
				require.Equal(t, free || kind == oauth.CredentialUnusable, state == vault.AttemptSuperseded, "%s %s", kind, phase)
				if free {
					require.Equal(t, workflows.ClassTransient, reason.Class())
				}

				// Nobody is asked to reconnect but for a parsed refusal of the grant.
				if reason.Class() == workflows.ClassReauthorize {
					require.Contains(t, []oauth.Kind{oauth.InvalidGrant, oauth.InteractionRequired, oauth.AccessDenied}, kind)
					require.NotEqual(t, oauth.ClientCredentials, phase)
				}
			}
		}
	}
	reason, _ := classify(&oauth.Failure{Kind: "new"}, true)
	require.Equal(t, workflows.ReasonInternal, reason)
}

// TestClassify is the table of OAuth failures, by phase: exchange, refresh of a rotating token, refresh of another,
// client credentials.
func TestClassify(t *testing.T) {
	t.Parallel()
	for kind, want := range map[oauth.Kind][4]workflows.Reason{
		oauth.Unreachable:         {"provider_unavailable", "provider_unavailable", "provider_unavailable", "provider_unavailable"},
		oauth.Fenced:              {"superseded", "superseded", "superseded", "superseded"},
		oauth.ReplyLost:           {"exchange_lost", "reply_lost", "provider_unavailable", "provider_unavailable"},
		oauth.Unreadable:          {"exchange_lost", "reply_unreadable", "provider_unavailable", "provider_unavailable"},
		oauth.ServerError:         {"exchange_lost", "reply_lost", "provider_unavailable", "provider_unavailable"},
		oauth.Throttled:           {"provider_throttled", "provider_throttled", "provider_throttled", "provider_throttled"},
		oauth.EndpointWrong:       {"endpoint_wrong", "endpoint_wrong", "endpoint_wrong", "endpoint_wrong"},
		oauth.InvalidGrant:        {"code_rejected", "grant_rejected", "grant_rejected", "app_misconfigured"},
		oauth.InvalidClient:       {"client_rejected", "client_rejected", "client_rejected", "client_rejected"},
		oauth.AppRefused:          {"app_misconfigured", "app_misconfigured", "app_misconfigured", "app_misconfigured"},
		oauth.InvalidScope:        {"scope_rejected", "scope_rejected", "scope_rejected", "scope_rejected"},
		oauth.InteractionRequired: {"interaction_required", "interaction_required", "interaction_required", "app_misconfigured"},
		oauth.AccessDenied:        {"consent_denied", "grant_rejected", "grant_rejected", "app_misconfigured"},
		oauth.CredentialUnusable:  {"credential_unusable", "credential_unusable", "credential_unusable", "credential_unusable"},
		oauth.UnknownError:        {"code_rejected", "reply_unknown", "reply_unknown", "app_misconfigured"},
	} {
		for i, phase := range []oauth.Phase{oauth.Exchange, oauth.Refresh, oauth.Refresh, oauth.ClientCredentials} {
			got, _ := classify(&oauth.Failure{Kind: kind, Phase: phase}, i == 1)
			require.Equal(t, want[i], got, "%s %s", kind, phase)
		}
	}
}

// TestKinds_AreAllThereAre reads the constants from their source.
func TestKinds_AreAllThereAre(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../internal/oauth/failure.go", nil, 0)
	require.NoError(t, err)
	var declared []oauth.Kind
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || fmt.Sprint(spec.Type) != "Kind" {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		declared = append(declared, oauth.Kind(text))
		return true
	})
	require.ElementsMatch(t, declared, kinds())
}
