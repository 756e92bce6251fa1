package devserver

import (
	"io"
	"os"
	"strings"
	"sync"
)

const tailSize = 16 << 10

// tail is a writer that keeps the end of what was written.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

// tailOf reads the end of what was written to a file since from.
func tailOf(path string, from int64) string {
	f, err := os.Open(path) //nolint:gosec // a path below the caller's data directory
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	from = max(from, info.Size()-tailSize)
	raw, err := io.ReadAll(io.NewSectionReader(f, from, tailSize))
	if err != nil {
		return ""
	}
	return string(raw)
}

// lastLines is the last n lines of text, indented, for the end of an error.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	lines = lines[max(0, len(lines)-n):]
	return "  " + strings.Join(lines, "\n  ")
}
