package vault_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/vault"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	// An attempt on the row's generation whose lease ended just now; the changes make it another.
	attempt := func(id string, state vault.AttemptState, changes ...func(*vault.Attempt)) vault.Attempt {
		a := vault.Attempt{ID: id, State: state, Generation: 3, LeaseUntil: now}
		for _, change := range changes {
			change(&a)
		}
		return a
	}
	leased := func(a *vault.Attempt) { a.LeaseUntil = now.Add(time.Microsecond) }
	replied := func(a *vault.Attempt) { a.Reply = []byte("reply") }
	older := func(a *vault.Attempt) { a.Generation = 2 }
	of := func(request string) func(*vault.Attempt) { return func(a *vault.Attempt) { a.RequestID = request } }

	const (
		begun, sent, in = vault.AttemptBegun, vault.AttemptSent, vault.AttemptReplied
		done, failed    = vault.AttemptDone, vault.AttemptFailed
		doubt, gone     = vault.AttemptInDoubt, vault.AttemptSuperseded
	)
	anyGeneration, settle := vault.AttemptStart{Generation: vault.AttemptAnyGeneration},
		vault.AttemptStart{Generation: 3, Settle: true}
	request := func(id string) vault.AttemptStart {
		return vault.AttemptStart{Generation: vault.AttemptAnyGeneration, RequestID: id, Settle: true}
	}
	for _, test := range []struct {
		name     string
		start    vault.AttemptStart
		newest   []vault.Attempt // newest first
		want     vault.AttemptOutcome
		inTheWay string
		lapsed   map[string]vault.AttemptState
	}{
		{"nothing kept", anyGeneration, nil, vault.BeginStarted, "", nil},
		{"this generation", vault.AttemptStart{Generation: 3}, nil, vault.BeginStarted, "", nil},
		{
			"an older one, whatever is open",
			vault.AttemptStart{Generation: 2},
			[]vault.Attempt{attempt("a", in, replied)},
			vault.BeginNewer, "", nil,
		},
		{"a later one", vault.AttemptStart{Generation: 4}, nil, vault.BeginNewer, "", nil},
		{"replied, leased", anyGeneration, []vault.Attempt{attempt("a", in, replied, leased)}, vault.BeginReplied, "a", nil},
		{"replied, lease out", anyGeneration, []vault.Attempt{attempt("a", in, replied)}, vault.BeginReplied, "a", nil},
		{"late reply", settle, []vault.Attempt{attempt("a", doubt, replied)}, vault.BeginReplied, "a", nil},
		{
			"late reply behind an open attempt", anyGeneration,
			[]vault.Attempt{attempt("b", sent, leased), attempt("a", doubt, replied)},
			vault.BeginReplied, "a", nil,
		},
		{
			"late reply behind a lapsed attempt", anyGeneration,
			[]vault.Attempt{attempt("b", sent), attempt("a", doubt, replied)},
			vault.BeginReplied, "a",
			map[string]vault.AttemptState{"b": doubt},
		},
		{"late reply of an older generation", anyGeneration, []vault.Attempt{attempt("a", doubt, replied, older)}, vault.BeginStarted, "", nil},
		{
			"late reply for this request", request("r"),
			[]vault.Attempt{attempt("a", doubt, replied, older, of("r"))},
			vault.BeginReplied, "a", nil,
		},
		{"reply to what failed", anyGeneration, []vault.Attempt{attempt("a", failed, replied)}, vault.BeginStarted, "", nil},
		{
			"reply to what failed, behind an open attempt", anyGeneration,
			[]vault.Attempt{attempt("b", begun, leased), attempt("a", failed, replied)},
			vault.BeginInFlight, "b", nil,
		},
		{
			"reply to what failed, behind a lapsed attempt", anyGeneration,
			[]vault.Attempt{attempt("b", sent), attempt("a", failed, replied)},
			vault.BeginInDoubt, "b",
			map[string]vault.AttemptState{"b": doubt},
		},
		{
			"reply to what failed, before a late reply", anyGeneration,
			[]vault.Attempt{attempt("b", failed, replied), attempt("a", doubt, replied)},
			vault.BeginReplied, "a", nil,
		},
		{
			"reply to what failed, settling a doubt", anyGeneration,
			[]vault.Attempt{attempt("b", failed, replied), attempt("a", doubt)},
			vault.BeginStarted, "", nil,
		},
		{"reply to what failed, this request", request("r"), []vault.Attempt{attempt("a", failed, replied, of("r"))}, vault.BeginSpent, "a", nil},
		{"reply to what failed, other request", request("s"), []vault.Attempt{attempt("a", failed, replied, of("r"))}, vault.BeginStarted, "", nil},
		{"begun, leased", settle, []vault.Attempt{attempt("a", begun, leased)}, vault.BeginInFlight, "a", nil},
		{"sent, leased, older generation", anyGeneration, []vault.Attempt{attempt("a", sent, leased, older)}, vault.BeginInFlight, "a", nil},
		{"in flight before in doubt", anyGeneration, []vault.Attempt{attempt("b", begun, leased), attempt("a", doubt)}, vault.BeginInFlight, "b", nil},
		{
			"begun, lease out", anyGeneration,
			[]vault.Attempt{attempt("a", begun)},
			vault.BeginStarted, "",
			map[string]vault.AttemptState{"a": gone},
		},
		{
			"sent, lease out", anyGeneration,
			[]vault.Attempt{attempt("a", sent)},
			vault.BeginInDoubt, "a",
			map[string]vault.AttemptState{"a": doubt},
		},
		{
			"sent, lease out, settled", settle,
			[]vault.Attempt{attempt("a", sent)},
			vault.BeginStarted, "",
			map[string]vault.AttemptState{"a": doubt},
		},
		{
			"sent, lease out, older generation", anyGeneration,
			[]vault.Attempt{attempt("a", sent, older)},
			vault.BeginStarted, "",
			map[string]vault.AttemptState{"a": doubt},
		},
		{"in doubt", anyGeneration, []vault.Attempt{attempt("a", doubt)}, vault.BeginInDoubt, "a", nil},
		{"in doubt, settled", settle, []vault.Attempt{attempt("a", doubt)}, vault.BeginStarted, "", nil},
		{"in doubt, then superseded", anyGeneration, []vault.Attempt{attempt("b", gone), attempt("a", doubt)}, vault.BeginInDoubt, "a", nil},
		{"in doubt, then failed", anyGeneration, []vault.Attempt{attempt("b", failed), attempt("a", doubt)}, vault.BeginStarted, "", nil},
		{"in doubt, older generation", anyGeneration, []vault.Attempt{attempt("a", doubt, older)}, vault.BeginStarted, "", nil},
		{"request in doubt", request("r"), []vault.Attempt{attempt("a", doubt, older, of("r"))}, vault.BeginInDoubt, "a", nil},
		{"other request in doubt", request("s"), []vault.Attempt{attempt("a", doubt, older, of("r"))}, vault.BeginStarted, "", nil},
		{"request done", request("r"), []vault.Attempt{attempt("a", done, older, of("r"))}, vault.BeginSpent, "a", nil},
		{"request failed", request("r"), []vault.Attempt{attempt("a", failed, of("r"))}, vault.BeginSpent, "a", nil},
		{"request superseded", request("r"), []vault.Attempt{attempt("a", gone, of("r"))}, vault.BeginStarted, "", nil},
		{"no request is no request", anyGeneration, []vault.Attempt{attempt("a", done)}, vault.BeginStarted, "", nil},
	} {
		got := vault.Decide(vault.Found{
			Connection: vault.Connection{Generation: 3}, Attempts: test.newest, Now: now,
		}, test.start)
		require.Equal(t, test.want, got.Outcome, test.name)
		require.Equal(t, test.inTheWay, got.InTheWay.ID, test.name)
		var lapsed map[string]vault.AttemptState
		for _, a := range got.Lapsed {
			if lapsed == nil {
				lapsed = map[string]vault.AttemptState{}
			}
			lapsed[a.ID] = a.State
			require.Equal(t, now, a.EndedAt, test.name)
			require.NotEmpty(t, a.Reason, test.name)
		}
		require.Equal(t, test.lapsed, lapsed, test.name)
	}
}

