package devserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"time"
)

// Builder builds a command of the nested module into a cache, once for all processes of a user.
type Builder struct {
	// Package is the command to build, for example [CLIPackage].
	Package string
	// Title names it in messages: "the Temporal CLI v1.5.1".
	Title string
	// CacheDir is where binaries are kept. Empty: acme-connections/temporal in the user's cache directory.
	CacheDir string
	// Go is the go command. Empty: the one on PATH.
	Go string
	// Log gets progress. Nil: nothing.
	Log io.Writer
	// Every is the time between two lines of progress. 0: 15 s.
	Every time.Duration
}

// Build returns the path of the binary. If it is not in the cache, it is built, which takes minutes; of several
// processes one builds and the others wait. When ctx ends, the go command is ended with all that it started, and nothing
// is left behind.
func (b Builder) Build(ctx context.Context) (string, error) {
	b, err := b.withDefaults()
	if err != nil {
		return "", err
	}
	key := b.key()
	dir := filepath.Join(b.CacheDir, key)
	binary := filepath.Join(dir, path.Base(b.Package)+exeSuffix())
	if isFile(binary) {
		return binary, nil
	}
	if err := os.MkdirAll(b.CacheDir, 0o755); err != nil { //nolint:gosec // a cache of public code
		return "", fmt.Errorf("make the cache directory: %w", err)
	}
	why := fmt.Sprintf("Another process is building %s: waiting for it …", b.Title)
	unlock, err := lockFile(ctx, dir+".lock", why, b.Log, b.Every)
	if err != nil {
		return "", err
	}
	defer unlock()
	if isFile(binary) { // built while we waited
		return binary, nil
	}
	return binary, b.build(ctx, dir, binary)
}

func (b Builder) withDefaults() (Builder, error) {
	if b.Go == "" {
		b.Go = "go"
	}
	if b.Log == nil {
		b.Log = io.Discard
	}
	if b.Every == 0 {
		b.Every = 15 * time.Second
	}
	if b.CacheDir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return b, fmt.Errorf("find the user's cache directory (set XDG_CACHE_HOME or HOME): %w", err)
		}
		b.CacheDir = filepath.Join(cache, "acme-connections", "temporal")
	}
	return b, nil
}

// key names everything that the binary depends on, without asking the go command: a start must not need it.
func (b Builder) key() string {
	h := sha256.New()
	for _, part := range []string{moduleMod, moduleSum, b.Package, runtime.Version(), runtime.GOOS, runtime.GOARCH} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func (b Builder) build(ctx context.Context, dir, binary string) (err error) {
	goCommand, err := exec.LookPath(b.Go)
	if err != nil {
		return fmt.Errorf("building %s needs the go command: install Go (https://go.dev/dl), or put the temporal CLI on "+
			"PATH, or set TEMPORAL_ADDRESS to a running server: %w", b.Title, err)
	}
	// We have the lock: what is here was left by a builder that was killed.
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("clear the build directory: %w", err)
	}
	work := filepath.Join(dir, "build")
	if err := os.MkdirAll(work, 0o755); err != nil { //nolint:gosec // a cache of public code
		return fmt.Errorf("make the build directory: %w", err)
	}
	defer func() {
		leftover := work
		if err != nil {
			leftover = dir
		}
		_ = os.RemoveAll(leftover)
	}()
	for name, content := range map[string]string{"go.mod": moduleMod, "go.sum": moduleSum} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(content), 0o644); err != nil { //nolint:gosec // public
			return fmt.Errorf("write the build directory: %w", err)
		}
	}

	say(b.Log, "Building %s once (3–10 minutes on two cores, later starts take a second) …", b.Title)
	began := time.Now()
	stop := tick(b.Log, b.Every, fmt.Sprintf("Still building %s …", b.Title))
	err = b.runGo(ctx, goCommand, work, "built")
	stop()
	if err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(work, "built"), binary); err != nil {
		return fmt.Errorf("keep %s: %w", b.Title, err)
	}
	say(b.Log, "Built %s in %s.", b.Title, time.Since(began).Round(time.Second))
	return nil
}

// runGo runs go build in the module at work.
func (b Builder) runGo(ctx context.Context, goCommand, work, out string) error {
	// No -trimpath: who builds is who runs, and this way the compiled packages are shared with any plain go build of
	// the same module.
	cmd := exec.CommandContext(ctx, goCommand, "build", "-ldflags=-s -w", "-o", out, b.Package) //nolint:gosec // our own arguments
	cmd.Dir = work
	cmd.Env = append(
		os.Environ(),
		"PWD="+work, "GOWORK=off", "GO111MODULE=on", "GOFLAGS=-mod=readonly", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH,
	)
	var output tail
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	cmd.WaitDelay = killWithin
	c, err := spawn(cmd, true)
	if err == nil {
		<-c.done
		err = c.err
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("building %s was stopped: %w", b.Title, context.Cause(ctx))
	case err != nil:
		return fmt.Errorf("building %s failed (%w); mend that, or put the temporal CLI on PATH, or set TEMPORAL_ADDRESS to "+
			"a running server; the go command said:\n%s", b.Title, err, lastLines(output.String(), 15))
	}
	return syncFile(filepath.Join(work, out))
}

// syncFile brings a file to the disk before it gets its final name, which later starts trust.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the path is our own
	if err != nil {
		return fmt.Errorf("keep the binary: %w", err)
	}
	return errors.Join(f.Sync(), f.Close())
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func exeSuffix() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}
