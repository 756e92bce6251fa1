package activities_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/connector"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// openings records which integrations' breakers somebody was told of.
type openings struct {
	mu   sync.Mutex
	list []string
	fail error
}

func (o *openings) opened(_ context.Context, integrationID string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fail != nil {
		return o.fail
	}
	o.list = append(o.list, integrationID)
	return nil
}

func (o *openings) told() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.list...)
}

// breakerRig is a fleet of machine connections of one integration, all at generation 1, on a clock of its own.
type breakerRig struct {
	*rig
	openings *openings
	clock    *clock
	ids      []string
}

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newBreakerRig(t *testing.T, size int, mod ...func(*connector.Connector)) *breakerRig {
	t.Helper()
	b := &breakerRig{rig: newRig(t, mod...), openings: &openings{}, clock: &clock{at: time.Now()}}
	b.Activities = b.process()
	for i := range size {
		b.id = "con_" + string(rune('a'+i))
		b.ids = append(b.ids, b.id)
		b.createMachine()
		_, err := b.ClientCredentials(t.Context(), b.renew(0))
		require.NoError(t, err)
		require.NoError(t, b.vault.SetStatus(t.Context(), vault.StatusChange{ID: b.id, Status: "active", Seq: 2, At: b.clock.Now()}))
	}
	return b
}

// process is another process on the same vault and clock.
func (b *breakerRig) process() *activities.Activities {
	return b.instance(func(c *activities.Deps) { c.BreakerOpened, c.Now = b.openings.opened, b.clock.Now })
}

func (b *breakerRig) try(id string) error {
	_, err := b.ClientCredentials(b.t.Context(), workflows.RenewInput{ID: id, Generation: 1})
	return err
}

func (b *breakerRig) breaker() vault.Breaker {
	state, err := b.vault.Breaker(b.t.Context(), sandbox.MachineClientID)
	if err != nil {
		require.ErrorIs(b.t, err, vault.ErrNotFound)
	}
	return state
}

func TestBreaker_OpensAtTheThirdConnectionWhoseAppIsRejected(t *testing.T) {
	t.Parallel()
	b := newBreakerRig(t, 5)
	b.fault(sandbox.Faults{RejectClient: true})
	before := b.calls("client_credentials")
	for range 5 {
		b.requireReason(b.try("con_a"), workflows.ReasonClientRejected)
	}
	require.False(t, b.breaker().Open, "one connection, however often it fails, is no integration")
	b.requireReason(b.try("con_b"), workflows.ReasonClientRejected)
	require.Empty(t, b.openings.told())
	b.requireReason(b.try("con_c"), workflows.ReasonClientRejected)
	require.True(t, b.breaker().Open)
	require.Equal(t, []string{sandbox.MachineClientID}, b.openings.told())

	calls := b.calls("client_credentials") - before
	app := b.reasonOf(b.try("con_d"), workflows.ReasonSuspended)
	var details workflows.FailureDetails
	require.NoError(t, app.Details(&details))
	require.Equal(t, workflows.ReasonClientRejected, details.Because)
	require.GreaterOrEqual(t, details.RetryAfterSeconds, int64(150))
	require.LessOrEqual(t, details.RetryAfterSeconds, int64(300))
	require.Equal(t, calls, b.calls("client_credentials")-before, "no call but a probe")
	require.Zero(t, mustRow(t, b.rig, "con_d").Failures)

	// A caller that waits is refused, and counted, so that the refusal is not replayed to the next.
	_, err := b.ClientCredentials(t.Context(), workflows.RenewInput{ID: "con_d", Generation: 1, Forced: true})
	b.requireReason(err, workflows.ReasonSuspended)
	require.EqualValues(t, 1, mustRow(t, b.rig, "con_d").Failures)
	require.Len(t, b.openings.told(), 1)
}

func mustRow(t *testing.T, r *rig, id string) vault.Connection {
	t.Helper()
	row, err := r.vault.Connection(t.Context(), id)
	require.NoError(t, err)
	return row
}