// TestDecideUnheard: only a doubt on the same token whose process did not live to hear the answer is one of ours.
func TestDecideUnheard(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	doubt := vault.Attempt{State: vault.AttemptInDoubt, Generation: 3, EndedAt: now.Add(-time.Minute), LeaseUntil: now.Add(-time.Minute)}
	for name, test := range map[string]struct {
		change func(a *vault.Attempt)
		want   bool
	}{
		"its lease ran out":                {func(*vault.Attempt) {}, true},
		"it ran out just now":              {func(a *vault.Attempt) { a.State, a.EndedAt = vault.AttemptSent, time.Time{} }, true},
		"nothing was sent":                 {func(a *vault.Attempt) { a.State, a.EndedAt = vault.AttemptBegun, time.Time{} }, false},
		"somebody heard that nothing came": {func(a *vault.Attempt) { a.EndedAt = a.LeaseUntil.Add(-time.Microsecond) }, false},
		"of an older token":                {func(a *vault.Attempt) { a.Generation = 2 }, false},
		"it has failed":                    {func(a *vault.Attempt) { a.State = vault.AttemptFailed }, false},
	} {
		a := doubt
		test.change(&a)
		found := vault.Found{Connection: vault.Connection{Generation: 3}, Attempts: []vault.Attempt{{State: vault.AttemptFailed, Generation: 3}, a}, Now: now}
		decision := vault.Decide(found, vault.AttemptStart{Generation: 3, Settle: true})
		require.Equal(t, vault.BeginStarted, decision.Outcome, name)
		require.Equal(t, test.want, decision.Begun(found).Unheard, name)
	}
}

