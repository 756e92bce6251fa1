package activities_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/secret"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

func TestExchange_StoresTheFirstGeneration(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create()
	in := r.consent("req_1")
	code, err := r.keys.Vault.OpenString(keyring.Code("req_1"), in.SealedCode)
	require.NoError(t, err)

	set, err := r.Exchange(t.Context(), in)
	require.NoError(t, err)
	row := r.row()
	require.EqualValues(t, 1, row.Generation)
	require.Equal(t, workflows.TokenSet{
		Generation: 1, IssuedAt: row.IssuedAt, ExpiresAt: row.IssuedAt.Add(time.Hour), Scopes: appScopes, Type: "Bearer",
		Renewable: true, Rotates: true, Sealed: row.AccessToken, ConsentedAt: row.IssuedAt,
	}, set)

	access, refresh := r.tokens()
	require.True(t, r.alive(access))
	require.NotEmpty(t, refresh)
	r.requireSealed(access, refresh, code.Reveal(), r.provider.Clients().App.Secret.Reveal())

	// Only the right keyset, field and generation open them.
	_, err = r.keys.Vault.OpenString(keyring.AccessToken(r.id, 1), row.AccessToken)
	require.ErrorIs(t, err, keyring.ErrOpen)
	_, err = r.keys.Access.OpenString(keyring.RefreshToken(r.id, 1), row.RefreshToken)
	require.ErrorIs(t, err, keyring.ErrOpen)
	_, err = r.keys.Access.OpenString(keyring.AccessToken(r.id, 2), row.AccessToken)
	require.ErrorIs(t, err, keyring.ErrOpen)

	request, err := r.vault.AuthRequest(t.Context(), "req_1")
	require.NoError(t, err)
	require.Equal(t, "connected", request.Outcome)
	require.Nil(t, request.Verifier)
	require.Nil(t, request.Code)
}

// TestExchange_AgainMakesNoSecondCall: an activity is retried after a crash, a code is exchanged once.
func TestExchange_AgainMakesNoSecondCall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create()
	in := r.consent("req_1")
	first, err := r.Exchange(t.Context(), in)
	require.NoError(t, err)
	for range 2 {
		again, err := r.instance().Exchange(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, first, again)
	}
	require.Equal(t, 1, r.calls("authorization_code"))

	// Also when it was refreshed meanwhile.
	_, err = r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	again, err := r.Exchange(t.Context(), in)
	require.NoError(t, err)
	require.EqualValues(t, 2, again.Generation)
	require.Equal(t, 1, r.calls("authorization_code"))
}

func TestExchange_InParallelIsOneCall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create()
	in := r.consent("req_1")
	for _, err := range parallel(8, func() error {
		set, err := r.Exchange(t.Context(), in)
		require.EqualValues(t, 1, set.Generation)
		return err
	}) {
		require.NoError(t, err)
	}
	require.Equal(t, 1, r.calls("authorization_code"))
}

// TestExchange_TakesTheNextGeneration: a new consent counts, whatever there is.
func TestExchange_TakesTheNextGeneration(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	_, err := r.Refresh(t.Context(), r.renew(1))
	require.NoError(t, err)
	set, err := r.Exchange(t.Context(), r.consent("req_2"))
	require.NoError(t, err)
	require.EqualValues(t, 3, set.Generation)
	_, err = r.Refresh(t.Context(), r.renew(3))
	require.NoError(t, err)
}

func TestExchange_Refused(t *testing.T) {
	t.Parallel()
	shared := newRig(t)
	for name, c := range map[string]struct {
		fault   sandbox.Faults
		want    workflows.Reason
		outcome string
	}{
		"invalid_grant":         {sandbox.Faults{Status: 400, Body: `{"error":"invalid_grant","error_description":"` + canary + `"}`}, workflows.ReasonCodeRejected, "code_rejected"},
		"access_denied":         {sandbox.Faults{Status: 400, Body: `{"error":"access_denied"}`}, workflows.ReasonConsentDenied, "consent_denied"},
		"invalid_client":        {sandbox.Faults{RejectClient: true}, workflows.ReasonClientRejected, "client_rejected"},
		"lost before":           {sandbox.Faults{LoseReplyBefore: true}, workflows.ReasonExchangeLost, "exchange_lost"},
		"lost after":            {sandbox.Faults{LoseReplyAfter: true}, workflows.ReasonExchangeLost, "exchange_lost"},
		"page":                  {sandbox.Faults{Status: 200, Body: "<html>" + canary}, workflows.ReasonExchangeLost, "exchange_lost"},
		"server error":          {sandbox.Faults{Status: 503, Body: canary}, workflows.ReasonExchangeLost, "exchange_lost"},
		"not found":             {sandbox.Faults{Status: 404}, workflows.ReasonEndpointWrong, "endpoint_wrong"},
		"unknown":               {sandbox.Faults{Status: 400, Body: canary}, workflows.ReasonCodeRejected, "code_rejected"},
		"too many: comes again": {sandbox.Faults{Status: 429, RetryAfter: "3"}, workflows.ReasonProviderThrottled, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := shared.another(t)
			r.create()
			in := r.consent("req_1")
			c.fault.Count = 1
			r.fault(c.fault)
			_, err := r.Exchange(t.Context(), in)
			r.requireReason(err, c.want)
			request, err := r.vault.AuthRequest(t.Context(), in.RequestID)
			require.NoError(t, err)
			require.Equal(t, c.outcome, request.Outcome)
			require.EqualValues(t, 0, r.row().Generation)

			again, err := r.Exchange(t.Context(), in)
			if c.outcome == "" {
				require.NoError(t, err)
				require.EqualValues(t, 1, again.Generation)
				require.Equal(t, 2, r.calls("authorization_code"))
				return
			}
			r.requireReason(err, c.want)
			require.Equal(t, 1, r.calls("authorization_code"))
		})
	}
}