func TestBreaker_ProbesOnceAnIntervalAndClosesOnSuccess(t *testing.T) {
	t.Parallel()
	b := newBreakerRig(t, 4)
	b.fault(sandbox.Faults{RejectClient: true})
	for _, id := range b.ids[:3] {
		b.requireReason(b.try(id), workflows.ReasonClientRejected)
	}
	probe := func() workflows.BreakerState {
		state, err := b.Probe(t.Context(), workflows.ProbeInput{Integration: sandbox.MachineClientID, Announce: true})
		require.NoError(t, err)
		return state
	}
	before := b.calls("client_credentials")
	state := probe()
	require.True(t, state.Open)
	require.Equal(t, workflows.ReasonClientRejected, state.Reason)
	require.Equal(t, 3, state.Failing)
	require.Zero(t, b.calls("client_credentials")-before, "the first probe is an interval away")

	b.clock.move(workflows.ProbeInterval)
	other := b.process()
	errs := parallel(8, func() error {
		_, err := other.Probe(t.Context(), workflows.ProbeInput{Integration: sandbox.MachineClientID})
		return err
	})
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, 1, b.calls("client_credentials")-before, "one probe an interval, whoever asks")
	require.True(t, b.breaker().Open)

	b.fault(sandbox.Faults{})
	b.clock.move(workflows.ProbeInterval)
	require.False(t, probe().Open)
	require.Equal(t, vault.Breaker{}, b.breaker(), "well again: no row is left")
	require.NoError(t, b.try("con_d"))
	require.False(t, probe().Open, "asked again, there is nothing to do")
	b.requireSilent(b.log.String())
}

func TestBreaker_FailuresLongAgoAndSuccessesInBetweenDoNotOpenIt(t *testing.T) {
	t.Parallel()
	b := newBreakerRig(t, 4)
	b.fault(sandbox.Faults{RejectClient: true})
	b.requireReason(b.try("con_a"), workflows.ReasonClientRejected)
	b.requireReason(b.try("con_b"), workflows.ReasonClientRejected)
	b.clock.move(vault.BreakerWindow + time.Second)
	b.requireReason(b.try("con_c"), workflows.ReasonClientRejected)
	require.False(t, b.breaker().Open)
	b.requireReason(b.try("con_a"), workflows.ReasonClientRejected)
	b.fault(sandbox.Faults{})
	require.NoError(t, b.try("con_d"))
	require.Equal(t, vault.Breaker{}, b.breaker())
	b.fault(sandbox.Faults{RejectClient: true})
	b.requireReason(b.try("con_b"), workflows.ReasonClientRejected)
	require.False(t, b.breaker().Open)
}

func TestBreaker_WhoeverMeetsOneThatNobodyLooksAfterSaysSo(t *testing.T) {
	t.Parallel()
	b := newBreakerRig(t, 4)
	b.openings.fail = context.DeadlineExceeded
	b.fault(sandbox.Faults{RejectClient: true})
	for _, id := range b.ids[:3] {
		b.requireReason(b.try(id), workflows.ReasonClientRejected)
	}
	require.Empty(t, b.openings.told(), "Temporal was away")
	b.openings.fail = nil
	b.requireReason(b.try("con_d"), workflows.ReasonSuspended)
	require.Empty(t, b.openings.told(), "its first probe is not even due")
	b.clock.move(5 * workflows.ProbeInterval)
	b.requireReason(b.try("con_d"), workflows.ReasonSuspended)
	b.requireReason(b.try("con_d"), workflows.ReasonSuspended)
	require.Equal(t, []string{sandbox.MachineClientID}, b.openings.told(), "once an interval")
}

// An outage at a provider that rotates leaves each connection that called in doubt; none is asked to reconnect, and a
// consent goes through all the while.
func TestBreaker_OutageSuspendsRefreshesAndNoConsent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o := &openings{}
	r.Activities = r.instance(func(c *activities.Deps) { c.BreakerOpened = o.opened })
	r.connect()
	rigs := []*rig{r}
	for range 6 {
		next := r.another(t)
		next.connect()
		rigs = append(rigs, next)
	}
	r.fault(sandbox.Faults{Status: 503, Body: canary})
	for i, next := range rigs {
		_, err := next.Refresh(t.Context(), next.renew(1))
		if i < 5 {
			next.requireReason(err, workflows.ReasonReplyLost)
			continue
		}
		app := next.reasonOf(err, workflows.ReasonSuspended)
		var details workflows.FailureDetails
		require.NoError(t, app.Details(&details))
		require.Equal(t, workflows.ReasonReplyLost, details.Because)
	}
	require.Equal(t, []string{sandbox.AppClientID}, o.told())
	r.fault(sandbox.Faults{})
	late := rigs[6]
	set, err := late.Exchange(t.Context(), late.consent("req_2"))
	require.NoError(t, err)
	require.EqualValues(t, 2, set.Generation)
	_, err = r.vault.Breaker(t.Context(), sandbox.AppClientID)
	require.ErrorIs(t, err, vault.ErrNotFound, "a token from an exchange shows the provider to be well")
}

