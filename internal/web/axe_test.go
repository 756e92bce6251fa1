package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// axe is the source of axe-core, which looks for barriers in a page (WCAG 2.2): of the version in the lock file, in the
// user's cache under the hash of that file. Of all test processes the first one installs it, and the others wait.
var axe = sync.OnceValues(func() (string, error) {
	const home = "testdata/axe"
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	lockFile, err := os.ReadFile(filepath.Join(home, "package-lock.json"))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(lockFile)
	dir := filepath.Join(cache, "acme-connections", "axe", hex.EncodeToString(sum[:8]))
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	lock := flock.New(dir + ".lock")
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return "", fmt.Errorf("wait for the lock %s: %w", lock.Path(), err)
	}
	defer func() { _ = lock.Close() }()
	if _, err := os.Stat(dir); err != nil {
		if err := npmInstall(ctx, home, dir); err != nil {
			return "", err
		}
	}
	source, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	return string(source), err
})

// npmInstall installs what home locks into dir, whole or not at all.
func npmInstall(ctx context.Context, home, dir string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("no npm found: install Node.js 18 or later and npm (Debian: apt-get install nodejs npm), or run \"make test\", which does")
	}
	half := dir + ".half"
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	if err := os.MkdirAll(half, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := os.ReadFile(filepath.Join(home, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(half, name), content, 0o600); err != nil {
			return err
		}
	}
	install := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir, install.WaitDelay = half, time.Second
	if output, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, output)
	}
	return os.Rename(half, dir)
}