// TestDecideUnreadAndSuspended: where nobody has read since now, and where the breaker is open.
func TestDecideUnreadAndSuspended(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	attempt := func(state vault.AttemptState) []vault.Attempt {
		return []vault.Attempt{{ID: "a", State: state, Generation: 3, RequestID: "r", LeaseUntil: now}}
	}
	leased := attempt(vault.AttemptSent)
	leased[0].LeaseUntil = now.Add(time.Microsecond)
	lateReply := attempt(vault.AttemptInDoubt)
	lateReply[0].Reply = []byte("reply")

	refresh := vault.AttemptStart{Generation: 3}
	unread := vault.AttemptStart{Generation: 3, UnreadSince: now}
	probe := vault.AttemptStart{Generation: 3, Probe: true}
	unreadProbe := vault.AttemptStart{Generation: 3, UnreadSince: now, Probe: true}
	exchange := vault.AttemptStart{Generation: vault.AttemptAnyGeneration, RequestID: "r"}
	unreadExchange := vault.AttemptStart{Generation: 3, RequestID: "r", UnreadSince: now}
	settle := vault.AttemptStart{Generation: 3, Settle: true}
	closed, open := vault.Breaker{IntegrationID: "i", Opens: 1}, vault.Breaker{IntegrationID: "i", Open: true}
	never, before := time.Time{}, now.Add(-time.Microsecond)
	for _, test := range []struct {
		name     string
		start    vault.AttemptStart
		breaker  vault.Breaker
		lastRead time.Time
		attempts []vault.Attempt
		want     vault.AttemptOutcome
		inTheWay string
	}{
		{"never read", unread, vault.Breaker{}, never, nil, vault.BeginUnread, ""},
		{"read before", unread, vault.Breaker{}, before, nil, vault.BeginUnread, ""},
		{"read just then", unread, vault.Breaker{}, now, nil, vault.BeginStarted, ""},
		{"never read, not asked", refresh, vault.Breaker{}, never, nil, vault.BeginStarted, ""},
		{"unread probe", unreadProbe, open, never, nil, vault.BeginUnread, ""},
		{"read probe", unreadProbe, open, now, nil, vault.BeginStarted, ""},
		{"unread exchange", unreadExchange, vault.Breaker{}, never, nil, vault.BeginUnread, ""},
		{"no breaker", refresh, vault.Breaker{}, never, nil, vault.BeginStarted, ""},
		{"closed breaker", refresh, closed, never, nil, vault.BeginStarted, ""},
		{"open breaker", refresh, open, never, nil, vault.BeginSuspended, ""},
		{"open breaker, settling", settle, open, never, nil, vault.BeginSuspended, ""},
		{"open breaker, probe", probe, open, never, nil, vault.BeginStarted, ""},
		{"open breaker, exchange", exchange, open, never, nil, vault.BeginStarted, ""},
		{"open breaker, read", unread, open, now, nil, vault.BeginSuspended, ""},
		{"unread before suspended", unread, open, never, nil, vault.BeginUnread, ""},

		{"newer first", vault.AttemptStart{Generation: 2, UnreadSince: now}, open, never, nil, vault.BeginNewer, ""},
		{"replied first", unread, open, never, attempt(vault.AttemptReplied), vault.BeginReplied, "a"},
		{"late reply first", unread, open, never, lateReply, vault.BeginReplied, "a"},
		{"in flight first", unread, open, never, leased, vault.BeginInFlight, "a"},
		{"request in doubt first", unreadExchange, open, never, attempt(vault.AttemptInDoubt), vault.BeginInDoubt, "a"},
		{"unread before in doubt", unread, vault.Breaker{}, never, attempt(vault.AttemptInDoubt), vault.BeginUnread, ""},
		{"suspended before in doubt", refresh, open, never, attempt(vault.AttemptInDoubt), vault.BeginSuspended, ""},
		{"probe in doubt", probe, open, never, attempt(vault.AttemptInDoubt), vault.BeginInDoubt, "a"},
		{"unread before spent", unreadExchange, vault.Breaker{}, never, attempt(vault.AttemptDone), vault.BeginUnread, ""},
		{"spent, not suspended", exchange, open, never, attempt(vault.AttemptDone), vault.BeginSpent, "a"},
		{"lapsed, then suspended", refresh, open, never, attempt(vault.AttemptBegun), vault.BeginSuspended, ""},
	} {
		found := vault.Found{
			Connection: vault.Connection{ID: "c", Generation: 3}, Attempts: test.attempts, Breaker: test.breaker,
			LastRead: test.lastRead, Now: now,
		}
		got := vault.Decide(found, test.start)
		require.Equal(t, test.want, got.Outcome, test.name)
		require.Equal(t, test.inTheWay, got.InTheWay.ID, test.name)

		begun := got.Begun(found)
		require.Equal(t, "c", begun.Connection.ID, test.name)
		if test.want == vault.BeginStarted || test.want == vault.BeginSuspended {
			require.Equal(t, test.breaker, begun.Breaker, test.name)
		} else {
			require.Zero(t, begun.Breaker, test.name)
		}
	}
}

func TestBreakerOpens(t *testing.T) {
	t.Parallel()
	for cause, at := range map[vault.BreakerCause]int{
		vault.BreakerConfiguration: 3, vault.BreakerOutage: 5, vault.BreakerRefusals: 5,
	} {
		require.False(t, cause.Opens(at-1), cause)
		require.True(t, cause.Opens(at), cause)
		require.True(t, cause.Opens(at+1), cause)
	}
	require.False(t, vault.BreakerCause("other").Opens(1000))
}
