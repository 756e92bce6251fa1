package devserver

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestServerDiesWithItsParent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pid := orphan(t, dir, envDie+"=yes")
	require.Eventually(t, func() bool { return !isServerPID(pid, dir) }, 10*time.Second, 20*time.Millisecond)

	// The record that is left is no obstacle.
	server := testStart(t, Options{DataDir: dir, DieWithParent: true})
	require.False(t, server.Adopted)
	require.FileExists(t, filepath.Join(dir, recordName))
}
