package sandbox_test

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/secret"
)

func TestRestart_KeepsState(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "odd ?#% name.db")
	extra := sandbox.Client{ID: "extra", Secret: secret.New("extra-secret"), Scopes: []string{"a"}}
	verifier := oauth2.GenerateVerifier()

	before := newRig(t, inFile(file))
	require.NoError(t, before.AddClient(t.Context(), extra))
	first := before.connect()
	second := before.refresh(first.Refresh).tokens(t)
	revoked := before.connect()
	before.post(before.Endpoints().Revocation, before.Clients().App, true, map[string][]string{"token": {revoked.Refresh}})
	code := before.consent(verifier)
	keys := before.get(before.Endpoints().Keys, "").body
	require.NoError(t, before.Close())

	after := newRig(t, inFile(file))
	require.True(t, before.Clients().App.Secret.Equal(after.Clients().App.Secret))
	require.True(t, before.Clients().Machine.Secret.Equal(after.Clients().Machine.Secret))
	require.Equal(t, keys, after.get(after.Endpoints().Keys, "").body)
	require.Equal(t, "Demo User", after.get(after.Endpoints().Userinfo, second.Access).json(t)["name"])
	after.requireDead(revoked.Access)
	after.post(after.Endpoints().Token, extra, true, machineForm()).tokens(t)
	after.token(codeForm(code, verifier)).tokens(t)
	third := after.refresh(second.Refresh).tokens(t)
	after.refresh(first.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant") // reuse is remembered
	after.requireDead(third.Access)
	seen, err := after.Presentations(t.Context())
	require.NoError(t, err)
	require.Len(t, seen, 3)
}

func TestRestart_ForgetsOnlyWhatIsOver(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state.db")
	before := newRig(t, inFile(file))
	got := before.connect()
	require.NoError(t, before.Close())

	after := newRig(t, inFile(file), func(o *sandbox.Options) {
		now := time.Now().Add(60 * 24 * time.Hour)
		o.Now = func() time.Time { return now }
	})
	after.requireDead(got.Access)
	after.requireLive(after.refresh(got.Refresh).tokens(t).Access)
}

// killedEnv makes TestKilled play the process that is killed.
const killedEnv = "SANDBOX_TEST_KILLED_STATE"

func TestKilled_KeepsState(t *testing.T) {
	t.Parallel()
	if file := os.Getenv(killedEnv); file != "" {
		r := newRig(t, inFile(file))
		line, err := json.Marshal(r.refresh(r.connect().Refresh).tokens(t))
		require.NoError(t, err)
		fmt.Printf("TOKENS %s\n", line)
		<-t.Context().Done() // until killed, or the test's own deadline
	}
	file := filepath.Join(t.TempDir(), "state.db")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled_KeepsState$", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), killedEnv+"="+file)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var got tokens
	for scanner := bufio.NewScanner(out); scanner.Scan(); {
		if line, ok := bytes.CutPrefix(scanner.Bytes(), []byte("TOKENS ")); ok {
			require.NoError(t, json.Unmarshal(line, &got))
			break
		}
	}
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.NotEmpty(t, got.Refresh)

	r := newRig(t, inFile(file))
	r.requireLive(got.Access)
	r.requireLive(r.refresh(got.Refresh).tokens(t).Access)
}

func TestStateFile_HoldsNoTokenInTheClear(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state.db")
	r := newRig(t, inFile(file))
	verifier := oauth2.GenerateVerifier()
	code := r.consent(verifier)
	got := r.token(codeForm(code, verifier)).tokens(t)
	next := r.refresh(got.Refresh).tokens(t)
	require.NoError(t, r.AddClient(t.Context(), sandbox.Client{ID: "c", Secret: secret.New("canary-client-secret")}))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	for _, name := range []string{file, file + "-wal"} {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, text := range []string{code, got.Access, got.Refresh, next.Access, next.Refresh, "canary-client-secret"} {
			require.False(t, bytes.Contains(content, []byte(text)), "%s in %s", text, name)
		}
	}
}

