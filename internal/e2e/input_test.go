package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/vault/pgtest"
)

// Bad input gets a sentence that says what to do, an exit code, and changes nothing.
func TestStarterBadInput(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	for name, c := range map[string]struct {
		args  []string
		stdin string
		exit  int
		says  string
		code  string
	}{
		"unknown connector":        {args: []string{"connect", "sandbx"}, exit: 1, says: "sandbox", code: "unknown_connector"},
		"unknown connector 2":      {args: []string{"connect", "salesfroce"}, exit: 1, says: "salesforce", code: "unknown_connector"},
		"no app of the platform's": {args: []string{"connect", "hubspot"}, exit: 1, says: "/callback", code: "integration_missing"},
		"bad id":                   {args: []string{"status", "con/../x"}, exit: 2, says: "not a connection id", code: "invalid_request"},
		"unknown id":               {args: []string{"status", "con_nothere"}, exit: 1, says: "There is no connection", code: "not_found"},
		"unknown id, token":        {args: []string{"token", "con_nothere", "--reveal"}, exit: 1, says: "There is no connection", code: "not_found"},
		"unknown grant":            {args: []string{"connect", "sandbox", "--grant", "password"}, exit: 2, says: "client_credentials", code: "usage"},
		"grant not offered":        {args: []string{"connect", "salesforce", "--grant", "client_credentials"}, exit: 2, says: "does not offer", code: "invalid_request"},
		"id without secret":        {args: []string{"connect", "sandbox", "--client-id", "x"}, exit: 2, says: "--client-secret-file", code: "usage"},
		"secret without id":        {args: []string{"connect", "sandbox", "--client-secret-file", "-"}, exit: 2, says: "--client-id", code: "usage"},
		"empty secret":             {args: []string{"connect", "sandbox", "--client-id", "x", "--client-secret-file", "-"}, exit: 2, says: "empty", code: "usage"},
		"missing secret file":      {args: []string{"connect", "sandbox", "--client-id", "x", "--client-secret-file", "/nowhere"}, exit: 2, says: "/nowhere", code: "usage"},
		"empty owner":              {args: []string{"connect", "sandbox", "--owner", ""}, exit: 2, says: "owner", code: "invalid_request"},
		"odd scope":                {args: []string{"connect", "sandbox", "--scope", "a b"}, exit: 2, says: "scope", code: "invalid_request"},
		"odd tag":                  {args: []string{"connect", "sandbox", "--tag", "x"}, exit: 2, says: "name=value", code: "usage"},
		"unknown flag":             {args: []string{"connect", "sandbox", "--ownr", "x"}, exit: 2, says: "ownr", code: "usage"},
		"unknown verb":             {args: []string{"conect"}, exit: 2, says: "connect", code: "usage"},
		"no argument":              {args: []string{"status"}, exit: 2, says: "connection id", code: "usage"},
		"unknown status":           {args: []string{"list", "--status", "happy"}, exit: 2, says: "needs_reauth", code: "usage"},
		"refresh while pending":    {args: []string{"refresh", "PENDING"}, exit: 3, says: "consent", code: "not_ready"},
		"pause while pending":      {args: []string{"pause", "PENDING"}, exit: 1, says: "does not apply", code: "not_applicable"},
		"resume while pending":     {args: []string{"resume", "PENDING"}, exit: 1, says: "does not apply", code: "not_applicable"},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(s.list())
			args := c.args
			if args[len(args)-1] == "PENDING" {
				args = append(args[:1:1], s.view("connect", "sandbox", "--owner", "acme").ID)
				before++
			}
			r := s.starterWith(c.stdin, args...)
			require.Equal(t, c.exit, r.exit, r.stderr)
			require.Contains(t, r.stderr, c.says)
			require.Empty(t, r.stdout)

			r = s.starterWith(c.stdin, append(args, "-o", "json")...)
			require.Equal(t, c.exit, r.exit)
			var answer struct {
				Error struct{ Code, Message string }
			}
			require.NoError(t, json.Unmarshal([]byte(r.stdout), &answer), r.stdout)
			require.Equal(t, c.code, answer.Error.Code)
			require.Contains(t, answer.Error.Message, c.says)
			require.Len(t, s.list(), before, "nothing half-made")
		})
	}
}

