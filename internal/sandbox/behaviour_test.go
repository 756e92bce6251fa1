package sandbox_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/acme/connections/internal/sandbox"
)

func (r *rig) behave(b sandbox.Behaviour) {
	r.t.Helper()
	require.NoError(r.t, r.SetBehaviour(r.t.Context(), b))
}

// presentations checks what was presented, in order, and returns it.
func (r *rig) presentations(want ...string) []sandbox.Presentation {
	r.t.Helper()
	seen, err := r.Presentations(r.t.Context())
	require.NoError(r.t, err)
	outcomes := make([]string, len(seen))
	for i, one := range seen {
		outcomes[i] = one.Outcome
	}
	require.Equal(r.t, want, outcomes)
	return seen
}

func TestRotation_StrictRefusesReuseAndSparesTheFamily(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *sandbox.Options) { o.Behaviour.Rotation = sandbox.RotationStrict })
	first := r.connect()
	second := r.refresh(first.Refresh).tokens(t)
	for range 2 {
		r.refresh(first.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant")
	}
	r.requireLive(first.Access)
	r.requireLive(second.Access)
	r.refresh(second.Refresh).tokens(t)
	r.presentations(sandbox.OutcomeIssued, sandbox.OutcomeReuse, sandbox.OutcomeReuse, sandbox.OutcomeIssued)
}

func TestRotation_NoneKeepsTheRefreshToken(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *sandbox.Options) {
		o.Behaviour = sandbox.Behaviour{Rotation: sandbox.RotationNone, RefreshTokenIdle: time.Hour, AnnounceRefreshExpiry: true}
	})
	first := r.connect()
	for range 3 {
		r.clock.Advance(59 * time.Minute) // each use starts the idle time anew
		a := r.refresh(first.Refresh)
		require.NotContains(t, a.body, `"refresh_token"`)
		require.InDelta(t, 3600, a.json(t)["refresh_token_expires_in"], 0)
		r.requireLive(a.tokens(t).Access)
	}
	for _, one := range r.presentations(sandbox.OutcomeIssued, sandbox.OutcomeIssued, sandbox.OutcomeIssued) {
		require.False(t, one.CommittedAt.IsZero())
		require.Empty(t, one.Successor)
	}
	r.clock.Advance(time.Hour)
	r.refresh(first.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant")
	require.Zero(t, r.Stats().Reuses)
}

func TestRotation_ChangesUnderLiveTokens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.connect()
	r.behave(sandbox.Behaviour{Rotation: sandbox.RotationNone})
	require.Empty(t, r.refresh(first.Refresh).tokens(t).Refresh)
	r.behave(sandbox.Behaviour{})
	second := r.refresh(first.Refresh).tokens(t)
	require.NotEmpty(t, second.Refresh)
	r.behave(sandbox.Behaviour{Rotation: sandbox.RotationNone})
	r.refresh(first.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant") // spent is spent
	r.requireLive(second.Access)
	r.behave(sandbox.Behaviour{})
	r.refresh(first.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant")
	r.requireDead(second.Access)
}

func TestRotation_ACodeUsedTwiceRevokesInAnyCase(t *testing.T) {
	t.Parallel()
	for _, rotation := range []sandbox.Rotation{sandbox.RotationStrict, sandbox.RotationNone} {
		r := newRig(t, func(o *sandbox.Options) { o.Behaviour.Rotation = rotation })
		verifier := oauth2.GenerateVerifier()
		form := codeForm(r.consent(verifier), verifier)
		got := r.token(form).tokens(t)
		r.token(form).requireError(t, http.StatusBadRequest, "invalid_grant")
		r.requireDead(got.Access)
	}
}

func TestGrace_TakesTheTokenSpentLast(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *sandbox.Options) { o.Behaviour.Grace = 30 * time.Second })
	first := r.connect()
	second := r.refresh(first.Refresh).tokens(t)
	r.clock.Advance(30*time.Second - time.Millisecond)
	third := r.refresh(first.Refresh).tokens(t)
	require.NotEqual(t, second.Refresh, third.Refresh)
	for _, live := range []string{first.Access, second.Access, third.Access} {
		r.requireLive(live)
	}
	r.refresh(second.Refresh).tokens(t) // both successors are good
	r.refresh(third.Refresh).tokens(t)
	seen := r.presentations(sandbox.OutcomeIssued, sandbox.OutcomeGrace, sandbox.OutcomeIssued, sandbox.OutcomeIssued)
	require.Equal(t, seen[0].Hash, seen[1].Hash)
	require.Equal(t, sandbox.TokenHash(second.Refresh), seen[0].Successor)
	require.Equal(t, sandbox.TokenHash(third.Refresh), seen[1].Successor)
	require.Zero(t, r.Stats().Reuses)
}

