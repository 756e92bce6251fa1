//go:build unix

package devserver

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// orphan runs a worker that starts a server on dir and is then killed. It returns the server's pid.
func orphan(t *testing.T, dir string, env ...string) int {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(append(os.Environ(), envHelper+"="+dir), env...)
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	t.Cleanup(func() {
		if isServerPID(pid, dir) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	return pid
}

func isServerPID(pid int, dir string) bool {
	id, err := identify(context.Background(), pid)
	return err == nil && id.serves(context.Background(), filepath.Join(dir, dbName))
}

// testStart is Start with short patience.
func testStart(t *testing.T, opts Options) *Server {
	t.Helper()
	opts.Log = t.Output()
	lim := defaultLimits()
	lim.adopt, lim.stop = 5*time.Second, 500*time.Millisecond
	server, err := starter{limits: lim, resolve: ResolveCLI}.start(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.WithoutCancel(t.Context()))) })
	return server
}

func TestOrphanIsAdopted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pid := orphan(t, dir)
	server := testStart(t, Options{DataDir: dir, SearchAttributes: []string{"Colour"}})
	require.True(t, server.Adopted)
	require.Equal(t, pid, server.PID)

	require.NoError(t, server.Stop(t.Context()))
	<-server.Done()
	require.False(t, isServerPID(pid, dir))
	require.NoFileExists(t, filepath.Join(dir, recordName))
}

func TestAdoptedServerThatDiesIsNoticed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	orphan(t, dir)
	server := testStart(t, Options{DataDir: dir})
	require.True(t, server.Adopted)
	require.NoError(t, syscall.Kill(server.PID, syscall.SIGKILL))
	<-server.Done()
}

func TestOrphanWithoutRecordIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pid := orphan(t, dir)
	require.NoError(t, os.Remove(filepath.Join(dir, recordName)))
	server := testStart(t, Options{DataDir: dir, DieWithParent: true})
	require.False(t, server.Adopted)
	require.NotEqual(t, pid, server.PID)
	require.False(t, isServerPID(pid, dir), "two servers on one database")
}

func TestOrphanOnOtherPortsIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pid := orphan(t, dir)
	var port int
	require.NoError(t, freePorts(&port))
	server := testStart(t, Options{DataDir: dir, Port: port, DieWithParent: true})
	require.False(t, server.Adopted)
	require.Equal(t, hostPort(port), server.Address)
	require.False(t, isServerPID(pid, dir))
}

func TestOrphanWithoutUIIsReplacedOnItsPort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pid := orphan(t, dir)
	port := portOf(readRecord(filepath.Join(dir, recordName)).Address)
	server := testStart(t, Options{DataDir: dir, Port: port, UI: true, DieWithParent: true})
	require.False(t, server.Adopted)
	require.Equal(t, hostPort(port), server.Address)
	require.NotEmpty(t, server.UIAddress)
	require.False(t, isServerPID(pid, dir))
}

func TestFrozenServerIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pid := orphan(t, dir)
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	server := testStart(t, Options{DataDir: dir, DieWithParent: true})
	require.False(t, server.Adopted)
	require.NotEqual(t, pid, server.PID)
	require.False(t, isServerPID(pid, dir))
}

func TestRecordOfAForeignProcessIsDropped(t *testing.T) {
	t.Parallel()
	sleeper := exec.CommandContext(t.Context(), "sleep", "600")
	require.NoError(t, sleeper.Start())
	t.Cleanup(func() {
		require.NoError(t, sleeper.Process.Kill())
		require.Error(t, sleeper.Wait())
	})
	other := testStart(t, Options{DataDir: t.TempDir(), DieWithParent: true}) // a healthy server, of another directory

	for name, pid := range map[string]int{"sleep": sleeper.Process.Pid, "other server": other.PID} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			id, err := identify(t.Context(), pid)
			require.NoError(t, err)
			r := record{identity: id, Address: other.Address, DBFile: filepath.Join(dir, dbName)}
			require.NoError(t, r.write(filepath.Join(dir, recordName)))

			server := testStart(t, Options{DataDir: dir, DieWithParent: true})
			require.False(t, server.Adopted)
			require.NotEqual(t, other.Address, server.Address)
			require.NoError(t, server.Stop(t.Context()))
			require.NoError(t, syscall.Kill(pid, 0), "the foreign process was ended")
		})
	}
	select {
	case <-other.Done():
		require.Fail(t, "the foreign server was ended")
	default:
	}
}

func TestUnreadableRecordIsDropped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, recordName), []byte("{half"), 0o600))
	server := testStart(t, Options{DataDir: dir, DieWithParent: true})
	require.Equal(t, server.PID, readRecord(filepath.Join(dir, recordName)).PID)
}

func TestUnfinishedDatabaseIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := Options{DataDir: dir}
	require.NoError(t, o.beginDatabase())
	require.NoError(t, os.WriteFile(o.dbFile(), nil, 0o600)) // killed before the first table
	testStart(t, Options{DataDir: dir, DieWithParent: true})
	require.NoFileExists(t, o.markFile())
}

func TestForeignDatabaseIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := Options{DataDir: dir}
	require.NoError(t, os.WriteFile(o.dbFile(), []byte("something else"), 0o600))
	lim := defaultLimits()
	_, err := starter{limits: lim, resolve: ResolveCLI}.start(t.Context(), Options{DataDir: dir, DieWithParent: true})
	require.ErrorContains(t, err, "ended before it answered")
	require.ErrorContains(t, err, "file is not a database")
	require.ErrorContains(t, err, o.logFile())
	require.NoFileExists(t, filepath.Join(dir, recordName))
	content, err := os.ReadFile(o.dbFile())
	require.NoError(t, err)
	require.Equal(t, "something else", string(content))
}
