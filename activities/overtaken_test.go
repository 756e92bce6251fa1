package activities_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// errAway is what a vault that cannot be reached says; no activity may repeat it.
var errAway = errors.New(canary + " postgres://user:" + canary + "@db")

// awayVault cannot be reached when a request is about to leave.
type awayVault struct{ vault.Store }

func (awayVault) MarkSent(context.Context, string) error { return errAway }

// overtaken lets another process be faster, once, at one point.
type overtaken struct {
	vault.Store
	once                                sync.Once
	beforeMark, beforeCommit, afterSave func()
}

func (v *overtaken) at(f func()) {
	if f != nil {
		v.once.Do(f)
	}
}

func (v *overtaken) MarkSent(ctx context.Context, id string) error {
	v.at(v.beforeMark)
	return v.Store.MarkSent(ctx, id)
}

func (v *overtaken) CommitTokens(ctx context.Context, t vault.TokenCommit) (int64, error) {
	v.at(v.beforeCommit)
	return v.Store.CommitTokens(ctx, t)
}

func (v *overtaken) SaveReply(ctx context.Context, id string, sealed []byte) error {
	defer v.at(v.afterSave)
	return v.Store.SaveReply(ctx, id, sealed)
}

func (r *rig) over(v *overtaken) *activities.Activities {
	v.Store = r.vault
	return r.instance(func(c *activities.Deps) { c.Vault = v })
}

// steal stores a token set from outside any attempt.
func (r *rig) steal() {
	row := r.row()
	access, err := r.keys.Access.SealString(keyring.AccessToken(r.id, row.Generation+1), secret.New("stolen access"))
	require.NoError(r.t, err)
	_, err = r.vault.CommitTokens(r.t.Context(), vault.TokenCommit{
		ConnectionID: r.id, FromGeneration: row.Generation, AccessToken: access, RefreshToken: row.RefreshToken, IssuedAt: time.Now(),
	})
	require.NoError(r.t, err)
}

// supersede ends the open attempt, as one whose lease ran out.
func (r *rig) supersede() {
	begun := r.lastAttempt(false)
	require.Equal(r.t, vault.BeginInFlight, begun.Outcome)
	_, err := r.vault.FailAttempt(r.t.Context(), begun.Attempt.ID, vault.AttemptSuperseded, "superseded")
	require.NoError(r.t, err)
}

// TestOvertaken_BeforeTheFirstByte: nothing is sent by who no longer holds the attempt.
func TestOvertaken_BeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	slow := r.over(&overtaken{beforeMark: r.supersede})
	_, err := slow.Refresh(t.Context(), r.renew(1))
	r.requireReason(err, workflows.ReasonSuperseded)

	// A refresh finds what it came for; an exchange does not, since its code was not spent.
	slow = r.over(&overtaken{beforeMark: func() { r.supersede(); r.steal() }})
	set, err := slow.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.EqualValues(t, 2, set.Generation)
	require.Zero(t, r.calls("refresh_token"))

	in := r.consent("req_2")
	slow = r.over(&overtaken{beforeMark: func() { r.supersede(); r.steal() }})
	_, err = slow.Exchange(t.Context(), in)
	r.requireReason(err, workflows.ReasonSuperseded)
	require.Equal(t, 1, r.calls("authorization_code"))
	set, err = slow.Exchange(t.Context(), in)
	require.NoError(t, err)
	require.EqualValues(t, 4, set.Generation)
}

// TestOvertaken_AfterTheReply: who finishes it first decides.
func TestOvertaken_AfterTheReply(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	var others error
	slow := r.over(&overtaken{afterSave: func() { _, others = r.Refresh(t.Context(), r.renew(1)) }})
	r.fault(sandbox.Faults{Status: 400, Body: `{"error":"invalid_grant"}`, Count: 1})
	_, err := slow.Refresh(t.Context(), r.renew(1))
	r.requireReason(others, workflows.ReasonGrantRejected)
	r.requireReason(err, workflows.ReasonSuperseded)
	require.EqualValues(t, 1, r.row().Failures)

	slow = r.over(&overtaken{afterSave: func() { _, others = r.Refresh(t.Context(), r.renew(1)) }})
	set, err := slow.Refresh(t.Context(), r.renew(1))
	require.NoError(t, errors.Join(err, others))
	require.EqualValues(t, 2, set.Generation)
	require.Equal(t, 2, r.calls("refresh_token"))
}

// TestOvertaken_AReplyLandsOnce: landed again on top of a later refresh, it would bring back a spent refresh token.
func TestOvertaken_AReplyLandsOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create()
	in := r.consent("req_1")
	slow := r.over(&overtaken{beforeCommit: func() {
		_, err := r.Exchange(t.Context(), in)
		require.NoError(t, err)
		_, err = r.Refresh(t.Context(), r.renew(1))
		require.NoError(t, err)
	}})
	set, err := slow.Exchange(t.Context(), in)
	require.NoError(t, err)
	require.EqualValues(t, 2, set.Generation)
	require.EqualValues(t, 2, r.row().Generation)
	_, err = r.Refresh(t.Context(), r.renew(2))
	require.NoError(t, err)
}

// TestOvertaken_ANewConsentIsNotLost: a set that comes in between does not keep it from landing.
func TestOvertaken_ANewConsentIsNotLost(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	slow := r.over(&overtaken{beforeCommit: r.steal})
	set, err := slow.Exchange(t.Context(), r.consent("req_2"))
	require.NoError(t, err)
	require.EqualValues(t, 3, set.Generation)
	access, _ := r.tokens()
	require.True(t, r.alive(access))
}
