package workflows_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/workflows"
)

// TestCodesOfCallers: what a caller's own process refuses with is in the one table, and says the same wherever the error
// is read: an activity's, in the workflow that ran it.
func TestCodesOfCallers(t *testing.T) {
	t.Parallel()
	for reason, kind := range map[workflows.Reason]workflows.Refusal{
		"temporal_unavailable": workflows.TemporarilyUnavailable,
		"timeout":              workflows.TemporarilyUnavailable,
		"closed":               workflows.TemporarilyUnavailable,
		"insufficient_scope":   workflows.NeedsReauthorization,
	} {
		require.True(t, reason.Known(), reason)
		refused, is := workflows.AsTokenError(handOutError("", reason, true, 0))
		require.True(t, is, reason)
		require.Equal(t, []any{kind, reason}, []any{refused.Kind, refused.Reason})
	}
}

// TestTheTableIsClosed: nobody makes a reason of his own beside it.
func TestTheTableIsClosed(t *testing.T) {
	t.Parallel()
	made := regexp.MustCompile(`\bworkflows\.Reason(?:\s*=\s*|\()"|\bReason\w*\s+Reason\s*=\s*"`)
	files := 0
	require.NoError(t, filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
			path == filepath.Join("..", "workflows", "reasons.go") {
			return err
		}
		files++
		source, err := os.ReadFile(path)
		require.False(t, made.Match(source), "%s makes a reason: it belongs into workflows/reasons.go", path)
		return err
	}))
	require.Greater(t, files, 100)
}
