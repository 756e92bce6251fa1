package e2e_test

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/config"
	"github.com/acme/connections/internal/sandbox"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

// frost is a fleet with one connection, whose first worker is to be frozen in the middle of a refresh.
type frost struct {
	*fleet
	frozen, other *machine
	// line is the first worker's to Temporal.
	line *relay
	id   string
}

func newFrost(t *testing.T, life time.Duration) *frost {
	t.Helper()
	f := newFleet(t, fleetOptions{life: life})
	line := newRelay(t, f.temporal.Address) // ends after its client
	s := &frost{fleet: f, line: line, frozen: f.newWorker("frozen"), other: f.newWorker("other")}
	s.frozen.env = []string{config.EnvTemporalAddress + "=" + line.Addr().String()}
	s.frozen.start()
	s.id = f.newConnection()
	f.await(s.id, func(row vault.Connection) bool { return row.Status == "active" })
	return s
}

// force asks for a refresh, and does not wait for it.
func (s *frost) force() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = s.client.Refresh(ctx, s.id)
	}()
	s.t.Cleanup(func() {
		cancel()
		<-done
	})
}

// freeze stops the first worker where it is. Temporal is told at once that it is gone, which it would notice after a minute
// (its keep-alive): until then it would hand tasks to the polls that are open, and wait for their time to run out.
func (s *frost) freeze() {
	s.t.Helper()
	s.frozen.signal(syscall.SIGSTOP)
	s.line.cut()
}

// first is what the vault knew of the first attempt to refresh.
func (s *frost) first() call {
	s.t.Helper()
	calls := s.audit.calls()
	require.NotEmpty(s.t, calls)
	return *calls[0]
}

// awaitFirst waits until the first attempt is as wanted.
func (s *frost) awaitFirst(wanted func(call) bool, what string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return wanted(s.first()) }, patience, 50*time.Millisecond, what)
}

// spent are the provider's sights of the refresh token of a generation.
func (s *frost) spent(generation int64) []sandbox.Presentation {
	s.t.Helper()
	for hash, of := range s.audit.refreshTokens() {
		if of.generation == generation {
			return s.presentations()[hash]
		}
	}
	require.Fail(s.t, "the vault never had such a generation", "%d", generation)
	return nil
}

// goesOn checks that the connection is well, that it was never lost, and that it is renewed.
func (s *frost) goesOn(generation int64) {
	s.t.Helper()
	row := s.await(s.id, func(row vault.Connection) bool { return row.Status == "active" && row.Generation > generation })
	require.True(s.t, s.accepted(row))
	require.Zero(s.t, s.audit.ever(string(workflows.ReasonRotationLost)))
	require.Zero(s.t, s.audit.ever(string(workflows.ReasonGrantRejected)))
	byToken := s.presentations()
	for hash := range s.audit.refreshTokens() {
		require.LessOrEqual(s.t, len(byToken[hash]), 1)
	}
}

// brake stops whoever is about to record that its first byte leaves, until it is released.
type brake struct {
	t    *testing.T
	conn *pgx.Conn
}

// brakeLock is the advisory lock that the trigger waits for.
const brakeLock = 4242

func (s *frost) brake() *brake {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), s.database.URL())
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(s.t.Context())) })
	b := &brake{t: s.t, conn: conn}
	b.exec(`
		CREATE FUNCTION audit.brake() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN PERFORM pg_advisory_xact_lock_shared(4242); RETURN NEW; END $$`)
	b.exec(`
		CREATE TRIGGER brake BEFORE UPDATE ON attempts FOR EACH ROW WHEN (OLD.state = 'begun' AND NEW.state = 'sent')
		EXECUTE FUNCTION audit.brake()`)
	b.exec(`SELECT pg_advisory_lock($1)`, brakeLock)
	return b
}

func (b *brake) exec(statement string, arguments ...any) {
	b.t.Helper()
	_, err := b.conn.Exec(b.t.Context(), statement, arguments...)
	require.NoError(b.t, err)
}

func (b *brake) release() {
	b.t.Helper()
	b.exec(`SELECT pg_advisory_unlock($1)`, brakeLock)
}

// awaitWaiting waits until as many wait for the brake.
func (b *brake) awaitWaiting(n int) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		var waiting int
		err := b.conn.QueryRow(b.t.Context(), `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`).Scan(&waiting)
		return err == nil && waiting == n
	}, patience, 20*time.Millisecond, "never %d at the brake", n)
}