func TestGrace_Ends(t *testing.T) {
	t.Parallel()
	for name, rotation := range map[string]sandbox.Rotation{"family": sandbox.RotationFamily, "strict": sandbox.RotationStrict} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(o *sandbox.Options) {
				o.Behaviour = sandbox.Behaviour{Rotation: rotation, Grace: 30 * time.Second}
			})
			first := r.connect()
			second := r.refresh(first.Refresh).tokens(t)
			r.clock.Advance(20 * time.Second)
			r.refresh(first.Refresh).tokens(t) // does not start the grace anew
			r.clock.Advance(10 * time.Second)
			r.refresh(first.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant")
			if rotation == sandbox.RotationFamily {
				r.requireDead(second.Access)
			} else {
				r.requireLive(second.Access)
			}
		})
	}
}

func TestGrace_NotForTokensBeforeTheLast(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *sandbox.Options) { o.Behaviour.Grace = time.Hour })
	first := r.connect()
	second := r.refresh(first.Refresh).tokens(t)
	third := r.refresh(second.Refresh).tokens(t)
	r.refresh(first.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant")
	r.requireDead(third.Access)
	r.refresh(second.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant") // no grace within a revoked family
	r.presentations(sandbox.OutcomeIssued, sandbox.OutcomeIssued, sandbox.OutcomeReuse, "invalid_grant")
}

func TestGrace_CoversALostReply(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *sandbox.Options) { o.Behaviour.Grace = time.Minute })
	got := r.connect()
	r.fault(sandbox.Faults{LoseReplyAfter: true, Count: 1})
	r.requireCut(got.Refresh)
	r.refresh(r.refresh(got.Refresh).tokens(t).Refresh).tokens(t)
	r.presentations(sandbox.OutcomeLost, sandbox.OutcomeGrace, sandbox.OutcomeIssued)
}

func TestSingleLive(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	before, bystander := r.machine().tokens(t), r.connect()
	r.behave(sandbox.Behaviour{SingleLive: true})
	first := r.connect()
	second := r.refresh(first.Refresh).tokens(t)
	r.requireDead(first.Access)
	r.requireLive(second.Access)
	r.requireLive(before.Access)
	after := r.machine().tokens(t)
	require.Equal(t, http.StatusUnauthorized, r.get(r.Endpoints().Me, before.Access).status)
	for _, live := range []string{after.Access, bystander.Access, second.Access} {
		r.requireLive(live)
	}
}

func TestClockSkew(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string]time.Duration{"ahead": 3 * time.Hour, "behind": -3 * time.Hour, "none": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(o *sandbox.Options) {
				o.Behaviour = sandbox.Behaviour{ClockSkew: skew, AnnounceExpiresAt: true}
			})
			verifier := oauth2.GenerateVerifier()
			a := r.token(codeForm(r.consent(verifier), verifier))
			told := r.clock.Now().Add(skew)
			date, err := http.ParseTime(a.header.Get("Date"))
			require.NoError(t, err)
			require.WithinDuration(t, told, date, time.Second)
			require.InDelta(t, told.Add(time.Minute).Unix(), a.json(t)["expires_at"], 1)
			got := a.tokens(t)
			require.InDelta(t, 60, got.ExpiresIn, 0)

			claims := claimsOf(t, got.ID)
			require.InDelta(t, told.Unix(), claims["iat"], 60) // the engine's own clock is the real one
			require.InDelta(t, told.Unix(), claims["auth_time"], 60)
			require.InDelta(t, told.Add(time.Hour).Unix(), claims["exp"], 60)
			m := r.post(r.Endpoints().Introspection, r.Clients().App, true, url.Values{"token": {got.Access}}).json(t)
			require.Equal(t, true, m["active"])
			require.InDelta(t, told.Unix(), m["iat"], 1)
			require.InDelta(t, told.Add(time.Minute).Unix(), m["exp"], 1)

			r.clock.Advance(time.Minute - time.Millisecond)
			r.requireLive(got.Access)
			r.clock.Advance(time.Millisecond)
			r.requireDead(got.Access)
		})
	}
}

