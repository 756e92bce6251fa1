package api_test

import (
	"testing"

	"github.com/acme/connections/internal/deptest"
)

func TestImports(t *testing.T) {
	t.Parallel()
	deptest.MayReach(t, "workflows", "internal/secret", "internal/apikey", "internal/connector", "internal/keyring", "internal/oauth",
		"internal/reads", "internal/renewal", "internal/tokens", "internal/vault", "internal/connections", "internal/events", "internal/webhook", "internal/importfile")
}
