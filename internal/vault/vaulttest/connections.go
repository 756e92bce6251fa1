package vaulttest

import (
	"strings"
	"testing"
	"time"

	"github.com/acme/connections/internal/vault"
)

func testConnectionRoundTrip(f *fixture) {
	berlin := time.FixedZone("UTC+1", 3600)
	given := vault.Connection{
		ID: "c", Owner: "acme", Connector: "salesforce", IntegrationID: "i", Grant: "authorization_code", EndUser: "u",
		Tags: map[string]string{"team": "a"}, Inputs: map[string]string{"subdomain": "b"},
		Metadata:        map[string]string{"instance_url": "https://example.com"},
		RequestedScopes: []string{"b", "a", "b"}, GrantedScopes: []string{"a"}, ChosenScopes: []string{"b", "a"},
		Policy: vault.PolicyAlwaysFresh,
		Status: "pending", Reason: "awaiting_consent", StatusSeq: 7,
		StatusAt:  epoch().Add(999 * time.Nanosecond).In(berlin),
		CreatedAt: epoch().In(berlin),
	}
	f.NoError(f.CreateConnection(f.ctx, given))
	got := f.row("c")
	f.WithinDuration(time.Now(), got.UpdatedAt, time.Minute)
	f.Equal(time.UTC, got.UpdatedAt.Location())
	want := given
	want.StatusAt, want.CreatedAt, want.UpdatedAt = epoch(), epoch(), got.UpdatedAt
	f.Equal(want, got)
	f.True(got.IssuedAt.IsZero())
	f.True(got.ExpiresAt.IsZero())
	f.True(got.TombstoneUntil.IsZero())
	f.Nil(got.AccessToken)
	f.Nil(got.RefreshToken)
}

func testOddValues(f *fixture) {
	const odd = "ünï😀 \"'; DROP TABLE connections; -- \n\t\\ $1 ? %s {}"
	given := vault.Connection{
		ID: odd, Owner: odd, Connector: odd, IntegrationID: odd, Grant: odd, EndUser: odd,
		Tags: map[string]string{odd: odd, "": ""}, Metadata: map[string]string{"null": "null", "n": "1"},
		RequestedScopes: []string{odd, "", "NULL", "{a,b}"}, Status: odd, Reason: odd, StatusSeq: 1 << 62,
		CreatedAt: time.Date(1969, 12, 31, 23, 59, 59, 999999999, time.UTC),
		StatusAt:  time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
	}
	f.NoError(f.CreateConnection(f.ctx, given))
	got := f.row(odd)
	want := given
	want.CreatedAt, want.UpdatedAt = given.CreatedAt.Truncate(time.Microsecond), got.UpdatedAt
	f.Equal(want, got)

	f.NoError(f.CreateConnection(f.ctx, vault.Connection{
		ID: "nul", Tags: map[string]string{"a\x00": "b\xff"}, EndUser: "\x00",
	}))
	f.Equal(map[string]string{"a\uFFFD": "b\uFFFD"}, f.row("nul").Tags)

	for _, strange := range []string{"a\x00b", "\xff\xfe", strings.Repeat("x", 1<<20)} {
		_, err := f.Connection(f.ctx, strange)
		f.ErrorIs(err, vault.ErrNotFound)
	}
}

func testEmptyIsNone(f *fixture) {
	f.NoError(f.CreateConnection(f.ctx, vault.Connection{
		ID: "c", Tags: map[string]string{}, Inputs: map[string]string{}, RequestedScopes: []string{},
	}))
	got := f.row("c")
	f.Equal(vault.Connection{ID: "c", UpdatedAt: got.UpdatedAt}, got)
}

func testCreateTakesNoTokens(f *fixture) {
	f.NoError(f.CreateConnection(f.ctx, vault.Connection{
		ID: "c", AccessToken: []byte("a"), RefreshToken: []byte("r"), Generation: 9, Failures: 9, TokenType: "t",
		IssuedAt: epoch(), ExpiresAt: epoch(), ConsentedAt: epoch(), TombstoneUntil: epoch(),
	}))
	got := f.row("c")
	f.Equal(vault.Connection{ID: "c", UpdatedAt: got.UpdatedAt}, got)
}

func testConnectionExists(f *fixture) {
	id := f.connection("active")
	f.ErrorIs(f.CreateConnection(f.ctx, vault.Connection{ID: id, Owner: "other"}), vault.ErrExists)
	f.Equal("acme", f.row(id).Owner)
}

