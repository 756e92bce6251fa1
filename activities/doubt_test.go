package activities_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/oauth"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// hold keeps every POST at the provider's door until proceed is closed; arrived tells of each.
func (r *rig) hold() (arrived chan struct{}, proceed chan struct{}) {
	arrived, proceed = make(chan struct{}, 100), make(chan struct{})
	r.gate.set(func(http.ResponseWriter, *http.Request) bool {
		arrived <- struct{}{}
		<-proceed
		return false
	})
	return arrived, proceed
}

// leaveBehind makes an attempt of a process that died after it stored a reply.
func (r *rig) leaveBehind(start vault.AttemptStart, status int, body string) (attemptID string) {
	r.t.Helper()
	attemptID = r.leaveSent(start, time.Hour)
	r.saveReply(attemptID, status, body)
	return attemptID
}

// leaveSent makes an attempt of a process that died after it sent its request.
func (r *rig) leaveSent(start vault.AttemptStart, lease time.Duration) (attemptID string) {
	r.t.Helper()
	start.ID, start.ConnectionID, start.Lease = uuid.NewString(), r.id, lease
	begun, err := r.vault.BeginAttempt(r.t.Context(), start)
	require.NoError(r.t, err)
	require.Equal(r.t, vault.BeginStarted, begun.Outcome)
	require.NoError(r.t, r.vault.MarkSent(r.t.Context(), start.ID))
	return start.ID
}

func (r *rig) saveReply(attemptID string, status int, body string) {
	r.t.Helper()
	content, err := json.Marshal(oauth.Raw{Status: status, RequestedAt: time.Now(), Body: []byte(body)})
	require.NoError(r.t, err)
	sealed, err := r.keys.Vault.Seal(keyring.Reply(attemptID), content)
	require.NoError(r.t, err)
	require.NoError(r.t, r.vault.SaveReply(r.t.Context(), attemptID, sealed))
}

func (r *rig) attempt(attemptID string) vault.Attempt {
	r.t.Helper()
	a, err := r.vault.Attempt(r.t.Context(), attemptID)
	require.NoError(r.t, err)
	return a
}

// TestRefresh_LostReply: the provider has rotated, and nobody knows. The token in hand stays; the old refresh token is
// presented again only on purpose.
func TestRefresh_LostReply(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	before := r.row()
	r.fault(sandbox.Faults{LoseReplyAfter: true, Count: 1})
	_, err := r.Refresh(t.Context(), r.renew(1))
	r.requireReason(err, workflows.ReasonReplyLost)
	row := r.row()
	require.EqualValues(t, 1, row.Generation)
	require.EqualValues(t, 1, row.Failures)
	require.Equal(t, before.AccessToken, row.AccessToken)
	require.Equal(t, before.RefreshToken, row.RefreshToken)
	begun := r.lastAttempt(false)
	require.Equal(t, vault.BeginInDoubt, begun.Outcome)
	require.Equal(t, vault.AttemptInDoubt, begun.Attempt.State)
	require.Equal(t, "reply_lost", begun.Attempt.Reason)
	access, _ := r.tokens()
	require.True(t, r.alive(access))

	for range 3 {
		_, err = r.instance().Refresh(t.Context(), r.renew(1))
		r.requireReason(err, workflows.ReasonReplyLost)
	}
	require.Equal(t, 1, r.calls("refresh_token"))

	_, err = r.Refresh(t.Context(), r.settle(1))
	r.requireReason(err, workflows.ReasonGrantRejected)
	require.Equal(t, 2, r.calls("refresh_token"))
	require.EqualValues(t, 2, r.row().Failures)
	require.EqualValues(t, 1, r.row().Generation)
}

// TestRefresh_SettleOfARequestThatNeverArrived finds the grant alive.
func TestRefresh_SettleOfARequestThatNeverArrived(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	r.fault(sandbox.Faults{LoseReplyBefore: true, Count: 1})
	_, err := r.Refresh(t.Context(), r.renew(1))
	r.requireReason(err, workflows.ReasonReplyLost)
	set, err := r.Refresh(t.Context(), r.settle(1))
	require.NoError(t, err)
	require.EqualValues(t, 2, set.Generation)
	require.Zero(t, r.row().Failures)
}

