// Package vaulttest is the conformance suite of vault.Store: what store.go and records.go say, as tests.
package vaulttest

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/vault"
)

// Database is an empty database of an engine. Its functions fail the test on any error.
type Database struct {
	// Open opens a Store, and closes it when the test ends. It may be called more than once.
	Open func(t *testing.T) vault.Store
	// Dump returns all that the tables hold, byte strings raw.
	Dump func(t *testing.T) string
}

// fixture is one test's store with a supply of distinct ids.
type fixture struct {
	*require.Assertions
	vault.Store
	ctx  context.Context
	t    *testing.T
	last int
}

func newFixture(t *testing.T, store vault.Store) *fixture {
	t.Helper()
	return &fixture{Assertions: require.New(t), Store: store, ctx: t.Context(), t: t}
}

// id gives a fresh id; ids of one fixture are in order.
func (f *fixture) id(prefix string) string {
	f.last++
	n := strconv.Itoa(f.last)
	return prefix + "-" + strings.Repeat("0", 4-len(n)) + n
}

// epoch is some moment, in the form in which stores return times.
func epoch() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC) }

// connection creates one in the given status and returns its id.
func (f *fixture) connection(status string) string {
	f.t.Helper()
	id := f.id("conn")
	f.NoError(f.CreateConnection(f.ctx, vault.Connection{ID: id, Owner: "acme", Connector: "sandbox", Status: status}))
	return id
}

// row reads a connection.
func (f *fixture) row(id string) vault.Connection {
	f.t.Helper()
	c, err := f.Connection(f.ctx, id)
	f.NoError(err)
	return c
}

// refresh is a start on any generation.
func (f *fixture) refresh(connectionID string) vault.AttemptStart {
	return vault.AttemptStart{
		ID: f.id("attempt"), ConnectionID: connectionID, Kind: "refresh",
		Generation: vault.AttemptAnyGeneration, Lease: time.Minute,
	}
}

// exchange is a start for an authorization request.
func (f *fixture) exchange(connectionID, requestID string) vault.AttemptStart {
	start := f.refresh(connectionID)
	start.Kind, start.RequestID = "exchange", requestID
	return start
}

// begin begins and expects an outcome.
func (f *fixture) begin(start vault.AttemptStart, want vault.AttemptOutcome) vault.Begun {
	f.t.Helper()
	begun, err := f.BeginAttempt(f.ctx, start)
	f.NoError(err)
	f.Equal(want, begun.Outcome)
	f.Equal(start.ConnectionID, begun.Connection.ID)
	return begun
}

// lapsed begins an attempt whose lease has run out already.
func (f *fixture) lapsed(start vault.AttemptStart, lease time.Duration) string {
	f.t.Helper()
	start.Lease = lease
	return f.begin(start, vault.BeginStarted).Attempt.ID
}

// inDoubt begins an attempt, sends it and leaves it in doubt.
func (f *fixture) inDoubt(start vault.AttemptStart) string {
	f.t.Helper()
	id := f.begin(start, vault.BeginStarted).Attempt.ID
	f.NoError(f.MarkSent(f.ctx, id))
	_, err := f.FailAttempt(f.ctx, id, vault.AttemptInDoubt, "reply_lost")
	f.NoError(err)
	return id
}

// attempt reads an attempt.
func (f *fixture) attempt(id string) vault.Attempt {
	f.t.Helper()
	a, err := f.Attempt(f.ctx, id)
	f.NoError(err)
	return a
}

// commit commits a token set on the row's present generation.
func (f *fixture) commit(connectionID, attemptID string) int64 {
	f.t.Helper()
	generation, err := f.CommitTokens(f.ctx, vault.TokenCommit{
		ConnectionID: connectionID, AttemptID: attemptID, FromGeneration: f.row(connectionID).Generation,
		AccessToken: []byte("sealed access"), RefreshToken: []byte("sealed refresh"), TokenType: "Bearer",
	})
	f.NoError(err)
	return generation
}

// link creates a link that lives for an hour from epoch.
func (f *fixture) link(connectionID string) []byte {
	f.t.Helper()
	hash := []byte(f.id("link"))
	f.NoError(f.CreateLink(f.ctx, vault.Link{
		Hash: hash, ConnectionID: connectionID, CreatedAt: epoch(), ExpiresAt: epoch().Add(time.Hour),
	}))
	return hash
}

// request is an authorization request of a browser, at epoch.
func (f *fixture) request(browser string) vault.AuthRequest {
	id := f.id("request")
	return vault.AuthRequest{
		ID: id, StateHash: []byte("state of " + id), BrowserHash: []byte(browser), Verifier: []byte("sealed verifier"),
		RedirectURI: "http://localhost/callback", CreatedAt: epoch(), ExpiresAt: epoch().Add(10 * time.Minute),
	}
}