func testConnectionNotFound(f *fixture) {
	_, err := f.Connection(f.ctx, "none")
	f.ErrorIs(err, vault.ErrNotFound)
	f.ErrorIs(f.SetStatus(f.ctx, vault.StatusChange{ID: "none", Status: "active", Seq: 1}), vault.ErrNotFound)
	f.ErrorIs(f.SetIntegration(f.ctx, "none", "i"), vault.ErrNotFound)
	f.ErrorIs(f.SetPolicy(f.ctx, "none", vault.PolicyAdaptive), vault.ErrNotFound)
	f.ErrorIs(f.RaiseFailures(f.ctx, "none"), vault.ErrNotFound)
	f.ErrorIs(f.Erase(f.ctx, vault.StatusChange{ID: "none", Status: "disconnected"}, epoch()), vault.ErrNotFound)
	_, err = f.CommitTokens(f.ctx, vault.TokenCommit{ConnectionID: "none"})
	f.ErrorIs(err, vault.ErrNotFound)
	_, err = f.BeginAttempt(f.ctx, f.refresh("none"))
	f.ErrorIs(err, vault.ErrNotFound)
}

func testList(f *fixture) {
	for _, c := range []vault.Connection{
		{ID: "b", Owner: "acme", Connector: "slack", Status: "active", IntegrationID: "one", Tags: map[string]string{"team": "sales", `a"b.$`: "'x'"}},
		{ID: "a", Owner: "acme", Connector: "salesforce", Status: "active", IntegrationID: "'two'", Tags: map[string]string{"team": "sales"}},
		{ID: "C", Owner: "acme", Connector: "slack", Status: "paused", IntegrationID: "one"},
		{ID: "é", Owner: "other", Connector: "slack", Status: "active", IntegrationID: "one"},
		{ID: "_", Owner: "other", Connector: "slack", Status: "active"},
	} {
		f.NoError(f.CreateConnection(f.ctx, c))
	}
	f.commit("a", "")
	for name, test := range map[string]struct {
		filter vault.ConnectionFilter
		want   []string
	}{
		"all, in order of bytes": {vault.ConnectionFilter{}, []string{"C", "_", "a", "b", "é"}},
		"owner":                  {vault.ConnectionFilter{Owner: "acme"}, []string{"C", "a", "b"}},
		"connector":              {vault.ConnectionFilter{Connector: "slack"}, []string{"C", "_", "b", "é"}},
		"status":                 {vault.ConnectionFilter{Status: "paused"}, []string{"C"}},
		"integration":            {vault.ConnectionFilter{IntegrationID: "one"}, []string{"C", "b", "é"}},
		"odd integration":        {vault.ConnectionFilter{IntegrationID: "'two'"}, []string{"a"}},
		"unknown integration":    {vault.ConnectionFilter{IntegrationID: "on"}, nil},
		"integration and owner":  {vault.ConnectionFilter{Owner: "other", IntegrationID: "one"}, []string{"é"}},
		"integration, next page": {vault.ConnectionFilter{IntegrationID: "one", After: "C", Limit: 1}, []string{"b"}},
		"several":                {vault.ConnectionFilter{Owner: "acme", Connector: "slack", Status: "active"}, []string{"b"}},
		"tag":                    {vault.ConnectionFilter{Tags: map[string]string{"team": "sales"}}, []string{"a", "b"}},
		"tags":                   {vault.ConnectionFilter{Tags: map[string]string{"team": "sales", `a"b.$`: "'x'"}}, []string{"b"}},
		"tag and owner":          {vault.ConnectionFilter{Owner: "other", Tags: map[string]string{"team": "sales"}}, nil},
		"tag of another value":   {vault.ConnectionFilter{Tags: map[string]string{"team": "s"}}, nil},
		"none":                   {vault.ConnectionFilter{Owner: "nobody"}, nil},
		"first page":             {vault.ConnectionFilter{Limit: 2}, []string{"C", "_"}},
		"next page":              {vault.ConnectionFilter{Limit: 2, After: "_"}, []string{"a", "b"}},
		"last page":              {vault.ConnectionFilter{Limit: 2, After: "b"}, []string{"é"}},
		"after an id that is not there": {
			vault.ConnectionFilter{Owner: "acme", After: "aa"},
			[]string{"b"},
		},
	} {
		list, err := f.ListConnections(f.ctx, test.filter)
		f.NoError(err, name)
		var ids []string
		for _, c := range list {
			ids = append(ids, c.ID)
			f.Nil(c.AccessToken, name)
			f.Nil(c.RefreshToken, name)
		}
		f.Equal(test.want, ids, name)
	}
}

