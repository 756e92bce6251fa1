package sample_test

import (
	"testing"

	"github.com/acme/connections/internal/deptest"
)

// TestImports: of this module, the sample has what another team's repository could have.
func TestImports(t *testing.T) {
	t.Parallel()
	deptest.MayImport(t,
		"github.com/acme/connections/activities", "github.com/acme/connections/workflows",
		"go.temporal.io/sdk/activity", "go.temporal.io/sdk/temporal", "go.temporal.io/sdk/worker", "go.temporal.io/sdk/workflow",
		"golang.org/x/oauth2",
		"context", "encoding/json", "errors", "fmt", "io", "net/http", "net/url", "strconv", "time")
}
