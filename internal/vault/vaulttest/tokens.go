package vaulttest

import (
	"time"

	"github.com/acme/connections/internal/vault"
)

func testCommit(f *fixture) {
	id := f.connection("active")
	failed := f.begin(f.refresh(id), vault.BeginStarted).Attempt.ID
	_, err := f.FailAttempt(f.ctx, failed, vault.AttemptFailed, "provider_unavailable")
	f.NoError(err)
	attempt := f.begin(f.refresh(id), vault.BeginStarted).Attempt.ID
	f.NoError(f.MarkSent(f.ctx, attempt))
	f.NoError(f.SaveReply(f.ctx, attempt, []byte("reply")))

	generation, err := f.CommitTokens(f.ctx, vault.TokenCommit{
		ConnectionID: id, AttemptID: attempt, AccessToken: []byte("a\x00\xff"), RefreshToken: []byte("r"),
		TokenType: "Bearer", IssuedAt: epoch().Add(time.Nanosecond), ExpiresAt: epoch().Add(time.Hour),
		GrantedScopes: []string{"s"}, Metadata: map[string]string{"k": "v"},
	})
	f.NoError(err)
	f.Equal(int64(1), generation)
	got := f.row(id)
	f.Equal(int64(1), got.Generation)
	f.Zero(got.Failures)
	f.Equal([]byte("a\x00\xff"), got.AccessToken)
	f.Equal([]byte("r"), got.RefreshToken)
	f.Equal("Bearer", got.TokenType)
	f.Equal(epoch(), got.IssuedAt)
	f.Equal(epoch().Add(time.Hour), got.ExpiresAt)
	f.Equal([]string{"s"}, got.GrantedScopes)
	f.Equal(map[string]string{"k": "v"}, got.Metadata)
	f.Equal("active", got.Status)

	done := f.attempt(attempt)
	f.Equal(vault.AttemptDone, done.State)
	f.False(done.EndedAt.IsZero())
	f.Nil(done.Reply, "its content is in the row now")
	f.begin(f.refresh(id), vault.BeginStarted)
}

func testCommitReplaces(f *fixture) {
	f.NoError(f.CreateConnection(f.ctx, vault.Connection{
		ID: "c", Status: "active", Metadata: map[string]string{"kept": "1", "changed": "1"}, GrantedScopes: []string{"old"},
	}))
	f.commit("c", "")
	_, err := f.CommitTokens(f.ctx, vault.TokenCommit{
		ConnectionID: "c", FromGeneration: 1, AccessToken: []byte("second"),
		Metadata: map[string]string{"changed": "2", "new": ""},
	})
	f.NoError(err)
	got := f.row("c")
	f.Equal([]byte("second"), got.AccessToken)
	f.Nil(got.RefreshToken, "replaced by nil too")
	f.Nil(got.GrantedScopes)
	f.Empty(got.TokenType)
	f.True(got.ExpiresAt.IsZero())
	f.Equal(map[string]string{"kept": "1", "changed": "2", "new": ""}, got.Metadata)

	_, err = f.CommitTokens(f.ctx, vault.TokenCommit{ConnectionID: "c", FromGeneration: 2, Metadata: map[string]string{}})
	f.NoError(err)
	f.Equal(got.Metadata, f.row("c").Metadata)
}

// testCommitOfAnExchange: a consent brings the time of the grant and the scopes that were asked for; a refresh leaves
// them.
func testCommitOfAnExchange(f *fixture) {
	f.NoError(f.CreateConnection(f.ctx, vault.Connection{
		ID: "c", Status: "pending", RequestedScopes: []string{"first"},
	}))
	commit := func(t vault.TokenCommit) vault.Connection {
		f.t.Helper()
		t.ConnectionID, t.FromGeneration = "c", f.row("c").Generation
		_, err := f.CommitTokens(f.ctx, t)
		f.NoError(err)
		return f.row("c")
	}
	got := commit(vault.TokenCommit{})
	f.True(got.ConsentedAt.IsZero())
	f.Equal([]string{"first"}, got.RequestedScopes)

	got = commit(vault.TokenCommit{
		ConsentedAt: epoch().Add(time.Nanosecond), RequestedScopes: []string{"b", "a\x00"},
	})
	f.Equal(epoch(), got.ConsentedAt)
	f.Equal([]string{"b", "a\uFFFD"}, got.RequestedScopes)
	got = commit(vault.TokenCommit{RequestedScopes: []string{}})
	f.Equal(epoch(), got.ConsentedAt)
	f.Equal([]string{"b", "a\uFFFD"}, got.RequestedScopes)

	got = commit(vault.TokenCommit{ConsentedAt: epoch().Add(-time.Hour)})
	f.Equal(epoch().Add(-time.Hour), got.ConsentedAt, "replaced, whatever it was")
	f.Equal([]string{"b", "a\uFFFD"}, got.RequestedScopes)
}