func testListLiving(f *fixture) {
	for id, status := range map[string]string{"a": "active", "b": "disconnected", "c": "expired", "d": "disconnecting", "e": "pending"} {
		f.NoError(f.CreateConnection(f.ctx, vault.Connection{ID: id + "-ada", Owner: "acme", EndUser: "ada", Status: status}))
		f.NoError(f.CreateConnection(f.ctx, vault.Connection{ID: id + "-bob", Owner: "acme", EndUser: "bob", Status: status}))
		f.NoError(f.CreateConnection(f.ctx, vault.Connection{ID: id + "-other", Owner: "other", EndUser: "ada", Status: status}))
	}
	for name, test := range map[string]struct {
		filter vault.ConnectionFilter
		want   []string
	}{
		"person":              {vault.ConnectionFilter{Owner: "acme", EndUser: "ada"}, []string{"a-ada", "b-ada", "c-ada", "d-ada", "e-ada"}},
		"person, living":      {vault.ConnectionFilter{Owner: "acme", EndUser: "ada", Living: true}, []string{"a-ada", "d-ada", "e-ada"}},
		"owner, living":       {vault.ConnectionFilter{Owner: "other", Living: true}, []string{"a-other", "d-other", "e-other"}},
		"living, next page":   {vault.ConnectionFilter{Owner: "acme", EndUser: "bob", Living: true, After: "a-bob", Limit: 1}, []string{"d-bob"}},
		"living, of a status": {vault.ConnectionFilter{Owner: "acme", Status: "expired", Living: true}, nil},
		"nobody":              {vault.ConnectionFilter{Owner: "acme", EndUser: "eve", Living: true}, nil},
	} {
		list, err := f.ListConnections(f.ctx, test.filter)
		f.NoError(err, name)
		var ids []string
		for _, c := range list {
			ids = append(ids, c.ID)
		}
		f.Equal(test.want, ids, name)
	}
}

func testListLimits(f *fixture) {
	for range 101 {
		f.connection("active")
	}
	for limit, want := range map[int]int{0: 100, -1: 100, 5: 5, 5000: 101} {
		list, err := f.ListConnections(f.ctx, vault.ConnectionFilter{Limit: limit})
		f.NoError(err)
		f.Len(list, want)
	}
}

func testSetStatus(f *fixture) {
	id := f.connection("pending")
	set := func(status string, seq int64) vault.Connection {
		f.t.Helper()
		f.NoError(f.SetStatus(f.ctx, vault.StatusChange{ID: id, Status: status, Reason: "r", Seq: seq, At: epoch()}))
		return f.row(id)
	}
	got := set("active", 5)
	f.Equal("active", got.Status)
	f.Equal("r", got.Reason)
	f.Equal(int64(5), got.StatusSeq)
	f.Equal(epoch(), got.StatusAt)
	f.Equal("active", set("degraded", 5).Status, "the same seq changes nothing")
	f.Equal("active", set("degraded", 4).Status, "an older seq changes nothing")
	f.Equal("paused", set("paused", 6).Status)
}

func testDisconnectedIsFinal(f *fixture) {
	id := f.connection("disconnecting")
	f.NoError(f.SetStatus(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Seq: 2}))
	f.NoError(f.SetStatus(f.ctx, vault.StatusChange{ID: id, Status: "active", Seq: 3}))
	f.Equal("disconnected", f.row(id).Status)
	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: id, Status: "active", Seq: 4}, epoch()))
	got := f.row(id)
	f.Equal("disconnected", got.Status)
	f.Equal(int64(2), got.StatusSeq)
	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Seq: 5}, epoch()))
	f.Equal(epoch(), f.row(id).TombstoneUntil)
}

func testSetIntegration(f *fixture) {
	id := f.connection("active")
	before := f.row(id)
	f.NoError(f.SetIntegration(f.ctx, id, "other"))
	got := f.row(id)
	f.Equal("other", got.IntegrationID)
	f.False(got.UpdatedAt.Before(before.UpdatedAt))
}

func testSetPolicy(f *fixture) {
	id, other := f.connection("active"), f.connection("active")
	before := f.row(id)
	f.Empty(before.Policy)
	for _, policy := range []string{vault.PolicyAlwaysFresh, vault.PolicyAdaptive, ""} {
		f.NoError(f.SetPolicy(f.ctx, id, policy))
		got := f.row(id)
		f.Equal(policy, got.Policy)
		f.False(got.UpdatedAt.Before(before.UpdatedAt))
		list, err := f.ListConnections(f.ctx, vault.ConnectionFilter{})
		f.NoError(err)
		f.Equal(policy, list[0].Policy)
	}
	f.Empty(f.row(other).Policy)
}