// Refused grants of many connections at once are the provider's fault until the contrary is shown.
func TestBreaker_RefusalsOfManyAreNotBelieved(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o := &openings{}
	at := &clock{at: time.Now()}
	r.Activities = r.instance(func(c *activities.Deps) { c.BreakerOpened, c.Now = o.opened, at.Now })
	r.connect()
	rigs := []*rig{r}
	for range 5 {
		next := r.another(t)
		next.connect()
		rigs = append(rigs, next)
	}
	for _, next := range rigs {
		require.NoError(t, r.vault.SetStatus(t.Context(), vault.StatusChange{ID: next.id, Status: "active", Seq: 3, At: time.Now()}))
	}
	r.fault(sandbox.Faults{Grant: "refresh_token", Status: 400, Body: `{"error":"invalid_grant"}`})
	for i, next := range rigs[:5] {
		_, err := next.Refresh(t.Context(), next.renew(1))
		app := next.reasonOf(err, workflows.ReasonGrantRejected)
		var details workflows.FailureDetails
		require.NoError(t, app.Details(&details))
		require.Equal(t, i == 4, details.Unconfirmed, "connection %d", i)
	}
	_, err := rigs[5].Refresh(t.Context(), rigs[5].renew(1))
	app := r.reasonOf(err, workflows.ReasonSuspended)
	var details workflows.FailureDetails
	require.NoError(t, app.Details(&details))
	require.Equal(t, workflows.ReasonRefusalUnconfirmed, details.Because)

	// A workflow that has not heard of any failure yet hears of this one at once, not when the server has given up.
	report := rigs[5].renew(1)
	report.Report = true
	_, err = rigs[5].Refresh(t.Context(), report)
	var told *temporal.ApplicationError
	require.ErrorAs(t, err, &told)
	require.True(t, told.NonRetryable())
	require.Equal(t, string(workflows.ReasonSuspended), told.Type())
	var because workflows.FailureDetails
	require.NoError(t, told.Details(&because))
	require.Equal(t, workflows.ReasonRefusalUnconfirmed, because.Because)
	require.Positive(t, because.RetryAfterSeconds)

	// The probe is made by the one that was not refused: its token shows that the refusals were meant.
	r.fault(sandbox.Faults{})
	at.move(workflows.ProbeInterval)
	state, err := r.Probe(t.Context(), workflows.ProbeInput{Integration: sandbox.AppClientID})
	require.NoError(t, err)
	require.False(t, state.Open)
	require.EqualValues(t, 2, mustRow(t, r, rigs[5].id).Generation)
}

// Where processes of ours died before they heard the answers, refusals are what follows, however many they are.
func TestBreaker_RefusalsAfterACrashOfOursAreBelieved(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o := &openings{}
	r.Activities = r.instance(func(c *activities.Deps) { c.BreakerOpened = o.opened })
	r.connect()
	rigs := []*rig{r}
	for range 6 {
		next := r.another(t)
		next.connect()
		rigs = append(rigs, next)
	}
	for _, next := range rigs {
		start := vault.AttemptStart{ID: uuid.NewString(), ConnectionID: next.id, Kind: "refresh", Generation: 1, Lease: 100 * time.Millisecond}
		begun, err := next.vault.BeginAttempt(t.Context(), start)
		require.NoError(t, err)
		require.Equal(t, vault.BeginStarted, begun.Outcome)
		require.NoError(t, next.vault.MarkSent(t.Context(), start.ID))
	}
	for _, next := range rigs {
		require.Eventually(t, func() bool { return next.lastAttempt(false).Outcome == vault.BeginInDoubt }, time.Minute, 20*time.Millisecond)
	}
	r.fault(sandbox.Faults{Grant: "refresh_token", Status: 400, Body: `{"error":"invalid_grant"}`})
	for i, next := range rigs {
		_, err := next.Refresh(t.Context(), next.settle(1))
		app := next.reasonOf(err, workflows.ReasonGrantRejected)
		var details workflows.FailureDetails
		require.NoError(t, app.Details(&details))
		require.False(t, details.Unconfirmed, "connection %d", i)
	}
	_, err := r.vault.Breaker(t.Context(), sandbox.AppClientID)
	require.ErrorIs(t, err, vault.ErrNotFound, "they say nothing of the provider")
}

