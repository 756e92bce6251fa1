package activities_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.createMachine()
	set, err := r.ClientCredentials(t.Context(), r.renew(0))
	require.NoError(t, err)
	require.EqualValues(t, 1, set.Generation)
	require.True(t, set.Renewable)
	require.False(t, set.Rotates)
	require.Equal(t, []string{"contacts.read"}, set.Scopes)
	access, refresh := r.tokens()
	require.True(t, r.alive(access))
	require.Empty(t, refresh)
	r.requireSealed(access)

	for _, generation := range []int64{0, 1} {
		set, err = r.ClientCredentials(t.Context(), r.renew(generation))
		require.NoError(t, err)
		require.EqualValues(t, generation+1, set.Generation)
	}
	require.Equal(t, 2, r.calls("client_credentials"))
}

// TestClientCredentials_ASecondTryIsFree: a lost reply spends nothing.
func TestClientCredentials_ASecondTryIsFree(t *testing.T) {
	t.Parallel()
	shared := newRig(t)
	for _, f := range []sandbox.Faults{{LoseReplyAfter: true}, {Status: 503, Body: canary}, {Status: 200, Body: "<html>"}} {
		r := shared.another(t)
		r.createMachine()
		f.Count = 1
		r.fault(f)
		_, err := r.ClientCredentials(t.Context(), r.renew(0))
		r.requireReason(err, workflows.ReasonProviderUnavailable)
		_, err = r.ClientCredentials(t.Context(), r.renew(0))
		require.NoError(t, err)
	}
}

func TestClientCredentials_RefusalIsTheAppsOwn(t *testing.T) {
	t.Parallel()
	shared := newRig(t)
	for code, want := range map[string]workflows.Reason{
		"invalid_client": workflows.ReasonClientRejected, "invalid_grant": workflows.ReasonAppMisconfigured,
		"access_denied": workflows.ReasonAppMisconfigured, "invalid_scope": workflows.ReasonScopeRejected,
		"what": workflows.ReasonAppMisconfigured,
	} {
		r := shared.another(t)
		r.createMachine()
		r.fault(sandbox.Faults{Status: 401, Body: `{"error":"` + code + `"}`})
		_, err := r.ClientCredentials(t.Context(), r.renew(0))
		r.requireReason(err, want)
	}
}

func TestRevoke_RefreshTokenThenAccessToken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	access, refresh := r.tokens()
	var seen []string
	r.gate.set(func(_ http.ResponseWriter, req *http.Request) bool {
		_ = req.ParseForm()
		seen = append(seen, req.PostForm.Get("token"))
		return false
	})
	for range 2 { // unknown tokens are as good as revoked
		result, err := r.Revoke(t.Context(), workflows.RevokeInput{ID: r.id})
		require.NoError(t, err)
		require.True(t, result.Revoked)
	}
	require.Equal(t, []string{refresh, access, refresh, access}, seen)
	require.False(t, r.alive(access))
	_, err := r.Refresh(t.Context(), r.renew(1))
	r.requireReason(err, workflows.ReasonGrantRejected)
	r.requireSilent(r.log.String())
}