// TestRefresh_GoesOnWithoutItsActivity: neither a cancelled activity nor a stopping worker cuts off a reply.
func TestRefresh_GoesOnWithoutItsActivity(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	arrived, proceed := r.hold()
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := r.Refresh(ctx, r.renew(1))
		left <- err
	}()
	<-arrived
	cancel()
	r.requireReason(<-left, workflows.ReasonAttemptInFlight)

	// Drain waits for it, within its own bound.
	short, stop := context.WithCancel(t.Context())
	stop()
	require.ErrorIs(t, r.Drain(short), context.Canceled)

	close(proceed)
	require.NoError(t, r.Drain(t.Context()))
	require.EqualValues(t, 2, r.row().Generation)
	set, err := r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.EqualValues(t, 2, set.Generation)
	require.Equal(t, 1, r.calls("refresh_token"))
}

// TestRefresh_AnotherProcessHasIt: it is awaited, and shared.
func TestRefresh_AnotherProcessHasIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	arrived, proceed := r.hold()
	other := r.instance()
	done := make(chan error, 2)
	go func() {
		_, err := other.Refresh(t.Context(), r.renew(1))
		done <- err
	}()
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Refresh(ctx, r.renew(1))
	require.Error(t, err) // it does not get as far as the vault, or as the other process
	require.Contains(t, []string{"attempt_in_flight", "vault_unavailable"}, appType(err))

	go func() {
		_, err := r.Refresh(t.Context(), r.renew(1))
		done <- err
	}()
	close(proceed)
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	require.Equal(t, 1, r.calls("refresh_token"))
	require.NoError(t, other.Drain(t.Context()))
}

// TestRefresh_FinishesWhatACrashLeftBehind from the vault, without asking the provider again.
func TestRefresh_FinishesWhatACrashLeftBehind(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	attemptID := r.leaveBehind(vault.AttemptStart{Kind: "refresh", Generation: 1}, 200,
		`{"access_token":"at2","refresh_token":"rt2","expires_in":"60.0","scope":"openid"}`)
	set, err := r.instance().Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.EqualValues(t, 2, set.Generation)
	require.Equal(t, []string{"openid"}, set.Scopes)
	access, refresh := r.tokens()
	require.Equal(t, "at2", access)
	require.Equal(t, "rt2", refresh)
	require.Zero(t, r.calls("refresh_token"))
	a := r.attempt(attemptID)
	require.Equal(t, vault.AttemptDone, a.State)
	require.Nil(t, a.Reply)
}

func TestExchange_FinishesWhatACrashLeftBehind(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create()
	in := r.consent("req_1")
	r.leaveBehind(vault.AttemptStart{Kind: "exchange", Generation: vault.AttemptAnyGeneration, RequestID: "req_1"}, 200,
		`{"access_token":"at","refresh_token":"rt"}`)
	// Two processes find it at once: it lands once.
	other := r.instance()
	for i, err := range parallel(2, func() error {
		set, err := r.Exchange(t.Context(), in)
		require.EqualValues(t, 1, set.Generation)
		return err
	}) {
		require.NoError(t, err, i)
	}
	set, err := other.Exchange(t.Context(), in)
	require.NoError(t, err)
	require.EqualValues(t, 1, set.Generation)
	require.Equal(t, appScopes, set.Scopes)
	require.Zero(t, r.calls("authorization_code"))
	request, err := r.vault.AuthRequest(t.Context(), "req_1")
	require.NoError(t, err)
	require.Equal(t, "connected", request.Outcome)
}

