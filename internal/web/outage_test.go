package web

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/workflows"
)

// TestTemporalAway: the code is kept, the person is told to wait, and the signal follows when Temporal is back.
func TestTemporalAway(t *testing.T) {
	t.Parallel()
	line := newLine(t)
	r := newRig(t, func(o *options) { o.temporal = line.address() })
	line.lead(r.TemporalAddress())
	id, link := r.create()
	b := r.browser()
	authorize := b.press(link)
	callback := b.consent(authorize, "allow")
	line.cut()
	result := b.back(callback)
	request := r.requestOf(authorize)
	require.NotZero(t, request.ConsumedAt)
	require.Empty(t, request.Outcome)
	code, err := r.Keys.Vault.OpenString(keyring.Code(request.ID), request.Code)
	require.NoError(t, err)
	require.Equal(t, query(t, callback).Get("code"), code.Reveal())
	require.Contains(t, b.get(result).body, "Connecting to Sandbox")
	require.Zero(t, r.TokenRequests("authorization_code"))

	line.mend()
	require.Contains(t, b.settled(result).body, "Connected to Sandbox")
	r.AwaitStatus(id, workflows.StatusActive)
	require.Equal(t, 1, r.TokenRequests("authorization_code"))
}

// TestCloseWhileTemporalIsAway runs alone, for it looks at all goroutines.
func TestCloseWhileTemporalIsAway(t *testing.T) { //nolint:paralleltest // see above
	r := newRig(t, func(o *options) { o.temporal = "127.0.0.1:9" })
	for range 3 {
		_, link := r.create()
		b := r.browser()
		b.back(b.consent(b.press(link), "allow"))
	}
	require.Equal(t, 3, signalling(t))
	began := time.Now()
	r.pages.Close()
	require.Less(t, time.Since(began), time.Second)
	require.Zero(t, signalling(t))
	r.pages.Close()
	r.pages.behind(func() { t.Error("nothing begins after Close") })
}

// signalling counts the goroutines that go on behind a callback.
func signalling(t *testing.T) int {
	t.Helper()
	var stacks bytes.Buffer
	require.NoError(t, pprof.Lookup("goroutine").WriteTo(&stacks, 2))
	count := 0
	for stack := range strings.SplitSeq(stacks.String(), "\n\n") {
		if strings.Contains(stack, "web.(*Server).signal.func") {
			count++
		}
	}
	return count
}

func TestVaultAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, link := r.create()
	b := r.browser()
	callback := b.consent(b.press(link), "allow")
	result := r.base + "/result/" + r.requestOf(callback).ID
	require.NoError(t, r.Vault.Close())
	for _, p := range []page{
		b.get(link), b.post(link, nil), b.get(callback), b.get(result), b.get(result + "/state"), b.post(result+"/again", nil),
	} {
		require.Equal(t, http.StatusServiceUnavailable, p.status, p.url)
		require.Contains(t, p.body, "reload this page in a moment")
		require.NotEmpty(t, p.header.Get("Retry-After"))
		require.Empty(t, p.location)
	}
	require.Zero(t, r.TokenRequests("authorization_code"))
}

// line is a TCP connection to Temporal that can be cut.
type line struct {
	t        *testing.T
	listener net.Listener

	mu    sync.Mutex
	to    string
	down  bool
	conns []net.Conn
	all   sync.WaitGroup
}

func newLine(t *testing.T) *line {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &line{t: t, listener: listener}
	l.all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			l.connect(conn)
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		l.cut()
		l.all.Wait()
	})
	return l
}

func (l *line) address() string { return l.listener.Addr().String() }

func (l *line) lead(to string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = to
}

func (l *line) connect(here net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		_ = here.Close()
		return
	}
	there, err := new(net.Dialer).Dial("tcp", l.to)
	if err != nil {
		_ = here.Close()
		return
	}
	l.conns = append(l.conns, here, there)
	for _, pair := range [][2]net.Conn{{here, there}, {there, here}} {
		l.all.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = pair[0].Close()
			_ = pair[1].Close()
		})
	}
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for _, conn := range l.conns {
		_ = conn.Close()
	}
	l.conns = nil
}

func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}
