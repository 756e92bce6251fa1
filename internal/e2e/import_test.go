package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/internal/vault/pgtest"
	"github.com/acme/connections/workflows"
)

// importedMany is how many connections TestImportMany imports in one go: ten thousand on Postgres without the race
// detector.
func importedMany(database string) int {
	switch {
	case raceFlag:
		return 600
	case database == "":
		return 2_000
	default:
		return 10_000
	}
}

// importReport is what "starter import -o json" prints.
type importReport struct {
	connections.ImportReport
	Seconds float64
	Error   *struct{ Code, Message string }
}

// importing starts the import of a file, as a process; ended gives its outcome.
type importing struct {
	s              *system
	command        *exec.Cmd
	stdout, stderr bytes.Buffer
}

func (s *system) importing(args ...string) *importing {
	s.t.Helper()
	i := &importing{s: s, command: exec.Command(binaries.starter, append([]string{"import", "-o", "json", "--data-dir", s.dir}, args...)...)}
	i.command.Env, i.command.Stdout, i.command.Stderr = s.env, &i.stdout, &i.stderr
	require.NoError(s.t, i.command.Start())
	return i
}

func (i *importing) ended() (report importReport, exit int) {
	i.s.t.Helper()
	_ = i.command.Wait()
	require.NoError(i.s.t, json.Unmarshal(i.stdout.Bytes(), &report), "%s%s", i.stdout.String(), i.stderr.String())
	return report, i.command.ProcessState.ExitCode()
}

// An import of many that is killed half way and run again makes each connection once, with one workflow; once more
// changes nothing. What was imported is handed out and renewed. On both vaults.
func TestImportMany(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(*testing.T) string{
		"sqlite":   func(*testing.T) string { return "" },
		"postgres": func(t *testing.T) string { return pgtest.URL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := database(t)
			many := importedMany(url)
			s := newSystem(t, "DATABASE_URL="+url)
			in := newInsiderOf(t, s, url)
			original := s.view("connect", "sandbox", "--owner", "other system")
			newBrowser(t).consent(*original.ConnectURL)
			s.await(original.ID, active)
			s.view("pause", original.ID) // the other system stops renewing it
			file := filepath.Join(t.TempDir(), "tokens.jsonl")
			require.NoError(t, os.WriteFile(file, exported(t, in, original.ID, many), 0o600))

			dry, exit := s.importing(file, "--dry-run").ended()
			require.Zero(t, exit)
			require.EqualValues(t, many, dry.Created)
			require.Len(t, in.imported(), 0, "a dry run writes nothing")

			cut := s.importing(file)
			require.Eventually(t, func() bool { return len(in.imported()) >= many/3 }, 20*patience, 200*time.Millisecond)
			require.NoError(t, cut.command.Process.Kill())
			_ = cut.command.Wait()
			done := len(in.imported())
			require.Less(t, done, many, "killed in the middle")

			second := s.importing(file)
			rest, exit := second.ended()
			require.Zero(t, exit, "%+v", rest)
			require.EqualValues(t, many, rest.Created+rest.AlreadyThere)
			require.InDelta(t, done, rest.AlreadyThere, 16, "what was under way may have arrived")
			t.Logf("killed after %d of %d; the next run made %d in %.1f s (%.0f/s)", done, many, rest.Created, rest.Seconds, float64(rest.Created)/rest.Seconds)
			ids := in.imported()
			require.Len(t, ids, many)
			s.requireOneWorkflowEach(many)

			third := s.importing(file)
			again, exit := third.ended()
			require.Zero(t, exit)
			require.EqualValues(t, many, again.AlreadyThere)
			t.Logf("once more: %d already there in %.1f s (%.0f/s)", again.AlreadyThere, again.Seconds, float64(many)/again.Seconds)

			// The real one among them.
			var id string
			for _, row := range ids {
				if row.Tags["external_id"] == "the real one" {
					id = row.ID
				}
			}
			require.Equal(t, http.StatusOK, s.call(s.dev.Sandbox.Userinfo, s.token(id)))
			require.GreaterOrEqual(t, s.view("refresh", id).Generation, int64(2))
			require.Equal(t, http.StatusOK, s.call(s.dev.Sandbox.Userinfo, s.token(id)))

			said := []byte(cut.stdout.String() + cut.stderr.String() + second.stdout.String() + second.stderr.String() + third.stderr.String() + s.log.String())
			in.known.add("imported access token", "made-up-access-canary")
			in.known.add("imported refresh token", "made-up-refresh-canary")
			in.search("what was said", said)
			in.search("a history", s.historyOf(ids[0].ID))
			in.search("a history", s.historyOf(id))
			in.searchFiles(s)
		})
	}
}

// newInsiderOf is newInsider for either vault.
func newInsiderOf(t *testing.T, s *system, database string) *insider {
	t.Helper()
	settings := config.Settings{Dev: &s.dev, DatabaseURL: database, VaultKeyset: s.dev.VaultKeyset(), AccessKeyset: s.dev.AccessKeyset()}
	store, err := settings.OpenVault(t.Context(), false)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	keys, err := settings.OpenKeys(t.Context(), store)
	require.NoError(t, err)
	return &insider{t: t, store: store, keys: keys, known: &canaries{known: map[string]string{}}}
}

