package activities_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/workflows"
)

// parallel runs f n times at once and returns what came of each.
func parallel(n int, f func() error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f()
		})
	}
	close(start)
	wg.Wait()
	return errs
}

func TestRefresh_Rotates(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	firstAccess, firstRefresh := r.tokens()
	set, err := r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.EqualValues(t, 2, set.Generation)
	access, refresh := r.tokens()
	require.NotEqual(t, firstAccess, access)
	require.NotEqual(t, firstRefresh, refresh)
	require.True(t, r.alive(access))
	require.Equal(t, appScopes, set.Scopes)
	require.Equal(t, r.row().AccessToken, set.Sealed)
	r.requireSealed(firstAccess, firstRefresh, access, refresh)

	// An older generation gets the newer set, and costs no call.
	for range 3 {
		again, err := r.instance().Refresh(t.Context(), r.renew(1))
		require.NoError(t, err)
		require.Equal(t, set, again)
	}
	require.Equal(t, 1, r.calls("refresh_token"))
	r.requireSilent(r.log.String())
}

// TestRefresh_InParallelIsOneCall, in one process and over two: parallel use would kill the whole family.
func TestRefresh_InParallelIsOneCall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	other := r.instance()
	var turn sync.Mutex
	n := 0
	for _, err := range parallel(20, func() error {
		turn.Lock()
		n++
		a := r.Activities
		if n%2 == 0 {
			a = other
		}
		turn.Unlock()
		set, err := a.Refresh(t.Context(), r.renew(1))
		if err == nil && set.Generation != 2 {
			t.Errorf("generation %d", set.Generation)
		}
		return err
	}) {
		require.NoError(t, err)
	}
	require.Equal(t, map[string]int{sandbox.OutcomeIssued: 1}, r.provider.Stats().Tokens["refresh_token"])
	require.NoError(t, other.Drain(t.Context()))
}

func TestRefresh_InParallelSharesTheFailure(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	arrived, proceed := r.hold()
	r.fault(sandbox.Faults{Status: 400, Body: `{"error":"invalid_grant"}`})
	first := make(chan error, 1)
	go func() {
		_, err := r.Refresh(t.Context(), r.renew(1))
		first <- err
	}()
	<-arrived
	joined := make(chan error, 5)
	for range 5 {
		go func() {
			_, err := r.Refresh(t.Context(), r.renew(1))
			joined <- err
		}()
	}
	close(proceed)
	r.requireReason(<-first, workflows.ReasonGrantRejected)
	for range 5 {
		r.requireReason(<-joined, workflows.ReasonGrantRejected)
	}
}

// TestRefresh_KeepsTheTokenOfAProviderThatDoesNotRotate (RFC 6749 §6).
func TestRefresh_KeepsTheTokenOfAProviderThatDoesNotRotate(t *testing.T) {
	t.Parallel()
	no := false
	r := newRig(t, func(c *connector.Connector) { c.Refresh.Rotates = &no })
	r.connect()
	_, before := r.tokens()
	r.fault(sandbox.Faults{Status: 200, Body: `{"access_token":"` + canary + `","expires_in":60}`, Count: 1})
	set, err := r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.False(t, set.Rotates)
	require.True(t, set.Renewable)
	require.Equal(t, appScopes, set.Scopes, "RFC 6749 §5.1: as granted before")
	access, after := r.tokens()
	require.Equal(t, canary, access)
	require.Equal(t, before, after)
	_, err = r.Refresh(t.Context(), r.renew(2))
	require.NoError(t, err)
}

func TestRefresh_WithoutARefreshToken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create()
	in := r.consent("req_1")
	r.fault(sandbox.Faults{Status: 200, Body: `{"access_token":"opaque-1"}`, Count: 1})
	set, err := r.Exchange(t.Context(), in)
	require.NoError(t, err)
	require.False(t, set.Renewable)
	require.True(t, set.ExpiresAt.IsZero())
	_, err = r.Refresh(t.Context(), r.renew(1))
	r.requireReason(err, workflows.ReasonNoRefreshToken)
	require.Zero(t, r.calls("refresh_token"))
}
