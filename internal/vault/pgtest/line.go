package pgtest

import (
	"bytes"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// Line is a way to the database that can fall silent without being cut.
type Line struct {
	// URL leads to the database by the line.
	URL string

	mu    sync.Mutex
	calls []*call
}

// call is one connection.
type call struct {
	muted atomic.Bool
	// opening is the first that the client said: parameters of the session, in clear.
	opening atomic.Pointer[[]byte]
}

// NewLine puts a proxy before the database of a URL, until the test ends.
func NewLine(t testing.TB, databaseURL string) *Line {
	t.Helper()
	config, err := pgconn.ParseConfig(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Del("host")
	query.Del("port")
	query.Set("sslmode", "disable")
	u.Host, u.RawQuery = listener.Addr().String(), query.Encode()
	l := &Line{URL: u.String()}
	var running sync.WaitGroup
	ends := make(chan net.Conn, 1000)
	t.Cleanup(func() {
		_ = listener.Close()
		for {
			select {
			case end := <-ends:
				_ = end.Close()
			default:
				running.Wait()
				return
			}
		}
	})
	running.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			ends <- near
			far, err := net.Dial(pgconn.NetworkAddress(config.Host, config.Port))
			if err != nil {
				_ = near.Close()
				continue
			}
			ends <- far
			c := &call{}
			l.mu.Lock()
			l.calls = append(l.calls, c)
			l.mu.Unlock()
			running.Go(func() { c.carry(far, near, true) })
			running.Go(func() { c.carry(near, far, false) })
		}
	})
	return l
}

// carry copies until an end closes; what comes once the call is muted is dropped.
func (c *call) carry(to, from net.Conn, client bool) {
	defer func() { _ = to.Close() }()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if client && c.opening.Load() == nil {
			opening := bytes.Clone(buffer[:n])
			c.opening.Store(&opening)
		}
		if c.muted.Load() {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// Mute silences the connections that there are of an application, or all of them if its name is empty, and returns how
// many these are; new ones get through.
func (l *Line) Mute(application string) (muted int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		opening := c.opening.Load()
		if application != "" && (opening == nil || !bytes.Contains(*opening, []byte("application_name\x00"+application+"\x00"))) {
			continue
		}
		c.muted.Store(true)
		muted++
	}
	return muted
}
