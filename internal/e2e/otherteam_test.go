package e2e_test

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// buildOtherTeam builds the module of another team, as that team would: by its own go.mod.
func buildOtherTeam(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "otherteam")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join("testdata", "otherteam")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "if a dependency of ours has moved, run \"go mod tidy\" in %s:\n%s", build.Dir, output)
	return program
}

// Another team's repository: a module of its own, that imports the public packages, runs its worker beside ours.
func TestOtherTeam(t *testing.T) {
	t.Parallel()
	program := buildOtherTeam(t)
	s := newSystem(t)
	v := s.view("connect", "sandbox", "--grant", "client_credentials", "--owner", "acme", "--wait")
	token := s.token(v.ID)
	run := func(owner string) result {
		return runProgram(t, program, append(s.env, "TEMPORAL_ADDRESS="+s.dev.TemporalAddress), "",
			"-data-dir", s.dir, "-owner", owner, "-connection", v.ID, "-url", s.dev.Sandbox.API)
	}
	r := run("acme")
	require.Zero(t, r.exit, r.stderr)
	var got struct {
		Remote, Local, Client struct{ Status, Generation int }
	}
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &got), r.stdout)
	require.Equal(t, http.StatusOK, got.Remote.Status)
	require.Equal(t, http.StatusOK, got.Local.Status)
	require.Equal(t, http.StatusOK, got.Client.Status)
	require.Positive(t, got.Remote.Generation)
	require.NotContains(t, r.stdout+r.stderr, token)

	// A process that is limited to another owner cannot open what it is handed.
	r = run("somebody-else")
	require.Equal(t, 1, r.exit)
	require.Contains(t, r.stderr, "There is no such connection")
	require.NotContains(t, r.stdout+r.stderr, token)
	s.replayAll()
}
