package e2e_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	querypb "go.temporal.io/api/query/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// canaries are secrets that were seen to exist, by what they are.
type canaries struct {
	mu    sync.Mutex
	known map[string]string
}

func (c *canaries) add(what, secret string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// Short values would be found everywhere by chance.
	if len(secret) >= 8 {
		c.known[secret] = what
	}
}

// find reports every secret that content holds, in clear or lightly wrapped.
func (c *canaries) find(content []byte) []string {
	var found []string
	for secret, what := range c.known {
		raw := []byte(secret)
		for form, needle := range map[string][]byte{
			"in clear":   raw,
			"in base64":  []byte(base64.StdEncoding.EncodeToString(raw)),
			"in base64u": []byte(base64.RawURLEncoding.EncodeToString(raw)),
			"in hex":     []byte(hex.EncodeToString(raw)),
			"in a query": []byte(url.QueryEscape(secret)),
		} {
			if bytes.Contains(content, needle) {
				found = append(found, what+" "+form)
			}
		}
	}
	return found
}

// insider opens the system's vault and keys, to learn the secrets that must be nowhere else.
type insider struct {
	t     *testing.T
	store vault.Store
	keys  keyring.Keys
	known *canaries
}

func newInsider(t *testing.T, s *system) *insider {
	settings := config.Settings{Dev: &s.dev, VaultKeyset: s.dev.VaultKeyset(), AccessKeyset: s.dev.AccessKeyset()}
	store, err := settings.OpenVault(t.Context(), false)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	keys, err := settings.OpenKeys(t.Context(), store)
	require.NoError(t, err)
	return &insider{t: t, store: store, keys: keys, known: &canaries{known: map[string]string{}}}
}

// learn reads the tokens that a connection has now.
func (i *insider) learn(id string) {
	i.t.Helper()
	row, err := i.store.Connection(i.t.Context(), id)
	require.NoError(i.t, err)
	access, err := i.keys.Access.OpenString(keyring.AccessToken(id, row.Generation), row.AccessToken)
	require.NoError(i.t, err)
	i.known.add("access token", access.Reveal())
	refresh, err := i.keys.Vault.OpenString(keyring.RefreshToken(id, row.Generation), row.RefreshToken)
	require.NoError(i.t, err)
	i.known.add("refresh token", refresh.Reveal())
	integration, err := i.store.Integration(i.t.Context(), row.IntegrationID)
	require.NoError(i.t, err)
	for _, sealed := range integration.Secrets {
		secret, err := i.keys.Vault.OpenString(keyring.ClientSecret(integration.ID), sealed)
		require.NoError(i.t, err)
		i.known.add("client secret", secret.Reveal())
	}
}

// appSecret is the secret of the platform's app at the sandbox.
func (i *insider) appSecret() string {
	i.t.Helper()
	app, err := i.store.Integration(i.t.Context(), connections.PlatformIntegrationID("sandbox", ""))
	require.NoError(i.t, err)
	secret, err := i.keys.Vault.OpenString(keyring.ClientSecret(app.ID), app.Secrets[0])
	require.NoError(i.t, err)
	return secret.Reveal()
}

// machineSecret is the secret of the sandbox's machine client.
func (i *insider) machineSecret(s *system) string {
	i.t.Helper()
	content, err := os.ReadFile(s.dev.MachineSecretFile())
	require.NoError(i.t, err)
	return strings.TrimSpace(string(content))
}

// consent gives consent and learns every secret that passes the browser, and the PKCE verifier behind it.
func (i *insider) consent(link string) *browser {
	i.t.Helper()
	return i.consentAs("demo", link)
}

// consentAs is consent for another user of the sandbox.
func (i *insider) consentAs(user, link string) *browser {
	i.t.Helper()
	i.known.add("link secret", link[strings.LastIndex(link, "/")+1:])
	b := newBrowser(i.t)
	b.open(link).submit()
	for _, visited := range b.visited {
		u, err := url.Parse(visited)
		require.NoError(i.t, err)
		if state := u.Query().Get("state"); state != "" {
			i.known.add("state", state)
			request, err := i.store.AuthRequestByState(i.t.Context(), connections.HashSecret(state))
			require.NoError(i.t, err)
			verifier, err := i.keys.Vault.OpenString(keyring.Verifier(request.ID), request.Verifier)
			require.NoError(i.t, err)
			i.known.add("PKCE verifier", verifier.Reveal())
		}
	}
	b.submit("username", user, "password", user)
	b.submit("decision", "allow")
	for _, visited := range b.visited {
		u, err := url.Parse(visited)
		require.NoError(i.t, err)
		i.known.add("authorization code", u.Query().Get("code"))
		for _, cookie := range b.client.Jar.Cookies(u) {
			i.known.add("browser cookie", cookie.Value)
		}
	}
	return b
}

