package pgtest

import (
	"bytes"
	"sync"
)

// serverLog keeps the beginning of what the server says, and sees when it is ready.
type serverLog struct {
	ready chan struct{}

	mu      sync.Mutex
	text    bytes.Buffer
	isReady bool
}

const mostLog = 64 << 10

func newServerLog() *serverLog { return &serverLog{ready: make(chan struct{})} }

// Write implements io.Writer.
func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p[:min(len(p), max(0, mostLog-l.text.Len()))])
	if !l.isReady && bytes.Contains(l.text.Bytes(), []byte("ready to accept connections")) {
		l.isReady = true
		close(l.ready)
	}
	return len(p), nil
}

// String is what the server said.
func (l *serverLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