func TestExchange_NeedsItsOwnRequestCodeAndKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create()
	in := r.consent("req_1")
	other := in
	other.ID = "con_2"
	_, err := r.Exchange(t.Context(), other)
	r.requireReason(err, workflows.ReasonCodeRejected)
	other = in
	other.RequestID = "req_none"
	_, err = r.Exchange(t.Context(), other)
	r.requireReason(err, workflows.ReasonNotFound)

	forged, err := newKeys(t, t.TempDir()).Vault.SealString(keyring.Code("req_1"), secret.New("code"))
	require.NoError(t, err)
	other = in
	other.SealedCode = forged
	_, err = r.Exchange(t.Context(), other)
	r.requireReason(err, workflows.ReasonKeyMissing)
	other.SealedCode = []byte{}
	_, err = r.Exchange(t.Context(), other)
	r.requireReason(err, workflows.ReasonKeyMissing)
	require.Zero(t, r.calls("authorization_code"))

	set, err := r.Exchange(t.Context(), in) // nothing of this has spent the code
	require.NoError(t, err)
	require.EqualValues(t, 1, set.Generation)
}

// TestExchange_OfAFinishedRequestSendsNothing: its verifier is erased.
func TestExchange_OfAFinishedRequestSendsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create()
	in := r.consent("req_1")
	require.NoError(t, r.vault.FinishAuthRequest(t.Context(), "req_1", "consent_expired"))
	_, err := r.Exchange(t.Context(), in)
	r.requireReason(err, workflows.ReasonCodeRejected)
	in.SealedCode = nil
	_, err = r.Exchange(t.Context(), in)
	r.requireReason(err, workflows.ReasonCodeRejected)
	require.Zero(t, r.calls("authorization_code"))
}

func TestExchange_AfterDisconnectSendsNothing(t *testing.T) {
	t.Parallel()
	shared := newRig(t)
	for _, status := range []workflows.ConnectionStatus{workflows.StatusDisconnecting, workflows.StatusExpired} {
		r := shared.another(t)
		r.create()
		in := r.consent("req_1")
		require.NoError(t, r.vault.SetStatus(t.Context(), vault.StatusChange{ID: r.id, Status: string(status), Seq: 2, At: time.Now()}))
		_, err := r.Exchange(t.Context(), in)
		r.requireReason(err, workflows.ReasonDisconnected)
		require.Zero(t, r.calls("authorization_code"))
	}
}

// TestExchange_ConnectionRefused spends nothing: the same code is taken later.
func TestExchange_ConnectionRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create()
	in := r.consent("req_1")
	dead := r.instance(unreachable(t))
	_, err := dead.Exchange(t.Context(), in)
	r.requireReason(err, workflows.ReasonProviderUnavailable)
	_, err = r.Exchange(t.Context(), in)
	require.NoError(t, err)
}

// TestExchange_IsNotAnsweredByAnotherAttempt: a refresh that a crash left behind is finished first, and its outcome,
// good or bad, is not taken for the exchange's.
func TestExchange_IsNotAnsweredByAnotherAttempt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status     int
		body       string
		generation int64
	}{
		"refused": {http.StatusBadRequest, `{"error":"invalid_grant"}`, 2},
		"good":    {http.StatusOK, `{"access_token":"left behind","refresh_token":"left behind too"}`, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.connect()
			in := r.consent("req_2")
			r.leaveBehind(vault.AttemptStart{Kind: "refresh", Generation: 1}, c.status, c.body)
			set, err := r.Exchange(t.Context(), in)
			require.NoError(t, err)
			require.Equal(t, c.generation, set.Generation)
			require.Equal(t, 2, r.calls("authorization_code"))
			access, _ := r.tokens()
			require.True(t, r.alive(access))
		})
	}
}