func TestStarterWithoutASystem(t *testing.T) {
	t.Parallel()
	r := runProgram(t, binaries.starter, cleanEnv(), "", "list", "--data-dir", t.TempDir())
	require.Equal(t, 1, r.exit)
	require.Contains(t, r.stderr, "worker --dev")

	// Temporal is away: nothing half-made, and reads go on from the vault.
	s := newSystem(t)
	v := s.view("connect", "sandbox", "--grant", "client_credentials", "--wait")
	s.stop()
	r = s.starter("connect", "sandbox", "--owner", "acme")
	require.Equal(t, 1, r.exit)
	require.Contains(t, r.stderr, "Temporal")
	s.start()
	require.Len(t, s.list(), 1)
	require.Equal(t, v.ID, s.list()[0].ID)
}

// A worker without --dev says what is missing, one thing at a time, and starts nothing.
func TestWorkerBadEnvironment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keyset := func(name string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, keyring.Create(path))
		return path
	}
	vaultKeys, accessKeys, otherKeys := keyset("vault.json"), keyset("access.json"), keyset("other.json")
	broken := filepath.Join(dir, "broken.json")
	require.NoError(t, os.WriteFile(broken, []byte("{}"), 0o600))
	url := pgtest.URL(t)
	base := []string{"CONNECTIONS_BASE_URL=https://oauth2.integrations.acme.com", "TEMPORAL_ADDRESS=127.0.0.1:1"}
	withDB := append(base[:2:2], "DATABASE_URL="+url)
	keys := append(withDB[:3:3], "CONNECTIONS_KEYSET_FILE="+vaultKeys, "CONNECTIONS_ACCESS_KEYSET_FILE="+accessKeys)

	for _, c := range []struct {
		name string
		env  []string
		args []string
		exit int
		says string
	}{
		{name: "no base URL", exit: 1, says: "CONNECTIONS_BASE_URL"},
		{name: "no database", env: base, exit: 1, says: "DATABASE_URL"},
		{name: "database down", env: append(base[:2:2], "DATABASE_URL=postgres://someone:hidden-password@127.0.0.1:1/x"), exit: 1, says: "database"},
		{name: "no keyset", env: withDB, exit: 1, says: "CONNECTIONS_KEYSET_FILE"},
		{name: "keyset missing", env: append(withDB[:3:3], "CONNECTIONS_KEYSET_FILE=/nowhere.json"), exit: 1, says: "keyset create"},
		{name: "keyset broken", env: append(withDB[:3:3], "CONNECTIONS_KEYSET_FILE="+broken), exit: 1, says: "not a Tink keyset"},
		{name: "Temporal down", env: keys, exit: 1, says: "127.0.0.1:1"},
		{name: "wrong keyset", env: append(withDB[:3:3], "CONNECTIONS_KEYSET_FILE="+otherKeys, "CONNECTIONS_ACCESS_KEYSET_FILE="+accessKeys), exit: 1, says: "not the one that sealed this vault"},
		{name: "unknown flag", args: []string{"--devv"}, exit: 2, says: "devv"},
		{name: "unknown role", args: []string{"--roles", "cook"}, exit: 2, says: "workflow, activity, web"},
		{name: "unknown command", args: []string{"serve"}, exit: 2, says: "serve"},
		{name: "bad log level", args: []string{"--log-level", "loud"}, exit: 2, says: "loud"},
		{name: "migrate without a database", args: []string{"migrate"}, exit: 1, says: "DATABASE_URL"},
	} {
		args := c.args
		if args == nil {
			args = []string{"--http", "127.0.0.1:0"}
		}
		r := runProgram(t, binaries.worker, append(cleanEnv(), c.env...), "", args...)
		require.Equal(t, c.exit, r.exit, "%s: %s", c.name, r.stderr)
		require.Contains(t, r.stderr, c.says, c.name)
		require.NotContains(t, r.stderr, "hidden-password")
		require.NotContains(t, r.stderr, "goroutine", c.name)
	}
}

func TestHelpTeaches(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"connect", "--help"}, {"token", "--help"}, {"integrations", "set", "--help"}} {
		r := runProgram(t, binaries.starter, cleanEnv(), "", args...)
		require.Zero(t, r.exit)
		require.Contains(t, r.stdout, "Usage:")
		require.Greater(t, len(r.stdout), 400, "%v", args)
	}
	r := runProgram(t, binaries.worker, cleanEnv(), "", "--help")
	require.Zero(t, r.exit)
	require.Contains(t, r.stdout, "CONNECTIONS_KEYSET_FILE")
}
