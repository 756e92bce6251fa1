package devserver

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// LockDataDir reserves a data directory for one worker. The lock ends with unlock or with the process. If another worker
// has it, the error says which and what to do.
func LockDataDir(dir string) (unlock func(), err error) {
	if dir, err = makeDataDir(dir); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(dir, "worker.lock"))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the data directory %s: %w", dir, err)
	}
	pidFile := filepath.Join(dir, "worker.pid") // beside the lock: a locked file cannot be read everywhere
	if !locked {
		return nil, fmt.Errorf("another worker%s uses the data directory %s: stop it, or choose another directory with --data-dir",
			pidIn(pidFile), dir)
	}
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		_ = lock.Unlock()
		return nil, fmt.Errorf("lock the data directory %s: %w", dir, err)
	}
	return func() {
		_ = os.Remove(pidFile)
		_ = lock.Unlock()
	}, nil
}

// pidIn is " (pid 123)", or nothing if the file does not say.
func pidIn(path string) string {
	raw, err := os.ReadFile(path) //nolint:gosec // a path below the caller's data directory
	if err != nil {
		return ""
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}

// lockFile waits for a lock between processes. If it is taken it says why we wait, then how long.
func lockFile(ctx context.Context, path, why string, log io.Writer, every time.Duration) (unlock func(), err error) {
	lock := flock.New(path)
	locked, err := lock.TryLock()
	if err == nil && !locked {
		say(log, "%s", why)
		stop := tick(log, every, why)
		locked, err = lock.TryLockContext(ctx, pollEvery)
		stop()
	}
	if err != nil {
		return nil, fmt.Errorf("wait for the lock %s: %w", path, err)
	}
	if !locked {
		return nil, fmt.Errorf("wait for the lock %s: not granted", path)
	}
	return func() { _ = lock.Unlock() }, nil
}
