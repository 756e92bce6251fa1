package activities_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// door lets in whoever shows the one secret that is in force, and notes what was shown.
type door struct {
	mu     sync.Mutex
	takes  string
	shown  []string
	client sandbox.Client
}

// guard puts a door before the provider.
func (r *rig) guard(client sandbox.Client, takes string) *door {
	d := &door{client: client, takes: takes}
	r.gate.set(d.enter)
	return d
}

func (d *door) enter(w http.ResponseWriter, req *http.Request) bool {
	_, encoded, ok := req.BasicAuth()
	if !ok {
		return false // a page of the consent
	}
	shown, _ := url.QueryUnescape(encoded)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shown = append(d.shown, shown)
	if shown != d.takes {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error":"invalid_client","error_description":"` + canary + `"}`))
		return true
	}
	req.SetBasicAuth(url.QueryEscape(d.client.ID), url.QueryEscape(d.client.Secret.Reveal()))
	return false
}

// change puts another secret in force.
func (d *door) change(takes string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.takes = takes
}

// seen returns what was shown since it was asked last.
func (d *door) seen() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	shown := d.shown
	d.shown = nil
	return shown
}

// begun notes the attempts that were begun.
type begun struct {
	vault.Store
	mu  sync.Mutex
	ids []string
}

func (v *begun) BeginAttempt(ctx context.Context, start vault.AttemptStart) (vault.Begun, error) {
	b, err := v.Store.BeginAttempt(ctx, start)
	if err == nil && b.Outcome == vault.BeginStarted {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.ids = append(v.ids, start.ID)
	}
	return b, err
}

// states are the states of the attempts, in the order in which they began.
func (v *begun) states(r *rig) []vault.AttemptState {
	v.mu.Lock()
	defer v.mu.Unlock()
	var states []vault.AttemptState
	for _, id := range v.ids {
		states = append(states, r.attempt(id).State)
	}
	v.ids = nil
	return states
}

// noting is another process whose attempts are noted.
func (r *rig) noting() (*activities.Activities, *begun) {
	v := &begun{Store: r.vault}
	return r.instance(func(c *activities.Deps) { c.Vault = v }), v
}

// TestSecrets_TheProvidersOwnVerdict: while the new secret is not in force the old one is shown, code and all.
func TestSecrets_TheProvidersOwnVerdict(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create()
	app := r.provider.Clients().App
	r.integrate(app, "not in force", app.Secret.Reveal())
	set, err := r.Exchange(t.Context(), r.consent("req_1"))
	require.NoError(t, err)
	require.EqualValues(t, 1, set.Generation)
	require.Zero(t, r.row().Failures)
	stats := r.provider.Stats().Tokens["authorization_code"]
	require.Equal(t, 1, stats[sandbox.OutcomeIssued])
	require.Equal(t, 2, r.calls("authorization_code"))
	r.requireSilent(r.log.String())
}

func TestSecrets_TheNextIsTriedAndRemembered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create()
	app := r.provider.Clients().App
	r.integrate(app, "new", "old")
	in := r.consent("req_1")
	d := r.guard(app, "old")
	process, attempts := r.noting()

	_, err := process.Exchange(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, []string{"new", "old"}, d.seen())
	require.Equal(t, []vault.AttemptState{vault.AttemptSuperseded, vault.AttemptDone}, attempts.states(r))
	require.Equal(t, 1, r.calls("authorization_code"))

	for generation := range int64(2) {
		_, err = process.Refresh(t.Context(), r.renew(generation+1))
		require.NoError(t, err)
		require.Equal(t, []string{"old"}, d.seen())
		require.Equal(t, []vault.AttemptState{vault.AttemptDone}, attempts.states(r))
	}

	// The old one ends: back to the first, within the call.
	d.change("new")
	set, err := process.Refresh(t.Context(), r.renew(3))
	require.NoError(t, err)
	require.EqualValues(t, 4, set.Generation)
	require.Equal(t, []string{"old", "new"}, d.seen())
	_, err = process.Refresh(t.Context(), r.renew(4))
	require.NoError(t, err)
	require.Equal(t, []string{"new"}, d.seen())
	require.NoError(t, process.Drain(t.Context()))
}

