package vaulttest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/acme/connections/internal/vault"
)

// crowd is how many goroutines contend.
const crowd = 32

// RunConcurrency checks what an engine promises to callers that come at the same time, half of them through one
// Store and half through another on the same database.
func RunConcurrency(t *testing.T, fresh func(t *testing.T) Database) {
	t.Helper()
	for name, test := range map[string]func(f *fixture, other vault.Store){
		"BeginAttempt":       testBeginRace,
		"BeginAfterLapse":    testLapseRace,
		"MarkSentOrLapse":    testMarkSentRace,
		"CommitTokens":       testCommitRace,
		"FailAttempt":        testFailRace,
		"ConsumeAuthRequest": testConsumeRace,
		"StartConsent":       testStartRace,
		"SetStatus":          testStatusRace,
		"KeyCheck":           testKeyCheckRace,
		"EraseOrConsent":     testEraseRace,
		"Mixed":              testMixedRace,
		"PutConnector":       testConnectorRace,
		"CountFailure":       testCountFailureRace,
		"CountSuccess":       testCountSuccessRace,
		"CountBoth":          testCountBothRace,
		"CountOrErase":       testCountOrEraseRace,
		"ClaimProbe":         testClaimProbeRace,
		"MarkRead":           testMarkReadRace,
		"MarkReadOrCommit":   testMarkReadOrCommitRace,
		"MarkReadOrErase":    testMarkReadOrEraseRace,
		"BeginOrOpen":        testBeginOrOpenRace,
		"RecordHandouts":     testHandoutsRace,
		"ClaimEvents":        testClaimRace,
		"EventOnce":          testEventRace,
		"Watch":              testWatch,
		"WatchMany":          testWatchMany,
		"WatchOnlyChanges":   testWatchOnlyChanges,
		"WatchEnds":          testWatchEnds,
		"WatchShared":        testWatchShared,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := fresh(t)
			test(newFixture(t, database.Open(t)), database.Open(t))
		})
	}
}

// race calls do in all goroutines at once, on alternating stores, and returns their errors in order.
func race(f *fixture, other vault.Store, do func(store vault.Store, i int) error) []error {
	errs := make([]error, crowd)
	start := make(chan struct{})
	var running sync.WaitGroup
	for i := range crowd {
		store := f.Store
		if i%2 == 1 {
			store = other
		}
		running.Go(func() {
			<-start
			errs[i] = do(store, i)
		})
	}
	close(start)
	running.Wait()
	return errs
}

// oneWinner expects one nil, and the same error for all others.
func (f *fixture) oneWinner(errs []error, others error) {
	f.t.Helper()
	winners := 0
	for _, err := range errs {
		if err == nil {
			winners++
			continue
		}
		f.ErrorIs(err, others)
	}
	f.Equal(1, winners)
}

// beginAll has everyone begin, and counts the outcomes.
func (f *fixture) beginAll(other vault.Store, starts []vault.AttemptStart) map[vault.AttemptOutcome]int {
	f.t.Helper()
	outcomes := make([]vault.AttemptOutcome, crowd)
	for _, err := range race(f, other, func(store vault.Store, i int) error {
		begun, err := store.BeginAttempt(f.ctx, starts[i])
		outcomes[i] = begun.Outcome
		return err
	}) {
		f.NoError(err)
	}
	count := map[vault.AttemptOutcome]int{}
	for _, outcome := range outcomes {
		count[outcome]++
	}
	return count
}

func (f *fixture) starts(connectionID string) []vault.AttemptStart {
	starts := make([]vault.AttemptStart, crowd)
	for i := range starts {
		starts[i] = f.refresh(connectionID)
	}
	return starts
}

func testBeginRace(f *fixture, other vault.Store) {
	id := f.connection("active")
	f.Equal(map[vault.AttemptOutcome]int{vault.BeginStarted: 1, vault.BeginInFlight: crowd - 1},
		f.beginAll(other, f.starts(id)))
}

func testLapseRace(f *fixture, other vault.Store) {
	id := f.connection("active")
	f.lapsed(f.refresh(id), 0)
	f.Equal(map[vault.AttemptOutcome]int{vault.BeginStarted: 1, vault.BeginInFlight: crowd - 1},
		f.beginAll(other, f.starts(id)))

	sent := f.connection("active")
	f.NoError(f.MarkSent(f.ctx, f.lapsed(f.refresh(sent), 0)))
	f.Equal(map[vault.AttemptOutcome]int{vault.BeginInDoubt: crowd}, f.beginAll(other, f.starts(sent)))
}