// No secret in clear in Temporal, logs, pages, errors, answers or database files, after every flow there is.
func TestCanary(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	in := newInsider(t, s)
	var said bytes.Buffer
	run := func(args ...string) result {
		r := s.starter(args...)
		said.WriteString(r.stdout + r.stderr)
		return r
	}
	faults := func(body string) {
		response, err := http.Post(s.dev.Sandbox.Issuer+"/_faults", "application/json", strings.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusNoContent, response.StatusCode)
	}

	// Somebody who is told of everything, and talks too much.
	webhooks := newReceiver(t, s)
	in.known.add("webhook secret", webhooks.endpoint.Secret)
	webhooks.answerWith("canary-in-a-provider-text")

	// Both grants, the second with an app of the customer's own.
	code := s.view("connect", "sandbox", "--owner", "acme")
	pages := in.consent(*code.ConnectURL)
	s.await(code.ID, active)
	in.learn(code.ID)
	r := s.starterWith("canary-of-a-wrong-secret", "connect", "sandbox", "--grant", "client_credentials", "--client-id", "sandbox-m2m", "--client-secret-file", "-", "--wait")
	require.Equal(t, 1, r.exit)
	in.known.add("wrong client secret", "canary-of-a-wrong-secret")
	said.WriteString(r.stdout + r.stderr)
	machine := s.view("connect", "sandbox", "--grant", "client_credentials", "--wait")
	in.learn(machine.ID)

	// Callers' workflows get tokens in every way, and the sample integration its.
	callersLog := &buffer{}
	asking := newTeam(t, s, slog.New(slog.NewTextHandler(callersLog, nil)), func(token string) { in.known.add("access token of a caller", token) })
	for _, id := range []string{code.ID, machine.ID} {
		seen := asking.callEveryWay(t, id)
		require.Len(t, seen, 6)
		require.Greater(t, seen[3], seen[0], "one was refreshed for the caller")
		in.learn(id)
	}
	require.Zero(t, run("sample", machine.ID).exit)
	require.Zero(t, run("sample", code.ID, "--await", "-o", "json").exit)
	in.learn(code.ID)

	// Refresh, and failures whose replies echo what was sent.
	for range 2 {
		require.Zero(t, run("refresh", code.ID).exit)
		in.learn(code.ID)
	}
	require.Zero(t, run("refresh", machine.ID).exit)
	in.learn(machine.ID)
	for _, fault := range []string{
		`{"count":1,"status":500,"body":"<html>canary-in-a-provider-text</html>","content_type":"text/html"}`,
		`{"count":1,"status":400,"body":"{\"error\":\"canary-in-a-provider-text\",\"error_description\":\"canary-in-a-provider-text\"}","content_type":"application/json"}`,
		`{"count":1,"status":429,"body":"canary-in-a-provider-text","retry_after":"1"}`,
	} {
		faults(fault)
		require.NotZero(t, run("refresh", machine.ID, "-o", "json").exit)
		s.await(machine.ID, func(v connections.View) bool { return active(v) })
		in.learn(machine.ID)
	}
	in.known.add("provider text", "canary-in-a-provider-text")
	faults(`{}`)

	// A connector of one's own, a wrong secret in front of the right one, and a refusal that echoes a token, explained.
	file := filepath.Join(t.TempDir(), "own.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"id":"own","name":"Own","issuer":"`+s.dev.Sandbox.Issuer+`","discovery":true}`), 0o600))
	require.Zero(t, run("connectors", "add", file).exit)
	for _, secret := range []string{in.machineSecret(s), "canary-of-a-rotated-secret"} {
		r = s.starterWith(secret, "integrations", "set", "own", "--client-id", "sandbox-m2m", "--client-secret-file", "-")
		require.Zero(t, r.exit, r.stderr)
		said.WriteString(r.stdout + r.stderr)
	}
	own := s.view("connect", "own", "--grant", "client_credentials", "--scope", "contacts.read", "--wait")
	in.learn(own.ID)
	faults(`{"count":1,"status":400,"body":"{\"error\":\"odd\",\"access_token\":\"canary-of-an-echoed-token\"}","content_type":"application/json"}`)
	in.known.add("echoed token", "canary-of-an-echoed-token")
	require.NotZero(t, run("refresh", own.ID).exit)
	explained := run("explain", own.ID)
	require.Contains(t, explained.stdout, "odd")
	require.Zero(t, run("refresh", own.ID).exit)
	in.learn(own.ID)

	// A lost reply, then everything that shows a connection.
	faults(`{"count":1,"grant":"refresh_token","lose_reply_after":true}`)
	require.NotZero(t, run("refresh", code.ID).exit)
	run("status", code.ID)
	run("list")
	run("token", code.ID)
	run("integrations", "-o", "json")

	// A reconnect from another account, refused: the sandbox's own tokens, and some that are known.
	refused := in.consentAs("ada", *s.view("reconnect", code.ID).ConnectURL).outcome()
	require.Contains(t, refused.page, "another account")
	told := filepath.Join(t.TempDir(), "told.json")
	require.NoError(t, os.WriteFile(told, []byte(`{"id":"told","name":"Told","grants":["authorization_code"],"issuer":"`+s.dev.Sandbox.Issuer+
		`","discovery":true,"scopes":{"default":["openid","offline_access"]},"metadata":[{"path":"account","as":"account_id"}]}`), 0o600))
	require.Zero(t, run("connectors", "add", told).exit)
	r = s.starterWith(in.appSecret(), "integrations", "set", "told", "--client-id", "sandbox-app", "--client-secret-file", "-")
	require.Zero(t, r.exit, r.stderr)
	account := s.view("connect", "told", "--owner", "acme")
	link, strangers := *account.ConnectURL, (*browser)(nil)
	for _, name := range []string{"the right", "another"} {
		for _, kind := range []string{"access", "refresh"} {
			in.known.add(kind+" token of "+name+" account", "canary-of-"+name+"-account-"+kind)
		}
		faults(`{"count":1,"grant":"authorization_code","status":200,"body":"{\"account\":\"` + name + `\",\"access_token\":\"canary-of-` + name +
			`-account-access\",\"refresh_token\":\"canary-of-` + name + `-account-refresh\"}","content_type":"application/json"}`)
		strangers = in.consent(link).outcome()
		link = *s.view("reconnect", account.ID).ConnectURL
	}
	require.Contains(t, strangers.page, "another account")
	faults(`{}`)
	run("status", account.ID)
	run("explain", account.ID)

	// An app that is rejected opens its breaker, whose workflow sees it too; and the reconciler looks at everything.
	others := []string{own.ID}
	for range 2 {
		other := s.view("connect", "own", "--grant", "client_credentials", "--scope", "contacts.read", "--policy", "always_fresh", "--wait")
		in.learn(other.ID)
		others = append(others, other.ID)
	}
	faults(`{"status":401,"body":"{\"error\":\"invalid_client\",\"error_description\":\"canary-in-a-provider-text\"}","content_type":"application/json"}`)
	for _, id := range others {
		require.NotZero(t, run("refresh", id).exit)
	}
	require.Eventually(t, func() bool {
		open, err := in.store.OpenBreakers(t.Context())
		return err == nil && len(open) == 1
	}, patience, 100*time.Millisecond)
	faults(`{}`)
	suspended := run("refresh", others[1])
	require.NotZero(t, suspended.exit)
	run("status", others[1])
	require.Contains(t, run("integrations").stdout, "client_rejected", "an operator sees it")
	run("reconcile", "--include-young", "-o", "json")

	// Reconnect, then disconnect both.
	again := s.view("reconnect", code.ID)
	more := in.consent(*again.ConnectURL)
	s.await(code.ID, func(v connections.View) bool { return active(v) && v.Generation > again.Generation })
	in.learn(code.ID)
	run("pause", code.ID)
	run("token", code.ID, "--reveal")
	run("resume", code.ID)

	// Before the end: queries, descriptions and rows hold what they will ever hold.
	in.search("the answers of a running connection", s.answers(code.ID))
	in.searchFiles(s)
	for _, id := range []string{code.ID, machine.ID, own.ID} {
		require.Zero(t, run("disconnect", id).exit)
		s.await(id, func(v connections.View) bool { return v.Status == "disconnected" })
		row, err := in.store.Connection(t.Context(), id)
		require.NoError(t, err)
		require.Nil(t, row.AccessToken)
		require.Nil(t, row.RefreshToken)
	}

	require.GreaterOrEqual(t, len(in.known.known), 18, "the test knows what to look for")
	executions := s.executions()
	for _, id := range []string{callersID(code.ID), callersID(machine.ID), "sample/" + machine.ID, "sample-await/" + code.ID} {
		require.True(t, slices.ContainsFunc(executions, func(e execution) bool { return e.workflowID == id }), "the callers' too: %s", id)
	}
	for _, kind := range []string{"breaker/", "event/"} {
		require.True(t, slices.ContainsFunc(executions, func(e execution) bool { return strings.HasPrefix(e.workflowID, kind) }), kind)
	}
	for _, e := range executions {
		content, err := protojson.Marshal(e.history)
		require.NoError(t, err)
		in.search("the history of "+e.workflowID, content)
		for _, event := range e.history.GetEvents() {
			// Payloads are base64 in JSON: look at their bytes too.
			raw, err := proto.Marshal(event)
			require.NoError(t, err)
			in.search("an event of "+e.workflowID, raw)
		}
	}
	for _, b := range []*browser{pages, more, refused, strangers} {
		for _, page := range b.pages {
			in.known.except("link secret", func() { in.search("a page", []byte(page)) })
		}
		require.NotContains(t, b.url.String(), "?")
	}
	in.search("the webhooks", []byte(webhooks.bodies()))
	in.search("what the starter said", said.Bytes())
	in.search("the worker's log", []byte(s.log.String()))
	in.search("the callers' log", []byte(callersLog.String()))
	in.searchFiles(s)
	s.replayAll()
}

// except looks without one kind of secret: the Connect page's own form holds its link.
func (c *canaries) except(what string, look func()) {
	kept := c.known
	c.known = map[string]string{}
	for secret, kind := range kept {
		if kind != what {
			c.known[secret] = kind
		}
	}
	look()
	c.known = kept
}

func (i *insider) search(where string, content []byte) {
	i.t.Helper()
	require.Empty(i.t, i.known.find(content), "in %s", where)
}

// searchFiles looks into every file of the data directory that is not a key or the provider's own.
func (i *insider) searchFiles(s *system) {
	i.t.Helper()
	entries, err := os.ReadDir(s.dir)
	require.NoError(i.t, err)
	searched := 0
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || strings.HasPrefix(name, "keyset-") || strings.HasPrefix(name, "sandbox") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(s.dir, name))
		require.NoError(i.t, err)
		i.search("file "+name, content)
		searched++
	}
	require.GreaterOrEqual(i.t, searched, 4, "vault, Temporal, their logs")
}

// answers collects what a Temporal client can ask of a running connection.
func (s *system) answers(id string) []byte {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := s.temporal()
	var all bytes.Buffer
	for _, query := range []string{workflows.QueryStatus, workflows.QueryToken, "__temporal_workflow_metadata", "__stack_trace"} {
		response, err := c.WorkflowService().QueryWorkflow(ctx, &workflowservice.QueryWorkflowRequest{
			Namespace: s.dev.Namespace,
			Execution: &commonpb.WorkflowExecution{WorkflowId: workflows.WorkflowID(id)},
			Query:     &querypb.WorkflowQuery{QueryType: query},
		})
		require.NoError(s.t, err)
		for _, payload := range response.GetQueryResult().GetPayloads() {
			all.Write(payload.GetData())
		}
	}
	description, err := c.DescribeWorkflowExecution(ctx, workflows.WorkflowID(id), "")
	require.NoError(s.t, err)
	content, err := protojson.Marshal(description)
	require.NoError(s.t, err)
	all.Write(content)
	return all.Bytes()
}