func TestOpen_RefusesBadIssuers(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{"", "127.0.0.1:80", "http://example.com", "ftp://127.0.0.1", "http://127.0.0.1/?a=b", "http://127.0.0.1/#f", "http://u:p@127.0.0.1"} {
		_, err := sandbox.Open(t.Context(), sandbox.Options{Issuer: issuer})
		require.Error(t, err, issuer)
		require.NotContains(t, err.Error(), "u:p@")
	}
}

func TestAddClient_RefusesNonsense(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, c := range []sandbox.Client{
		{Secret: secret.New("x")},
		{ID: "x"},
		{ID: sandbox.AppClientID, Secret: secret.New("x")},
		{ID: "x", Secret: secret.New("x"), RedirectURIs: []string{"http://127.0.0.1/#fragment"}},
		{ID: "x", Secret: secret.New("x"), RedirectURIs: []string{"/callback"}},
	} {
		require.Error(t, r.AddClient(t.Context(), c))
	}
}

func TestClients_SecretsDiffer(t *testing.T) {
	t.Parallel()
	a, b := newRig(t).Clients(), newRig(t).Clients()
	require.False(t, a.App.Secret.Equal(b.App.Secret))
	require.False(t, a.App.Secret.Equal(a.Machine.Secret))
	require.NotContains(t, fmt.Sprintf("%+v %#v", a, a), a.App.Secret.Reveal())
}

func TestStateFile_OfVersion1IsUpgraded(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state.db")
	script, err := os.ReadFile("testdata/state_v1.sql")
	require.NoError(t, err)
	db, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), string(script))
	require.NoError(t, err)
	now := time.Now().UnixMilli()
	for _, token := range []string{"spent", "good"} {
		_, err = db.ExecContext(t.Context(), `INSERT INTO refresh_tokens (hash, family, issued, expires, used) VALUES (?, 'f', ?, ?, ?)`,
			sandbox.TokenHash(token), now, now+1e9, map[string]int64{"spent": now}[token])
		require.NoError(t, err)
	}
	_, err = db.ExecContext(t.Context(), `INSERT INTO families (id, client_id, user_id, scopes, auth_time)
		VALUES ('f', 'sandbox-app', 'user-demo', '["openid"]', ?)`, now)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `INSERT INTO presentations (hash, at, outcome) VALUES (?, ?, 'issued')`, sandbox.TokenHash("spent"), now)
	require.NoError(t, err)
	require.NoError(t, db.Close())

	r := newRig(t, inFile(file))
	next := r.refresh("good").tokens(t)
	r.refresh("spent").requireError(t, http.StatusBadRequest, "invalid_grant")
	r.requireDead(next.Access)
	seen := r.presentations(sandbox.OutcomeIssued, sandbox.OutcomeIssued, sandbox.OutcomeReuse)
	require.True(t, seen[0].CommittedAt.IsZero(), "not known then")
	require.Equal(t, "f", seen[1].Family)
	require.Equal(t, sandbox.TokenHash(next.Refresh), seen[1].Successor)
	require.NoError(t, r.Close())
	newRig(t, inFile(file)) // once
}

func TestStateFile_OfAnUnknownVersionIsRefused(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state.db")
	db, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `PRAGMA user_version = 99`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = sandbox.Open(t.Context(), sandbox.Options{Issuer: "http://127.0.0.1", StateFile: file})
	require.ErrorContains(t, err, "remove the file")
}

func TestStateFile_WithABehaviourOfALaterProgramIsRefused(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state.db")
	require.NoError(t, newRig(t, inFile(file)).Close())
	db, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `INSERT INTO meta (key, value) VALUES ('behaviour', CAST('{"later":true}' AS BLOB))`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = sandbox.Open(t.Context(), sandbox.Options{Issuer: "http://127.0.0.1", StateFile: file})
	require.ErrorContains(t, err, "remove the file")
}
