package e2e_test

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
)

var (
	chaosLong    = flag.Bool("chaos.long", false, "TestChaos with 100 connections, 30 s tokens and 60 s of kills")
	chaosLatency = flag.Duration("chaos.latency", 50*time.Millisecond, "how long the provider of TestChaos thinks about a refresh")
)

// chaos is how bad it gets.
type chaos struct {
	connections int
	life        time.Duration
	// latency is the provider's. A kill that falls into it costs the connection its refresh token: the provider commits,
	// and nobody is there to hear it.
	latency time.Duration
	// kills go on for so long, one each pause.
	kills, pause time.Duration
	// outage is how long the database, and later Temporal, are away.
	outage time.Duration
}

func chaosForm() chaos {
	if *chaosLong {
		return chaos{
			connections: 100, life: 30 * time.Second, latency: *chaosLatency,
			kills: 60 * time.Second, pause: 3 * time.Second, outage: 10 * time.Second,
		}
	}
	return chaos{
		connections: 30, life: 20 * time.Second, latency: *chaosLatency,
		kills: 25 * time.Second, pause: 3 * time.Second, outage: 5 * time.Second,
	}
}

// recovery is within what every connection must be well again when the chaos ends.
const recovery = 60 * time.Second

// Two workers that are killed at random, on a database and a Temporal that go away for a while, and a provider that
// revokes everything if a refresh token comes twice. Each refresh token is presented once, but for retries after an
// outcome that the vault knows to be in doubt; whatever was lost was lost between the provider's commit and ours; all the
// others are well within a minute.
//
//	go test ./internal/e2e -run TestChaos -v -chaos.long
func TestChaos(t *testing.T) {
	t.Parallel()
	c := chaosForm()
	f := newFleet(t, fleetOptions{life: c.life, latency: c.latency})
	workers := []*machine{f.newWorker("worker 1"), f.newWorker("worker 2")}
	for _, w := range workers {
		w.keep()
	}
	// A renewal is due after 60 % to 75 % of a life: spread like this, somebody is always at it.
	ids := f.newConnections(c.connections, c.life*65/100)

	begun := f.audit.now()
	kills := f.wreak(c, workers)
	ended := f.audit.now()
	recovered := f.recover(ids, ended)
	refreshed := f.refreshedAgain(ids, ended)
	for _, w := range workers {
		w.stop()
	}

	report := f.judge(ids, begun)
	t.Logf("%d connections, tokens of %v: %d kills in %v, database and Temporal away for %v each",
		c.connections, c.life, kills, c.kills, c.outage)
	t.Logf("%d refreshes; the provider saw %d refresh tokens %d times: %d repeats, %d reuses",
		report.refreshes, report.tokens, report.presentations, report.repeats, report.reuses)
	t.Logf("%d attempts: %d in doubt, %d superseded; %d of these had to run out their lease; rotation_lost: %d of %d connections",
		report.attempts, report.inDoubt, report.superseded, report.lapsed, report.lost, c.connections)
	t.Logf("all others active with a token that the provider accepts after %v; each had refreshed anew after %v",
		recovered.Round(100*time.Millisecond), refreshed.Round(100*time.Millisecond))
}

// wreak kills a worker every now and then, and takes the database and Temporal away once each. When it returns,
// everything is up again, or starting. It returns how many workers it killed.
func (f *fleet) wreak(c chaos, workers []*machine) int {
	f.t.Helper()
	type event struct {
		after time.Duration
		do    func()
	}
	plan := []event{
		{c.kills / 5, f.database.Halt},
		{c.kills/5 + c.outage, func() { require.NoError(f.t, f.database.Resume(f.t.Context())) }},
		{c.kills * 3 / 5, f.killTemporal},
		{c.kills*3/5 + c.outage, f.restartTemporal},
	}
	begun, kills := time.Now(), 0
	tick := time.NewTicker(c.pause)
	defer tick.Stop()
	for next := time.NewTimer(plan[0].after); ; {
		select {
		case <-next.C:
			plan[0].do()
			if plan = plan[1:]; len(plan) > 0 {
				next.Reset(time.Until(begun.Add(plan[0].after)))
			}
		case <-tick.C:
			if workers[rand.IntN(len(workers))].kill() {
				kills++
			}
		}
		if len(plan) == 0 && time.Since(begun) >= c.kills {
			return kills
		}
	}
}

// recover waits until every connection is active with a token that the provider accepts, or lost, and returns how long
// that took.
func (f *fleet) recover(ids []string, since time.Time) time.Duration {
	f.t.Helper()
	deadline := time.NewTimer(recovery)
	defer deadline.Stop()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		left := f.unwell(ids)
		if len(left) == 0 {
			return f.audit.now().Sub(since)
		}
		select {
		case <-poll.C:
		case <-deadline.C:
			for _, id := range left {
				f.t.Log(f.audit.story(id))
			}
			require.Empty(f.t, left, "not well %v after the chaos", recovery)
		}
	}
}

// unwell are those that are neither lost nor active with a token that is accepted.
func (f *fleet) unwell(ids []string) []string {
	var left []string
	for _, id := range ids {
		row, ok := f.row(id)
		if ok && (lost(row) || (row.Status == "active" && f.accepted(row))) {
			continue
		}
		left = append(left, id)
	}
	return left
}

func lost(row vault.Connection) bool {
	return row.Status == "needs_reauth" && row.Reason == "rotation_lost"
}

