package e2e_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
)

// sampled is what "starter sample" prints.
type sampled struct {
	ConnectionID string `json:"connection_id"`
	WorkflowID   string `json:"workflow_id"`
	Contacts     int    `json:"contacts"`
	Pages        int    `json:"pages"`
	Unauthorized int    `json:"unauthorized"`
	Throttled    int    `json:"throttled"`
	Refreshes    int    `json:"refreshes"`
}

// requireAll: every contact was read once, and that took a refresh and a pause.
func (v sampled) requireAll(t *testing.T, id string) {
	t.Helper()
	require.Equal(t, id, v.ConnectionID)
	require.Equal(t, 250, v.Contacts)
	require.Equal(t, 25, v.Pages, "no page is read twice, whatever was met on the way")
	require.GreaterOrEqual(t, v.Unauthorized, 2)
	require.GreaterOrEqual(t, v.Throttled, 3)
	require.GreaterOrEqual(t, v.Refreshes, 2)
}

// misbehave arms faults of the sandbox's token endpoint.
func (s *system) misbehave(faults string) {
	s.t.Helper()
	response, err := http.Post(s.dev.Sandbox.Issuer+"/_faults", "application/json", strings.NewReader(faults))
	require.NoError(s.t, err)
	require.NoError(s.t, response.Body.Close())
	require.Equal(s.t, http.StatusNoContent, response.StatusCode)
}

// revokeGrant makes the provider refuse the connection's refresh token, so that it needs a person.
func (s *system) revokeGrant(id string) {
	s.t.Helper()
	s.misbehave(`{"grant":"refresh_token","error_code":"invalid_grant","count":1}`)
	require.Equal(s.t, 3, s.starter("refresh", id).exit)
	s.await(id, func(v connections.View) bool { return v.Status == "needs_reauth" })
}

func TestSample(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	machine := s.view("connect", "sandbox", "--grant", "client_credentials", "--wait")
	r := s.starter("sample", machine.ID, "-o", "json")
	require.Zero(t, r.exit, r.stdout+r.stderr)
	var v sampled
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &v), r.stdout)
	v.requireAll(t, machine.ID)
	require.Equal(t, "sample/"+machine.ID, v.WorkflowID)

	created := s.view("connect", "sandbox", "--owner", "acme")
	r = s.starter("sample", created.ID)
	require.Equal(t, 3, r.exit, "nobody has consented yet")
	require.Contains(t, r.stderr, "consent")
	newBrowser(t).agree(*created.ConnectURL, "demo")
	s.await(created.ID, active)
	r = s.starter("sample", created.ID)
	require.Zero(t, r.exit, r.stdout+r.stderr)
	require.Contains(t, r.stdout, "SampleContacts runs as sample/"+created.ID)
	require.Contains(t, r.stdout, "Read 250 contacts on 25 pages.")
	r = s.starter("sample", created.ID, "--await", "-o", "json")
	require.Zero(t, r.exit, r.stdout+r.stderr)
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &v), r.stdout)
	v.requireAll(t, created.ID)

	// A scope that the connection does not have.
	narrow := s.view("connect", "sandbox", "--owner", "acme", "--scope", "openid,offline_access")
	newBrowser(t).agree(*narrow.ConnectURL, "demo")
	s.await(narrow.ID, active)
	r = s.starter("sample", narrow.ID, "-o", "json")
	require.NotZero(t, r.exit)
	require.Contains(t, r.stdout, `"insufficient_scope"`)

	s.view("pause", created.ID)
	r = s.starter("sample", created.ID, "-o", "json")
	require.Equal(t, 1, r.exit)
	require.Contains(t, r.stdout, `"paused`)
	require.Equal(t, 2, s.starter("sample").exit)
	r = s.starter("sample", "con_unknown", "-o", "json")
	require.Equal(t, 1, r.exit)
	require.Contains(t, r.stdout, `"not_found"`)
	s.replayAll()
}

// A caller that waits for a person: parked, stopped meanwhile, started again, and on by itself after the consent.
func TestSampleAwait(t *testing.T) {
	t.Parallel()
	s := newSystemWith(t, []string{"--sandbox-token-life", "15s"})
	created := s.view("connect", "sandbox", "--owner", "acme")
	id := created.ID
	waiting := s.background("sample", id, "--await", "-o", "json")
	waiting.awaitText("Parked: the connection is pending.")
	newBrowser(t).agree(*created.ConnectURL, "demo")
	waiting.sampled().requireAll(t, id)

	s.revokeGrant(id)
	waiting = s.background("sample", id, "--await", "-o", "json")
	waiting.awaitText("Parked: the connection is needs_reauth.")
	require.Equal(t, 1, s.await(id, func(v connections.View) bool { return v.Waiting > 0 }).Waiting)
	require.NoError(t, waiting.command.Process.Signal(syscall.SIGINT))
	require.NotZero(t, waiting.exit())
	require.Contains(t, waiting.stderr.String(), "The workflow stays: run this again, and it goes on.")

	again := s.view("reconnect", id)
	waiting = s.background("sample", id, "--await", "-o", "json")
	waiting.awaitText("SampleAwait runs as sample-await/" + id)
	newBrowser(t).agree(*again.ConnectURL, "demo")
	waiting.sampled().requireAll(t, id)
	require.True(t, active(s.view("status", id)))
	s.replayAll()
}

// started is a starter process that runs beside the test.
type started struct {
	s       *system
	command *exec.Cmd
	stdout  bytes.Buffer
	stderr  *buffer
	exited  chan struct{}
}

// background starts a verb, and ends it with the test.
func (s *system) background(args ...string) *started {
	s.t.Helper()
	b := &started{s: s, stderr: &buffer{}, exited: make(chan struct{})}
	b.command = exec.Command(binaries.starter, append(args, "--data-dir", s.dir)...)
	b.command.Env, b.command.Stdout, b.command.Stderr = s.env, &b.stdout, b.stderr
	require.NoError(s.t, b.command.Start())
	go func() {
		defer close(b.exited)
		_ = b.command.Wait()
	}()
	s.t.Cleanup(func() {
		_ = b.command.Process.Signal(os.Kill)
		<-b.exited
	})
	return b
}

// awaitText waits until the process has said something on standard error.
func (b *started) awaitText(text string) {
	b.s.t.Helper()
	require.Eventually(b.s.t, func() bool { return strings.Contains(b.stderr.String(), text) }, patience, 20*time.Millisecond,
		"%q is not said, but: %s", text, b.stderr)
}

// exit is the exit code, once the process has ended.
func (b *started) exit() int {
	b.s.t.Helper()
	select {
	case <-b.exited:
	case <-time.After(patience):
		require.Fail(b.s.t, "the process does not end", "it said: %s", b.stderr)
	}
	return b.command.ProcessState.ExitCode()
}

// sampled is the report, once the process has ended well.
func (b *started) sampled() sampled {
	b.s.t.Helper()
	require.Zero(b.s.t, b.exit(), "%s%s", &b.stdout, b.stderr)
	var v sampled
	require.NoError(b.s.t, json.Unmarshal(b.stdout.Bytes(), &v), b.stdout.String())
	return v
}
