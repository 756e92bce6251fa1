package devserver

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLockDataDir(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made")
	unlock, err := LockDataDir(dir)
	require.NoError(t, err)
	resolved, err := filepath.EvalSymlinks(dir)
	require.NoError(t, err)

	_, err = LockDataDir(dir)
	require.EqualError(t, err, "another worker (pid "+strconv.Itoa(os.Getpid())+") uses the data directory "+resolved+
		": stop it, or choose another directory with --data-dir")

	unlock()
	again, err := LockDataDir(dir)
	require.NoError(t, err)
	again()
}