// A worker that stands still in the middle of a refresh, past its lease, while another one goes on, and then wakes up.
// It spends no token twice and overwrites no newer set; what the provider gave it is kept.
func TestFreezeMidRefresh(t *testing.T) {
	t.Parallel()

	// The vault has said that the attempt is its own, and it does not know yet. The other worker must take it for sent:
	// it waits until the token is nearly spent, and presents the refresh token. The one that wakes up sends nothing.
	t.Run("before the first byte", func(t *testing.T) {
		t.Parallel()
		s := newFrost(t, 30*time.Second)
		b := s.brake()
		s.force()
		b.awaitWaiting(1)
		s.freeze()
		b.release()
		s.awaitFirst(func(c call) bool { return !c.sent.IsZero() }, "the frozen attempt is marked as sent")
		require.Empty(t, s.spent(1))

		s.other.start()
		s.await(s.id, func(row vault.Connection) bool { return row.Status == "active" && row.Generation == 2 })
		require.False(t, s.first().doubted.IsZero())
		require.Len(t, s.spent(1), 1)

		s.frozen.signal(syscall.SIGCONT)
		s.awaitLog(s.first().id, "an attempt failed")
		require.Len(t, s.spent(1), 1, "spent by the other one only")
		s.force()
		s.goesOn(2)
	})

	// It has asked the vault, which has not answered: nothing can have been sent, so that the other worker goes ahead as
	// soon as the lease is over.
	t.Run("before the mark", func(t *testing.T) {
		t.Parallel()
		s := newFrost(t, 60*time.Second)
		b := s.brake()
		s.force()
		b.awaitWaiting(1)
		s.freeze()
		b.awaitWaiting(0) // the database gives up (lock_timeout)
		b.release()
		require.True(t, s.first().sent.IsZero())

		s.other.start()
		s.await(s.id, func(row vault.Connection) bool { return row.Status == "active" && row.Generation == 2 })
		require.Equal(t, string(vault.AttemptSuperseded), s.first().state)
		require.Len(t, s.spent(1), 1)

		s.frozen.signal(syscall.SIGCONT)
		s.awaitLog(s.first().id, "an attempt failed")
		require.Len(t, s.spent(1), 1, "spent by the other one only")
		s.force()
		s.goesOn(2)
	})

	// The provider has committed and answered, and nobody has read it. The other worker finds the outcome in doubt, and
	// protects what works; the one that wakes up brings the reply home.
	t.Run("before the reply is stored", func(t *testing.T) {
		t.Parallel()
		s := newFrost(t, 60*time.Second)
		s.answerUnread()
		s.frozen.signal(syscall.SIGCONT)
		row := s.await(s.id, func(row vault.Connection) bool { return row.Generation == 2 })
		require.True(t, s.accepted(row))
		require.Len(t, s.spent(1), 1)
		s.goesOn(1)
		status, err := s.client.Status(t.Context(), s.id)
		require.NoError(t, err)
		require.Equal(t, "active", status.Status, "the workflow knows it too")
		require.GreaterOrEqual(t, status.Generation, int64(2))
	})

	// The same, but a person has reconnected meanwhile: the newer set wins.
	t.Run("overtaken by a new consent", func(t *testing.T) {
		t.Parallel()
		s := newFrost(t, 60*time.Second)
		s.answerUnread()
		view, err := s.client.Reconnect(t.Context(), s.id)
		require.NoError(t, err)
		b := newBrowser(t).open(*view.ConnectURL)
		require.Contains(t, b.page, "Reconnect to Sandbox")
		b.submit().submit("username", "demo", "password", "demo").submit("decision", "allow")
		newer := s.await(s.id, func(row vault.Connection) bool { return row.Status == "active" && row.Generation == 2 })

		s.frozen.signal(syscall.SIGCONT)
		s.awaitFirst(func(c call) bool { return !c.replied.IsZero() }, "the frozen worker keeps its reply")
		now := s.await(s.id, func(vault.Connection) bool { return true })
		require.Equal(t, newer.Generation, now.Generation)
		require.Equal(t, newer.AccessToken, now.AccessToken, "the newer set stays")
		s.force()
		s.goesOn(2)
	})
}

// answerUnread freezes the worker between the provider's answer to a refresh and its own look at it, and returns when
// the other worker has found that the outcome is in doubt.
func (s *frost) answerUnread() {
	s.t.Helper()
	require.NoError(s.t, s.provider.SetFaults(sandbox.Faults{Grant: "refresh_token", Delay: 2 * time.Second, Count: 1}))
	s.force()
	require.Eventually(s.t, func() bool { return len(s.spent(1)) == 1 }, patience, 10*time.Millisecond, "the provider has the request")
	s.freeze()
	require.Eventually(s.t, func() bool { return s.spent(1)[0].Outcome == sandbox.OutcomeIssued }, patience, 10*time.Millisecond, "the provider has answered")
	require.True(s.t, s.first().replied.IsZero(), "frozen in time")
	s.other.start()
	s.await(s.id, func(row vault.Connection) bool {
		return row.Status == "degraded" && row.Reason == string(workflows.ReasonReplyLost)
	})
	require.False(s.t, s.first().doubted.IsZero())
}

// awaitLog waits for a line of the processes' log with all of these.
func (f *fleet) awaitLog(parts ...string) {
	f.t.Helper()
	require.Eventually(f.t, func() bool {
		for line := range strings.Lines(f.log.String()) {
			found := true
			for _, part := range parts {
				found = found && strings.Contains(line, part)
			}
			if found {
				return true
			}
		}
		return false
	}, patience, 20*time.Millisecond, "nobody says %q", parts)
}