func TestSecrets_ClientCredentials(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.createMachine()
	machine := r.provider.Clients().Machine
	r.integrate(machine, "newest", "new", "old")
	d := r.guard(machine, "old")
	_, err := r.ClientCredentials(t.Context(), r.renew(0))
	require.NoError(t, err)
	require.Equal(t, []string{"newest", "new", "old"}, d.seen())
	_, err = r.ClientCredentials(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.Equal(t, []string{"old"}, d.seen())
}

// TestSecrets_Revoke: the activity is retried by Temporal, and each try shows the next secret.
func TestSecrets_Revoke(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	app := r.provider.Clients().App
	r.integrate(app, "new", "old")
	d := r.guard(app, "old")
	_, err := r.Revoke(t.Context(), workflows.RevokeInput{ID: r.id})
	r.requireReason(err, workflows.ReasonProviderUnavailable)
	result, err := r.Revoke(t.Context(), workflows.RevokeInput{ID: r.id})
	require.NoError(t, err)
	require.True(t, result.Revoked)
	require.Equal(t, []string{"new", "old", "old"}, d.seen(), "then one for each token")
}

// TestSecrets_AllRejected: each is shown once, and nothing is spent or in doubt.
func TestSecrets_AllRejected(t *testing.T) {
	t.Parallel()
	shared := newRig(t)
	secrets := []string{"one", "two", "three"}
	for n := range len(secrets) {
		some := secrets[:n+1]
		want := slices.Repeat([]vault.AttemptState{vault.AttemptSuperseded}, len(some))
		if len(some) == 1 {
			want[0] = vault.AttemptFailed
		}
		t.Run("exchange", func(t *testing.T) {
			r := shared.another(t)
			r.create()
			app := r.provider.Clients().App
			r.integrate(app, some...)
			in := r.consent("req_1")
			d := r.guard(app, "")
			process, attempts := r.noting()
			_, err := process.Exchange(t.Context(), in)
			r.requireReason(err, workflows.ReasonClientRejected)
			require.ElementsMatch(t, some, d.seen())
			require.Equal(t, want, attempts.states(r))
		})
		t.Run("refresh", func(t *testing.T) {
			r := shared.another(t)
			r.connect()
			_, before := r.tokens()
			app := r.provider.Clients().App
			r.integrate(app, some...)
			d := r.guard(app, "")
			process, attempts := r.noting()
			for range 2 { // the next begins with the first again
				_, err := process.Refresh(t.Context(), r.renew(1))
				r.requireReason(err, workflows.ReasonClientRejected)
				require.Equal(t, some, d.seen())
				require.Equal(t, want, attempts.states(r))
			}
			require.Equal(t, vault.BeginStarted, r.lastAttempt(false).Outcome)
			_, after := r.tokens()
			require.Equal(t, before, after)
		})
		t.Run("client credentials", func(t *testing.T) {
			r := shared.another(t)
			r.createMachine()
			machine := r.provider.Clients().Machine
			r.integrate(machine, some...)
			d := r.guard(machine, "")
			process, attempts := r.noting()
			_, err := process.ClientCredentials(t.Context(), r.renew(0))
			r.requireReason(err, workflows.ReasonClientRejected)
			require.Equal(t, some, d.seen())
			require.Equal(t, want, attempts.states(r))
		})
	}
}

// TestSecrets_OnlyARejectedClientShowsTheNext: after any other failure the code may be spent.
func TestSecrets_OnlyARejectedClientShowsTheNext(t *testing.T) {
	t.Parallel()
	shared := newRig(t)
	for _, f := range []sandbox.Faults{
		{Status: 500},
		{Status: 401},
		{Status: 400, Body: `{"error":"invalid_grant"}`},
		{Status: 401, Body: `{"error":"unauthorized_client"}`},
		{LoseReplyAfter: true},
	} {
		r := shared.another(t)
		r.create()
		app := r.provider.Clients().App
		r.integrate(app, app.Secret.Reveal(), "old")
		in := r.consent("req_1")
		r.fault(f)
		_, err := r.Exchange(t.Context(), in)
		require.Error(t, err)
		require.Equal(t, 1, r.calls("authorization_code"))
	}
}

// TestSecrets_AChangeStartsAnew: what was learned of the secrets that were there says nothing of the new ones.
func TestSecrets_AChangeStartsAnew(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.createMachine()
	machine := r.provider.Clients().Machine
	r.integrate(machine, "new", "old")
	d := r.guard(machine, "old")
	_, err := r.ClientCredentials(t.Context(), r.renew(0))
	require.NoError(t, err)
	require.Equal(t, []string{"new", "old"}, d.seen())

	r.integrate(machine, "newest", "new", "old")
	_, err = r.ClientCredentials(t.Context(), r.renew(1))
	require.NoError(t, err)
	require.Equal(t, []string{"newest", "new", "old"}, d.seen())

	r.integrate(machine, "old")
	_, err = r.ClientCredentials(t.Context(), r.renew(2))
	require.NoError(t, err)
	require.Equal(t, []string{"old"}, d.seen())
}

// TestSecrets_ManyConnectionsAtOnce, in two processes, while the secret is rotated there and back.
func TestSecrets_ManyConnectionsAtOnce(t *testing.T) {
	t.Parallel()
	shared := newRig(t)
	machine := shared.provider.Clients().Machine
	const n = 20
	rigs := make([]*rig, n)
	for i := range rigs {
		rigs[i] = shared.another(t)
		rigs[i].createMachine()
	}
	shared.integrate(machine, "new", "old")
	processes := []*activities.Activities{shared.instance(), shared.instance()}
	d := shared.guard(machine, "")
	for generation, takes := range []string{"old", "new", "old"} {
		d.change(takes)
		var turn sync.Mutex
		next := 0
		for _, err := range parallel(n, func() error {
			turn.Lock()
			i := next
			next++
			turn.Unlock()
			set, err := processes[i%2].ClientCredentials(t.Context(), rigs[i].renew(int64(generation)))
			if err == nil && set.Generation != int64(generation)+1 {
				t.Errorf("generation %d", set.Generation)
			}
			return err
		}) {
			require.NoError(t, err)
		}
		require.LessOrEqual(t, len(d.seen()), 2*n)
	}
	for _, p := range processes {
		require.NoError(t, p.Drain(t.Context()))
	}
}

// TestSecrets_WhoWaitsForARejectedCallIsNotRejected: the next secret may be the right one for it too.
func TestSecrets_WhoWaitsForARejectedCallIsNotRejected(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect()
	app := r.provider.Clients().App
	r.integrate(app, "new", "old")
	d := &door{client: app, takes: "old"}
	arrived, proceed := make(chan struct{}, 10), make(chan struct{})
	r.gate.set(func(w http.ResponseWriter, req *http.Request) bool {
		arrived <- struct{}{}
		<-proceed
		return d.enter(w, req)
	})
	errs := make(chan error, 6)
	refresh := func() {
		_, err := r.Refresh(t.Context(), r.renew(1))
		errs <- err
	}
	go refresh()
	<-arrived
	for range 5 {
		go refresh()
	}
	close(proceed)
	for range 6 {
		require.NoError(t, <-errs)
	}
	require.Equal(t, 1, r.calls("refresh_token"))
	require.EqualValues(t, 2, r.row().Generation)
	require.Equal(t, []string{"new", "old"}, d.seen())
}
