package e2e_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// provider is an authorization server that nobody here wrote: a Node process with npm's oidc-provider, which refuses a
// refresh token that comes twice, and ends the family of it.
type provider struct {
	t      *testing.T
	issuer string
	stdin  io.Writer

	mu     sync.Mutex
	events []providerEvent
}

// providerEvent is a line of the provider's.
type providerEvent struct {
	Event, Issuer, Grant, Client, Auth, Error, Detail string
}

// providerClient is a client as RFC 7591 describes it.
type providerClient map[string]any

// auditor is the client with which the tests themselves ask the provider about tokens.
var auditor = providerClient{
	"client_id": "auditor", "client_secret": "auditors-secret", "token_endpoint_auth_method": "client_secret_basic",
	"grant_types": []string{"client_credentials"}, "redirect_uris": []string{}, "response_types": []string{},
}

// newProvider starts a provider. It ends with the test, or when this process dies: its standard input is then closed.
func newProvider(t *testing.T) *provider {
	t.Helper()
	node, err := findNode()
	require.NoError(t, err)
	modules, err := nodeModules()
	require.NoError(t, err)
	// Node looks for modules beside the program.
	dir := t.TempDir()
	require.NoError(t, os.Symlink(modules, filepath.Join(dir, "node_modules")))
	program, err := os.ReadFile(filepath.Join("oidcprovider", "main.mjs"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.mjs"), program, 0o600))

	command := exec.Command(node, filepath.Join(dir, "main.mjs"))
	stderr := &buffer{}
	command.Stderr = stderr
	stdin, err := command.StdinPipe()
	require.NoError(t, err)
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	p := &provider{t: t, stdin: stdin}
	exited := make(chan error, 1)
	go func() {
		p.listen(stdout)
		exited <- command.Wait()
	}()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the provider said:\n%s%+v", stderr.String(), p.all())
		}
		_ = stdin.Close()
		select {
		case err := <-exited:
			require.NoError(t, err, stderr.String())
		case <-time.After(patience):
			_ = command.Process.Kill()
			t.Errorf("the provider did not end with its standard input")
		}
	})
	p.issuer = p.await("ready", 1).Issuer
	return p
}

// listen collects the provider's events. Other lines are oidc-provider's own notices.
func (p *provider) listen(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		var e providerEvent
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			p.mu.Lock()
			p.events = append(p.events, e)
			p.mu.Unlock()
		}
	}
}

func (p *provider) all() []providerEvent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]providerEvent{}, p.events...)
}

// said are the events of a kind; grants, if any are given, are those of interest.
func (p *provider) said(kind string, grants ...string) []providerEvent {
	var found []providerEvent
	for _, e := range p.all() {
		if e.Event == kind && (len(grants) == 0 || e.Grant == grants[0]) {
			found = append(found, e)
		}
	}
	return found
}

// await waits for the nth event of a kind.
func (p *provider) await(kind string, n int) providerEvent {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return len(p.said(kind)) >= n }, patience, 10*time.Millisecond, "the provider says nothing of %q", kind)
	return p.said(kind)[n-1]
}

// set replaces settings of the provider's.
func (p *provider) set(settings map[string]any) {
	p.t.Helper()
	line, err := json.Marshal(settings)
	require.NoError(p.t, err)
	before := len(p.said("settings"))
	_, err = p.stdin.Write(append(line, '\n'))
	require.NoError(p.t, err)
	p.await("settings", before+1)
}

// knows makes these the provider's clients.
func (p *provider) knows(clients ...providerClient) {
	p.t.Helper()
	p.set(map[string]any{"clients": append(clients, auditor)})
}

// tokensLive is for how long the access tokens live that the provider issues from now on.
func (p *provider) tokensLive(life time.Duration) {
	p.t.Helper()
	p.set(map[string]any{"accessTokenTTL": int(life.Seconds())})
}

// post sends a form to the provider as a client, and returns the status and the answer.
func (p *provider) post(path string, as providerClient, form url.Values) (int, map[string]any) {
	p.t.Helper()
	request, err := http.NewRequest(http.MethodPost, p.issuer+path, strings.NewReader(form.Encode()))
	require.NoError(p.t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(as["client_id"].(string), url.QueryEscape(as["client_secret"].(string)))
	response, err := http.DefaultClient.Do(request)
	require.NoError(p.t, err)
	defer func() { require.NoError(p.t, response.Body.Close()) }()
	var answer map[string]any
	require.NoError(p.t, json.NewDecoder(response.Body).Decode(&answer))
	return response.StatusCode, answer
}

// live asks the provider about a token.
func (p *provider) live(token string) bool {
	p.t.Helper()
	status, answer := p.post("/token/introspection", auditor, url.Values{"token": {token}})
	require.Equal(p.t, http.StatusOK, status, answer)
	return answer["active"].(bool)
}

// userinfo is the provider's API.
func (p *provider) userinfo() string { return p.issuer + "/me" }

// connector is a connector's file as an operator would write it: what the provider's metadata does not tell.
func (p *provider) connector(id string) map[string]any {
	return map[string]any{
		"id": id, "name": "Certified", "category": "identity", "issuer": p.issuer, "discovery": true,
		// It gives no offline access without consent (OpenID Connect Core §11).
		"authorize": map[string]any{"params": map[string]string{"prompt": "consent"}},
		"refresh":   map[string]any{"rotates": true},
		"scopes":    map[string]any{"default": []string{"openid", "offline_access"}},
	}
}

// app is a client with the authorization code grant.
func (p *provider) app(s *system, id, secret string) providerClient {
	return providerClient{
		"client_id": id, "client_secret": secret, "redirect_uris": []string{s.dev.BaseURL + "/callback"},
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
	}
}

// addConnector adds a connector from a file.
func (s *system) addConnector(connector map[string]any) {
	s.t.Helper()
	content, err := json.Marshal(connector)
	require.NoError(s.t, err)
	r := s.starterWith(string(content), "connectors", "add", "-")
	require.Zero(s.t, r.exit, r.stderr)
}

// setApp sets the platform's OAuth app for a connector.
func (s *system) setApp(connector, clientID, secret string, flags ...string) {
	s.t.Helper()
	args := append([]string{"integrations", "set", connector, "--client-id", clientID, "--client-secret-file", "-"}, flags...)
	r := s.starterWith(secret, args...)
	require.Zero(s.t, r.exit, r.stderr)
}

// consentAt goes from a connect link through the provider's own pages to the result page.
func (b *browser) consentAt(p *provider, link string) *browser {
	b.t.Helper()
	b.open(link)
	require.Contains(b.t, b.page, "onnect to Certified")
	b.submit()
	require.True(b.t, strings.HasPrefix(b.url.String(), p.issuer+"/interaction/"), b.page)
	require.Contains(b.t, b.page, `name="login"`, "the provider's login page")
	b.submit("login", "ann", "password", "any")
	require.Contains(b.t, b.page, `value="consent"`, "the provider's consent page")
	require.Contains(b.t, b.page, "offline access")
	return b.submit()
}