// refreshedAgain waits until every connection has a token that was issued since, or is lost: what the chaos left in the
// air has then come down.
func (f *fleet) refreshedAgain(ids []string, since time.Time) time.Duration {
	f.t.Helper()
	for _, id := range ids {
		row := f.await(id, func(row vault.Connection) bool {
			return lost(row) || (row.Status == "active" && row.IssuedAt.After(since))
		})
		require.True(f.t, lost(row) || f.accepted(row), "the token of %s is refused", id)
	}
	return f.audit.now().Sub(since)
}

// leaseOfAttempts is after what an attempt whose process has died is ended by another.
const leaseOfAttempts = 20 * time.Second

// report counts what happened.
type report struct {
	refreshes, tokens, presentations, repeats, reuses int
	attempts, inDoubt, superseded, lapsed, lost       int
}

// judge holds the provider's log against the vault's.
func (f *fleet) judge(ids []string, since time.Time) report {
	f.t.Helper()
	r := report{refreshes: f.audit.committed()}
	calls := make(map[spendable][]*call)
	refreshing := make(map[string]bool)
	for _, c := range f.audit.calls() {
		calls[c.of] = append(calls[c.of], c)
		refreshing[c.of.connection] = refreshing[c.of.connection] || c.begun.After(since)
		r.attempts++
		switch {
		case !c.doubted.IsZero():
			r.inDoubt++
		case c.state == string(vault.AttemptSuperseded):
			r.superseded++
		}
		if !c.ended.IsZero() && c.ended.Sub(c.begun) >= leaseOfAttempts {
			r.lapsed++
		}
	}
	for _, id := range ids {
		require.True(f.t, refreshing[id], "connection %s did not refresh during the chaos", id)
	}
	tokens := f.audit.refreshTokens()
	byToken := f.presentations()
	for hash, seen := range byToken {
		of, known := tokens[hash]
		require.True(f.t, known, "a refresh token was presented that the vault never had")
		f.judgeToken(of, calls[of], seen)
		r.tokens++
		r.presentations += len(seen)
		r.repeats += len(seen) - 1
		for _, p := range seen {
			if p.Outcome == sandbox.OutcomeReuse {
				r.reuses++
			}
		}
	}
	newest := make(map[string]string)
	for hash, of := range tokens {
		if last, ok := newest[of.connection]; !ok || tokens[last].generation < of.generation {
			newest[of.connection] = hash
		}
	}
	for _, id := range ids {
		row, ok := f.row(id)
		require.True(f.t, ok)
		if lost(row) {
			of := tokens[newest[id]]
			require.Equal(f.t, row.Generation, of.generation)
			f.judgeLoss(of, calls[of], byToken[newest[id]])
			r.lost++
		}
	}
	require.Equal(f.t, r.lost, f.audit.ever("rotation_lost"), "what is lost stays lost")
	require.Zero(f.t, f.audit.ever("grant_rejected"), "a refusal without a doubt before it")
	return r
}

// judgeToken checks that every presentation of a refresh token is an attempt of the vault's, and every one after the
// first a retry after a doubt that had been recorded by then.
func (f *fleet) judgeToken(of spendable, calls []*call, seen []sandbox.Presentation) {
	f.t.Helper()
	var sent, doubted []time.Time
	for _, c := range calls {
		if !c.sent.IsZero() {
			sent = append(sent, c.sent)
		}
		if !c.doubted.IsZero() {
			doubted = append(doubted, c.doubted)
		}
	}
	require.LessOrEqual(f.t, len(seen), len(sent), "%v was presented without an attempt: %v", of, seen)
	for i := 1; i < len(seen); i++ {
		require.GreaterOrEqual(f.t, len(doubted), i, "%v was presented again without a doubt: %v", of, seen)
		require.True(f.t, notBefore(seen[i].At, doubted[i-1]), "%v was presented again at %v, before the doubt of %v", of, seen[i].At, doubted[i-1])
	}
}

// judgeLoss checks that a connection was lost between the provider's commit and ours: the provider issued a successor
// for its refresh token after we had sent it, no reply of that was ever stored, the doubt was recorded, and only then was
// the token presented again, and refused.
func (f *fleet) judgeLoss(of spendable, calls []*call, seen []sandbox.Presentation) {
	f.t.Helper()
	require.GreaterOrEqual(f.t, len(seen), 2, "%v is lost, and was not presented again", of)
	require.Equal(f.t, sandbox.OutcomeIssued, seen[0].Outcome, "%v", of)
	require.Equal(f.t, sandbox.OutcomeReuse, seen[len(seen)-1].Outcome, "%v", of)
	var spent, refused *call
	for _, c := range calls {
		switch {
		case c.sent.IsZero():
		case spent == nil:
			spent = c
		default:
			refused = c
		}
	}
	require.NotNil(f.t, refused, "%v", of)
	require.True(f.t, notBefore(seen[0].At, spent.sent), "%v was sent at %v and presented at %v", of, spent.sent, seen[0].At)
	require.True(f.t, spent.replied.IsZero(), "%v is lost, and its reply was stored at %v", of, spent.replied)
	require.False(f.t, spent.doubted.IsZero(), "%v is lost without a doubt", of)
	require.Equal(f.t, "grant_rejected", refused.reason, "%v", of)
}

// notBefore compares a time of the provider's, which are in milliseconds, with one of the database's, on one machine.
func notBefore(provider, database time.Time) bool {
	return !provider.Before(database.Truncate(time.Millisecond))
}
