package activities_test

import (
	"testing"

	"github.com/acme/connections/internal/deptest"
)

func TestImports(t *testing.T) {
	t.Parallel()
	deptest.MayReach(t, "workflows", "internal/secret", "internal/breaker", "internal/connector", "internal/keyring", "internal/oauth", "internal/renewal", "internal/vault", "internal/events", "internal/webhook",
		// of Open
		"internal/config", "internal/reads", "internal/tokens", "internal/vault/pgvault", "internal/vault/sqlitevault")
}
