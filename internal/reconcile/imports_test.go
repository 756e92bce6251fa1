package reconcile_test

import (
	"testing"

	"github.com/acme/connections/internal/deptest"
)

func TestImports(t *testing.T) {
	t.Parallel()
	deptest.MayReach(t, "workflows", "activities", "internal/connections", "internal/importfile", "internal/breaker", "internal/connector", "internal/keyring",
		"internal/oauth", "internal/renewal", "internal/secret", "internal/vault", "internal/events", "internal/webhook",
		// of activities' Open
		"internal/config", "internal/reads", "internal/tokens", "internal/vault/pgvault", "internal/vault/sqlitevault")
}