func testEraseTwice(f *fixture) {
	id := f.connection("disconnecting")
	f.NoError(f.SetStatus(f.ctx, vault.StatusChange{ID: id, Status: "disconnecting", Seq: 9}))
	change := vault.StatusChange{ID: id, Status: "disconnected", Reason: "disconnect_requested", Seq: 3, At: epoch()}
	f.NoError(f.Erase(f.ctx, change, epoch().Add(time.Hour)))
	first := f.row(id)
	f.Equal("disconnected", first.Status, "the end comes whatever the seq")
	f.Equal("disconnect_requested", first.Reason)
	f.Equal(int64(9), first.StatusSeq)
	f.Equal(epoch(), first.StatusAt)
	f.Equal(epoch().Add(time.Hour), first.TombstoneUntil)

	change.Reason, change.Seq = "revocation_failed", 10
	f.NoError(f.Erase(f.ctx, change, epoch().Add(2*time.Hour)))
	second := f.row(id)
	first.UpdatedAt, second.UpdatedAt = time.Time{}, time.Time{}
	f.Equal(first, second)
}

func testEraseOtherStatus(f *fixture) {
	id := f.connection("pending")
	f.NoError(f.SetStatus(f.ctx, vault.StatusChange{ID: id, Status: "pending", Seq: 5}))
	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: id, Status: "expired", Seq: 5}, epoch()))
	f.Equal("pending", f.row(id).Status)
	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: id, Status: "expired", Seq: 6}, epoch()))
	got := f.row(id)
	f.Equal("expired", got.Status)
	f.True(got.TombstoneUntil.IsZero())
}

func testEraseLeavesNothing(f *fixture, dump func(t *testing.T) string) {
	const canary = "CANARY-7f3a"
	sealed := []byte(canary)
	id, other := f.connection("active"), f.connection("active")
	started := f.begin(f.refresh(id), vault.BeginStarted).Attempt.ID
	_, err := f.CommitTokens(f.ctx, vault.TokenCommit{
		ConnectionID: id, AttemptID: started, AccessToken: sealed, RefreshToken: sealed, TokenType: "Bearer",
		IssuedAt: epoch(), ExpiresAt: epoch(),
	})
	f.NoError(err)
	late := f.inDoubt(f.refresh(id))
	refused := f.begin(f.settle(id), vault.BeginStarted).Attempt.ID
	f.NoError(f.SaveReply(f.ctx, refused, sealed))
	f.fail(refused, vault.AttemptFailed)
	f.NoError(f.SaveReply(f.ctx, late, sealed))
	request := f.request("browser")
	request.Verifier = sealed
	link := f.link(id)
	f.NoError(f.StartConsent(f.ctx, link, request))
	f.NoError(f.ConsumeAuthRequest(f.ctx, vault.Consumption{
		RequestID: request.ID, At: epoch(), Code: sealed, Captured: map[string]string{"team": canary},
		Inputs: map[string]string{"host": canary}, GrantedScopes: []string{canary},
	}))
	f.commit(other, f.begin(f.refresh(other), vault.BeginStarted).Attempt.ID)
	untouched := f.row(other)
	f.Equal(9, strings.Count(dump(f.t), canary), "the dump sees sealed bytes, and what was captured")

	f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Seq: 1}, epoch()))
	f.NotContains(dump(f.t), canary)
	got := f.row(id)
	f.Nil(got.AccessToken)
	f.Nil(got.RefreshToken)
	f.True(got.ExpiresAt.IsZero())
	f.Equal(int64(1), got.Generation)
	_, err = f.Attempt(f.ctx, late)
	f.ErrorIs(err, vault.ErrNotFound)
	_, err = f.Link(f.ctx, link)
	f.ErrorIs(err, vault.ErrNotFound)
	_, err = f.AuthRequest(f.ctx, request.ID)
	f.ErrorIs(err, vault.ErrNotFound)
	f.ErrorIs(f.SaveReply(f.ctx, late, sealed), vault.ErrNotFound)
	f.ErrorIs(f.StartConsent(f.ctx, link, f.request("browser")), vault.ErrNotFound)
	f.ErrorIs(f.CreateLink(f.ctx, vault.Link{Hash: []byte("new"), ConnectionID: id}), vault.ErrNotFound)
	_, err = f.CommitTokens(f.ctx, vault.TokenCommit{ConnectionID: id, FromGeneration: 1, AccessToken: sealed})
	f.ErrorIs(err, vault.ErrConflict)
	f.NotContains(dump(f.t), canary)
	f.Equal(untouched, f.row(other))
}

func testTombstones(f *fixture) {
	until := func(id string, at time.Time) {
		f.t.Helper()
		f.NoError(f.Erase(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Seq: 1}, at))
	}
	over, notYet, alive := f.connection("active"), f.connection("active"), f.connection("active")
	until(over, epoch())
	until(notYet, epoch().Add(time.Microsecond))
	deleted, err := f.DeleteTombstones(f.ctx, epoch())
	f.NoError(err)
	f.Equal(int64(1), deleted)
	_, err = f.Connection(f.ctx, over)
	f.ErrorIs(err, vault.ErrNotFound)
	f.Equal("disconnected", f.row(notYet).Status)
	f.Equal("active", f.row(alive).Status)
}