// testMarkSentRace: either the old attempt may send, or a new one begins; never both.
func testMarkSentRace(f *fixture, other vault.Store) {
	for range 10 {
		id := f.connection("active")
		old := f.lapsed(f.refresh(id), 0)
		starts := f.starts(id)
		outcomes := make([]vault.AttemptOutcome, crowd)
		errs := race(f, other, func(store vault.Store, i int) error {
			if i == 0 {
				return store.MarkSent(f.ctx, old)
			}
			begun, err := store.BeginAttempt(f.ctx, starts[i])
			outcomes[i] = begun.Outcome
			return err
		})
		started := 0
		for i := 1; i < crowd; i++ {
			f.NoError(errs[i])
			if outcomes[i] == vault.BeginStarted {
				started++
			}
		}
		if errs[0] == nil {
			f.Zero(started)
			f.Contains([]vault.AttemptState{vault.AttemptSent, vault.AttemptInDoubt}, f.attempt(old).State)
		} else {
			f.ErrorIs(errs[0], vault.ErrConflict)
			f.Equal(1, started)
			f.Equal(vault.AttemptSuperseded, f.attempt(old).State)
		}
	}
}

func testCommitRace(f *fixture, other vault.Store) {
	id := f.connection("active")
	attempt := f.begin(f.refresh(id), vault.BeginStarted).Attempt.ID
	errs := race(f, other, func(store vault.Store, i int) error {
		_, err := store.CommitTokens(f.ctx, vault.TokenCommit{
			ConnectionID: id, AttemptID: attempt, AccessToken: fmt.Append(nil, i), RefreshToken: fmt.Append(nil, i),
		})
		return err
	})
	f.oneWinner(errs, vault.ErrConflict)
	got := f.row(id)
	f.Equal(int64(1), got.Generation)
	f.Equal(got.AccessToken, got.RefreshToken, "from one set")
	f.Equal(vault.AttemptDone, f.attempt(attempt).State)
}

func testFailRace(f *fixture, other vault.Store) {
	id := f.connection("active")
	attempt := f.begin(f.refresh(id), vault.BeginStarted).Attempt.ID
	f.oneWinner(race(f, other, func(store vault.Store, _ int) error {
		_, err := store.FailAttempt(f.ctx, attempt, vault.AttemptFailed, "r")
		return err
	}), vault.ErrConflict)
	f.Equal(int64(1), f.row(id).Failures)
}

func testConsumeRace(f *fixture, other vault.Store) {
	request := f.consent(f.connection("pending"))
	f.oneWinner(race(f, other, func(store vault.Store, i int) error {
		return store.ConsumeAuthRequest(f.ctx, vault.Consumption{RequestID: request, At: epoch(), Code: fmt.Append(nil, i)})
	}), vault.ErrConsumed)
}

func testStartRace(f *fixture, other vault.Store) {
	link := f.link(f.connection("pending"))
	requests := make([]vault.AuthRequest, crowd)
	for i := range requests {
		requests[i] = f.request(fmt.Sprint("browser ", i))
	}
	f.oneWinner(race(f, other, func(store vault.Store, i int) error {
		return store.StartConsent(f.ctx, link, requests[i])
	}), vault.ErrConsumed)
	used, err := f.Link(f.ctx, link)
	f.NoError(err)
	for _, r := range requests {
		_, err := f.AuthRequest(f.ctx, r.ID)
		if string(r.BrowserHash) == string(used.BrowserHash) {
			f.NoError(err)
		} else {
			f.ErrorIs(err, vault.ErrNotFound)
		}
	}
}

func testStatusRace(f *fixture, other vault.Store) {
	id := f.connection("pending")
	for _, err := range race(f, other, func(store vault.Store, i int) error {
		return store.SetStatus(f.ctx, vault.StatusChange{ID: id, Status: fmt.Sprint(i + 1), Seq: int64(i + 1)})
	}) {
		f.NoError(err)
	}
	got := f.row(id)
	f.Equal(int64(crowd), got.StatusSeq)
	f.Equal(fmt.Sprint(crowd), got.Status)
}

