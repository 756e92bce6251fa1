package reconcile_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// TestMissing_Imported: an import that died between a row and its workflow is finished by the reconciler, also if nobody
// runs it again.
func TestMissing_Imported(t *testing.T) {
	t.Parallel()
	r := newRig(t, connectionstest.Options{})
	now := r.Clock.Now()
	row := vault.Connection{
		ID: "con_imported" + r.queue[len("reconcile-"):], Owner: r.owner, Connector: "sandbox", IntegrationID: connections.PlatformIntegrationID("sandbox", ""),
		Grant: string(workflows.GrantAuthorizationCode), Status: string(workflows.StatusActive), StatusSeq: 1, StatusAt: now, CreatedAt: now,
		TokenType: "Bearer", IssuedAt: now, ExpiresAt: now.Add(24 * time.Hour),
	}
	var err error
	row.AccessToken, err = r.Keys.Access.SealString(keyring.AccessToken(row.ID, 1), secret.New("made-up-access"))
	require.NoError(t, err)
	row.RefreshToken, err = r.Keys.Vault.SealString(keyring.RefreshToken(row.ID, 1), secret.New("made-up-refresh"))
	require.NoError(t, err)
	require.NoError(t, r.Vault.ImportConnection(t.Context(), row))

	require.EqualValues(t, 1, r.reconcile().Young)
	r.old()
	r.requireFound(r.reconcile(), workflows.FoundWorkflowMissing, workflows.ActStarted, row.ID)
	said := r.requireRuns(row.ID, workflows.StatusActive)
	require.EqualValues(t, 1, said.Generation)
	require.NotNil(t, said.NextRefreshAt)
	r.awaitListed(row.ID, workflows.StatusActive)
	r.requireQuiet()
	token, err := r.Client.Token(t.Context(), row.ID, 0)
	require.NoError(t, err)
	require.Equal(t, "made-up-access", token.Text.Reveal())
}