// consent starts a consent and returns its request's id.
func (f *fixture) consent(connectionID string) string {
	f.t.Helper()
	r := f.request("browser")
	f.NoError(f.StartConsent(f.ctx, f.link(connectionID), r))
	return r.ID
}

// Run checks an engine against the contract. fresh makes an empty database for the test that it is given.
func Run(t *testing.T, fresh func(t *testing.T) Database) {
	t.Helper()
	for name, test := range map[string]func(f *fixture){
		"Connections/RoundTrip":            testConnectionRoundTrip,
		"Connections/OddValues":            testOddValues,
		"Connections/EmptyIsNone":          testEmptyIsNone,
		"Connections/TakesNoTokens":        testCreateTakesNoTokens,
		"Connections/Exists":               testConnectionExists,
		"Connections/NotFound":             testConnectionNotFound,
		"Connections/Import":               testImport,
		"Connections/ImportExists":         testImportExists,
		"Connections/ImportRace":           testImportRace,
		"Connections/List":                 testList,
		"Connections/ListLimits":           testListLimits,
		"Connections/ListLiving":           testListLiving,
		"Connections/SetStatus":            testSetStatus,
		"Connections/DisconnectedIsFinal":  testDisconnectedIsFinal,
		"Connections/SetIntegration":       testSetIntegration,
		"Connections/SetPolicy":            testSetPolicy,
		"Connections/EraseTwice":           testEraseTwice,
		"Connections/EraseOtherStatus":     testEraseOtherStatus,
		"Connections/Tombstones":           testTombstones,
		"Tokens/Commit":                    testCommit,
		"Tokens/CommitReplaces":            testCommitReplaces,
		"Tokens/CommitOfAnExchange":        testCommitOfAnExchange,
		"Tokens/CommitMergesInputs":        testCommitMergesInputs,
		"Tokens/CommitConflicts":           testCommitConflicts,
		"Tokens/CommitStrangeTexts":        testCommitStrangeTexts,
		"Tokens/CommitOtherAttempt":        testCommitOtherConnectionsAttempt,
		"Attempts/Life":                    testAttemptLife,
		"Attempts/Newer":                   testNewer,
		"Attempts/InFlight":                testInFlight,
		"Attempts/Replied":                 testReplied,
		"Attempts/LateReply":               testLateReply,
		"Attempts/LateReplyFails":          testLateReplyFails,
		"Attempts/LateReplyOfOlder":        testLateReplyOfOlderGeneration,
		"Attempts/LateReplyOfRequest":      testLateReplyOfRequest,
		"Attempts/LapsedUnsent":            testLapsedUnsent,
		"Attempts/LapsedSent":              testLapsedSent,
		"Attempts/LapsedReplied":           testLapsedReplied,
		"Attempts/Settle":                  testSettle,
		"Attempts/DoubtIsOfOneGeneration":  testDoubtIsOfOneGeneration,
		"Attempts/RequestSpent":            testRequestSpent,
		"Attempts/RequestInDoubt":          testRequestInDoubt,
		"Attempts/RequestSuperseded":       testRequestSuperseded,
		"Attempts/MarkSent":                testMarkSent,
		"Attempts/SaveReplyWhateverBecame": testSaveReplyWhateverBecame,
		"Attempts/Fail":                    testFail,
		"Attempts/RaiseFailures":           testRaiseFailures,
		"Attempts/NotFound":                testAttemptNotFound,
		"Attempts/Disconnected":            testBeginOnTombstone,
		"Attempts/Pruning":                 testPruning,
		"Refusals/Kept":                    testRefusalKept,
		"Refusals/Replaced":                testRefusalReplaced,
		"Refusals/StaysForOlder":           testRefusalStaysForOlder,
		"Refusals/Only":                    testRefusalOnly,
		"Refusals/ComesLate":               testRefusalComesLate,
		"Refusals/IsNotInTheWay":           testRefusalIsNotInTheWay,
		"Refusals/Pruned":                  testRefusalPruned,
		"Refusals/NotFound":                testRefusalNotFound,
		"Consents/LinkRoundTrip":           testLinkRoundTrip,
		"Consents/RequestRoundTrip":        testRequestRoundTrip,
		"Consents/StartTwice":              testStartTwice,
		"Consents/StartExpired":            testStartExpired,
		"Consents/StartExists":             testStartExists,
		"Consents/Consume":                 testConsume,
		"Consents/ConsumeCaptures":         testConsumeCaptures,
		"Consents/ConsumeCapturesNone":     testConsumeCapturesNone,
		"Consents/ConsumeCapturesMuch":     testConsumeCapturesMuch,
		"Consents/ConsumeExpired":          testConsumeExpired,
		"Consents/Finish":                  testFinish,
		"Consents/NotFound":                testConsentNotFound,
		"Consents/Hold":                    testHold,
		"Sessions/RoundTrip":               testSessionRoundTrip,
		"Sessions/Use":                     testSessionUse,
		"Sessions/UseOften":                testSessionUseOften,
		"Sessions/UseOnce":                 testSessionUseOnce,
		"Sessions/Open":                    testSessionOpen,
		"Sessions/Deleted":                 testSessionsDeleted,
		"Integrations/RoundTrip":           testIntegrations,
		"Integrations/Delete":              testDeleteIntegration,
		"Breakers/Count":                   testCountFailure,
		"Breakers/Distinct":                testCountDistinct,
		"Breakers/Causes":                  testCountCauses,
		"Breakers/Window":                  testBreakerWindow,
		"Breakers/OpenStays":               testOpenBreakerStays,
		"Breakers/Success":                 testCountSuccess,
		"Breakers/PassedOver":              testCountPassedOver,
		"Breakers/Probe":                   testClaimProbe,
		"Breakers/Failing":                 testFailingConnections,
		"Breakers/GoneWithConnection":      testFailuresGoWithConnection,
		"Breakers/Suspends":                testSuspended,
		"Breakers/OfTheRowsIntegration":    testBreakerOfTheRow,
		"Reads/Mark":                       testMarkRead,
		"Reads/PassedOver":                 testMarkPassedOver,
		"Waiters":                          testWaiters,
		"Waiters/Lapse":                    testWaitersLapse,
		"Waiters/PassedOver":               testWaitersPassedOver,
		"Reads/Many":                       testMarkMany,
		"Reads/Erased":                     testReadsErased,
		"Reads/Unread":                     testUnread,
		"Reads/UnreadAndSuspended":         testUnreadAndSuspended,
		"Reads/UnreadAndAlwaysFresh":       testUnreadAndAlwaysFresh,
		"Access/Row":                       testAccessRow,
		"Audit/RoundTrip":                  testHandouts,
		"Audit/PassedOver":                 testHandoutsPassedOver,
		"Audit/Kept":                       testHandoutsKept,
		"Audit/Delete":                     testDeleteHandouts,
		"Events/OfALife":                   testEventsOfALife,
		"Events/AroundAPause":              testEventsAroundAPause,
		"Events/OfAnEnd":                   testEventsOfAnEnd,
		"Events/OfNothing":                 testEventsOfNothing,
		"Events/OfAnUnknownEnd":            testEventsOfAnUnknownEnd,
		"Events/Filtered":                  testEventsFiltered,
		"Events/Claimed":                   testEventsClaimed,
		"Webhooks/RoundTrip":               testEndpoints,
		"Webhooks/List":                    testEndpointsListed,
		"Webhooks/DeadLetters":             testDeadLetters,
		"APIKeys/Life":                     testAPIKeys,
		"APIKeys/NotFound":                 testAPIKeyNotFound,
		"APIKeys/Access":                   testAPIKeyAccess,
		"APIKeys/Used":                     testAPIKeysUsed,
		"Idempotency/Life":                 testRequests,
		"Idempotency/Lapses":               testRequestLapses,
		"Idempotency/Delete":               testDeleteRequests,
		"Idempotency/Race":                 testRequestRace,
		"Connectors/RoundTrip":             testConnectors,
		"Connectors/OddValues":             testConnectorOddValues,
		"KeyChecks/FirstStays":             testKeyCheck,
		"Reconciliation/Unfinished":        testUnfinishedRequests,
		"Reconciliation/UnfinishedLimits":  testUnfinishedLimits,
		"Reconciliation/DeleteConsents":    testDeleteConsents,
		"Ping":                             testPing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newFixture(t, fresh(t).Open(t)))
		})
	}
	for name, test := range map[string]func(f *fixture, dump func(t *testing.T) string){
		"Connections/EraseLeavesNothing": testEraseLeavesNothing,
		"Refusals/LeaveNothing":          testRefusalLeavesNothing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := fresh(t)
			test(newFixture(t, database.Open(t)), database.Dump)
		})
	}
	t.Run("Close", func(t *testing.T) {
		t.Parallel()
		database := fresh(t)
		f := newFixture(t, database.Open(t))
		id := f.connection("active")
		f.Equal(id, newFixture(t, database.Open(t)).row(id).ID)
	})
}

func testPing(f *fixture) {
	f.NoError(f.Ping(f.ctx))
	cancelled, cancel := context.WithCancel(f.ctx)
	cancel()
	f.Error(f.Ping(cancelled))
}