func testKeyCheckRace(f *fixture, other vault.Store) {
	stored := make([]string, crowd)
	for _, err := range race(f, other, func(store vault.Store, i int) error {
		value, err := store.KeyCheck(f.ctx, "vault", fmt.Append(nil, "offer ", i))
		stored[i] = string(value)
		return err
	}) {
		f.NoError(err)
	}
	for _, value := range stored {
		f.Equal(stored[0], value)
	}
}

// testConnectorRace: what everyone puts is there, and whole.
func testConnectorRace(f *fixture, other vault.Store) {
	documents := map[string]bool{}
	for i := range crowd {
		documents[strings.Repeat(fmt.Sprint(i, " "), 10_000)] = true
	}
	all := slices.Collect(maps.Keys(documents))
	for _, err := range race(f, other, func(store vault.Store, i int) error {
		if i%4 == 3 {
			_, err := store.ConnectorDocuments(f.ctx)
			return err
		}
		return store.PutConnector(f.ctx, "c", []byte(all[i]))
	}) {
		f.NoError(err)
	}
	f.True(documents[string(f.document("c"))])
}

// testEraseRace: whatever is being started when the connection is erased, nothing of it stays.
func testEraseRace(f *fixture, other vault.Store) {
	id := f.connection("active")
	link := f.link(id)
	starts := f.starts(id)
	requests := make([]vault.AuthRequest, crowd)
	for i := range requests {
		requests[i] = f.request("browser")
	}
	for _, err := range race(f, other, func(store vault.Store, i int) error {
		switch i % 4 {
		case 0:
			return store.Erase(f.ctx, vault.StatusChange{ID: id, Status: "disconnected", Seq: 1}, epoch())
		case 1, 2:
			return store.StartConsent(f.ctx, link, requests[i])
		default:
			_, err := store.BeginAttempt(f.ctx, starts[i])
			return err
		}
	}) {
		if err != nil {
			f.Contains([]error{vault.ErrNotFound, vault.ErrConflict}, err)
		}
	}
	for i := range crowd {
		_, err := f.AuthRequest(f.ctx, requests[i].ID)
		f.ErrorIs(err, vault.ErrNotFound)
		_, err = f.Attempt(f.ctx, starts[i].ID)
		f.ErrorIs(err, vault.ErrNotFound)
	}
}

// testMixedRace: everyone runs whole cycles; nothing deadlocks, and the generation counts the commits.
func testMixedRace(f *fixture, other vault.Store) {
	id := f.connection("active")
	const rounds = 5
	starts := make([][]vault.AttemptStart, rounds)
	for round := range starts {
		starts[round] = f.starts(id)
	}
	commits := make([]int64, crowd)
	for _, err := range race(f, other, func(store vault.Store, i int) error {
		for round := range rounds {
			committed, err := cycle(f, store, starts[round][i], i%3 == 0)
			if err != nil {
				return err
			}
			commits[i] += committed
		}
		return nil
	}) {
		f.NoError(err)
	}
	var total int64
	for _, n := range commits {
		total += n
	}
	// One that failed may have been in everybody's way; nothing of it is left.
	committed, err := cycle(f, f.Store, f.refresh(id), false)
	f.NoError(err)
	f.EqualValues(1, committed)
	f.Equal(total+1, f.row(id).Generation)
}

// cycle is one refresh, if the attempt begins.
func cycle(f *fixture, store vault.Store, start vault.AttemptStart, fails bool) (commits int64, err error) {
	begun, err := store.BeginAttempt(f.ctx, start)
	if err != nil || begun.Outcome != vault.BeginStarted {
		return 0, err
	}
	if err := store.MarkSent(f.ctx, start.ID); err != nil {
		return 0, err
	}
	if err := store.SaveReply(f.ctx, start.ID, []byte("reply")); err != nil {
		return 0, err
	}
	if fails {
		_, err := store.FailAttempt(f.ctx, start.ID, vault.AttemptFailed, "r")
		return 0, err
	}
	commit := vault.TokenCommit{
		ConnectionID: start.ConnectionID, AttemptID: start.ID, FromGeneration: begun.Connection.Generation,
	}
	_, err = store.CommitTokens(f.ctx, commit)
	return 1, err
}