// imported are the connections of owner "imported".
func (i *insider) imported() []vault.Connection {
	i.t.Helper()
	var all []vault.Connection
	filter := vault.ConnectionFilter{Owner: "imported", Limit: 1000}
	for {
		page, err := i.store.ListConnections(i.t.Context(), filter)
		require.NoError(i.t, err)
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
		filter.After = page[len(page)-1].ID
	}
}

// exported is a file as another system gives it: one real grant, that of a connection, among many made-up ones.
func exported(t *testing.T, in *insider, id string, many int) []byte {
	t.Helper()
	row, err := in.store.Connection(t.Context(), id)
	require.NoError(t, err)
	access, err := in.keys.Access.OpenString(keyring.AccessToken(id, row.Generation), row.AccessToken)
	require.NoError(t, err)
	refresh, err := in.keys.Vault.OpenString(keyring.RefreshToken(id, row.Generation), row.RefreshToken)
	require.NoError(t, err)
	in.known.add("access token", access.Reveal())
	in.known.add("refresh token", refresh.Reveal())
	var file bytes.Buffer
	encoder := json.NewEncoder(&file)
	for n := range many {
		record := map[string]any{
			"connector": "sandbox", "owner": "imported", "external_id": fmt.Sprint(n),
			"access_token": fmt.Sprintf("made-up-access-canary-%d", n), "refresh_token": fmt.Sprintf("made-up-refresh-canary-%d", n),
			"expires_at": time.Now().Add(24 * time.Hour), "tags": map[string]string{"batch": "1"},
		}
		if n == many/2 {
			record["external_id"], record["access_token"], record["refresh_token"] = "the real one", access.Reveal(), refresh.Reveal()
			record["expires_at"], record["issued_at"], record["scopes"] = row.ExpiresAt, row.IssuedAt, row.GrantedScopes
		}
		require.NoError(t, encoder.Encode(record))
	}
	return file.Bytes()
}

// requireOneWorkflowEach: as many open workflows of owner "imported" as connections, and none that has ended.
func (s *system) requireOneWorkflowEach(many int) {
	s.t.Helper()
	c := s.temporal()
	count := func(query string) int64 {
		response, err := c.CountWorkflow(s.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: s.dev.Namespace, Query: "ConnectionOwner = 'imported'" + query,
		})
		if err != nil {
			return -1
		}
		return response.GetCount()
	}
	require.Eventually(s.t, func() bool { return count(" AND ExecutionStatus = 'Running'") == int64(many) }, patience, 100*time.Millisecond)
	require.EqualValues(s.t, many, count(""))
}

// historyOf is all that a workflow left in Temporal.
func (s *system) historyOf(id string) []byte {
	s.t.Helper()
	var all []byte
	events := s.temporal().GetWorkflowHistory(s.t.Context(), workflows.WorkflowID(id), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(s.t, err)
		raw, err := proto.Marshal(event)
		require.NoError(s.t, err)
		all = append(all, raw...)
	}
	require.NotEmpty(s.t, all)
	return all
}

// What "starter import" says to people, and how it ends.
func TestImportVerb(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	const canary = "canary-of-an-imported-token"
	table := write("tokens.CSV", "\uFEFFexternal_id;access_token;refresh_token;expires_at\r\n1;"+canary+";"+canary+";4102444800\r\n2;"+canary+";;1700000000\r\n;"+canary+";;\r\n")
	r := s.starter("import", table, "--owner", "acme", "--connector", "sandbox")
	require.Equal(t, 1, r.exit)
	require.Contains(t, r.stdout, "3 records in ")
	require.Contains(t, r.stdout, "1 created, 0 already there, 0 replaced, 2 failed.")
	require.Contains(t, r.stdout, "no_refresh_token")
	require.Contains(t, r.stdout, "external_id is missing")
	require.NotContains(t, r.stdout+r.stderr+s.log.String(), canary)

	r = s.starterWith(`{"external_id":"1","access_token":"`+canary+`","refresh_token":"x","expires_at":4102444800}`, "import", "-", "--owner", "acme", "--connector", "sandbox", "-o", "json")
	require.Zero(t, r.exit, r.stdout)
	require.JSONEq(t, "1", string(member(t, r.stdout, "already_there")))
	require.JSONEq(t, "[]", string(member(t, r.stdout, "failures")))
	require.JSONEq(t, "null", string(member(t, r.stdout, "error")))
	listed := s.starter("list", "--owner", "acme", "-o", "json")
	require.Contains(t, listed.stdout, `"active"`)

	for name, args := range map[string][]string{
		"no file": {}, "two files": {table, table}, "not there": {filepath.Join(dir, "none")}, "a directory": {dir},
		"odd format": {table, "--format", "xml"}, "odd map": {table, "--map", "x"},
	} {
		r := s.starter(append([]string{"import"}, args...)...)
		require.Equal(t, 2, r.exit, name)
		require.True(t, strings.HasPrefix(r.stderr, "starter: "), name)
	}
}

// member is a member of a JSON object.
func member(t *testing.T, object, name string) json.RawMessage {
	t.Helper()
	var all map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(object), &all), object)
	return all[name]
}
