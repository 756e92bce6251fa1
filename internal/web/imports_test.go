package web_test

import (
	"testing"

	"github.com/acme/connections/internal/deptest"
)

func TestImports(t *testing.T) {
	t.Parallel()
	deptest.MayReach(t, "workflows", "internal/secret", "internal/connector", "internal/keyring", "internal/oauth", "internal/renewal", "internal/vault", "internal/connections", "internal/importfile", "internal/events", "internal/webhook")
}
