package e2e_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
)

// list reads the directory.
func (s *system) list(args ...string) []connections.View {
	s.t.Helper()
	r := s.starter(append([]string{"list", "--limit", "1000", "-o", "json"}, args...)...)
	require.Zero(s.t, r.exit, r.stderr)
	var views []connections.View
	require.NoError(s.t, json.Unmarshal([]byte(r.stdout), &views), r.stdout)
	return views
}

// Ctrl-C stops all of it, and the next start has everything again.
func TestRestartKeepsEverything(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	v := s.view("connect", "sandbox", "--grant", "client_credentials", "--wait", "--tag", "team=blue")
	pending := s.view("connect", "sandbox", "--owner", "acme")
	s.stop()
	s.start()
	require.Equal(t, v.Generation+1, s.view("refresh", v.ID).Generation)
	require.Equal(t, "pending", s.view("status", pending.ID).Status)
	link := strings.Replace(*pending.ConnectURL, "http://", "", 1)
	_, path, _ := strings.Cut(link, "/")
	newBrowser(t).consent(s.dev.BaseURL + "/" + path)
	s.await(pending.ID, active)
}

// A kill between any two steps loses nothing: here the worker dies while refreshes are forced without pause, by a caller
// who waits out the restart. Tokens are short, since an attempt in doubt is settled when the token is nearly spent.
func TestKillDuringRefreshes(t *testing.T) {
	t.Parallel()
	s := newSystemWith(t, []string{"--sandbox-token-life", "15s"})
	v := s.view("connect", "sandbox", "--owner", "acme")
	newBrowser(t).consent(*v.ConnectURL)
	generation := s.await(v.ID, active).Generation
	c := s.client()
	for range 3 {
		var killed atomic.Bool
		forcing := make(chan struct{})
		go func() {
			defer close(forcing)
			for !killed.Load() {
				_, _ = c.Refresh(t.Context(), v.ID)
			}
		}()
		generation = s.await(v.ID, func(now connections.View) bool { return now.Generation > generation }).Generation
		killed.Store(true)
		s.kill()
		begun := time.Now()
		s.start()
		// Whatever was in flight, the connection ends up with a live token, and nobody consents again, unless the kill
		// fell between the provider's commit and ours: the sandbox would say so, and the reason would be that.
		after := s.await(v.ID, func(now connections.View) bool {
			return now.Status == "needs_reauth" || (now.Status == "active" && now.Generation > generation)
		})
		<-forcing
		t.Logf("killed at generation %d, %s at generation %d after %v", generation, after.Status, after.Generation, time.Since(begun).Round(time.Millisecond))
		if after.Status == "needs_reauth" {
			require.Equal(t, "rotation_lost", after.Reason)
			t.Log("the kill fell between the provider's commit and ours: rotation_lost, as it must be")
			return
		}
		require.Equal(t, 200, s.call(s.dev.Sandbox.Userinfo, s.token(v.ID)))
	}
}

func TestSecondWorkerOnOneDataDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	r := runProgram(t, binaries.worker, s.env, "", "--dev", "--data-dir", s.dir, "--http", "127.0.0.1:0", "--temporal-port", "0", "--ui-port", "0")
	require.Equal(t, 1, r.exit)
	require.Contains(t, r.stderr, s.dir)
	require.Equal(t, "active", s.view("connect", "sandbox", "--grant", "client_credentials", "--wait").Status, "the first one goes on")
}

func TestPortsInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)
	for flag, value := range map[string]string{"--http": taken.Addr().String(), "--temporal-port": port, "--ui-port": port} {
		args := []string{"--dev", "--data-dir", filepath.Join(t.TempDir(), "data"), "--http", "127.0.0.1:0", "--temporal-port", "0", "--ui-port", "0", flag, value}
		r := runProgram(t, binaries.worker, cleanEnv(), "", args...)
		require.Equal(t, 1, r.exit, flag)
		require.Contains(t, r.stderr, port, flag)
		require.Contains(t, r.stderr, "in use", flag)
		require.Contains(t, r.stderr, flag)
		require.NotContains(t, r.stdout, "ready")
	}
}

func TestDataDirectoryThatCannotBe(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	r := runProgram(t, binaries.worker, cleanEnv(), "", "--dev", "--data-dir", filepath.Join(file, "x"), "--http", "127.0.0.1:0")
	require.Equal(t, 1, r.exit)
	require.Contains(t, r.stderr, "directory")
}
