package devserver

import (
	"fmt"
	"io"
	"os"
)

// output is where a server's words go. A server that outlives us needs a file: a pipe would end with us, and the next
// word would end the server.
type output struct {
	writer io.Writer
	tail   func() string // the end of what this server said
	close  func()
}

const maxLogSize = 4 << 20

func openOutput(o Options) (output, error) {
	if o.DataDir == "" {
		t := new(tail)
		return output{writer: t, tail: t.String, close: func() {}}, nil
	}
	path := o.logFile()
	if info, err := os.Stat(path); err == nil && info.Size() > maxLogSize {
		if err := os.Rename(path, path+".old"); err != nil {
			return output{}, fmt.Errorf("turn the log over: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // below the data directory
	if err != nil {
		return output{}, fmt.Errorf("open the log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return output{}, fmt.Errorf("open the log: %w", err)
	}
	from := info.Size()
	return output{
		writer: f,
		tail:   func() string { return tailOf(path, from) },
		close:  func() { _ = f.Close() },
	}, nil
}