func TestRevoke_Failures(t *testing.T) {
	t.Parallel()
	shared := newRig(t)
	for name, c := range map[string]struct {
		statuses []int // of the refresh token, then of the access token
		want     workflows.Reason
		asked    int
	}{
		"down":                             {[]int{503}, workflows.ReasonProviderUnavailable, 1},
		"too many":                         {[]int{429}, workflows.ReasonProviderUnavailable, 1},
		"down after the first":             {[]int{200, 503}, workflows.ReasonProviderUnavailable, 2},
		"takes none":                       {[]int{404, 404}, workflows.ReasonAppMisconfigured, 2},
		"takes no refresh tokens":          {[]int{400, 200}, workflows.ReasonAppMisconfigured, 2},
		"takes no access tokens":           {[]int{200, 400}, "", 2},
		"takes no refresh tokens, is down": {[]int{400, 503}, workflows.ReasonProviderUnavailable, 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := shared.another(t)
			r.connect()
			asked := 0
			r.gate.set(func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Retry-After", "5")
				w.WriteHeader(c.statuses[asked])
				_, _ = w.Write([]byte(canary))
				asked++
				return true
			})
			result, err := r.Revoke(t.Context(), workflows.RevokeInput{ID: r.id})
			require.Equal(t, c.asked, asked)
			if c.want == "" {
				require.NoError(t, err)
				require.True(t, result.Revoked)
				return
			}
			app := r.reasonOf(err, c.want)
			if c.want.Class() == workflows.ClassTransient {
				require.Equal(t, 5*time.Second, app.NextRetryDelay())
			}
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		r := shared.another(t)
		r.connect()
		_, err := r.instance(unreachable(t)).Revoke(t.Context(), workflows.RevokeInput{ID: r.id})
		r.requireReason(err, workflows.ReasonProviderUnavailable)
	})
}

func TestRevoke_NothingToDo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create()
	result, err := r.Revoke(t.Context(), workflows.RevokeInput{ID: r.id})
	require.NoError(t, err)
	require.False(t, result.Revoked)

	r = newRig(t, func(c *connector.Connector) { c.Revoke = nil })
	r.connect()
	result, err = r.Revoke(t.Context(), workflows.RevokeInput{ID: r.id})
	require.NoError(t, err)
	require.False(t, result.Revoked)
}

func TestRecord_TheLatestWins(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create()
	at := time.Now().UTC().Truncate(time.Second)
	for _, c := range []struct {
		seq  int64
		to   workflows.ConnectionStatus
		want workflows.ConnectionStatus
	}{
		{5, workflows.StatusActive, workflows.StatusActive},
		{4, workflows.StatusDegraded, workflows.StatusActive},
		{5, workflows.StatusPaused, workflows.StatusActive},
		{6, workflows.StatusDegraded, workflows.StatusDegraded},
	} {
		require.NoError(t, r.Record(t.Context(), workflows.RecordInput{ID: r.id, Status: c.to, Reason: workflows.ReasonReplyLost, Seq: c.seq, At: at}))
		require.Equal(t, string(c.want), r.row().Status)
	}
	require.Equal(t, "reply_lost", r.row().Reason)
	require.Equal(t, at, r.row().StatusAt)
}

func TestRecord_Erase(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	at := time.Now().UTC().Truncate(time.Second)
	in := workflows.RecordInput{ID: r.id, Status: workflows.StatusDisconnected, Reason: workflows.ReasonDisconnectRequest, Seq: 9, At: at, Erase: true}
	require.NoError(t, r.Record(t.Context(), in))
	require.NoError(t, r.Record(t.Context(), in))
	row := r.row()
	require.Equal(t, "disconnected", row.Status)
	require.Nil(t, row.AccessToken)
	require.Nil(t, row.RefreshToken)
	require.Equal(t, at.Add(30*24*time.Hour), row.TombstoneUntil)
	_, err := r.vault.AuthRequest(t.Context(), "req_1")
	require.ErrorIs(t, err, vault.ErrNotFound)
	_, err = r.Refresh(t.Context(), r.renew(1))
	require.Contains(t, []string{"superseded", "disconnected"}, appType(err))
	require.Zero(t, r.calls("refresh_token"))
}

// TestErase_WhileACallIsUnderWay: what comes back then belongs to nobody.
func TestErase_WhileACallIsUnderWay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	arrived, proceed := r.hold()
	done := make(chan error, 1)
	go func() {
		_, err := r.Refresh(t.Context(), r.renew(1))
		done <- err
	}()
	<-arrived
	require.NoError(t, r.Record(t.Context(), workflows.RecordInput{ID: r.id, Status: workflows.StatusDisconnected, Seq: 9, At: time.Now(), Erase: true}))
	close(proceed)
	r.requireReason(<-done, workflows.ReasonDisconnected)
	require.Nil(t, r.row().AccessToken)
	require.Nil(t, r.row().RefreshToken)
}
