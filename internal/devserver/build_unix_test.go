//go:build unix

package devserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) eventually(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(l.String(), text) }, 10*time.Second, 5*time.Millisecond, text)
}

func testBuilder(t *testing.T, log io.Writer, goScript string) Builder {
	t.Helper()
	return Builder{
		Package: CLIPackage, Title: "the Temporal CLI", CacheDir: filepath.Join(t.TempDir(), "cache"),
		Go: script(t, goScript), Log: log, Every: 10 * time.Millisecond,
	}
}

// goBuild is the end of a fake go command: it writes its -o.
const goBuild = `
while [ "$1" != -o ]; do shift; done
echo binary > "$2"
chmod +x "$2"`

func TestBuildOnce(t *testing.T) {
	t.Parallel()
	notes := t.TempDir()
	gate := filepath.Join(notes, "gate")
	require.NoError(t, syscall.Mkfifo(gate, 0o600))
	var log1, log2 lines
	first := testBuilder(t, &log1, "echo \"$GOFLAGS $GOWORK $@\" >> "+notes+"/runs; ls > "+notes+"/files; cat "+gate+goBuild)
	second := first
	second.Log = &log2

	paths := make(chan string, 2)
	var done sync.WaitGroup
	build := func(b Builder) {
		path, err := b.Build(t.Context())
		if err != nil {
			path = err.Error()
		}
		paths <- path
	}
	done.Go(func() { build(first) })
	log1.eventually(t, "Building the Temporal CLI once (3–10 minutes on two cores, later starts take a second) …\n")
	log1.eventually(t, "Still building the Temporal CLI (0s so far)\n")
	done.Go(func() { build(second) })
	log2.eventually(t, "Another process is building the Temporal CLI: waiting for it (0s so far)\n")
	open, err := os.OpenFile(gate, os.O_WRONLY, 0)
	require.NoError(t, err)
	require.NoError(t, open.Close())
	done.Wait()

	path := <-paths
	require.Equal(t, path, <-paths)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "binary\n", string(content))
	log1.eventually(t, "Built the Temporal CLI in ")
	require.NotContains(t, log2.String(), "Building")

	runs, err := os.ReadFile(filepath.Join(notes, "runs"))
	require.NoError(t, err)
	require.Equal(t, "-mod=readonly off build -ldflags=-s -w -o built "+CLIPackage+"\n", string(runs))
	files, err := os.ReadFile(filepath.Join(notes, "files"))
	require.NoError(t, err)
	require.Equal(t, "go.mod\ngo.sum\n", string(files))

	// What is in the cache needs neither the go command nor a message.
	first.Go, first.Log = "/nowhere/go", nil
	again, err := first.Build(t.Context())
	require.NoError(t, err)
	require.Equal(t, path, again)
	require.Equal(t, []string{filepath.Base(path)}, names(t, filepath.Dir(path)))
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// onlyLock requires that the cache holds nothing but the lock file.
func onlyLock(t *testing.T, b Builder) {
	t.Helper()
	require.Equal(t, []string{b.key() + ".lock"}, names(t, b.CacheDir))
}

func TestCancelledBuildLeavesNothing(t *testing.T) {
	t.Parallel()
	pids := filepath.Join(t.TempDir(), "pids")
	b := testBuilder(t, nil, "sleep 600 & echo $$ $! > "+pids+".new; mv "+pids+".new "+pids+"; wait")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := b.Build(ctx)
		failed <- err
	}()
	require.Eventually(t, func() bool { return isFile(pids) }, 10*time.Second, 5*time.Millisecond)
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	onlyLock(t, b)

	text, err := os.ReadFile(pids)
	require.NoError(t, err)
	for field := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(field)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return !runs(pid) }, 10*time.Second, 5*time.Millisecond)
	}
}

// runs reports whether a process is there and not a zombie.
func runs(pid int) bool {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if errors.Is(err, os.ErrNotExist) && isFile("/proc/self/cmdline") {
		return false
	}
	if err == nil {
		return len(line) > 0
	}
	return syscall.Kill(pid, 0) == nil
}

func TestCancelledWaitForABuild(t *testing.T) {
	t.Parallel()
	var log lines
	b := testBuilder(t, &log, "exit 1")
	require.NoError(t, os.MkdirAll(b.CacheDir, 0o700))
	unlock, err := lockFile(t.Context(), filepath.Join(b.CacheDir, b.key()+".lock"), "", io.Discard, time.Second)
	require.NoError(t, err)
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := b.Build(ctx)
		failed <- err
	}()
	log.eventually(t, "Another process")
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
}

func TestFailedBuild(t *testing.T) {
	t.Parallel()
	b := testBuilder(t, nil, "echo no space left on device >&2; exit 1")
	_, err := b.Build(t.Context())
	require.ErrorContains(t, err, "building the Temporal CLI failed (exit status 1)")
	require.ErrorContains(t, err, "or set TEMPORAL_ADDRESS")
	require.ErrorContains(t, err, "\n  no space left on device")
	onlyLock(t, b)

	// What a killed builder left is cleared by the next.
	b.Go = script(t, goBuild)
	require.NoError(t, os.MkdirAll(filepath.Join(b.CacheDir, b.key(), "build", "old"), 0o700))
	path, err := b.Build(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"temporal"}, names(t, filepath.Dir(path)))
}

func TestBuildWithoutGo(t *testing.T) {
	t.Parallel()
	b := testBuilder(t, nil, "")
	b.Go = filepath.Join(t.TempDir(), "go")
	_, err := b.Build(t.Context())
	require.ErrorContains(t, err, "building the Temporal CLI needs the go command: install Go (https://go.dev/dl), or put the "+
		"temporal CLI on PATH, or set TEMPORAL_ADDRESS to a running server")
}
