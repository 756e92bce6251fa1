package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/process"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	tlog "go.temporal.io/sdk/log"

	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/connections"
)

// patience bounds every wait of these tests.
const patience = 60 * time.Second

// system is a "worker --dev" process with a data directory of its own.
type system struct {
	t     testing.TB
	dir   string
	env   []string
	flags []string

	worker *exec.Cmd
	exited chan struct{}
	log    *buffer
	dev    config.Dev
}

// buffer collects the output of all the worker processes of a system.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newSystem brings up everything; env is added to the environment of worker and starter.
func newSystem(t testing.TB, env ...string) *system {
	t.Helper()
	return newSystemWith(t, nil, env...)
}

// newSystemWith is newSystem with flags for the worker.
func newSystemWith(t testing.TB, flags []string, env ...string) *system {
	t.Helper()
	s := &system{t: t, dir: filepath.Join(t.TempDir(), "data"), env: append(cleanEnv(), env...), flags: flags, log: &buffer{}}
	s.start()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the worker said:\n%s", s.log.String())
		}
		s.stop()
	})
	return s
}

// cleanEnv is the environment without what would point elsewhere.
func cleanEnv() []string {
	var env []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if name == "DATABASE_URL" || (strings.HasPrefix(name, "CONNECTIONS_") && name != "CONNECTIONS_TEMPORAL_CLI") || strings.HasPrefix(name, "TEMPORAL_") {
			continue
		}
		env = append(env, entry)
	}
	// A program with the race detector would otherwise rest for a second before it exits.
	return append(env, "GORACE="+strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=10"))
}

// start starts the worker process and waits until it is ready.
func (s *system) start() {
	s.t.Helper()
	require.NoError(s.t, os.MkdirAll(s.dir, 0o700))
	args := append([]string{"--dev", "--data-dir", s.dir, "--http", "127.0.0.1:0", "--temporal-port", "0", "--ui-port", "0"}, s.flags...)
	s.worker = exec.Command(binaries.worker, args...)
	s.worker.Env = s.env
	before := len(s.log.String())
	s.worker.Stdout, s.worker.Stderr = s.log, s.log
	require.NoError(s.t, s.worker.Start())
	s.exited = make(chan struct{})
	go func(worker *exec.Cmd, exited chan struct{}) {
		_ = worker.Wait()
		close(exited)
	}(s.worker, s.exited)
	require.Eventually(s.t, func() bool {
		select {
		case <-s.exited:
			return true
		default:
			return strings.Contains(s.log.String()[before:], "Connections is ready.")
		}
	}, patience, 20*time.Millisecond, "the worker does not become ready")
	require.Contains(s.t, s.log.String()[before:], "Connections is ready.")
	dev, err := config.ReadDev(s.dir)
	require.NoError(s.t, err)
	s.dev = dev
	response, err := http.Get(s.dev.BaseURL + "/readyz")
	require.NoError(s.t, err)
	require.NoError(s.t, response.Body.Close())
	require.Equal(s.t, http.StatusOK, response.StatusCode)
}

// stop ends the worker as Ctrl-C does, and proves that nothing is left running.
func (s *system) stop() {
	if s.worker == nil {
		return
	}
	pid := s.temporalPID()
	_ = s.worker.Process.Signal(syscall.SIGINT)
	select {
	case <-s.exited:
	case <-time.After(patience):
		_ = s.worker.Process.Kill()
		s.t.Errorf("the worker did not stop on SIGINT")
		<-s.exited
	}
	s.worker = nil
	if pid != 0 && alive(pid) {
		s.t.Errorf("the embedded Temporal (pid %d) was left running", pid)
	}
}

// kill ends the worker as "kill -9" does.
func (s *system) kill() {
	s.t.Helper()
	require.NoError(s.t, s.worker.Process.Kill())
	<-s.exited
}

// temporalPID is the recorded child; 0 if there is none.
func (s *system) temporalPID() int {
	content, err := os.ReadFile(filepath.Join(s.dir, "temporal.json"))
	if err != nil {
		return 0
	}
	var record struct {
		PID int `json:"pid"`
	}
	require.NoError(s.t, json.Unmarshal(content, &record))
	return record.PID
}

// alive reports whether a process runs. One that has ended and that nobody has waited for does not: after a kill -9 of
// the worker its child belongs to init, which may take its time.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return false
	}
	states, err := p.Status()
	return err == nil && !slices.Contains(states, process.Zombie)
}

// result is what a starter process said.
type result struct {
	stdout, stderr string
	exit           int
}

// starter runs a verb.
func (s *system) starter(args ...string) result { return s.starterWith("", args...) }

func (s *system) starterWith(stdin string, args ...string) result {
	s.t.Helper()
	return runProgram(s.t, binaries.starter, s.env, stdin, append(args, "--data-dir", s.dir)...)
}

func runProgram(t testing.TB, program string, env []string, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, program, args...)
	command.Env, command.Stdin, command.Stdout, command.Stderr = env, strings.NewReader(stdin), &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if err != nil {
		require.ErrorAs(t, err, &exit, "%v", args)
	}
	return result{stdout: stdout.String(), stderr: stderr.String(), exit: command.ProcessState.ExitCode()}
}

// view runs a verb with -o json and reads the connection that it prints.
func (s *system) view(args ...string) connections.View {
	s.t.Helper()
	r := s.starter(append(args, "-o", "json")...)
	require.Zero(s.t, r.exit, "%v: %s%s", args, r.stdout, r.stderr)
	var view connections.View
	require.NoError(s.t, json.Unmarshal([]byte(r.stdout), &view), r.stdout)
	return view
}

// await reads the status until it is as wanted.
func (s *system) await(id string, wanted func(connections.View) bool) connections.View {
	s.t.Helper()
	var view connections.View
	require.Eventually(s.t, func() bool {
		view = s.view("status", id)
		return wanted(view)
	}, 2*patience, 200*time.Millisecond, "connection %s", id)
	return view
}

// token reads the access token in clear.
func (s *system) token(id string) string {
	s.t.Helper()
	r := s.starter("token", id, "--reveal")
	require.Zero(s.t, r.exit, r.stderr)
	return strings.TrimSpace(r.stdout)
}

// call asks the sandbox with a token and returns the HTTP status.
func (s *system) call(url, token string) int {
	s.t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(s.t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	require.NoError(s.t, response.Body.Close())
	return response.StatusCode
}

// temporal is a client of the system's server.
func (s *system) temporal() client.Client {
	s.t.Helper()
	c, err := client.Dial(client.Options{
		HostPort: s.dev.TemporalAddress, Namespace: s.dev.Namespace,
		Logger: tlog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(s.t, err)
	s.t.Cleanup(c.Close)
	return c
}
