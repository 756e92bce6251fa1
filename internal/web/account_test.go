package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connections"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// connected makes a connection of the sandbox's user demo.
func (r *rig) connected(mod ...func(*connections.CreateRequest)) vault.Connection {
	r.t.Helper()
	id, link := r.create(mod...)
	r.browser().connect(link)
	return r.AwaitStatus(id, workflows.StatusActive)
}

// reconnect makes a new link for a connection.
func (r *rig) reconnect(id string, how func(*connections.Client) (connections.View, error)) (link string) {
	r.t.Helper()
	if how == nil {
		how = func(c *connections.Client) (connections.View, error) { return c.Reconnect(r.t.Context(), id) }
	}
	view, err := how(r.Client)
	require.NoError(r.t, err)
	r.secret("link", strings.TrimPrefix(*view.ConnectURL, r.base+"/connect/"))
	return *view.ConnectURL
}

func (r *rig) rowOf(id string) vault.Connection {
	r.t.Helper()
	row, err := r.Vault.Connection(r.t.Context(), id)
	require.NoError(r.t, err)
	return row
}

// TestReconnect_AnotherAccount: the page says which account it is for, and the result what went wrong and what to do.
func TestReconnect_AnotherAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	before := r.connected(func(c *connections.CreateRequest) { c.Tags, c.EndUser = map[string]string{"team": "sales"}, "u-1" })
	require.Equal(t, map[string]string{"account_id": "user-demo", "account_label": "demo@example.com"}, before.Metadata)
	link := r.reconnect(before.ID, nil)
	b := r.browser()
	p := b.get(link)
	for _, text := range []string{"Reconnect to Sandbox", "<dd><bdi>demo@example.com</bdi></dd>", "<dd>works</dd>", "Sign in to Sandbox with this account: another one is not accepted."} {
		require.Contains(t, p.body, text)
	}

	result := b.back(b.consentAs("ada", b.begin(link), "allow"))
	p = b.settled(result)
	for _, text := range []string{"<title>Sandbox: another account</title>", "“demo@example.com”", "Nothing has changed.", "Sign out at Sandbox", "try again, or ask Acme Inc for a new connect link", `action="` + result + `/again"`} {
		require.Contains(t, p.body, text)
	}
	require.NotContains(t, p.body, "ada@")
	require.JSONEq(t, `{"state":"failed"}`, b.get(result+"/state").body)
	other := r.browser().get(result)
	require.Equal(t, http.StatusNotFound, other.status)
	require.NotContains(t, other.body, "demo@example.com", "another browser learns nothing")

	after := r.rowOf(before.ID)
	require.Equal(t, []any{before.Generation, before.AccessToken, before.RefreshToken, before.Status, before.Metadata, before.GrantedScopes},
		[]any{after.Generation, after.AccessToken, after.RefreshToken, after.Status, after.Metadata, after.GrantedScopes})
	view, err := r.Client.Status(t.Context(), before.ID)
	require.NoError(t, err)
	require.Equal(t, "active", view.Status)
	require.Equal(t, "Connected.", view.Message)

	// With the same button, the right account.
	require.Contains(t, b.settled(b.back(b.consent(b.begin(result+"/again"), "allow"))).body, "Connected to Sandbox")
	after = r.rowOf(before.ID)
	require.EqualValues(t, 2, after.Generation)
	require.Equal(t, []any{before.Owner, before.EndUser, before.Tags, before.Metadata, before.Policy},
		[]any{after.Owner, after.EndUser, after.Tags, after.Metadata, after.Policy})
}

// TestReconnect_AnyAccount: the page says so, and the other account takes the place of the one connected.
func TestReconnect_AnyAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id := r.connected().ID
	link := r.reconnect(id, func(c *connections.Client) (connections.View, error) { return c.ReconnectAnyAccount(t.Context(), id) })
	b := r.browser()
	p := b.get(link)
	require.Contains(t, p.body, "demo@example.com")
	require.Contains(t, p.body, "You may sign in to Sandbox with another account. It then takes the place of the one connected.")
	p = b.settled(b.back(b.consentAs("ada", b.begin(link), "allow")))
	require.Contains(t, p.body, "Connected to Sandbox")
	require.Equal(t, map[string]string{"account_id": "user-ada", "account_label": "ada@example.com"}, r.rowOf(id).Metadata)
	require.Contains(t, r.browser().get(r.reconnect(id, nil)).body, "ada@example.com")
}

// TestReconnect_AccountNotTold: the provider does not say whose the consent is.
func TestReconnect_AccountNotTold(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *options) {
		o.Connector = func(c *connector.Connector) {
			c.Steps[0].Metadata = []connector.Capture{{Path: "email", As: connector.AccountID}}
		}
	})
	id := r.connected().ID
	b := r.browser()
	withoutEmail := with(t, b.press(r.reconnect(id, nil)), "scope", "openid offline_access contacts.read")
	p := b.settled(b.back(b.consent(withoutEmail, "allow")))
	require.Contains(t, p.body, "Sandbox did not say which account you signed in with")
	require.Contains(t, p.body, "Nothing has changed.")
	require.EqualValues(t, 1, r.rowOf(id).Generation)
}