// TestRefresh_LateReply: a reply that was stored after the attempt was given up settles the doubt, whatever it says.
func TestRefresh_LateReply(t *testing.T) {
	t.Parallel()
	shared := newRig(t)
	for name, c := range map[string]struct {
		status int
		body   string
		want   workflows.Reason
		state  vault.AttemptState
	}{
		"good":          {200, `{"access_token":"at2","refresh_token":"rt2"}`, "", vault.AttemptDone},
		"invalid_grant": {400, `{"error":"invalid_grant"}`, workflows.ReasonGrantRejected, vault.AttemptFailed},
		"client":        {401, `{"error":"invalid_client"}`, workflows.ReasonClientRejected, vault.AttemptFailed},
		"too many":      {429, ``, workflows.ReasonProviderThrottled, vault.AttemptSuperseded},
		"page":          {200, `<html>` + canary, workflows.ReasonReplyUnreadable, vault.AttemptInDoubt},
	} {
		t.Run(name, func(t *testing.T) {
			r := shared.another(t)
			r.connect()
			attemptID := r.leaveSent(vault.AttemptStart{Kind: "refresh", Generation: 1}, -time.Second)
			_, err := r.Refresh(t.Context(), r.renew(1))
			r.requireReason(err, workflows.ReasonReplyLost)
			r.saveReply(attemptID, c.status, c.body)

			set, err := r.Refresh(t.Context(), r.renew(1))
			if c.want == "" {
				require.NoError(t, err)
				require.EqualValues(t, 2, set.Generation)
			} else {
				r.requireReason(err, c.want)
			}
			require.Zero(t, r.calls("refresh_token"))
			a := r.attempt(attemptID)
			require.Equal(t, c.state, a.State)
			// What a provider says when it refuses is kept for the operator.
			require.Equal(t, c.state == vault.AttemptFailed, a.Reply != nil)
			if c.state == vault.AttemptFailed || c.state == vault.AttemptSuperseded {
				_, err = r.Refresh(t.Context(), r.renew(1)) // not an endless loop: the next one asks the provider
				require.NoError(t, err)
				require.Equal(t, 1, r.calls("refresh_token"))
			}
		})
	}
}

// TestStoredReply_ThatCannotBeOpened is left where it is, and said.
func TestStoredReply_ThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	in := r.consent("req_2")
	attemptID := r.leaveSent(vault.AttemptStart{Kind: "refresh", Generation: 1}, time.Hour)
	require.NoError(t, r.vault.SaveReply(t.Context(), attemptID, []byte("sealed with a key that is gone")))
	_, err := r.Refresh(t.Context(), r.renew(1))
	r.requireReason(err, workflows.ReasonKeyMissing)
	_, err = r.Exchange(t.Context(), in)
	r.requireReason(err, workflows.ReasonKeyMissing)
	require.NotNil(t, r.attempt(attemptID).Reply)
	require.Zero(t, r.calls("refresh_token"))
}

// TestStoredReply_ThatIsNoReply cannot have been stored by us, and must not be in the way for ever.
func TestStoredReply_ThatIsNoReply(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	attemptID := r.leaveSent(vault.AttemptStart{Kind: "refresh", Generation: 1}, time.Hour)
	sealed, err := r.keys.Vault.Seal(keyring.Reply(attemptID), []byte("{"+canary))
	require.NoError(t, err)
	require.NoError(t, r.vault.SaveReply(t.Context(), attemptID, sealed))
	_, err = r.Refresh(t.Context(), r.renew(1))
	r.requireReason(err, workflows.ReasonReplyUnreadable)
	_, err = r.Refresh(t.Context(), r.renew(1))
	r.requireReason(err, workflows.ReasonReplyLost)
}

// TestExchange_DoesNotWaitForADoubt: a new consent is what a lost refresh token needs.
func TestExchange_DoesNotWaitForADoubt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	in := r.consent("req_2")
	r.fault(sandbox.Faults{LoseReplyAfter: true, Count: 1})
	_, err := r.Refresh(t.Context(), r.renew(1))
	r.requireReason(err, workflows.ReasonReplyLost)
	set, err := r.Exchange(t.Context(), in)
	require.NoError(t, err)
	require.EqualValues(t, 2, set.Generation)
	_, err = r.Refresh(t.Context(), r.renew(2))
	require.NoError(t, err)
}

// TestRefresh_DoesNotShareAnExchangesRefusal: that code was refused, not this grant.
func TestRefresh_DoesNotShareAnExchangesRefusal(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	in := r.consent("req_2")
	arrived, proceed := r.hold()
	r.fault(sandbox.Faults{Grant: "authorization_code", Status: 400, Body: `{"error":"invalid_grant"}`, Count: 1})
	exchanged, refreshed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := r.Exchange(t.Context(), in)
		exchanged <- err
	}()
	<-arrived
	go func() {
		_, err := r.Refresh(t.Context(), r.renew(1))
		refreshed <- err
	}()
	close(proceed)
	require.NoError(t, <-refreshed)
	r.requireReason(<-exchanged, workflows.ReasonCodeRejected)
	require.EqualValues(t, 2, r.row().Generation)
}
