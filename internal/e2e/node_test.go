package e2e_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

const (
	oldestNode = 18
	howToNode  = "install Node.js 18 or later and npm (Debian: apt-get install nodejs npm), or run \"make test\", which does"
	npmLimit   = 5 * time.Minute
)

// findNode finds a Node.js that is new enough.
func findNode() (string, error) {
	program, err := exec.LookPath("node")
	if err != nil {
		return "", errors.New("no node found: " + howToNode)
	}
	output, err := exec.Command(program, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", program, err)
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(output)), "v"), ".")
	if number, err := strconv.Atoi(major); err != nil || number < oldestNode {
		return "", fmt.Errorf("%s is version %s: %s", program, strings.TrimSpace(string(output)), howToNode)
	}
	return program, nil
}

// nodeModules is the node_modules directory of oidcprovider, in the user's cache under the hash of its lock file: of
// all test processes the first one installs it, and the others wait.
var nodeModules = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	lockFile, err := os.ReadFile(filepath.Join("oidcprovider", "package-lock.json"))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(lockFile)
	dir := filepath.Join(cache, "acme-connections", "oidcprovider", hex.EncodeToString(sum[:8]))
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), npmLimit)
	defer cancel()
	lock := flock.New(dir + ".lock")
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return "", fmt.Errorf("wait for the lock %s: %w", lock.Path(), err)
	}
	defer func() { _ = lock.Close() }()
	modules := filepath.Join(dir, "node_modules")
	if _, err := os.Stat(dir); err == nil {
		return modules, nil
	}
	return modules, npmInstall(ctx, dir)
})

// npmInstall installs into dir, whole or not at all.
func npmInstall(ctx context.Context, dir string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("no npm found: " + howToNode)
	}
	half := dir + ".half"
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	if err := os.MkdirAll(half, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := os.ReadFile(filepath.Join("oidcprovider", name))
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