// TestReconnect_WhatIsKnown: each state in words, and what is said where no account is known.
func TestReconnect_WhatIsKnown(t *testing.T) {
	t.Parallel()
	for status, want := range map[workflows.ConnectionStatus]string{
		workflows.StatusActive: "works", workflows.StatusDegraded: "cannot be renewed at the moment",
		workflows.StatusNeedsReauth: "needs your consent again", workflows.StatusPaused: "paused", workflows.StatusPending: "waits for consent",
	} {
		require.Equal(t, want, present(vault.Connection{Status: string(status)}))
	}
	r := newRig(t, func(o *options) {
		o.Connector = func(c *connector.Connector) { c.Steps = nil }
	})
	p := r.browser().get(r.reconnect(r.connected().ID, nil))
	require.Contains(t, p.body, "Sign in to Sandbox with the same account as before.")
	require.NotContains(t, p.body, "Connected as")
	_, link := r.create()
	require.NotContains(t, r.browser().get(link).body, "At present", "a new connection has no past")
}

// TestAttackAccountLabel: an account's name is whatever its owner made it.
func TestAttackAccountLabel(t *testing.T) {
	t.Parallel()
	for label, want := range map[string]string{
		"demo@example.com":               "demo@example.com",
		" a\r\nb\x00c\u202Ed\u2066e\x7f": "abcde",
		"a\xffb":                         "ab",
		"\u202E\n":                       "",
		"Ünï 名 עברית":                    "Ünï 名 עברית",
		strings.Repeat("é", 81):          strings.Repeat("é", 80) + "…",
		strings.Repeat("é", 80):          strings.Repeat("é", 80),
	} {
		require.Equal(t, want, accountLabel(vault.Connection{Metadata: map[string]string{"account_label": label}}), "%q", label)
	}
	r := newRig(t)
	row := r.connected()
	_, err := r.Vault.CommitTokens(t.Context(), vault.TokenCommit{
		ConnectionID: row.ID, FromGeneration: row.Generation, AccessToken: row.AccessToken, RefreshToken: row.RefreshToken,
		TokenType: row.TokenType, IssuedAt: row.IssuedAt, ExpiresAt: row.ExpiresAt, GrantedScopes: row.GrantedScopes,
		Metadata: map[string]string{"account_label": markup + "\u202E"},
	})
	require.NoError(t, err)
	b := r.browser()
	link := r.reconnect(row.ID, nil)
	p := b.get(link)
	requireNoMarkup(t, p)
	require.Contains(t, p.body, "&lt;script&gt;")
	require.NotContains(t, p.body, "\u202E")
	p = b.settled(b.back(b.consentAs("ada", b.begin(link), "allow")))
	require.Contains(t, p.body, "another account")
	requireNoMarkup(t, p)
}

// TestNotEverythingGranted: the result says what is missing, and the button asks again.
func TestNotEverythingGranted(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *options) { o.Scopes = []string{"openid", "email", "contacts.read", "contacts.write"} })
	id, link := r.create()
	b := r.browser()
	result := b.back(b.consent(with(t, b.press(link), "scope", "openid email contacts.read"), "allow"))
	p := b.settled(result)
	require.Contains(t, p.body, "Connected to Sandbox")
	require.Contains(t, p.body, "Not everything that was asked for was granted: contacts.write is missing")
	require.Contains(t, p.body, "To grant it, try again, or ask Acme Inc for a new connect link.")
	r.AwaitStatus(id, workflows.StatusActive) // the workflow hears of it a moment after the page
	view, err := r.Client.Status(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []string{"contacts.write"}, view.MissingScopes)
	require.Contains(t, view.Message, "contacts.write is missing")

	p = b.settled(b.back(b.consent(b.begin(result+"/again"), "allow")))
	require.Contains(t, p.body, "You can close this window.")
	require.NotContains(t, p.body, "contacts.write")
	require.NotContains(t, p.body, "<form")
}

// TestReconnect_AsksForWhatIsConfigured today; a choice of the connection's own stays.
func TestReconnect_AsksForWhatIsConfigured(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *options) { o.Scopes = []string{"openid", "offline_access", "contacts.read"} })
	plain := r.connected().ID
	chosen := r.connected(func(c *connections.CreateRequest) { c.Scopes = []string{"openid", "offline_access", "email"} }).ID
	require.NoError(t, r.Vault.PutIntegration(t.Context(), r.withScopes("openid", "offline_access", "contacts.write")))
	view, err := r.Client.Status(t.Context(), plain)
	require.NoError(t, err)
	require.Contains(t, view.Message, "reconnect to ask for contacts.write too")
	for id, want := range map[string]string{plain: "openid offline_access contacts.write", chosen: "openid offline_access email"} {
		b := r.browser()
		link := r.reconnect(id, nil)
		p := b.get(link)
		for scope := range strings.SplitSeq(want, " ") {
			require.Contains(t, p.body, "<code>"+scope+"</code>")
		}
		authorize := b.begin(link)
		require.Equal(t, want, query(t, authorize).Get("scope"))
		b.settled(b.back(b.consent(authorize, "allow")))
		r.Await(id, func(row vault.Connection) bool { return row.Generation == 2 })
		require.Equal(t, strings.Fields(want), r.rowOf(id).RequestedScopes)
		view, err := r.Client.Status(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "Connected.", view.Message)
	}
}

// withScopes is the platform's app with other scopes.
func (r *rig) withScopes(scopes ...string) vault.Integration {
	r.t.Helper()
	i, err := r.Vault.Integration(r.t.Context(), connections.PlatformIntegrationID("sandbox", ""))
	require.NoError(r.t, err)
	i.Scopes = scopes
	return i
}
