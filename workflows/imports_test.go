package workflows_test

import (
	"testing"

	"github.com/acme/connections/internal/deptest"
)

// Workflow code does no I/O, and other teams can import it without getting anything else of ours.
func TestImports(t *testing.T) {
	t.Parallel()
	deptest.MayReach(t)
	deptest.MayImport(t, "context", "errors", "fmt", "hash/fnv", "slices", "strconv", "strings", "time",
		"go.temporal.io/sdk/temporal", "go.temporal.io/sdk/workflow")
}
