package activities_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// slowVault takes its time between the beginning of an attempt and its call, and after the last question before it.
type slowVault struct {
	vault.Store
	between time.Duration
	after   func(ctx context.Context)

	begun, sendBy time.Time
}

func (v *slowVault) BeginAttempt(ctx context.Context, start vault.AttemptStart) (vault.Begun, error) {
	begun, err := v.Store.BeginAttempt(ctx, start)
	v.begun = time.Now()
	return begun, err
}

func (v *slowVault) Integration(ctx context.Context, id string) (vault.Integration, error) {
	<-time.After(v.between)
	return v.Store.Integration(ctx, id)
}

func (v *slowVault) MarkSent(ctx context.Context, id string) error {
	v.sendBy, _ = ctx.Deadline()
	err := v.Store.MarkSent(ctx, id)
	if v.after != nil {
		v.after(ctx)
	}
	return err
}

// TestLate_TheCallEndsBeforeItsLease: its time is counted from before the attempt began, whatever came in between.
func TestLate_TheCallEndsBeforeItsLease(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	slow := &slowVault{Store: r.vault, between: 50 * time.Millisecond}
	a := r.instance(func(c *activities.Deps) { c.Vault = slow })
	_, err := a.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.False(t, slow.sendBy.After(slow.begun.Add(workflows.HTTPLimit)))
}

// TestLate_NothingIsSentByWhoWasFrozen: the vault said that the attempt is ours, and then this process stood still until
// the time for it was over. Nothing is sent, and nothing is in doubt.
func TestLate_NothingIsSentByWhoWasFrozen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	frozen := &slowVault{Store: r.vault, after: func(ctx context.Context) { <-ctx.Done() }}
	a := r.instance(func(c *activities.Deps) {
		c.Vault, c.OAuth = frozen, oauth.NewClient(100*time.Millisecond, time.Now)
	})
	_, err := a.Refresh(t.Context(), r.renew(1))
	r.requireReason(err, workflows.ReasonSuperseded)
	require.Zero(t, r.calls("refresh_token"))

	set, err := r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err, "the next attempt is free to go")
	require.EqualValues(t, 2, set.Generation)
}
