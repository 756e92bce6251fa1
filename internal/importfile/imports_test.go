package importfile_test

import (
	"testing"

	"github.com/acme/connections/internal/deptest"
)

func TestImports(t *testing.T) {
	t.Parallel()
	deptest.MayReach(t, "internal/secret")
}