func testCommitMergesInputs(f *fixture) {
	const odd = "ünï😀 \"'<&> \n\t\\ $1 ? %s {}"
	f.NoError(f.CreateConnection(f.ctx, vault.Connection{
		ID: "c", Status: "active", Inputs: map[string]string{"kept": "1", "host": "old.example", odd: "1", "null": "1"},
	}))
	f.commit("c", "")
	commit := func(inputs map[string]string) map[string]string {
		f.t.Helper()
		_, err := f.CommitTokens(f.ctx, vault.TokenCommit{
			ConnectionID: "c", FromGeneration: f.row("c").Generation, Inputs: inputs,
		})
		f.NoError(err)
		return f.row("c").Inputs
	}
	want := map[string]string{"kept": "1", "host": "new.example", odd: odd, "null": "null", "": ""}
	f.Equal(want, commit(map[string]string{"host": "new.example", odd: odd, "null": "null", "": ""}))
	f.Equal(want, commit(nil))
	f.Equal(want, commit(map[string]string{}))
	want["a\uFFFD"] = "\uFFFD"
	f.Equal(want, commit(map[string]string{"a\x00": "\xff"}))
	f.Nil(f.row("c").Metadata, "none of them is metadata")

	none := f.connection("active")
	_, err := f.CommitTokens(f.ctx, vault.TokenCommit{ConnectionID: none, Inputs: map[string]string{"host": "h"}})
	f.NoError(err)
	f.Equal(map[string]string{"host": "h"}, f.row(none).Inputs, "into none")

	_, err = f.CommitTokens(f.ctx, vault.TokenCommit{ConnectionID: none, Inputs: map[string]string{"host": "other"}})
	f.ErrorIs(err, vault.ErrConflict)
	f.Equal(map[string]string{"host": "h"}, f.row(none).Inputs)
}

func testCommitConflicts(f *fixture) {
	id := f.connection("active")
	attempt := f.begin(f.refresh(id), vault.BeginStarted).Attempt.ID
	f.NoError(f.SaveReply(f.ctx, attempt, []byte("reply")))
	before := f.row(id)
	for _, generation := range []int64{1, -1} {
		_, err := f.CommitTokens(f.ctx, vault.TokenCommit{ConnectionID: id, AttemptID: attempt, FromGeneration: generation})
		f.ErrorIs(err, vault.ErrConflict)
	}
	f.Equal(before, f.row(id))
	f.Equal(vault.AttemptReplied, f.attempt(attempt).State)

	for _, status := range []string{"disconnecting", "disconnected", "expired"} {
		refused := f.connection(status)
		_, err := f.CommitTokens(f.ctx, vault.TokenCommit{ConnectionID: refused, AccessToken: []byte("a")})
		f.ErrorIs(err, vault.ErrConflict, status)
		f.Nil(f.row(refused).AccessToken, status)
	}
	for _, status := range []string{"pending", "active", "degraded", "needs_reauth", "paused"} {
		f.Equal(int64(1), f.commit(f.connection(status), ""), status)
	}
}

func testCommitStrangeTexts(f *fixture) {
	id := f.connection("active")
	_, err := f.CommitTokens(f.ctx, vault.TokenCommit{
		ConnectionID: id, TokenType: "\x00", GrantedScopes: []string{"a\x00", "\xff"},
		Metadata: map[string]string{"name\x00": "\xed\xa0\x80"},
	})
	f.NoError(err, "what a provider says must not lose a token set")
	got := f.row(id)
	f.Equal([]string{"a\uFFFD", "\uFFFD"}, got.GrantedScopes)
	f.Equal(map[string]string{"name\uFFFD": "\uFFFD"}, got.Metadata)
}

func testCommitOtherConnectionsAttempt(f *fixture) {
	one, other := f.connection("active"), f.connection("active")
	attempt := f.begin(f.refresh(other), vault.BeginStarted).Attempt.ID
	f.commit(one, attempt)
	f.Equal(vault.AttemptBegun, f.attempt(attempt).State)
}