// A probe that is answered with a refusal of that one grant has shown the provider and the app to be well.
func TestBreaker_AProbeThatIsRefusedClosesWhatOpenedOverTheApp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o := &openings{}
	at := &clock{at: time.Now()}
	r.Activities = r.instance(func(c *activities.Deps) { c.BreakerOpened, c.Now = o.opened, at.Now })
	r.connect()
	rigs := []*rig{r, r.another(t), nil}
	rigs[1].connect()
	rigs[2] = r.another(t)
	rigs[2].connect()
	for _, next := range rigs {
		require.NoError(t, r.vault.SetStatus(t.Context(), vault.StatusChange{ID: next.id, Status: "active", Seq: 3, At: time.Now()}))
	}
	r.fault(sandbox.Faults{RejectClient: true})
	for _, next := range rigs {
		_, err := next.Refresh(t.Context(), next.renew(1))
		next.requireReason(err, workflows.ReasonClientRejected)
	}
	require.Len(t, o.told(), 1)
	r.fault(sandbox.Faults{Grant: "refresh_token", Status: 400, Body: `{"error":"invalid_grant"}`})
	at.move(workflows.ProbeInterval)
	state, err := r.Probe(t.Context(), workflows.ProbeInput{Integration: sandbox.AppClientID})
	require.NoError(t, err)
	require.False(t, state.Open)
}

func TestRefresh_UnreadConnectionGoesWithout(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	in := r.renew(1)
	in.UnreadSince = time.Now().Add(-time.Hour)
	set, err := r.Refresh(t.Context(), in)
	require.NoError(t, err)
	require.True(t, set.Unread)
	require.EqualValues(t, 1, set.Generation)
	require.Zero(t, r.calls("refresh_token"))

	require.NoError(t, r.vault.MarkRead(t.Context(), map[string]time.Time{r.id: time.Now()}))
	set, err = r.Refresh(t.Context(), in)
	require.NoError(t, err)
	require.False(t, set.Unread)
	require.EqualValues(t, 2, set.Generation)

	// Always fresh: by the connection's policy, or by its integration's.
	in.Generation, in.UnreadSince = 2, time.Now().Add(time.Hour)
	require.NoError(t, r.vault.SetPolicy(t.Context(), r.id, vault.PolicyAlwaysFresh))
	set, err = r.Refresh(t.Context(), in)
	require.NoError(t, err)
	require.EqualValues(t, 3, set.Generation)
	require.NoError(t, r.vault.SetPolicy(t.Context(), r.id, ""))
	i, err := r.vault.Integration(t.Context(), sandbox.AppClientID)
	require.NoError(t, err)
	i.Policy = vault.PolicyAlwaysFresh
	require.NoError(t, r.vault.PutIntegration(t.Context(), i))
	in.Generation = 3
	set, err = r.Refresh(t.Context(), in)
	require.NoError(t, err)
	require.EqualValues(t, 4, set.Generation)
	require.NoError(t, r.vault.SetPolicy(t.Context(), r.id, vault.PolicyAdaptive))
	in.Generation = 4
	set, err = r.Refresh(t.Context(), in)
	require.NoError(t, err)
	require.True(t, set.Unread)
}

func TestRefresh_WaitsForItsTurnAtTheProvider(t *testing.T) {
	t.Parallel()
	b := newBreakerRig(t, 2)
	b.Activities = b.instance(b.changed(func(c *connector.Connector) { c.Token.RatePerSecond = 0.01 }))
	require.NoError(t, b.try("con_a"))
	app := b.reasonOf(b.try("con_b"), workflows.ReasonQueued)
	require.Greater(t, app.NextRetryDelay(), time.Minute)
	require.Equal(t, 3, b.calls("client_credentials"), "the second was not made")
	begun, err := b.vault.BeginAttempt(t.Context(), vault.AttemptStart{ID: "next", ConnectionID: "con_b", Kind: "client_credentials", Generation: 1, Lease: time.Minute})
	require.NoError(t, err)
	require.Equal(t, vault.BeginStarted, begun.Outcome, "and nothing is in doubt")
}

// What customers ask for at their consents, such as scopes that the app does not have, is not the app's fault.
func TestBreaker_OddConsentsDoNotOpenIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create()
	rigs := []*rig{r}
	for range 4 {
		next := r.another(t)
		next.create()
		rigs = append(rigs, next)
	}
	for _, next := range rigs {
		in := next.consent("req_1")
		r.fault(sandbox.Faults{Grant: "authorization_code", Status: 400, Body: `{"error":"invalid_scope"}`})
		_, err := next.Exchange(t.Context(), in)
		next.requireReason(err, workflows.ReasonScopeRejected)
	}
	_, err := r.vault.Breaker(t.Context(), sandbox.AppClientID)
	require.ErrorIs(t, err, vault.ErrNotFound)
}