// claimsOf reads a JWT without checking it.
func claimsOf(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	claims := map[string]any{}
	require.NoError(t, json.Unmarshal(text, &claims))
	return claims
}

func TestRefreshTokenLifetime_CountsFromConsent(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *sandbox.Options) {
		o.Behaviour = sandbox.Behaviour{RefreshTokenLifetime: 2 * time.Hour, RefreshTokenIdle: time.Hour, AnnounceRefreshExpiry: true}
	})
	verifier := oauth2.GenerateVerifier()
	a := r.token(codeForm(r.consent(verifier), verifier))
	for _, left := range []float64{3600, 3600, 3600, 1800} {
		require.InDelta(t, left, a.json(t)["refresh_token_expires_in"], 0)
		got := a.tokens(t)
		r.clock.Advance(30 * time.Minute)
		if left == 1800 {
			r.refresh(got.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant")
			break
		}
		a = r.refresh(got.Refresh)
	}
	require.Zero(t, r.Stats().Reuses)
	require.NotContains(t, r.machine().body, "refresh_token")
	r.connect() // a new consent starts anew
}

func TestRefreshTokenLifetime_HoldsForTokensThatAreOut(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	got := r.connect()
	r.clock.Advance(time.Hour)
	r.behave(sandbox.Behaviour{RefreshTokenLifetime: time.Hour})
	r.refresh(got.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant")
	r.behave(sandbox.Behaviour{RefreshTokenIdle: time.Hour})
	r.refresh(got.Refresh).requireError(t, http.StatusBadRequest, "invalid_grant")
	r.behave(sandbox.Behaviour{})
	require.NotContains(t, r.refresh(got.Refresh).body, "refresh_token_expires_in")
}

func TestBehaviour_IsKept(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state.db")
	initial := func(o *sandbox.Options) { o.Behaviour.Grace = time.Second }
	before := newRig(t, inFile(file), initial)
	require.Equal(t, sandbox.Behaviour{
		Rotation: sandbox.RotationFamily, Grace: time.Second, RefreshTokenIdle: 90 * 24 * time.Hour,
		ContactsUnauthorizedEvery: 10, ContactsThrottledEvery: 7, ContactsRetryAfter: time.Second,
	}, before.Behaviour())
	want := sandbox.Behaviour{
		Rotation: sandbox.RotationStrict, Grace: 90 * time.Second, SingleLive: true, ClockSkew: -time.Millisecond,
		RefreshTokenIdle: time.Hour, RefreshTokenLifetime: 2 * time.Hour, AnnounceRefreshExpiry: true, AnnounceExpiresAt: true,
		ContactsUnauthorizedEvery: -1, ContactsThrottledEvery: 2, ContactsRetryAfter: 1500 * time.Millisecond,
	}
	before.behave(want)
	require.NoError(t, before.Close())
	require.Equal(t, want, newRig(t, inFile(file), initial).Behaviour())
}

func TestBehaviour_RefusesNonsense(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, b := range []sandbox.Behaviour{
		{Rotation: "sometimes"},
		{Grace: -1},
		{RefreshTokenIdle: -1},
		{RefreshTokenLifetime: -1},
		{ContactsRetryAfter: -1},
		{Rotation: sandbox.RotationNone, Grace: time.Second},
	} {
		require.Error(t, r.SetBehaviour(t.Context(), b))
		_, err := sandbox.Open(t.Context(), sandbox.Options{Issuer: "http://127.0.0.1", Behaviour: b})
		require.Error(t, err)
	}
	require.Equal(t, sandbox.RotationFamily, r.Behaviour().Rotation)
}
