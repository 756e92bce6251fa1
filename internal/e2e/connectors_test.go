package e2e_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
)

// connectors lists all that there are.
func (s *system) connectors() []connector.Connector {
	s.t.Helper()
	r := s.starter("connectors", "-o", "json")
	require.Zero(s.t, r.exit, r.stderr)
	var all []connector.Connector
	require.NoError(s.t, json.Unmarshal([]byte(r.stdout), &all))
	return all
}

// A connector's file that is wrong is refused with a sentence, and leaves everything as it was.
func TestConnectorsAdd(t *testing.T) {
	t.Parallel()
	s, p := newSystem(t), newProvider(t)
	with := func(changes map[string]any) string {
		file := p.connector("certified")
		maps.Copy(file, changes)
		content, err := json.Marshal(file)
		require.NoError(t, err)
		return string(content)
	}
	complete := func(host string) string {
		return with(map[string]any{
			"discovery": false, "issuer": "", "grants": []string{"authorization_code"},
			"authorize": map[string]any{"url": host + "/auth", "pkce": "S256"},
			"token":     map[string]any{"url": host + "/token", "auth": "client_secret_basic"},
			"scopes":    map[string]any{"separator": " ", "default": []string{"openid"}},
		})
	}
	before := len(s.connectors())
	s.addConnector(p.connector("certified"))

	// What discovery found is stored, and explained.
	r := s.starter("connectors", "show", "certified", "-o", "json")
	require.Zero(t, r.exit, r.stderr)
	stored, err := connector.ParseLoopback([]byte(r.stdout))
	require.NoError(t, err)
	require.Equal(t, p.issuer+"/auth", stored.Authorize.URL)
	require.True(t, stored.Authorize.IssRequired)
	require.Equal(t, map[string]string{"prompt": "consent"}, stored.Authorize.Params)
	require.Equal(t, p.issuer+"/token", stored.Token.URL)
	require.Equal(t, p.issuer+"/token/revocation", stored.Revoke.URL)
	require.Equal(t, p.issuer+"/token/introspection", stored.IntrospectURL)
	require.Equal(t, p.userinfo(), stored.UserinfoURL)
	require.ElementsMatch(t, []string{"authorization_code", "client_credentials"}, stored.Grants)
	require.False(t, stored.Discovery, "what was found stays")
	require.Contains(t, s.starter("connectors", "show", "certified").stdout, p.issuer+"/token")

	for name, c := range map[string]struct {
		file  string
		flags []string
		says  string
	}{
		"not JSON":           {file: "id: certified", says: "Not a connector"},
		"empty":              {file: "", says: "Not a connector"},
		"a list":             {file: "[]", says: "Not a connector"},
		"two documents":      {file: with(map[string]any{"id": "new"}) + "{}", says: "something after it"},
		"unknown member":     {file: with(map[string]any{"id": "new", "tokn": 1}), says: `"tokn"`},
		"bad id":             {file: with(map[string]any{"id": "New!"}), says: "lower-case"},
		"no name":            {file: with(map[string]any{"id": "new", "name": ""}), says: "name is missing"},
		"unknown grant":      {file: with(map[string]any{"id": "new", "grants": []string{"password"}}), says: `"password"`},
		"there already":      {file: with(nil), says: "--replace"},
		"built-in":           {file: with(map[string]any{"id": "hubspot"}), says: "built-in"},
		"built-in, replaced": {file: with(map[string]any{"id": "hubspot"}), flags: []string{"--replace"}, says: "built-in"},
		"the sandbox":        {file: with(map[string]any{"id": "sandbox"}), flags: []string{"--replace"}, says: "built-in"},
		"wrong issuer":       {file: with(map[string]any{"id": "new", "issuer": p.issuer + "/"}), says: "names another issuer"},
		"no such issuer":     {file: with(map[string]any{"id": "new", "issuer": p.issuer + "/nowhere"}), says: "no authorization server metadata"},
		"nobody there":       {file: with(map[string]any{"id": "new", "issuer": "http://127.0.0.1:1"}), says: "no authorization server metadata"},
		"no issuer":          {file: with(map[string]any{"id": "new", "issuer": ""}), says: `"issuer"`},
		"plain http":         {file: strings.ReplaceAll(complete("http://login.acme.test"), `"certified"`, `"new"`), says: "must be https"},
		"inside":             {file: strings.ReplaceAll(complete("https://10.0.0.1"), `"certified"`, `"new"`), says: "not at a public address"},
		"cloud metadata":     {file: strings.ReplaceAll(complete("https://169.254.169.254"), `"certified"`, `"new"`), says: "not at a public address"},
		"discovery inside":   {file: with(map[string]any{"id": "new", "issuer": "https://10.0.0.1"}), says: "no authorization server metadata"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"connectors", "add", "-"}, c.flags...)
			r := s.starterWith(c.file, args...)
			require.Equal(t, 1, r.exit, r.stdout)
			require.Contains(t, r.stderr, c.says)
			require.Empty(t, r.stdout)
			r = s.starterWith(c.file, append(args, "-o", "json")...)
			require.Equal(t, 1, r.exit)
			var answer struct {
				Error struct{ Code, Message string }
			}
			require.NoError(t, json.Unmarshal([]byte(r.stdout), &answer), r.stdout)
			require.Equal(t, "connector_invalid", answer.Error.Code)
			require.Contains(t, answer.Error.Message, c.says)
		})
	}
	for _, args := range [][]string{{"connectors", "add"}, {"connectors", "add", "/nowhere.json"}} {
		r := s.starter(args...)
		require.Equal(t, 2, r.exit, "%v", args)
		require.Contains(t, r.stderr, "file")
	}
	require.Len(t, s.connectors(), before+1)

	// A stored secret is led nowhere else, and what is in use stays. Without one, a file may change its mind.
	replace := func(content string) result {
		path := filepath.Join(t.TempDir(), "connector.json")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return s.starter("connectors", "add", path, "--replace")
	}
	require.Zero(t, replace(complete("http://localhost:1")).exit)
	require.Zero(t, replace(with(nil)).exit)
	s.setApp("certified", "acme", "acmes-secret")
	r = replace(complete("http://localhost:1"))
	require.Equal(t, 1, r.exit)
	require.Contains(t, r.stderr, "other hosts")
	r = s.starter("connectors", "remove", "certified")
	require.Equal(t, 1, r.exit)
	require.Contains(t, r.stderr, "in use")
	require.Zero(t, replace(with(map[string]any{"name": "Certified, renamed"})).exit)
	r = s.starter("connectors", "show", "certified", "-o", "json")
	require.Contains(t, r.stdout, "Certified, renamed")
	require.Contains(t, r.stdout, p.issuer+"/token")
}
